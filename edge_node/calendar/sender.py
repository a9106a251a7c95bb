"""What a node says of its calendar and its mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.calendar.keeper import Now
from shared.wire import messages, topics


class CalendarSender:
    """Publishes calendar and mode once the node has a calendar, and whenever they change.

    Args:
        head: Gives the fields of every message.
        publish: Publishes a retained message of a row of the topic table.
    """

    def __init__(
        self, head: Callable[[], dict[str, Any]], publish: Callable[[topics.Topic, bytes], None]
    ) -> None:
        self._head, self._publish = head, publish
        self._said = 0

    def send(self, now: Now) -> None:
        """Publish what has changed."""
        if not now.version:
            return
        if now.version != self._said:
            self._said = now.version
            calendar = messages.Calendar(**self._head(), **vars(now.calendar), version=now.version)
            self._publish(topics.CALENDAR, messages.encode(calendar))
        self.send_mode(now)

    def send_mode(self, now: Now) -> None:
        """Publish the mode, also if it has not changed; a node without a calendar has none."""
        if not now.version:
            return
        mode = messages.ModeState(
            **self._head(),
            mode=now.mode,
            since_us=now.since_us,
            by_hand=now.by_hand,
            timezone=now.timetable.timezone,
            next_mode=now.next_mode,
            next_change_us=now.next_change_us,
            schedules=dict(now.schedules),
        )
        self._publish(topics.MODE, messages.encode(mode))
