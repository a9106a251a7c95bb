"""Which events a viewer without a history has had: nodes send an event again until the archives have it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from shared.wire.messages import Event
from viewer_server.quotas import Quotas
from viewer_server.stored.nodes.progress import Progress

BOOTS = 4
"""Boots of a node that are remembered: the one that runs, and those whose last events may still come late."""
MAX_ABOVE = 1000
"""Numbers above a hole that are remembered of a boot."""
MAX_ABOVE_ALL = 200_000
"""The same of all nodes together: some 75 bytes of memory each."""


class Seen:
    """The numbers of the events that came since the start, by node and boot; nothing is stored.

    Args:
        quotas: How many nodes are remembered.
        clock: Seconds, monotonic.
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float]) -> None:
        self._quotas, self._clock = quotas, clock
        self._nodes: OrderedDict[str, OrderedDict[str, Progress]] = OrderedDict()
        self._above_all = 0

    def __len__(self) -> int:
        """How many boots are remembered."""
        return sum(map(len, self._nodes.values()))

    @property
    def above(self) -> int:
        """How many numbers above holes are remembered, of all nodes."""
        return self._above_all

    def add(self, event: Event) -> bool:
        """Note an event; whether it is new. One without boot and number counts as new.

        What is older than the first event of a boot that came here happened before this viewer watched.
        """
        if event.boot is None or event.number is None:
            return True
        boots = self._nodes.setdefault(event.node, OrderedDict())
        self._nodes.move_to_end(event.node)
        if len(self._nodes) > self._quotas.settings.nodes:
            for gone in self._nodes.popitem(last=False)[1].values():
                self._above_all -= len(gone.above)
        if event.boot not in boots:
            boots[event.boot] = Progress(event.number - 1, self._clock())
        boots.move_to_end(event.boot)
        if len(boots) > BOOTS:
            self._above_all -= len(boots.popitem(last=False)[1].above)
        progress = boots[event.boot]
        if event.number <= progress.number or event.number in progress.above:
            return False
        before = len(progress.above)
        progress.take(event.number, 1 if event.oldest is None else max(1, event.oldest))
        progress.give_up(self._clock())
        room = MAX_ABOVE_ALL - self._above_all + before
        if len(progress.above) > min(MAX_ABOVE, max(0, room)):
            progress.settle()
        self._above_all += len(progress.above) - before
        return True
