"""Reads the viewer's databases: each reader has a connection of its own and a deadline."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shared.errors import DarnerError

DEADLINE_S = 5.0
AT_ONCE = 4
"""Maximum readers at the same time; more wait for their turn."""
_CHECK_EVERY = 10_000
"""SQLite's instructions between two checks of the clock: a fraction of a millisecond."""


class Unavailable(DarnerError):  # noqa: N818 - an answer, not a failure
    """There is no history to read, or reading took too long."""


class Database:
    """One database file that another connection writes.

    Args:
        path: The file; None where nothing is stored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read."""
        return self._path is not None and self._path.is_file()

    @contextmanager
    def reading(self, deadline_s: float = DEADLINE_S) -> Iterator[sqlite3.Connection]:
        """A connection whose queries all see the same state of the database.

        Raises:
            Unavailable: Nothing is stored here, it cannot be opened, or the queries took too long.
        """
        if self._path is None:
            raise Unavailable("this viewer stores no history (history.path is null)")
        begin = time.monotonic()
        if not self._turns.acquire(timeout=deadline_s):
            raise Unavailable("too many requests read the history at once; try again")
        try:
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None)) as db:
                db.set_progress_handler(lambda: time.monotonic() - begin > deadline_s, _CHECK_EVERY)
                db.execute("BEGIN")
                yield db
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise Unavailable(
                    f"reading took longer than {deadline_s:.0f} s; ask for a shorter range"
                ) from None
            raise Unavailable(f"the history cannot be read: {error}") from None
        finally:
            self._turns.release()
