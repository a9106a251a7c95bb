"""Logging for all of Darner's programs: one line for each event, to standard error, without secrets."""

from __future__ import annotations

import datetime
import logging
import sys
import threading
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TextIO

import orjson

from shared.secrets.redact import redact

Format = Literal["text", "json"]

log = logging.getLogger("darner")


def setup(level: str = "INFO", form: Format = "text") -> None:
    """Send log lines of `level` and above to standard error, as text or as one JSON object a line.

    The traceback of an error that nobody handles is logged, too: Python itself would print it as it is.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda ended: _log_uncaught(
            ended.exc_type, ended.exc_value, ended.exc_traceback
        )


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: types.TracebackType | None
) -> None:
    if issubclass(kind, (KeyboardInterrupt, SystemExit)):
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error or kind(), trace)
        return
    log.critical("an error that nothing handles", exc_info=(kind, error or kind(), trace))


if TYPE_CHECKING:
    _Stream = logging.StreamHandler[TextIO]
else:  # Python 3.10 knows no parameter of it
    _Stream = logging.StreamHandler


class _Handler(_Stream):
    """Writes lines. Python itself would print the arguments of a call that fails, with their secrets."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class calls it so
        """Say which call failed, and why."""
        with suppress(OSError, ValueError):  # standard error is closed: nobody can be told
            print(
                f"a log line of {record.name} ({record.filename}:{record.lineno}) cannot be written: "
                f"{redact(repr(sys.exc_info()[1]))}",
                file=self.stream,
            )


class _Text(logging.Formatter):
    """Time, level, logger and message in a line, and the traceback below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Json(logging.Formatter):
    """Time in UTC (RFC 3339), level, logger, message, thread, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        entry = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _shown(record.getMessage()),
            "thread": record.threadName,
        }
        if record.exc_info:
            entry["error"] = _shown(self.formatException(record.exc_info))
        return orjson.dumps(entry).decode()


def _shown(text: str) -> str:
    """A text without secrets that JSON can hold: the name of a file may not be UTF-8."""
    return redact(text).encode(errors="backslashreplace").decode()


class Once:
    """Lets only the first message of each key through, so that a bad sender cannot fill the log.

    Args:
        limit: Most keys; once they are used up, no new key gets through.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, key: str) -> bool:
        """True the first time `key` is seen."""
        with self._lock:
            if key in self._seen or len(self._seen) >= self._limit:
                return False
            self._seen.add(key)
            return True
