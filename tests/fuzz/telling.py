"""Targets about what tells people: calendars and rules, as a request brings them."""

from __future__ import annotations

from shared import limits
from shared.definitions.calendar import calendar_problems, refuse_nonsense
from shared.errors import ConfigError, MessageError
from shared.rules.engine import Engine
from shared.rules.problems import problems
from shared.rules.scene import Scene, Times
from shared.rules.texts import refuse_bad_texts
from shared.schedules.modes import Modes
from shared.schedules.timetable import Timetable
from shared.wire import messages

_LATEST_US = 4_102_444_800_000_000
"""The year 2100: the time that an input asks for is no later."""
_HEAD = {"node": "n", "session": "s", "published_us": 1, "camera": "c", "seq": 0}
_STORY: tuple[tuple[float, messages.EventType, dict[str, object]], ...] = (
    (0, "track_started", {"track_id": 1}),
    (1, "zone_entered", {"track_id": 1, "zone": "z", "dwell_s": 0.0}),
    (2, "line_crossed", {"track_id": 1, "zone": "l", "direction": "in"}),
    (4, "presence_started", {"zone": "z"}),
    (5, "zone_entered", {"track_id": 2, "zone": "z", "dwell_s": 0.0}),
    (6, "track_linked", {"track_id": 3, "zone": "z", "linked_track_id": 2}),
    (400, "problem_started", {"problem": "moved"}),
    (500, "zone_exited", {"track_id": 1, "zone": "z", "dwell_s": 499.0}),
    (600, "problem_ended", {"problem": "moved"}),
    (90_000, "line_crossed", {"track_id": 1, "zone": "l", "direction": "out"}),
)


def calendars(data: bytes) -> None:
    """A calendar that is not refused has an answer for every moment, and its answers fit together."""
    try:
        request = messages.decode(messages.Request, data)
        calendar = request.calendar or messages.CalendarDefinition()
        refuse_nonsense(calendar)
    except (MessageError, ConfigError):
        return
    at_us = (request.until_us or 0) % _LATEST_US
    calendar_problems(calendar, at_us)
    timetable, mode = Timetable(calendar), request.mode
    assert timetable.day_start(at_us) <= at_us < timetable.next_day_start(at_us)
    for name in calendar.schedules:
        active, change = timetable.active(name, at_us, mode), timetable.next_change(name, at_us, mode)
        start = timetable.schedule_start(name, at_us, mode)
        assert start is None or (active and start <= at_us)
        if change is not None:
            assert change > at_us
            assert timetable.active(name, change, mode) != active
            assert timetable.active(name, change - 1, mode) == active
    modes = Modes(calendar.modes, timetable)
    assert (modes.scheduled(at_us) is None) == (not calendar.modes)
    found = modes.next_scheduled(at_us)
    assert found is None or (found[0] > at_us and found[1] == modes.scheduled(found[0]))


def alerting(data: bytes) -> None:
    """Rules that are not refused look at any story, and what they say of it keeps the contract."""
    try:
        request = messages.decode(messages.Request, data)
        rules = request.rules or {}
        refuse_bad_texts(rules)
        refuse_nonsense(request.calendar or messages.CalendarDefinition())
    except (MessageError, ConfigError):
        return
    timetable = Timetable(request.calendar or messages.CalendarDefinition())
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    zones = {"z": messages.ZoneDefinition(polygon=square, presence=messages.Presence())}
    line = messages.LineDefinition(points=((0.0, 0.0), (1.0, 1.0)))
    places = messages.Zones(
        **{key: value for key, value in _HEAD.items() if key != "seq"},  # type: ignore[arg-type]  # they fit
        version=1,
        zones=zones,
        lines={"l": line},
    )
    schedules = () if request.calendar is None else request.calendar.schedules
    found = problems(rules, {"c": places}, ("person",), schedules)
    assert found.keys() <= rules.keys()
    scene = Scene(node="n", camera="c", zones={"z": "Z"}, lines={"l": "L"})
    engine = Engine(rules, scene, Times(timetable=timetable, mode=request.mode))
    begun_us = (request.until_us or 0) % _LATEST_US
    for at_s, kind, fields in _STORY:
        at_us = begun_us + round(at_s * 1e6)
        event = _event(at_us, type=kind, class_id=0, label="person", **fields)
        for firing in (*engine.advance(at_us), *engine.feed(event)):
            alert = messages.encode(_event(at_us, **firing.fields()))
            assert len(alert) < limits.PAYLOAD_BYTES
            messages.decode(messages.Event, alert)


def _event(at_us: int, **fields: object) -> messages.Event:
    known = _HEAD | {"event_id": "n-b-1", "captured_us": at_us, "occurred_us": at_us}
    return messages.Event(**known | fields)  # type: ignore[arg-type]  # the story's fields fit
