"""Why the database does not work now: said once, and once more when it works again."""

from __future__ import annotations

import logging
import threading

import psycopg

from viewer_server.archive.database import Place, hopeless, reason

log = logging.getLogger("darner.archive")

_CURES = {
    "53100": "make room on the server's disk",
    "53300": "raise the server's max_connections",
    "25006": "name the server that can be written to: target_session_attrs=read-write in database.url",
    "42501": "grant the archive's user what docs/how-to/archive.md says",
    "42P01": "its tables were removed; start the archive again, which makes new ones",
    "57P03": "it starts or stops",
}


class Troubles:
    """Logs why the database cannot be used; events wait at their nodes meanwhile.

    Args:
        at: The database.
    """

    def __init__(self, at: Place) -> None:
        self._at = at
        self._kinds: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, who: str, error: psycopg.Error) -> None:
        """Something did not work for one of those who use the database."""
        cure = _CURES.get(error.sqlstate or "") or hopeless(error)
        kind = error.sqlstate or type(error).__name__
        with self._lock:
            said = kind in self._kinds.values()
            self._kinds[who] = kind
        if not said:
            log.warning(
                "%s: %s%s; events are not acknowledged meanwhile, so nodes keep them. Trying again",
                self._at.shown,
                reason(error),
                f"; {cure}" if cure else "",
            )

    def over(self, who: str) -> None:
        """It has worked: not only a connection, which a server gives that can write nothing."""
        with self._lock:
            ended = self._kinds.pop(who, None) is not None and not self._kinds
        if ended:
            log.warning("%s: works again", self._at.shown)
