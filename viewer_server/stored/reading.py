"""Reads the viewer's databases: each reader has a connection of its own and a deadline."""

from __future__ import annotations

import math
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
EXPORTS_AT_ONCE = 2
"""The same for downloads, which have turns of their own: pages do not wait for them."""
EXPORT_TURN_S = 60.0
"""How long a download that has begun waits for its next turn: it would end in the middle otherwise."""
NO_HISTORY = "this viewer keeps no history (history.path is null): ask one that does, or set history.path"
_CHECK_EVERY = 10_000
"""SQLite's instructions between two checks of the clock: a fraction of a millisecond."""


class Unavailable(DarnerError):  # noqa: N818 - an answer, not a failure
    """There is no history to read, or reading took too long."""


class Reader(sqlite3.Connection):
    """A connection that reads until a deadline."""

    ends_s = math.inf

    def check(self) -> None:
        """Look at the clock. SQLite looks only within a statement that is long, not between many short ones.

        Raises:
            sqlite3.OperationalError: It is too late.
        """
        if time.monotonic() > self.ends_s:
            raise sqlite3.OperationalError("interrupted: the deadline has passed")


class Database:
    """One database file that another connection writes.

    Args:
        path: The file; None where nothing is stored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._export_turns = threading.BoundedSemaphore(EXPORTS_AT_ONCE)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read."""
        return self._path is not None and self._path.is_file()

    @contextmanager
    def reading(
        self, deadline_s: float = DEADLINE_S, *, export: bool = False, turn_s: float | None = None
    ) -> Iterator[Reader]:
        """A connection whose queries all see the same state of the database.

        Args:
            deadline_s: How long all queries together may take, seconds.
            export: Whether this is for a download.
            turn_s: How long to wait for a turn, seconds; by default as long as the queries may take.

        Raises:
            Unavailable: Nothing is stored here, it cannot be opened, or the queries took too long.
        """
        if self._path is None:
            raise Unavailable(NO_HISTORY)
        turns = self._export_turns if export else self._turns
        begin = time.monotonic()
        if not turns.acquire(timeout=deadline_s if turn_s is None else turn_s):
            raise Unavailable("too many requests read the history at once; try again")
        try:
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(
                sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None, factory=Reader)
            ) as db:
                ends_s = db.ends_s = (begin if turn_s is None else time.monotonic()) + deadline_s
                db.set_progress_handler(lambda: time.monotonic() > ends_s, _CHECK_EVERY)
                db.execute("BEGIN")
                yield db
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise Unavailable(
                    f"reading took longer than {deadline_s:.0f} s; ask for a shorter range"
                ) from None
            raise Unavailable(f"the history cannot be read: {error}") from None
        finally:
            turns.release()
