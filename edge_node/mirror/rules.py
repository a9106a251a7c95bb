"""What happens in a camera's zones and at its lines, and to its picture, as ONVIF's events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.onvif import event
from edge_node.onvif.classes import Kind
from edge_node.onvif.event import Rule
from edge_node.onvif.scene import utc
from shared.wire.messages import Problem, ZoneNumbers

OBJECTS_EVERY_S = 1.0
"""The least time between two events that say which types of objects are in the picture."""


@dataclass(frozen=True, slots=True)
class Said:
    """An event to send.

    Attributes:
        rule: What it is about.
        payload: What it says; None where a property is no more.
    """

    rule: Rule
    payload: dict[str, Any] | None


class Rules:
    """One camera's zones and lines as rules of an ONVIF device.

    Args:
        camera: The camera.
        kinds: What ONVIF calls each class, by class id.
    """

    def __init__(self, camera: str, kinds: Sequence[Kind]) -> None:
        self._camera, self._kinds = camera, kinds
        self._inside: dict[str, dict[int, str]] = {}  # by zone: the type of each object in it
        self._loitering: dict[str, dict[int, int]] = {}  # by zone: since when each object loiters
        self._properties: dict[Rule, dict[str, Any]] = {}
        # What the properties are of: counts, and problems.
        self._told: tuple[list[tuple[str, int, int, int]], frozenset[Problem] | None] | None = None
        self._types: tuple[str, ...] = ()
        self._types_s = float("-inf")
        self._began = False

    def take(
        self, item: Analysed, problems: frozenset[Problem] | None = None, *, ends: bool = False
    ) -> Iterator[Said]:
        """The events that a frame makes.

        Args:
            item: The frame.
            problems: What is wrong with the camera's picture; None: nobody judges it.
            ends: Whether only its happenings and numbers are new, because no frame follows.
        """
        captured_us = item.frame.captured_ns // 1000
        if not self._began:
            self._began = True
            self._find(item)
        for happening in item.report.happenings:
            ago_us = max(0, round((item.now_s - happening.occurred_s) * 1e6))
            yield from self._happened(happening, max(0, captured_us - ago_us))
        numbers = item.report.numbers
        counts = [(name, one.entered, one.exited, one.occupancy) for name, one in numbers.items()]
        if item.report.happenings or (counts, problems) != self._told:  # else nothing has changed
            self._told = counts, problems
            wanted: dict[Rule, dict[str, Any]] = {}
            if problems is not None:
                for topic, those in event.TAMPERING.items():
                    wanted[Rule(topic, self._camera)] = {"State": bool(those & problems)}
            for name, one in numbers.items():
                wanted |= self._properties_of(name, one)
            yield from self._changed(wanted, captured_us)
        if not ends:
            yield from self._in_view(item, captured_us)

    def clear(self) -> Iterator[Said]:
        """What ends every property that was said."""
        for rule in self._properties:
            yield Said(rule, None)
        self._properties.clear()

    def _find(self, item: Analysed) -> None:
        """Note who is in the zones already when this begins while the node runs."""
        tracks = item.tracks
        rows = zip(tracks.track_id.tolist(), tracks.class_id.tolist(), item.report.zones_of, strict=True)
        for track_id, class_id, zones in rows:
            for zone in zones:
                self._inside.setdefault(zone, {})[track_id] = self._kinds[class_id].type

    def _happened(self, happening: Happening, occurred_us: int) -> Iterator[Said]:
        place, track_id = happening.zone, happening.track_id
        if place is None or track_id is None:
            return
        kind = "" if happening.class_id is None else self._kinds[happening.class_id].type
        inside, loitering = self._inside.setdefault(place, {}), self._loitering.setdefault(place, {})
        if happening.type == "line_crossed":
            data = event.about([track_id], [kind]) | {f"{event.VENDOR}:Direction": happening.direction}
            rule = Rule(event.CROSSED, self._camera, place)
            yield Said(rule, rule.event(occurred_us, data))
        elif happening.type == "zone_entered":
            inside[track_id] = kind
        elif happening.type == "loitering":
            loitering[track_id] = occurred_us
        elif happening.type in ("zone_exited", "zone_lost"):
            inside.pop(track_id, None)
            loitering.pop(track_id, None)
        elif happening.type == "track_linked" and happening.linked_track_id is not None:
            inside[track_id] = inside.pop(happening.linked_track_id, kind)
            if (since_us := loitering.pop(happening.linked_track_id, None)) is not None:
                loitering[track_id] = since_us

    def _properties_of(self, name: str, numbers: ZoneNumbers) -> dict[Rule, dict[str, Any]]:
        if numbers.kind == "line":
            return {
                Rule(event.COUNTER, self._camera, f"{name}-in"): {"Count": numbers.entered},
                Rule(event.COUNTER, self._camera, f"{name}-out"): {"Count": numbers.exited},
            }
        inside, loitering = self._inside.get(name, {}), self._loitering.get(name, {})
        objects = event.about(list(inside), list(inside.values()))
        found: dict[Rule, dict[str, Any]] = {
            Rule(event.INSIDE, self._camera, name): {"IsInside": numbers.occupancy > 0} | objects,
            Rule(event.OCCUPANCY, self._camera, name): {"Count": numbers.occupancy},
        }
        if loitering:
            types = [inside.get(number, "") for number in loitering]
            data = event.about(list(loitering), types) | {"Since": utc(min(loitering.values()))}
            found[Rule(event.LOITERING, self._camera, name)] = data
        return found

    def _changed(self, wanted: dict[Rule, dict[str, Any]], captured_us: int) -> Iterator[Said]:
        """Say which properties are new, have changed, or are no more."""
        if wanted == self._properties:
            return
        before, self._properties = self._properties, wanted
        for rule in before.keys() - wanted.keys():
            yield Said(rule, None)
        for rule, data in wanted.items():
            if data != before.get(rule):
                yield Said(rule, rule.event(captured_us, data))
        if len(self._inside) > len(wanted):  # zones that were renamed many times leave nothing behind
            names = {rule.name for rule in wanted}
            for kept in (self._inside, self._loitering):
                for name in kept.keys() - names:
                    del kept[name]

    def _in_view(self, item: Analysed, captured_us: int) -> Iterator[Said]:
        """Say which types of objects are in the picture, if that has changed."""
        seen = {self._kinds[class_id].type for class_id in set(item.tracks.class_id.tolist())}
        types = tuple(sorted(seen))
        if types != self._types and abs(item.now_s - self._types_s) >= OBJECTS_EVERY_S:
            self._types, self._types_s = types, item.now_s
            rule = Rule(event.OBJECTS, self._camera, "Objects")
            yield Said(rule, rule.event(captured_us, {"ClassTypes": event.about([], types)["ClassTypes"]}))
