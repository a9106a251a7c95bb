"""A real mail server (aiosmtpd) that keeps what it is sent."""

from __future__ import annotations

import email
import email.message
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller

from tests.conftest import free_port


@dataclass
class Mailbox:
    """What has arrived.

    Attributes:
        port: Where it listens.
        mails: Each mail, in the order of arrival.
        hold: Set while mails are accepted; the server hangs while it is cleared.
    """

    port: int = 0
    mails: list[email.message.EmailMessage] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address for Apprise."""
        return f"mailto://127.0.0.1:{self.port}?from=darner@example.com&to=guard@example.com"

    def text(self, number: int) -> str:
        """The text of a mail."""
        body = self.mails[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    def pictures(self, number: int) -> list[bytes]:
        """The pictures that are attached to a mail."""
        found = [part for part in self.mails[number].walk() if part.get_content_type() == "image/jpeg"]
        return [part.get_content() for part in found]


@contextmanager
def mailbox(port: int = 0) -> Iterator[Mailbox]:
    """A mail server that runs."""
    box = Mailbox(port or free_port())
    box.hold.set()

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
            import asyncio

            while not box.hold.is_set():
                await asyncio.sleep(0.05)
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, email.message.EmailMessage)
            box.mails.append(mail)
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        box.hold.set()
        controller.stop()
