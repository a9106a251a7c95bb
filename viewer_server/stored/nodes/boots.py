"""The progress of every boot of every node: what may be acknowledged, and how much of it is remembered."""

from __future__ import annotations

import logging
import math
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from shared.wire.messages import Event
from viewer_server.quotas import Quotas
from viewer_server.stored.nodes.progress import MAX_ABOVE, Progress

log = logging.getLogger("darner.history")

MAX_ABOVE_TOTAL = 500_000
"""Stored numbers above a hole, of all nodes together: some 60 bytes of memory each."""
SAY_AGAIN_S = 10.0
"""Seconds between two lines about holes of one node."""


class Mark(NamedTuple):
    """All events of a boot up to this number are stored, or will never come."""

    node: str
    boot: str
    number: int


class Boots:
    """The progress of each boot; for the thread that stores events.

    Args:
        quotas: The limits.
        clock: Seconds, monotonic.

    Attributes:
        holes: Numbers that were given up. Each is a fault, because nodes report what they have dropped.
        changed: Boots whose events came since the last commit.
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float]) -> None:
        self._quotas, self._clock = quotas, clock
        self._nodes: dict[str, OrderedDict[str, Progress]] = {}
        self._above: Counter[str] = Counter()
        self._above_all = 0
        self._said_s: dict[str, float] = {}
        self.changed: set[tuple[str, str]] = set()
        self.holes = 0

    def load(self, db: sqlite3.Connection) -> None:
        """Read the marks: at the start, and after a transaction was rolled back."""
        self.changed.clear()
        self._nodes, self._above, self._above_all = {}, Counter(), 0
        for node, boot, number in db.execute("SELECT node, boot, number FROM marks ORDER BY updated_us"):
            self._nodes.setdefault(node, OrderedDict())[boot] = Progress(number, self._clock())
        above = """SELECT node, boot, e.number FROM events e JOIN marks m USING (node, boot)
                   WHERE e.number > m.number"""
        for node, boot, number in db.execute(above):
            self._nodes[node][boot].add(number)
            self._count(node, 1)

    def surely_new(self, node: str, boot: str, number: int) -> bool:
        """Whether an event is known not to be stored: the numbers that are remembered say so."""
        boots = self._nodes.get(node)
        progress = boots.get(boot) if boots else None
        return progress is not None and number > progress.number and number not in progress.above

    def note(self, db: sqlite3.Connection, event: Event) -> None:
        """Note a stored event, which has a boot and a number."""
        assert event.boot is not None  # noqa: S101 - the caller has looked
        assert event.number is not None  # noqa: S101
        node, boot, number = event.node, event.boot, event.number
        oldest = number if event.oldest is None else event.oldest
        boots = self._nodes.setdefault(node, OrderedDict())
        if boot not in boots:
            boots[boot] = self._began(db, node, boot, max(0, oldest - 1))
        boots.move_to_end(boot)
        self.changed.add((node, boot))
        progress = boots[boot]
        before = len(progress.above)
        progress.take(number, 1 if event.oldest is None else max(1, oldest))
        missing = progress.give_up(self._clock())
        if missing is not None:
            first, last = missing
            self._given_up(node, boot, f"{first} to {last}", last - first + 1)
        if len(progress.above) != before:
            self._count(node, len(progress.above) - before)
        if event.gap is not None and event.gap.boot in boots:
            gapped = boots[event.gap.boot]
            before = len(gapped.above)
            gapped.skip(event.gap)
            self._count(node, len(gapped.above) - before)
            self.changed.add((node, event.gap.boot))
        if self._above_all > min(MAX_ABOVE, MAX_ABOVE_TOTAL):
            self._relieve(node)

    def marks(self) -> list[Mark]:
        """A mark for every boot whose events came since the last commit."""
        return [Mark(node, boot, self._nodes[node][boot].number) for node, boot in sorted(self.changed)]

    def newest(self) -> list[Mark]:
        """The mark of each node's newest boot."""
        return [
            Mark(node, newest, boots[newest].number)
            for node, boots in sorted(self._nodes.items())
            for newest in [max(boots)]
        ]

    def trim(self, db: sqlite3.Connection) -> None:
        """Forget the boots, beyond what a node may have, whose events came longest ago; at a commit."""
        allowed = self._quotas.settings.boots
        for node in {node for node, _ in self.changed}:
            surplus = len(self._nodes[node]) - allowed
            if surplus > 0:
                self._quotas.hit(node, "boots", allowed, surplus)
                for boot in list(self._nodes[node])[:surplus]:
                    self._forget(db, node, boot)

    def forget(self, db: sqlite3.Connection, before_us: int) -> None:
        """Forget the boots that have no events any more, and none came since a moment."""
        old = """SELECT node, boot FROM marks m WHERE updated_us < ? AND NOT EXISTS
                 (SELECT 1 FROM events e WHERE e.node = m.node AND e.boot = m.boot)"""
        for node, boot in db.execute(old, (before_us,)).fetchall():
            if (node, boot) not in self.changed:
                self._forget(db, node, boot)

    def close(self, node: str) -> None:
        """Forget all boots of a node."""
        self._nodes.pop(node, None)
        self._said_s.pop(node, None)
        self._above_all -= self._above.pop(node, 0)
        self.changed = {key for key in self.changed if key[0] != node}

    def _began(self, db: sqlite3.Connection, node: str, boot: str, number: int) -> Progress:
        """Progress of a boot that is new, or that was forgotten although some of its events are stored."""
        progress = Progress(number, self._clock())
        sql = "SELECT number FROM events WHERE node = ? AND boot = ? AND number > ? LIMIT ?"
        for (above,) in db.execute(sql, (node, boot, number, MAX_ABOVE)):
            progress.add(above)
        self._count(node, len(progress.above))
        return progress

    def _count(self, node: str, change: int) -> None:
        self._above[node] += change
        self._above_all += change

    def _forget(self, db: sqlite3.Connection, node: str, boot: str) -> None:
        db.execute("DELETE FROM marks WHERE node = ? AND boot = ?", (node, boot))
        progress = self._nodes[node].pop(boot, None)
        if progress is not None:
            self._count(node, -len(progress.above))
        if not self._nodes[node]:
            self.close(node)

    def _relieve(self, node: str) -> None:
        """Wait no longer for holes of the node that has too many numbers above its holes."""
        victim = node
        if self._above[node] <= MAX_ABOVE:
            if self._above_all <= MAX_ABOVE_TOTAL:
                return
            victim = max(self._above, key=lambda name: self._above[name])
        boots = self._nodes[victim]
        boot = max(boots, key=lambda name: len(boots[name].above))
        progress = boots[boot]
        before = len(progress.above)
        missing = progress.settle()
        self._count(victim, len(progress.above) - before)
        self._quotas.hit(victim, "waiting", MAX_ABOVE, before - len(progress.above))
        self._given_up(victim, boot, f"below {progress.number}", missing)
        self.changed.add((victim, boot))

    def _given_up(self, node: str, boot: str, which: str, count: int) -> None:
        self.holes += count
        now = self._clock()
        if now - self._said_s.get(node, -math.inf) < SAY_AGAIN_S:
            return
        self._said_s[node] = now
        log.error(
            "history: events %s of %s (boot %s) never came; the viewer waits for them no longer",
            which,
            node,
            boot,
        )
