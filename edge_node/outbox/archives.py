"""Who stores events elsewhere: how far each archive has come, and since when it makes no progress."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

MAX_ARCHIVES = 32
"""Heard of at a time; each one holds back what is deleted, so a stranger must not make any number of them."""
PATIENCE_S = 3.0
"""Without progress of an archive, events are sent again after this long, then less often: it may be away."""
MAX_PATIENCE_S = 60.0
NOTED_US = 60_000_000
"""How often it is written down that an archive is there."""


@dataclass
class Archive:
    """One of them.

    Attributes:
        name: What it calls itself, the same over its restarts.
        heard_us: When it was last heard of, microseconds UTC.
        marks: By boot: everything up to this number is stored.
        since: When it last came further, or was sent events again; monotonic seconds.
        through: The newest event of that moment.
        wait_s: Without progress, it is sent events again after this long.
        heard: Whether it said anything since it was.
        session: Its run of then; with another it was away, and lacks what came meanwhile.
        silent: Whether it did not answer to that.
    """

    name: str
    heard_us: int
    marks: dict[str, int] = field(default_factory=dict)
    since: float = 0.0
    through: int = 0
    wait_s: float = PATIENCE_S
    heard: bool = False
    silent: bool = False
    session: str = ""

    def wait(self, now: float, through: int, wait_s: float | None = None) -> None:
        """Begin to wait for progress."""
        self.since, self.through = now, through
        self.wait_s = wait_s or self.wait_s


class Archives:
    """All that count: an event is safe when each of them has stored it. For one thread at a time.

    Attributes:
        changed: Whether there is something to write down.
    """

    def __init__(self) -> None:
        self._known: dict[str, Archive] = {}
        self.changed = False

    def __iter__(self) -> Iterator[Archive]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def load(self, heard: Sequence[tuple[str, int]], marks: Sequence[tuple[str, str, int]]) -> None:
        """Take what was written down: names with times, and names with boots and numbers."""
        self._known = {name: Archive(name, heard_us) for name, heard_us in heard}
        for name, boot, number in marks:
            if name in self._known:
                self._known[name].marks[boot] = number

    def hear(self, name: str, at_us: int, session: str = "") -> Archive | None:
        """Note that an archive was there; None when there are too many already.

        Args:
            name: Its own.
            at_us: When.
            session: Which of its runs.
        """
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= MAX_ARCHIVES:
                return None
            known = self._known[name] = Archive(name, at_us)
            self.changed = True
        elif at_us > known.heard_us:
            # Written down once a minute, and with whatever else is.
            self.changed |= at_us // NOTED_US != known.heard_us // NOTED_US
            known.heard_us = at_us
        known.heard = True
        known.silent |= known.session not in ("", session)
        known.session = session
        return known

    def mark(self, archive: Archive, boot: str, number: int, boots: Collection[str]) -> bool:
        """Note what an archive has stored.

        Args:
            archive: One of these.
            boot: The run whose events it is about.
            number: The highest that it has, with all below.
            boots: Those that events are held of; what it has of others is forgotten.

        Returns:
            Whether it has come further.
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
        """Forget those that were not heard of since; which ones."""
        gone = [archive for archive in self._known.values() if archive.heard_us < before_us]
        for archive in gone:
            self.forget(archive.name)
        return gone

    def forget(self, name: str) -> bool:
        """Wait for an archive no longer; False when it was none."""
        known = self._known.pop(name, None) is not None
        self.changed |= known
        return known
