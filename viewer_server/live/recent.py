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


class _Newest:
    """The newest events; beyond the limit, the node that has the most of them loses its oldest."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, tuple[str, Update]] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._several: set[str] = set()  # nodes that have two or more

    def __iter__(self) -> Iterator[Update]:
        return (update for _, update in self._events.values())

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._events

    def add(self, event_id: str, node: str, update: Update) -> None:
        """Add an event, and forget one if there are too many."""
        self._events[event_id] = node, update
        self._counts[node] += 1
        if self._counts[node] == 2:
            self._several.add(node)
        if len(self._events) > MAX_EVENTS:
            if self._several:
                most = max(self._several, key=self._counts.__getitem__)
                oldest = next(number for number, (node, _) in self._events.items() if node == most)
            else:
                oldest = next(iter(self._events))
            self._forget(oldest)

    def _forget(self, event_id: str) -> None:
        node, _ = self._events.pop(event_id)
        self._counts[node] -= 1
        if self._counts[node] == 1:
            self._several.discard(node)
        elif not self._counts[node]:
            del self._counts[node]


class Recent:
    """The newest track events, and the newest other events."""

    def __init__(self) -> None:
        self._tracks, self._others = _Newest(), _Newest()

    def __iter__(self) -> Iterator[Update]:
        yield from self._others
        yield from self._tracks

    def add(self, ids: Mapping[str, str], event: Event) -> list[Update]:
        """Remember an event; the update for browsers, and none for a repetition."""
        events = self._tracks if event.type.startswith("track_") else self._others
        known_as = f"{ids['node']}/{event.event_id}"  # no node can hide another's events behind its own
        if known_as in events:  # delivered at least once: this is a repetition
            return []
        payload = updates.text(topics.EVENTS.name, **ids, message=event)
        update = Update("event", (topics.EVENTS.name, *ids.values(), event.event_id), payload)
        events.add(known_as, ids["node"], update)
        return [update]
