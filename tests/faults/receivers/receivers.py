"""A web server and a mail server that get alerts, can be down, and can misbehave."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.conftest import free_port
from tests.faults.judges.alerts import Got
from tests.viewer_server.notify.mailbox import Mailbox, mailbox
from tests.viewer_server.notify.receiver import SECRET, Receiver, answer, garbage, receiving

TIMEOUT_S = 3.0
RULES = {
    "cross": {
        "when": {"trigger": "event", "events": ["line_crossed"]},
        "cooldown_s": 3,
        "severity": "critical",
    },
    "visit": {
        "when": {"trigger": "event", "events": ["zone_entered"]},
        "cooldown_s": 8,
        "picture": "frame",
        "notify": ["hook"],
    },
}
"""The edge's rules: about 50 alerts a minute on two cameras."""


class Receivers:
    """Both receivers; `with` starts and ends them.

    Args:
        folder: For the file of the webhook's key.

    Attributes:
        dark: From when until when the edge or the viewer was dead, seconds since 1970.
        down_s: From when until when the receivers were down.
    """

    def __init__(self, folder: Path) -> None:
        self._key_file = folder / "webhook-key"
        self._hook_port, self._mail_port = free_port(), free_port()
        self._hooks: list[Receiver] = []
        self._boxes: list[Mailbox] = []
        self._stack = ExitStack()
        self.dark: list[tuple[float, float]] = []
        self.down_s: tuple[float, float] | None = None

    def __enter__(self) -> Receivers:
        self._key_file.write_text(SECRET)
        self.up()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def settings(self) -> tuple[str, ...]:
        """Settings of the viewer."""
        mail = Mailbox(self._mail_port)
        return (
            "notify.targets.hook.kind=webhook",
            f"notify.targets.hook.url=http://127.0.0.1:{self._hook_port}/hook",
            f"notify.targets.hook.secret_file={self._key_file}",
            f"notify.targets.hook.timeout_s={TIMEOUT_S}",
            "notify.targets.mail.kind=apprise",
            f"notify.targets.mail.url={mail.url}",
            "notify.targets.mail.body={event_id} {late}\n{more}",
        )

    def up(self) -> None:
        """Start both."""
        self._hooks.append(self._stack.enter_context(receiving(self._hook_port)))
        self._boxes.append(self._stack.enter_context(mailbox(self._mail_port)))

    def down(self) -> None:
        """End both: connections are refused."""
        self._stack.close()
        self._stack = ExitStack()

    @contextmanager
    def mad(self, dice: random.Random) -> Iterator[None]:
        """Let the web server answer every other request wrongly or late; the mail server hangs."""

        def behave(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
            [choice] = dice.choices(["fine", "500", "429", "late", "garbage"], [5, 2, 1, 1, 1])
            if choice == "late":
                time.sleep(TIMEOUT_S + 1)
            does = {"500": answer(500), "429": answer(429, Retry_After="2"), "garbage": garbage}
            does.get(choice, answer(204))(handler, body)

        self._hooks[-1].behave = behave
        self._boxes[-1].hold.clear()
        try:
            yield
        finally:
            self._hooks[-1].behave = None
            self._boxes[-1].hold.set()

    def got(self) -> dict[str, list[Got]]:
        """What each has got, in the order of arrival."""
        hooks = [Got.from_hook(*one) for hook in self._hooks for one in hook.got]
        mails = [
            Got.from_mail(box.text(number), box.pictures(number))
            for box in self._boxes
            for number in range(len(box.mails))
        ]
        return {"hook": hooks, "mail": mails}
