"""The newest events, for browsers that connect: each node keeps some of them, whatever the others tell."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping

from shared.wire import topics
from shared.wire.messages import Event
from viewer_server.live import updates
from viewer_server.live.updates import Update

MAX_EVENTS = 100
"""Limit of track events, and of other events: with a common one, tracks would push the others out."""


class Recent:
    """The newest track events, and the newest other events."""

    def __init__(self) -> None:
        self._tracks: OrderedDict[str, tuple[str, Update]] = OrderedDict()
        self._others: OrderedDict[str, tuple[str, Update]] = OrderedDict()

    def __iter__(self) -> Iterator[Update]:
        for events in (self._others, self._tracks):
            for _, update in events.values():
                yield update

    def add(self, ids: Mapping[str, str], event: Event) -> list[Update]:
        """Remember an event; the update for browsers, and none for a repetition."""
        events = self._tracks if event.type.startswith("track_") else self._others
        if event.event_id in events:  # delivered at least once: this is a repetition
            return []
        payload = updates.text(topics.EVENTS.name, **ids, message=event)
        update = Update("event", (topics.EVENTS.name, *ids.values(), event.event_id), payload)
        events[event.event_id] = ids["node"], update
        if len(events) > MAX_EVENTS:
            # The oldest of the node that has the most: one that tells a lot leaves the others theirs.
            [(most, _)] = Counter(node for node, _ in events.values()).most_common(1)
            del events[next(number for number, (node, _) in events.items() if node == most)]
        return [update]
