"""Archives: who stores events elsewhere, how far each archive has come, and whether it answers.

An archive lacks an event when the outbox holds the event and the archive has not stored it. An archive is
stalled when it makes no progress for `wait_s` and still lacks an event that was held when that wait began.
Each line says what leads from one state to another, and what the outbox then sends the archive:

    answering -- speaks --------------------> answering
    answering -- speaks in a new session ---> returned
    answering -- is stalled ----------------> waiting    all that it lacks; the wait starts over
    waiting   -- speaks --------------------> answering
    waiting   -- speaks in a new session ---> returned
    waiting   -- is stalled ----------------> silent     a few of the events that it lacks; the wait doubles
    silent    -- speaks --------------------> returned
    silent    -- is stalled ----------------> silent     as above
    returned  -- lacks events --------------> waiting    all that it lacks, at once
    returned  -- lacks nothing -------------> answering

An archive that has spoken is running; its acknowledgement may only be late. A silent archive is probably
down, and must not slow down the others. An archive that was down lacks the events made meanwhile. A new
session also shows that an archive was down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

MAX_ARCHIVES = 32
"""The most archives that count at a time. Events are kept for each, so a stranger must not invent many."""
NOTED_US = 60_000_000
"""How often the time at which an archive last spoke is written to disk, microseconds."""


class State(Enum):
    """What an archive has done since the outbox last sent it events again."""

    ANSWERING = "answering"
    WAITING = "waiting"
    SILENT = "silent"
    RETURNED = "returned"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an archive may make no progress before the outbox sends it events again, seconds.

    Attributes:
        first_s: The wait after progress, and after an answering archive was sent events again.
        most_s: The longest wait; waits for a silent archive double up to this.
    """

    first_s: float = 3.0
    most_s: float = 60.0


PATIENCE = Patience()


@dataclass
class Archive:
    """One archive.

    Attributes:
        name: The archive's own name, which stays the same when it restarts.
        heard_us: When the archive last spoke, microseconds UTC.
        wait_s: How long it may make no progress before it is stalled, seconds.
        marks: For each boot, the number up to which the archive has stored all events.
        state: See the table above.
        session: The archive's session when it last spoke; empty until it speaks.
        since: When the current wait for progress began, monotonic seconds.
        through: Id of the newest event when that wait began.
    """

    name: str
    heard_us: int
    wait_s: float
    marks: dict[str, int] = field(default_factory=dict)
    state: State = State.WAITING
    session: str = ""
    since: float = 0.0
    through: int = 0

    def speak(self, session: str) -> None:
        """Record that the archive spoke, and in which of its sessions."""
        restarted = self.session not in ("", session)
        away = self.state in (State.SILENT, State.RETURNED)
        self.state = State.RETURNED if restarted or away else State.ANSWERING
        self.session = session

    def wait(self, now: float, through: int, wait_s: float | None = None) -> None:
        """Begin to wait for progress. The wait is as long as the last one unless `wait_s` is given."""
        self.since, self.through = now, through
        self.wait_s = wait_s or self.wait_s


class Archives:
    """All archives that count: an event is safe when each of them has stored it. For one thread at a time.

    Args:
        patience: How long each archive may make no progress.

    Attributes:
        changed: Whether there is something to write to disk.
    """

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.patience = patience
        self._known: dict[str, Archive] = {}
        self.changed = False

    def __iter__(self) -> Iterator[Archive]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def restore(self, heard: Sequence[tuple[str, int]], marks: Sequence[tuple[str, str, int]]) -> None:
        """Restore what the last run wrote to disk.

        Args:
            heard: Name of each archive, and when it last spoke, microseconds UTC.
            marks: Name, boot and number of each mark.
        """
        self._known = {name: Archive(name, heard_us, self.patience.first_s) for name, heard_us in heard}
        for name, boot, number in marks:
            if name in self._known:
                self._known[name].marks[boot] = number

    def hear(self, name: str, at_us: int, session: str = "") -> Archive | None:
        """Note that an archive spoke.

        Args:
            name: What the archive calls itself.
            at_us: When it spoke, microseconds UTC.
            session: The archive's session.

        Returns:
            The archive; None when it is new and there are too many already.
        """
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= MAX_ARCHIVES:
                return None
            known = self._known[name] = Archive(name, at_us, self.patience.first_s)
            self.changed = True
        elif at_us > known.heard_us:
            # Written to disk once a minute, and whenever something else is written.
            self.changed |= at_us // NOTED_US != known.heard_us // NOTED_US
            known.heard_us = at_us
        known.speak(session)
        return known

    def mark(self, archive: Archive, boot: str, number: int, boots: Collection[str]) -> bool:
        """Note what an archive has stored.

        Args:
            archive: One of these archives.
            boot: The boot that the number is about.
            number: The archive has stored the boot's events up to this number.
            boots: The boots whose events are held. Marks of other boots are forgotten.

        Returns:
            Whether the archive has made progress.
        """
        if boot not in boots or number <= archive.marks.get(boot, 0):
            return False
        archive.marks = {one: mark for one, mark in archive.marks.items() if one in boots} | {boot: number}
        self.changed = True
        return True

    def stored(self, boot: str) -> int:
        """The number up to which every archive has a boot's events."""
        return min((archive.marks.get(boot, 0) for archive in self._known.values()), default=0)

    def expire(self, before_us: int) -> list[Archive]:
        """Forget the archives that last spoke before `before_us`, and return them."""
        gone = [archive for archive in self._known.values() if archive.heard_us < before_us]
        for archive in gone:
            self.forget(archive.name)
        return gone

    def forget(self, name: str) -> bool:
        """Stop counting an archive; False if it did not count before."""
        known = self._known.pop(name, None) is not None
        self.changed |= known
        return known
