"""The fake edge node with a calendar, modes and problems of its camera; `shared.schedules` says when."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edge_node.control.commands import Handler, RefusedError
from shared.definitions.calendar import calendar_problems, refuse_nonsense
from shared.errors import ConfigError, MessageError
from shared.schedules.modes import Modes
from shared.schedules.timetable import Timetable
from shared.wire import topics
from shared.wire.messages import (
    Calendar,
    CalendarDefinition,
    CameraProblem,
    Health,
    ModeState,
    Request,
    ScheduleNow,
    ZoneState,
    encode,
    now_us,
)
from tests.browser.answering import AnsweringEdge

PREFIX = "schedules/v1"
"""The topics' beginning on the broker that all tests share."""


class CalendarEdge(AnsweringEdge):
    """One node with the camera "yard", a calendar once it has one, and a camera that can be at fault.

    Attributes:
        calendar: What was saved last; None: nothing yet.
        saved: Its version.
        accepted: For which cameras somebody has said that the view is right.
    """

    calendar: CalendarDefinition | None = None
    saved = 0
    mode: str | None = None
    accepted: tuple[str | None, ...] = ()

    def handlers(self) -> dict[str, Handler]:
        ours = {"calendar.set": self._set_calendar, "mode.set": self._set_mode, "health.accept": self._accept}
        return super().handlers() | ours

    def keep(self, calendar: CalendarDefinition) -> None:
        """Save a calendar, as somebody else would, and publish it."""
        self.calendar, self.saved = calendar, self.saved + 1
        self.mode = next(iter(calendar.modes), None)
        about = {field.name: getattr(calendar, field.name) for field in fields(CalendarDefinition)}
        message = Calendar(**self.common(), **about, version=self.saved)  # type: ignore[arg-type]  # fields of both
        self.client.set_state(topics.CALENDAR, self.path(topics.CALENDAR), encode(message))
        self.publish_mode()

    def publish_mode(self) -> None:
        """Publish which mode holds now, and which schedules are active."""
        assert self.calendar is not None
        timetable, now = Timetable(self.calendar), now_us()
        after = Modes(self.calendar.modes, timetable).next_scheduled(now)
        message = ModeState(
            **self.common(),  # type: ignore[arg-type]  # fields of every message
            mode=self.mode,
            since_us=now,
            timezone=timetable.timezone,
            next_mode=after and after[1],
            next_change_us=after and after[0],
            schedules={
                name: ScheduleNow(
                    active=timetable.active(name, now, self.mode),
                    next_change_us=timetable.next_change(name, now, self.mode),
                )
                for name in self.calendar.schedules
            },
        )
        self.client.set_state(topics.MODE, self.path(topics.MODE), encode(message))

    def health(self, *problems: CameraProblem, paused: bool = True) -> None:
        """Say what is wrong with the camera."""
        message = Health(
            **self.common(), camera="yard", problems=problems, paused=paused, reference_us=now_us()  # type: ignore[arg-type]  # as above
        )  # fmt: skip
        self.client.set_state(topics.HEALTH, self.path(topics.HEALTH, camera="yard"), encode(message))

    def numbers(self, zone: str, **about: Any) -> None:
        """Numbers of a zone, or with `kind` of a line."""
        said: dict[str, Any] = {
            **self.common(),
            "camera": "yard",
            "seq": 0,
            "captured_us": now_us(),
            "zone": zone,
        }
        message = ZoneState(**(said | {"kind": "zone"} | about))
        self.client.set_state(topics.ZONE, self.path(topics.ZONE, camera="yard", zone=zone), encode(message))

    def _set_calendar(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        assert request.calendar is not None
        if request.version != self.saved:
            raise RefusedError(
                "conflict", f"the calendar is of version {self.saved}: somebody else saved first"
            )
        try:
            refuse_nonsense(request.calendar)
        except ConfigError as error:
            raise MessageError(str(error)) from None
        self.keep(request.calendar)
        return {"version": self.saved, "warnings": calendar_problems(request.calendar, now_us())}

    def _set_mode(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002
        assert self.calendar is not None
        if request.mode not in self.calendar.modes:
            raise RefusedError("unknown", f"there is no mode {request.mode!r}")
        self.mode = request.mode
        self.publish_mode()
        return {"mode": self.mode, "next_change_us": None}

    def _accept(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002
        self.accepted += (request.camera,)
        self.health(paused=False)
        return {"reference_us": now_us()}
