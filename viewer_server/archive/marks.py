"""How far each boot is stored by all workers together: what the archive acknowledges.

Only committed events count. Each worker commits some of a boot's numbers, so one worker alone may see holes
that another fills. A late event fills a hole, and so does a gap that the node reports. After a minute of
newer events a hole is given up, as in the viewer's history.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from shared.wire.messages import Gap
from viewer_server.archive.rows import Arrival, Key
from viewer_server.stored.nodes.progress import MAX_ABOVE, Progress

log = logging.getLogger("darner.archive")

MAX_ABOVE_TOTAL = 500_000
"""Stored numbers above a hole, of all nodes together: some 60 bytes of memory each."""
MAX_BOOTS = 200_000
"""Boots of all nodes together, some 700 bytes of memory each: with many nodes, each has room for fewer."""
SAY_AGAIN_S = 10.0


class Mark(NamedTuple):
    """All events of a boot up to this number are stored, or will never come."""

    node: str
    boot: str
    number: int


class Marks:
    """The marks of all boots, in the memory of the worker that leads.

    Args:
        clock: Seconds, monotonic.
        most: How many boots of a node are remembered.
        stored: What is stored of a boot that is new here, or was forgotten. Gaps, too: one worker may
            commit a gap before another worker commits the first event of the boot that it is about.

    Attributes:
        holes: Numbers that were given up. Each is a fault, because nodes report what they have dropped.
        touched: Boots whose events came since `settled`.
        added: How many events each node has that were new since `settled`.
        forgotten: Boots that gave way to newer ones since `settled`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        most: int,
        stored: Callable[[Key], Arrival] = lambda _: Arrival(),
    ) -> None:
        self._clock, self._most, self._stored = clock, most, stored
        self._nodes: dict[str, OrderedDict[str, Progress]] = {}
        self._above: dict[Key, int] = {}
        self._above_all = 0
        self._said_s = -math.inf
        self.holes = 0
        self.touched: set[Key] = set()
        self.added: Counter[str] = Counter()
        self.forgotten: list[Key] = []

    def load(
        self, marks: Iterable[Mark], above: Iterable[Mark], gaps: Iterable[tuple[Key, int, int]] = ()
    ) -> None:
        """Begin with what the database has.

        Args:
            marks: The mark of every boot, those first that were heard of longest ago.
            above: Stored events whose numbers are above their boot's mark.
            gaps: First and last number of each gap that ends above its boot's mark.
        """
        now = self._clock()
        self._nodes, self._above, self._above_all = {}, {}, 0
        self.settled()
        for node, boot, number in marks:
            self._nodes.setdefault(node, OrderedDict())[boot] = Progress(number, now)
        for node, boot, number in above:
            progress = self._nodes[node][boot]
            progress.add(number)
            self._count((node, boot), progress)
        for key, first, last in gaps:
            progress = self._nodes[key[0]][key[1]]
            before = progress.number
            progress.skip(_gap(key[1], first, last))
            if progress.number > before:
                self._count(key, progress)
                self.touched.add(key)

    def take(self, key: Key, arrival: Arrival) -> None:
        """Note what a committed batch holds of a boot."""
        node, boot = key
        boots = self._nodes.setdefault(node, OrderedDict())
        if boot not in boots:
            if not arrival.numbers:  # a gap of a boot of which nothing came
                if not boots:
                    del self._nodes[node]
                return
            boots[boot] = Progress(arrival.lowest - 1, self._clock())
            known = self._stored(key)
            for number in known.numbers:
                boots[boot].add(number)
            for first, last in known.gaps:
                boots[boot].skip(_gap(boot, first, last))
        boots.move_to_end(boot)
        progress = boots[boot]
        for number in sorted(arrival.numbers):
            progress.take(number, arrival.lowest)
        for first, last in arrival.gaps:
            progress.skip(_gap(boot, first, last))
        missing = progress.give_up(self._clock()) if arrival.numbers else None
        if missing is not None:
            self._given_up(key, f"{missing[0]} to {missing[1]}", missing[1] - missing[0] + 1)
        self.touched.add(key)
        self.added[node] += arrival.added
        self._count(key, progress)
        self._relieve(key)
        while len(boots) > min(self._most, max(2, MAX_BOOTS // len(self._nodes))):
            self._forget((node, next(iter(boots))))

    def changed(self) -> list[Mark]:
        """A mark for every boot whose events came since `settled`."""
        return [Mark(node, boot, self._nodes[node][boot].number) for node, boot in sorted(self.touched)]

    def settled(self) -> None:
        """What has changed is committed."""
        self.touched.clear()
        self.added.clear()
        self.forgotten.clear()

    def newest(self) -> list[Mark]:
        """The mark of each node's newest boot."""
        return [
            Mark(node, newest, boots[newest].number)
            for node, boots in sorted(self._nodes.items())
            for newest in [max(boots)]
        ]

    def drop(self, node: str) -> None:
        """Forget a node that gave way."""
        for boot in self._nodes.pop(node, ()):
            self._clear((node, boot))

    def drop_boot(self, key: Key) -> None:
        """Forget a boot of which nothing is stored any more."""
        boots = self._nodes.get(key[0])
        if boots is not None:
            boots.pop(key[1], None)
            self._clear(key)
            if not boots:
                del self._nodes[key[0]]

    def _forget(self, key: Key) -> None:
        del self._nodes[key[0]][key[1]]
        self._clear(key)
        self.forgotten.append(key)

    def _clear(self, key: Key) -> None:
        self._above_all -= self._above.pop(key, 0)
        self.touched.discard(key)

    def _count(self, key: Key, progress: Progress) -> None:
        self._above_all += len(progress.above) - self._above.pop(key, 0)
        if progress.above:
            self._above[key] = len(progress.above)

    def _relieve(self, key: Key) -> None:
        """Wait no longer for the holes of the boot that has too many numbers above them."""
        if self._above.get(key, 0) <= MAX_ABOVE:
            if self._above_all <= MAX_ABOVE_TOTAL:
                return
            key = max(self._above, key=lambda one: self._above[one])
        progress = self._nodes[key[0]][key[1]]
        self._given_up(key, f"below {progress.number}", progress.settle())
        self._count(key, progress)
        self.touched.add(key)

    def _given_up(self, key: Key, which: str, count: int) -> None:
        self.holes += count
        now = self._clock()
        if now - self._said_s >= SAY_AGAIN_S:
            self._said_s = now
            log.error("events %s of %s (boot %s) never came; they are waited for no longer", which, *key)


def _gap(boot: str, first: int, last: int) -> Gap:
    return Gap(boot=boot, first=first, last=last, count=last - first + 1)
