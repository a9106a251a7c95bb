"""Logging for all of Darner's processes: one line an event, to standard error."""

from __future__ import annotations

import logging
import re
import sys
import threading

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def setup(level: str = "INFO") -> None:
    """Send log lines of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def redact(url: str) -> str:
    """A URL without its user name and password: safe to log and to publish."""
    return _CREDENTIALS.sub("", url)


class Once:
    """Lets the first message of each key through, so that a bad sender cannot fill the log.

    Args:
        limit: Keys remembered; past that everything is quiet.
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
