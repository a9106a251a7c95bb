"""One camera's tracks become events and numbers: what stands where, for how long, and what crossed a line.

Analytics is a pure function of tracks and times. It does no I/O and reads no clock, so a file gives the same
numbers at every processing speed. Only positions that a detection supports count. A predicted box keeps its
object present, but moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_node.analytics.happenings import Happening
from edge_node.analytics.heatmap import Heatmap
from edge_node.analytics.lines import LineCrossings
from edge_node.analytics.linking import LinkGates
from edge_node.analytics.main_subject import MainSubject
from edge_node.analytics.paused import NOTHING, Paused
from edge_node.analytics.roster import Index, Roster
from edge_node.analytics.speed import Ground
from edge_node.analytics.zones import ZoneStays
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.frames import Tracks
from shared.definitions.consistent import refuse_shared_names
from shared.geometry import F64, Anchor, standing_points
from shared.wire.messages import LineDefinition, ZoneDefinition, ZoneNumbers


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What one frame showed.

    Attributes:
        happenings: Events that this frame made certain; some occurred before it.
        numbers: Numbers of every zone and line, by name.
        zones_of: For each of the frame's tracks, the names of the zones it is inside.
        main_track_id: Track id of the main subject; None when the frame does not show one.
        speed_m_s: Speed of each track, f64 ``(N,)``; NaN above the horizon, None without a calibration.
    """

    happenings: list[Happening]
    numbers: dict[str, ZoneNumbers]
    zones_of: list[list[str]]
    main_track_id: int | None
    speed_m_s: F64 | None = None


class Analytics:
    """Zones, lines, heatmap, speeds and main subject of one camera.

    Args:
        zones: Definitions by name.
        lines: Definitions by name. A zone and a line may not share a name.
        class_names: Names by class id.
        settings: How tracks are linked, measured and chosen.

    Attributes:
        heatmap: Where objects spend their time.

    Raises:
        ConfigError: A zone and a line share a name, or no plane fits the ground calibration.
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
        self._zones = ZoneStays(zones, self._class_names)
        self._lines = LineCrossings(lines, self._class_names)
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
        self._paused = NOTHING

    def update(self, tracks: Tracks, now_s: float, width: int, height: int) -> Report:
        """Process one frame.

        Args:
            tracks: The frame's confirmed tracks, in pixels.
            now_s: When the frame was captured, seconds. If this is before the last frame, the last frame's
                time counts.
            width: Width of the frame, pixels.
            height: Height of the frame, pixels.

        Returns:
            Events and numbers as of this frame.
        """
        last_s = now_s if self._now_s is None else self._now_s
        now_s = self._now_s = max(now_s, last_s)
        # Pixels become fractions of the frame only here.
        frame = np.array([width, height, width, height], np.float64)
        boxes = tracks.xyxy / frame
        roster, aspect = self._roster, width / height
        slots, links, events = roster.admit(tracks, boxes, self._zones.busy, now_s, aspect)
        feet = standing_points(boxes, "bottom_center")
        stayed = roster.objects["reported_s"][slots] == last_s
        sighting = roster.see(tracks, boxes, slots, now_s, height)
        if not self._paused.untrusted:
            where = feet if np.count_nonzero(stayed) == len(feet) else feet[stayed]
            self.heatmap.update(where, now_s - last_s)
        seen = sighting.rows
        at = _anchored(boxes, seen, self._zones.anchors)
        events += self._zones.update(sighting, at, roster.objects, links)
        at = _anchored(boxes, seen, self._lines.anchors)
        events += self._lines.update(sighting, at, roster.objects, aspect)
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
        freed = roster.release(self._zones.busy, now_s)
        if len(freed):
            self._forget(freed)
        return report

    def finish(self, report: Report) -> Report | None:
        """Count the crossings that later frames could have contradicted, because there are none.

        Args:
            report: That of the last frame.

        Returns:
            The same with these crossings, and without the last frame's own events; None if there are none.
        """
        events = self._lines.interrupt(self._roster.objects)
        if not events:
            return None
        return replace(report, happenings=events, numbers=report.numbers | self._lines.numbers())

    def paused(self, report: Report, closed: list[Happening]) -> Report:
        """A frame's report after a pause: with these events instead of its own, and the numbers as of now."""
        numbers = self._zones.numbers(self._roster.objects) | self._lines.numbers()
        return replace(report, happenings=closed, numbers=numbers)

    def restart(self) -> list[Happening]:
        """Begin again after a reconnect or at a new pass of a looped file.

        Every track ends and every open stay is closed: as exited if its object was last seen outside, else as
        lost. Counters, completed stays and the heatmap are kept. The next frame may have an earlier time
        than the last one.

        Returns:
            The events, with times on the clock of the earlier frames.
        """
        events = self._lines.interrupt(self._roster.objects)
        events += self._zones.interrupt(self._roster.objects, self._now_s or 0.0) + self._roster.clear()
        self._forget(slice(None))
        self._subject.forget()
        self._now_s = None
        return events

    def dismiss(self, track_ids: Sequence[int]) -> list[Happening]:
        """Close the stays of objects that are ignored from now on, at once and as `restart` closes them.

        Returns:
            The events of the stays that were closed.
        """
        return self._zones.dismiss(self._roster.slots_of(track_ids), self._roster.objects)

    def redefine(
        self, zones: Mapping[str, ZoneDefinition], lines: Mapping[str, LineDefinition]
    ) -> list[Happening]:
        """Replace the zones and lines.

        Zones and lines whose identifier and definition stay the same keep their counts and stays, also if
        people call them something else now. Open stays in all
        other zones are closed as `restart` closes them. A changed zone or line counts from zero.

        Args:
            zones: Definitions by name.
            lines: Definitions by name.

        Returns:
            The events of the stays that were closed.

        Raises:
            ConfigError: A zone and a line share a name; nothing was changed.
        """
        refuse_shared_names(zones, lines)
        before, self._zones = self._zones, ZoneStays(zones, self._class_names, self._zones)
        self._lines = LineCrossings(lines, self._class_names, self._lines)
        closed = before.interrupt(self._roster.objects, self._now_s or 0.0, keep=self._zones)
        return closed + self.pause(self._paused)

    def pause(self, paused: Paused) -> list[Happening]:
        """Have exactly these zones and lines count nothing, from the next frame on.

        Definitions, counters and completed stays are kept. Open stays are closed as `restart` closes them,
        and objects inside enter anew when the zone counts again. The heatmap stands still while the picture
        cannot be trusted.

        Args:
            paused: Which, and why; it holds for zones and lines that are defined later, too.

        Returns:
            The events of the stays that were closed, with times on the clock of the earlier frames.
        """
        self._paused = paused
        events = self._lines.pause(paused, self._roster.objects)
        return events + self._zones.pause(paused, self._roster.objects, self._now_s or 0.0)

    def _forget(self, slots: Index | slice) -> None:
        self._lines.forget(slots)
        if self._ground is not None:
            self._ground.forget(slots)


def _anchored(boxes: F64, rows: Index, anchors: list[Anchor]) -> F64:
    """Where the boxes at `rows` stand by the anchor of each of Z zones or lines: points ``(Z, M, 2)``."""
    if not anchors:
        return np.zeros((0, len(rows), 2))
    boxes = boxes[rows]
    points = {anchor: standing_points(boxes, anchor) for anchor in set(anchors)}
    return np.array([points[anchor] for anchor in anchors])
