"""Tracks to events and numbers, for one camera: what stands where, for how long, and what crossed.

A pure function of tracks and times: no I/O and no clock of its own, so a file gives the same numbers at every
processing speed. A position counts when a detection supports it; a predicted box keeps its object present but
moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.analytics.happenings import Happening
from edge_node.analytics.heatmap import Heatmap
from edge_node.analytics.lines import Lines
from edge_node.analytics.main_subject import MainSubject
from edge_node.analytics.roster import Index, LinkGates, Roster
from edge_node.analytics.speed import Ground
from edge_node.analytics.zones import Zones
from edge_node.config.camera_settings import AnalyticsSettings, refuse_shared_names
from edge_node.frames import Tracks
from shared.geometry import (
    F64,
    Anchor,
    anchor_points,
    clip_to_frame,
    polygon_area,
    polygon_crosses_itself,
    side_of_line,
)
from shared.wire.messages import LineDefinition, ZoneDefinition, ZoneNumbers

# The frame's last row and column belong to it: a box touching the bottom stands in a zone that ends there.
_EDGE = 1 - 1e-9
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What one frame showed.

    Attributes:
        happenings: Events of this frame; `occurred_s` may lie before it.
        numbers: Every zone's and line's numbers, by name.
        zones_of: Per row of the frame's tracks, names of the zones it counts as inside of.
        main_track_id: The main subject; None when there is none in the picture.
        speed_m_s: f64 ``(N,)`` per row, NaN above the horizon; None without a ground calibration.
    """

    happenings: list[Happening]
    numbers: dict[str, ZoneNumbers]
    zones_of: list[list[str]]
    main_track_id: int | None
    speed_m_s: F64 | None = None


class Analytics:
    """Zones, lines, heatmap, speeds and main subject of one camera.

    Args:
        zones: By name.
        lines: By name; no name may be in both.
        class_names: By class id.
        settings: The rest.

    Attributes:
        heatmap: Where objects spend their time.

    Raises:
        ConfigError: A zone and a line share a name, or the ground calibration cannot work.
    """

    def __init__(
        self,
        zones: Mapping[str, ZoneDefinition],
        lines: Mapping[str, LineDefinition],
        class_names: Sequence[str],
        settings: AnalyticsSettings,
    ) -> None:
        refuse_shared_names(zones, lines)
        self._class_names = tuple(class_names)
        self._roster = Roster(
            LinkGates(
                within_s=settings.link_within_s,
                distance=settings.link_distance,
                size_ratio=settings.link_size_ratio,
            )
        )
        self._zones = Zones(zones, self._class_names)
        self._lines = Lines(lines, self._class_names)
        self._subject = MainSubject(
            settings.main_classes,
            self._class_names,
            min_score=settings.main_score,
            ratio=settings.main_ratio,
            after_s=settings.main_after_s,
        )
        self._ground = Ground(settings.ground) if settings.ground else None
        self.heatmap = Heatmap(settings.heatmap_columns, settings.heatmap_rows, settings.heatmap_half_life_s)
        self._now_s: float | None = None

    def update(self, tracks: Tracks, now_s: float, width: int, height: int) -> Report:
        """Read one frame.

        Args:
            tracks: Its confirmed tracks, pixels.
            now_s: When it was captured, seconds; a time before the last frame's is taken for that one.
            width: Of the frame, pixels.
            height: Of the frame, pixels.

        Returns:
            Events and numbers as of this frame.
        """
        last_s = now_s if self._now_s is None else self._now_s
        now_s = self._now_s = max(now_s, last_s)
        # The one place where pixels become fractions of the frame.
        frame = np.array([width, height, width, height], np.float64)
        boxes = tracks.xyxy / frame
        roster, aspect = self._roster, width / height
        slots, links, events = roster.admit(tracks, boxes, self._zones.busy(), now_s, aspect)
        feet = _standing(boxes, "bottom_center")
        stayed = roster.objects["reported_s"][slots] == last_s
        sighting = roster.see(tracks, boxes, slots, now_s, height)
        self.heatmap.update(feet[stayed], now_s - last_s)
        seen = boxes[sighting.rows]
        events += self._zones.update(sighting, _anchored(seen, self._zones.anchors), roster.objects, links)
        events += self._lines.update(sighting, _anchored(seen, self._lines.anchors), roster.objects, aspect)
        for link in links:
            self._subject.follow(link.old, link.new)
        speed = None
        if self._ground is not None:
            drift = tracks.velocity[sighting.rows] / frame[:2]
            self._ground.update(sighting, feet[sighting.rows], drift, len(roster.objects))
            speed = self._ground.speed(slots)
        report = Report(
            events + roster.end(tracks.ended.tolist()),
            self._zones.numbers(roster.objects) | self._lines.numbers(),
            self._zones.zones_of(slots),
            self._subject.update(tracks, now_s),
            speed,
        )
        self._forget(roster.release(self._zones.busy(), now_s))
        return report

    def restart(self, now_s: float) -> list[Happening]:
        """Begin again after a reconnect or at a new pass of a looped file.

        Every open stay is closed (as lost, or as exited where the object was seen outside already), every
        track ends; counters, completed stays and the heatmap are kept.

        Args:
            now_s: The time of the next frame; times may begin anew here.

        Returns:
            The events, on the clock in force before.
        """
        last_s = now_s if self._now_s is None else self._now_s
        events = self._zones.interrupt(self._roster.objects, last_s) + self._roster.clear()
        self._forget(slice(None))
        self._subject.forget()
        self._now_s = None
        return events

    def redefine(
        self, zones: Mapping[str, ZoneDefinition], lines: Mapping[str, LineDefinition]
    ) -> list[Happening]:
        """Put other zones and lines in force.

        What keeps its name and definition keeps its counts and stays; open stays in zones that are gone or
        changed are closed as by `restart`, and a changed zone or line counts from zero.

        Args:
            zones: By name.
            lines: By name.

        Returns:
            The events of the stays closed.

        Raises:
            ConfigError: A zone and a line share a name; nothing was changed.
        """
        refuse_shared_names(zones, lines)
        before, self._zones = self._zones, Zones(zones, self._class_names, self._zones)
        self._lines = Lines(lines, self._class_names, self._lines)
        return before.interrupt(self._roster.objects, self._now_s or 0.0, keep=self._zones)

    def _forget(self, slots: Index | slice) -> None:
        self._lines.forget(slots)
        if self._ground is not None:
            self._ground.forget(slots)


def _standing(boxes: F64, anchor: Anchor) -> F64:
    return np.asarray(np.minimum(np.maximum(anchor_points(boxes, anchor), 0.0), _EDGE))


def _anchored(boxes: F64, anchors: list[Anchor]) -> F64:
    """The points ``(Z, N, 2)`` that the boxes ``(N, 4)`` have for the anchor of each zone or line."""
    points = {anchor: _standing(boxes, anchor) for anchor in set(anchors)}
    return np.array([points[anchor] for anchor in anchors]).reshape(len(anchors), len(boxes), 2)


def problems(
    zones: Mapping[str, ZoneDefinition],
    lines: Mapping[str, LineDefinition],
    class_names: Sequence[str] | None = None,
) -> list[str]:
    """Why zones or lines can never count anything, or not what was meant.

    Args:
        zones: By name.
        lines: By name.
        class_names: The model's classes; None when they are not known yet.

    Returns:
        One sentence each.
    """
    found = [f"zone {name!r} {reason}" for name, zone in zones.items() for reason in _zone_problems(zone)]
    found += [f"line {name!r} {reason}" for name, line in lines.items() for reason in _line_problems(line)]
    if class_names is not None:
        for kind, definitions in (("zone", zones), ("line", lines)):
            for name, definition in definitions.items():
                unknown = [wanted for wanted in definition.classes if wanted not in class_names]
                found += [
                    f"{kind} {name!r} asks for class {one!r}, which the model does not have"
                    for one in unknown
                ]
    return found


def _zone_problems(zone: ZoneDefinition) -> list[str]:
    polygon = np.asarray(zone.polygon, np.float64)
    if polygon_crosses_itself(polygon):
        return ["crosses itself: list its corners in order around the shape"]
    if polygon_area(polygon) < _NEGLIGIBLE:
        return ["can never count anything: its polygon has no area"]
    inside = clip_to_frame(polygon)
    if len(inside) < 3 or polygon_area(inside) < _NEGLIGIBLE:
        return ["can never count anything: it lies outside the frame"]
    return []


def _line_problems(line: LineDefinition) -> list[str]:
    points = np.asarray(line.points, np.float64)
    if np.hypot(*(points[1] - points[0])) < _NEGLIGIBLE:
        return ["can never count anything: it has no length"]
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    sides = side_of_line(corners, points)
    if len(clip_to_frame(points)) == 0:
        return ["can never count anything: it lies outside the frame"]
    if sides.min() > -_NEGLIGIBLE or sides.max() < _NEGLIGIBLE:
        return ["can never count anything: all of the frame lies on one side of it"]
    return []
