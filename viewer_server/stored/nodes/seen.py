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


class Seen:
    """The numbers of the events that came since the start, by node and boot; nothing is stored.

    Args:
        quotas: How many nodes are remembered.
        clock: Seconds, monotonic.
    """

    def __init__(self, quotas: Quotas, clock: Callable[[], float]) -> None:
        self._quotas, self._clock = quotas, clock
        self._nodes: OrderedDict[str, OrderedDict[str, Progress]] = OrderedDict()

    def __len__(self) -> int:
        """How many boots are remembered."""
        return sum(map(len, self._nodes.values()))

    def add(self, event: Event) -> bool:
        """Note an event; whether it is new. One without boot and number counts as new.

        What is older than the first event of a boot that came here happened before this viewer watched.
        """
        if event.boot is None or event.number is None:
            return True
        boots = self._nodes.setdefault(event.node, OrderedDict())
        self._nodes.move_to_end(event.node)
        if len(self._nodes) > self._quotas.settings.nodes:
            self._nodes.popitem(last=False)
        if event.boot not in boots:
            boots[event.boot] = Progress(event.number - 1, self._clock())
        boots.move_to_end(event.boot)
        if len(boots) > BOOTS:
            boots.popitem(last=False)
        progress = boots[event.boot]
        if event.number <= progress.number or event.number in progress.above:
            return False
        progress.take(event.number, 1 if event.oldest is None else max(1, event.oldest))
        progress.give_up(self._clock())
        if len(progress.above) > MAX_ABOVE:
            progress.settle()
        return True
