"""Finds rules that can never do what they say, or not fully, so that whoever made them can be told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from shared import limits
from shared.definitions.ignored import unknown_classes
from shared.rules.state import WINDOW
from shared.wire.messages import LineDefinition, RuleDefinition, ZoneDefinition

_MOST = 16
"""Sentences about one rule."""
_NEEDS = {
    "loitering": ("loitering_s", "loitering"),
    "queue_started": ("queue", "queues"),
    "queue_ended": ("queue", "queues"),
    "crowd_started": ("crowd", "crowds"),
    "crowd_ended": ("crowd", "crowds"),
    "presence_started": ("presence", "presence"),
    "presence_ended": ("presence", "presence"),
}
"""Events that a zone says only if its definition asks for them: by which key, and what they are about."""
_NO_CLASS = frozenset(_NEEDS) - {"loitering"}
_NEVER = "can never fire: "


class Places(Protocol):
    """A camera's zones and lines."""

    @property
    def zones(self) -> Mapping[str, ZoneDefinition]:
        """Zones by identifier."""

    @property
    def lines(self) -> Mapping[str, LineDefinition]:
        """Lines by identifier."""


def problems(
    rules: Mapping[str, RuleDefinition],
    cameras: Mapping[str, Places],
    class_names: Collection[str] | None = None,
    schedules: Collection[str] | None = None,
    never_active: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Find rules that can never fire, or that say something that has no effect.

    Args:
        rules: By identifier.
        cameras: The node's cameras, with their zones and lines.
        class_names: The model's classes; None while they are unknown.
        schedules: The schedules of the node's calendar; None while they are unknown.
        never_active: Those of them that are never active.

    Returns:
        Sentences by rule, each of which goes on after "rule NAME"; rules without problems are left out.
    """
    found = {}
    for name, rule in rules.items():
        where = list(_about_camera(rule, cameras)) if rule.when.trigger != "offline" else []
        looked = rule.when.trigger in ("event", "count") and not any(one.startswith(_NEVER) for one in where)
        sentences = [
            *_about_schedule(rule, schedules, never_active),
            *where,
            *_about_condition(rule),
            *(_about_events(rule, cameras) if looked else ()),
            *(unknown_classes("it", rule.when.classes, class_names) if class_names is not None else ()),
        ]
        if sentences:
            found[name] = tuple(limits.clipped(one) for one in sentences[:_MOST])
    return found


def as_warnings(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The same as sentences that name their rules."""
    return [f"rule {name!r}: {one}" for name, sentences in found.items() for one in sentences]


def _about_schedule(
    rule: RuleDefinition, schedules: Collection[str] | None, never_active: Collection[str]
) -> Iterator[str]:
    if rule.schedule is None:
        if rule.first_of == "schedule":
            yield "fires each time: first_of is schedule, and it has none"
    elif schedules is not None and rule.schedule not in schedules:
        yield f"always holds: the calendar has no schedule {rule.schedule!r}"
    elif rule.schedule in never_active:
        yield f"{_NEVER}its schedule {rule.schedule!r} is never active"


def _about_camera(rule: RuleDefinition, cameras: Mapping[str, Places]) -> Iterator[str]:
    missing = [name for name in rule.cameras if name not in cameras]
    if missing and len(missing) == len(rule.cameras):
        yield f"{_NEVER}the node has no camera {', '.join(map(repr, missing))}"
    else:
        yield from (f"names camera {name!r}, which the node does not have" for name in missing)
    if rule.when.trigger == "problem":
        return
    mine = _mine(rule, cameras)
    unknown = [
        zone for zone in rule.when.zones if not any(zone in one.zones or zone in one.lines for one in mine)
    ]
    for zone in unknown:
        elsewhere = [name for name, one in cameras.items() if zone in one.zones or zone in one.lines]
        where = f"only on {', '.join(elsewhere)}, which it leaves out" if elsewhere else "on no camera"
        start = _NEVER if len(unknown) == len(rule.when.zones) else ""
        yield f"{start}{zone!r} is {where}"
    if rule.when.trigger in ("stay", "occupancy") and len(unknown) < max(1, len(rule.when.zones)):
        yield from _about_zones(rule, mine)


def _about_zones(rule: RuleDefinition, mine: Sequence[Places]) -> Iterator[str]:
    """What is wrong with the zones in which objects are to be."""
    wanted, classes = rule.when.zones, rule.when.classes
    zones = [zone for one in mine for name, zone in one.zones.items() if not wanted or name in wanted]
    if not zones:
        yield f"{_NEVER}" + (
            "objects stay in zones, and it names lines" if wanted else "its cameras have no zone"
        )
    elif classes and all(zone.classes and not set(zone.classes) & set(classes) for zone in zones):
        yield f"{_NEVER}its zones count none of its classes"


def _about_condition(rule: RuleDefinition) -> Iterator[str]:
    """What is wrong with the condition by itself."""
    when = rule.when
    if when.trigger == "occupancy":
        if when.at_least is None and when.at_most is None:
            yield f"{_NEVER}occupancy needs at_least or at_most"
        elif when.at_least is not None and when.at_most is not None and when.at_least > when.at_most:
            yield f"{_NEVER}at_least is above at_most"
        elif (when.at_least or 0) > limits.OBJECTS:
            yield f"{_NEVER}a camera has at most {limits.OBJECTS} objects"
    if when.trigger == "count":
        if when.at_least is None or not when.within_s:
            yield f"{_NEVER}count needs at_least and within_s"
        elif when.at_least > WINDOW:
            yield f"{_NEVER}at most {WINDOW} events are counted"
    if when.trigger == "offline" and (when.zones or when.classes or rule.cameras):
        yield "is about the whole node: its cameras, zones and classes have no effect"
    if when.trigger == "problem" and (when.zones or when.classes):
        yield "is about a whole camera: its zones and classes have no effect"
    if rule.object_cooldown_s and when.trigger not in ("event", "stay", "count"):
        yield f"has no object: object_cooldown_s has no effect with {when.trigger}"


def _about_events(rule: RuleDefinition, cameras: Mapping[str, Places]) -> Iterator[str]:
    """What is wrong with the events that it waits for."""
    when = rule.when
    if not when.events:
        yield f"{_NEVER}it names no events"
        return
    mine = _mine(rule, cameras)
    never = [why for event in when.events if (why := _why_never(rule, event, mine)) is not None]
    start = _NEVER if len(never) == len(when.events) else ""
    yield from (f"{start}{one}" for one in dict.fromkeys(never))
    if when.direction is not None and "line_crossed" not in when.events:
        yield "direction has no effect: only line_crossed has one"
    if when.dwell_s and not {"zone_exited", "zone_lost"} & set(when.events):
        yield "dwell_s has no effect: only zone_exited and zone_lost have one"


def _why_never(rule: RuleDefinition, event: str, mine: Sequence[Places]) -> str | None:
    """Why an event never comes; None if it can."""
    when = rule.when
    if event == "track_started":
        return "track_started is about no zone" if when.zones else None
    if event in _NO_CLASS and when.classes:
        return f"{event} is about no class"
    key, about = _NEEDS.get(event, ("", ""))
    line = event == "line_crossed"
    places = [
        place
        for one in mine
        for name, place in (one.lines if line else one.zones).items()
        if not when.zones or name in when.zones
    ]
    if not places:
        return f"{event} comes from {'lines' if line else 'zones'}, and there is none of these for it"
    places = [place for place in places if not key or getattr(place, key)]
    if not places:
        return f"{event} never comes: no zone of it tells of {about} (set {key} of the zone)"
    if when.classes and all(place.classes and not set(place.classes) & set(when.classes) for place in places):
        return f"{event} never comes: its zones and lines count none of its classes"
    return None


def _mine(rule: RuleDefinition, cameras: Mapping[str, Places]) -> list[Places]:
    return [one for name, one in cameras.items() if not rule.cameras or name in rule.cameras]
