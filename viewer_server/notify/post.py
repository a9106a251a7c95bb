"""`python -m viewer_server.notify.post`: hands one message to Apprise, in a process of its own.

Apprise waits for its libraries, some of which can wait for ever, and threads cannot be ended: a process can.
The viewer itself stays 40 MB smaller. The job is one JSON object on standard input, because the list of
processes shows arguments to everybody, and the answer is one on standard output.
"""

from __future__ import annotations

import base64
import logging
import re
import resource
import signal
import sys
import warnings
from dataclasses import dataclass
from typing import Literal

import msgspec

from shared import typed

MOST_LINES = 10
REASONS = ("Socket Exception:", "Response Details:")
"""How lines begin, of any level, that say why a message was not taken."""
MOST_BYTES = 256 * 1024 * 1024
"""Memory that the process may have: Apprise reads an answer to its end, and a receiver may never end it."""
_REQUEST = re.compile(
    r"HTTPS?ConnectionPool\(.*with url: .* \(Caused by \w+\([\"']?(?:\w+\([^)]*\): )?(.*?)[\"']?\)\)",
    re.DOTALL,
)
"""How a connection's error names the whole request, with the path, before its cause."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done.

    Attributes:
        url: Apprise's address.
        timeout_s: After so many seconds the process is ended; None: only look whether the address is known.
        kind: How the message looks where a service makes a difference.
        jpeg: A picture in base64.
        name: The picture's name.
    """

    url: str
    timeout_s: float | None = None
    title: str = ""
    body: str = ""
    kind: Literal["info", "warning", "failure"] = "info"
    jpeg: str | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of it.

    Attributes:
        known: Whether Apprise knows the address.
        accepted: Whether the service has taken the message.
        said: What Apprise's log said, with secrets.
    """

    known: bool = True
    accepted: bool = False
    said: str = ""


class _Lines(logging.Handler):
    """Keeps what is logged of failures."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if len(self.lines) < MOST_LINES and (record.levelno >= logging.WARNING or line.startswith(REASONS)):
            self.lines.append(_REQUEST.sub(r"\1", line))


def done(job: Job) -> Done:
    """Do a job."""
    warnings.simplefilter("ignore")  # some plug-ins import modules that Python will drop
    import apprise
    from apprise.attachment.memory import AttachMemory

    log, lines = logging.getLogger("apprise"), _Lines()
    log.addHandler(lines)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    asset = apprise.AppriseAsset(
        async_mode=False,
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        app_id="Darner",
        app_desc="Darner",
        app_url="",
        http_redirects=False,  # whoever answers for a receiver must not choose another one
    )
    services = apprise.Apprise(asset=asset)
    if not services.add(job.url):
        return Done(known=False, said="; ".join(lines.lines))
    if job.timeout_s is None:
        return Done()
    signal.setitimer(signal.ITIMER_REAL, job.timeout_s)  # without a handler: the process ends
    attach = None
    if job.jpeg is not None:
        jpeg = base64.b64decode(job.jpeg)
        attach = AttachMemory(jpeg, job.name, "image/jpeg")  # type: ignore[no-untyped-call]  # it has no types
    try:
        accepted = services.notify(
            body=job.body, title=job.title, notify_type=job.kind, body_format="text", attach=attach
        )
    except Exception as error:  # noqa: BLE001 - of a hundred plug-ins, which may raise anything
        return Done(said=f"{type(error).__name__}: {error}")
    return Done(accepted=bool(accepted), said="; ".join(lines.lines))


def main() -> int:
    """Read a job, do it, and write what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    found = done(typed.decode(sys.stdin.buffer.read(), Job))
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(found) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
