"""Logging for all of Darner's programs: one line for each event, to standard error."""

from __future__ import annotations

import datetime
import logging
import re
import sys
import threading
from typing import Literal

import orjson

Format = Literal["text", "json"]

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def setup(level: str = "INFO", form: Format = "text") -> None:
    """Send log lines of `level` and above to standard error, as text or as one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(_Json() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Json(logging.Formatter):
    """Time in UTC (RFC 3339), level, logger, message, thread, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        entry = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "thread": record.threadName,
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry).decode()


def redact(url: str) -> str:
    """A URL without its user name and password: safe to log and to publish."""
    return _CREDENTIALS.sub("", url)


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
