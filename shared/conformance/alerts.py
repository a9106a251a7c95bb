"""Alerts: each is an event and comes twice, in the same bytes: among the events, and on its own topic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Event, EventType

EVENT_TYPES = frozenset(get_args(EventType))
REMEMBERED = 1000
"""Alerts of which is kept what came on the two topics."""


def event_problems(row: topics.Topic, event: Event) -> Iterator[tuple[str, str]]:
    """Yield where what an event says does not go with its type."""
    if row is topics.ALERT and event.type != "alert":
        yield "no alert", f"a {event.type} event"
    if event.type not in EVENT_TYPES:
        return  # nor is it known what goes with it
    if (event.type == "alert") != (event.alert is not None):
        yield "alert and type differ", f"a {event.type} event {'with' if event.alert else 'without'} alert"
    if (event.type in ("problem_started", "problem_ended")) != (event.problem is not None):
        has = "with" if event.problem else "without"
        yield "problem and type differ", f"a {event.type} event {has} problem"


@dataclass
class _Alert:
    """What came of one alert.

    Attributes:
        topic: Of its first message.
        first_s: When that came.
        said: Payloads by row.
    """

    topic: str
    first_s: float
    said: dict[str, set[bytes]]


class Alerts:
    """Pairs what comes on the two topics.

    Args:
        settled_s: How long one may come after the other. So the alerts in the first and the last seconds are
            not judged.
    """

    def __init__(self, settled_s: float) -> None:
        self._settled_s = settled_s
        self._known: dict[str, _Alert] = {}
        self._began_s: float | None = None
        self._now_s = 0.0

    def passes(self, now_s: float) -> None:
        """Say that any message has come; until then, none had come since the one before."""
        self._now_s = now_s
        if self._began_s is None:
            self._began_s = now_s

    def check(self, row: topics.Topic, event: Event, received: Received) -> None:
        """Take in an event, which need not be an alert."""
        if event.type != "alert":
            return
        if event.event_id not in self._known and len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        one = self._known.setdefault(event.event_id, _Alert(received.topic, self._now_s, {}))
        one.said.setdefault(row.name, set()).add(received.payload)

    def finish(self) -> Iterator[tuple[str, str, str]]:
        """End the check; yield topic, rule and detail of what was wrong."""
        for identity, one in self._known.items():
            if one.first_s + self._settled_s > self._now_s:
                continue
            if self._began_s is None or one.first_s < self._began_s + self._settled_s:
                continue
            events, alerts = (one.said.get(row.name, set()) for row in (topics.EVENTS, topics.ALERT))
            if not events or not alerts:
                missing = topics.EVENTS if not events else topics.ALERT
                yield one.topic, "alert on one topic alone", f"{identity} is not among the {missing.name}"
            elif events.isdisjoint(alerts):
                yield one.topic, "alert differs from its event", identity
