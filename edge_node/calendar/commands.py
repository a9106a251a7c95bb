"""The commands calendar.set and mode.set, and what the node says of calendar and mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.calendar.keeper import Keeper, Now
from edge_node.config.saved.answers import saved_as, wrong_in_the_request
from shared.definitions.calendar import calendar_problems
from shared.errors import MessageError
from shared.wire import messages, topics
from shared.wire.messages import Request, now_us

Handler = Callable[[Request, bytes | None], dict[str, Any]]


class CalendarCommands:
    """The handlers of the commands about the calendar.

    Args:
        keeper: Keeps calendar and mode.
        unknown: Gives a sentence for each thing that names a schedule which the calendar lacks.
    """

    def __init__(self, keeper: Keeper, unknown: Callable[[], list[str]]) -> None:
        self._keeper, self._unknown = keeper, unknown

    def handlers(self) -> dict[str, Handler]:
        """Each handler under its command's name."""
        return {"calendar.set": self.set_calendar, "mode.set": self.set_mode}

    def set_calendar(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Replace the calendar for good; return the new version and warnings."""
        if request.calendar is None or request.version is None:
            raise MessageError(
                "calendar and version are needed; version is that of the /calendar message to replace, 0 "
                "where there is none"
            )
        with wrong_in_the_request():
            now = self._keeper.save(request.calendar, request.version)
        problems = calendar_problems(now.calendar, now_us(), now.timetable)
        return saved_as(now.version, [*problems, *self._unknown()])

    def set_mode(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Set the mode by hand; return it, and when it ends."""
        if request.mode is None:
            raise MessageError(f"mode is missing; this node has {', '.join(self._keeper.now.calendar.modes)}")
        now = self._keeper.set_mode(request.mode, request.until_us)
        return {"mode": now.mode, "next_change_us": now.next_change_us}


class Saying:
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

    def say(self, now: Now) -> None:
        """Publish what has changed."""
        if not now.version:
            return
        if now.version != self._said:
            self._said = now.version
            calendar = messages.Calendar(**self._head(), **vars(now.calendar), version=now.version)
            self._publish(topics.CALENDAR, messages.encode(calendar))
        self.say_mode(now)

    def say_mode(self, now: Now) -> None:
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
