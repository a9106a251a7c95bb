"""Finds rules that can never do what they say, or not fully, so that whoever made them can be told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
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
_LASTING = frozenset({"stay", "occupancy", "problem", "offline"})
"""Triggers with a time, which begins anew with each span of the schedule."""
_ALL = "*"
"""Stands for every zone or line; no identifier is that."""
_KEYS = sorted({key for key, _ in _NEEDS.values()})
_NONE = frozenset[str]()
_Classes = frozenset[str] | None
"""The classes that a zone or line counts; None for all."""
Lasts = Callable[[str, float], bool]
_Told = dict[str, dict[str, _Classes]]
"""By zone or line: what it counts, by the keys that its definition has; the empty one stands for itself."""


class Places(Protocol):
    """A camera's zones and lines."""

    @property
    def zones(self) -> Mapping[str, ZoneDefinition]:
        """Zones by identifier."""

    @property
    def lines(self) -> Mapping[str, LineDefinition]:
        """Lines by identifier."""


class _Watched:
    """The zones and lines that a rule is about, of all its cameras put together by their names.

    Args:
        cameras: What `_told` says of each.
        wanted: Names; empty: all.
    """

    def __init__(self, cameras: Sequence[tuple[_Told, _Told]], wanted: Sequence[str]) -> None:
        self._zones, self._lines = _Told(), _Told()
        for zones, lines in cameras:
            for name in wanted or (_ALL,):
                _join(self._zones, name, zones.get(name))
                _join(self._lines, name, lines.get(name))

    def has(self, name: str) -> bool:
        """Whether there is a zone or line of this name."""
        return name in self._zones or name in self._lines

    def counted(self, key: str = "", *, lines: bool = False) -> list[_Classes]:
        """What each zone, or line, counts whose definition has this key."""
        return [one[key] for one in (self._lines if lines else self._zones).values() if key in one]


def _told(camera: Places) -> tuple[_Told, _Told]:
    """What the zones and the lines of a camera count: each of them, and all together."""
    zones, lines = _Told(), _Told()
    for name, zone in camera.zones.items():
        keys = ["", *(key for key in _KEYS if getattr(zone, key))]
        said = dict.fromkeys(keys, frozenset(zone.classes) or None)
        _join(zones, name, said)
        _join(zones, _ALL, said)
    for name, line in camera.lines.items():
        _join(lines, name, {"": frozenset(line.classes) or None})
        _join(lines, _ALL, lines[name])
    return zones, lines


def _join(told: _Told, name: str, said: Mapping[str, _Classes] | None) -> None:
    if said is None:
        return
    if (known := told.get(name)) is None:
        told[name] = dict(said)
        return
    for key, classes in said.items():
        before = known.get(key, _NONE)
        if before is not None and before is not classes:
            known[key] = None if classes is None else before | classes


def problems(
    rules: Mapping[str, RuleDefinition],
    cameras: Mapping[str, Places],
    class_names: Collection[str] | None = None,
    schedules: Collection[str] | None = None,
    never_active: Collection[str] = (),
    lasts: Lasts = lambda *_: True,
) -> dict[str, tuple[str, ...]]:
    """Find rules that can never fire, or that say something that has no effect.

    Args:
        rules: By identifier.
        cameras: The node's cameras, with their zones and lines.
        class_names: The model's classes; None while they are unknown.
        schedules: The schedules of the node's calendar; None while they are unknown.
        never_active: Those of them that are never active.
        lasts: Whether a schedule is ever active for longer than so many seconds.

    Returns:
        Sentences by rule, each of which goes on after "rule NAME"; rules without problems are left out.
    """
    told = {name: _told(one) for name, one in cameras.items()}

    @lru_cache(maxsize=16)
    def watched(some: tuple[str, ...], wanted: tuple[str, ...]) -> _Watched:
        return _Watched([told[name] for name in some or told if name in told], wanted)

    found = {}
    for name, rule in rules.items():
        mine, where = watched(rule.cameras, rule.when.zones), list[str]()
        if rule.when.trigger != "offline":
            where = list(islice(_about_camera(rule, cameras, mine, never_active), _MOST))
        looked = rule.when.trigger in ("event", "count") and not any(one.startswith(_NEVER) for one in where)
        sentences = [
            *_about_schedule(rule, schedules, never_active, lasts),
            *where,
            *_about_condition(rule),
            *(_about_events(rule, mine) if looked else ()),
            *_about_classes(rule, class_names),
        ]
        if sentences:
            found[name] = tuple(limits.clipped(one) for one in sentences[:_MOST])
    return found


def as_warnings(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The same as sentences that name their rules."""
    return [f"rule {name!r}: {one}" for name, sentences in found.items() for one in sentences]


def _about_schedule(
    rule: RuleDefinition, schedules: Collection[str] | None, never_active: Collection[str], lasts: Lasts
) -> Iterator[str]:
    if rule.schedule is None:
        if rule.first_of == "schedule":
            yield "fires each time: first_of is schedule, and it has none"
    elif schedules is not None and rule.schedule not in schedules:
        yield f"always holds: the calendar has no schedule {rule.schedule!r}"
    elif rule.schedule in never_active:
        yield f"{_NEVER}its schedule {rule.schedule!r} is never active"
    elif rule.when.trigger in _LASTING and not lasts(rule.schedule, rule.when.for_s):
        yield f"{_NEVER}its schedule {rule.schedule!r} is never active for longer than for_s"


def _about_classes(rule: RuleDefinition, class_names: Collection[str] | None) -> Iterator[str]:
    """Which of its classes the model does not have; without any, nothing that it looks for is ever found."""
    classes = rule.when.classes
    if class_names is None:
        return
    start = _NEVER if _looks_for_objects(rule) and set(classes).isdisjoint(class_names) else ""
    yield from (start + one for one in unknown_classes("it", classes, class_names))


def _looks_for_objects(rule: RuleDefinition) -> bool:
    """Whether it takes an object to meet the condition; a zone with at most so many may be empty."""
    when = rule.when
    return when.trigger in ("event", "count", "stay") or (when.trigger == "occupancy" and bool(when.at_least))


def _about_camera(
    rule: RuleDefinition, cameras: Mapping[str, Places], mine: _Watched, never_active: Collection[str]
) -> Iterator[str]:
    missing = [name for name in rule.cameras if name not in cameras]
    if missing and len(missing) == len(rule.cameras):
        yield f"{_NEVER}the node has no camera {', '.join(map(repr, missing))}"
    else:
        yield from (f"names camera {name!r}, which the node does not have" for name in missing)
    if rule.when.trigger == "problem":
        return
    unknown = [zone for zone in rule.when.zones if not mine.has(zone)]
    for zone in unknown:
        elsewhere = [name for name, one in cameras.items() if zone in one.zones or zone in one.lines]
        where = f"only on {', '.join(elsewhere)}, which it leaves out" if elsewhere else "on no camera"
        start = _NEVER if len(unknown) == len(rule.when.zones) else ""
        yield f"{start}{zone!r} is {where}"
    if _never_counted(rule, cameras, never_active):
        yield f"{_NEVER}the schedules of its zones and lines are never active"
    if rule.when.trigger in ("stay", "occupancy") and len(unknown) < max(1, len(rule.when.zones)):
        yield from _about_zones(rule, mine)


def _never_counted(
    rule: RuleDefinition, cameras: Mapping[str, Places], never_active: Collection[str]
) -> bool:
    """Whether its zones and lines are paused for good; objects appear on a camera without them, too."""
    if not never_active or "track_started" in rule.when.events:
        return False
    schedules = (
        place.schedule
        for name in rule.cameras or cameras
        if name in cameras
        for places in (cameras[name].zones, cameras[name].lines)
        for zone, place in places.items()
        if not rule.when.zones or zone in rule.when.zones
    )
    return next(schedules, None) in never_active and all(one in never_active for one in schedules)


def _about_zones(rule: RuleDefinition, mine: _Watched) -> Iterator[str]:
    """What is wrong with the zones in which objects are to be."""
    wanted, classes = rule.when.zones, rule.when.classes
    zones = mine.counted()
    if not zones:
        yield f"{_NEVER}" + (
            "objects stay in zones, and it names lines" if wanted else "its cameras have no zone"
        )
    elif _none_of(classes, zones):
        start = _NEVER if _looks_for_objects(rule) else "is met all the time: "
        yield f"{start}its zones count none of its classes"


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


def _about_events(rule: RuleDefinition, mine: _Watched) -> Iterator[str]:
    """What is wrong with the events that it waits for."""
    when = rule.when
    if not when.events:
        yield f"{_NEVER}it names no events"
        return
    never = [why for event in when.events if (why := _why_never(rule, event, mine)) is not None]
    start = _NEVER if len(never) == len(when.events) else ""
    yield from (f"{start}{one}" for one in dict.fromkeys(never))
    if when.direction is not None and "line_crossed" not in when.events:
        yield "direction has no effect: only line_crossed has one"
    if when.dwell_s and not {"zone_exited", "zone_lost"} & set(when.events):
        yield "dwell_s has no effect: only zone_exited and zone_lost have one"


def _why_never(rule: RuleDefinition, event: str, mine: _Watched) -> str | None:
    """Why an event never comes; None if it can."""
    when = rule.when
    if event == "track_started":
        return "track_started is about no zone" if when.zones else None
    if event in _NO_CLASS and when.classes:
        return f"{event} is about no class"
    key, about = _NEEDS.get(event, ("", ""))
    line = event == "line_crossed"
    if not mine.counted(lines=line):
        return f"{event} comes from {'lines' if line else 'zones'}, and there is none of these for it"
    places = mine.counted(key, lines=line)
    if not places:
        return f"{event} never comes: no zone of it tells of {about} (set {key} of the zone)"
    if _none_of(when.classes, places):
        return f"{event} never comes: its zones and lines count none of its classes"
    return None


def _none_of(classes: Sequence[str], counted: Sequence[_Classes]) -> bool:
    """Whether all of them count other classes."""
    return bool(classes) and all(one is not None and one.isdisjoint(classes) for one in counted)
