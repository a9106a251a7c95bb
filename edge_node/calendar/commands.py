"""The commands calendar.set and mode.set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.calendar.keeper import Keeper
from edge_node.config.saved.answers import saved_as, wrong_in_the_request
from shared.definitions.calendar import calendar_problems
from shared.errors import MessageError
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
            modes = ", ".join(self._keeper.now.calendar.modes) or "no modes"
            raise MessageError(f"mode is missing; this node has {modes}")
        now = self._keeper.set_mode(request.mode, request.until_us)
        return {"mode": now.mode, "next_change_us": now.next_change_us}
