"""One track while it lasts, and the summary that is left of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_node.analytics.happenings import Box, Happening
from edge_node.consolidate.path import Path, Point
from shared import limits
from shared.wire.messages import ClassVotes, TrackCrossing, TrackEnd, TrackStay

POINT_EVERY_S = 0.2
"""Seconds between places that are noted for the path; the first and the last place are noted, too."""
STILL_AFTER_S = 1.0
"""Seconds over which it is measured whether an object moves; over fewer, the trembling of its box counts."""
STILL_SIDES = 0.2
"""An object that moved less than this in that time stood still; in square roots of its box's area."""
EDGE = 0.02
"""A box that is nearer to the picture's edge than this, in fractions of the frame, is at the edge."""
AHEAD_S = 0.5
"""An object that would have reached the edge in so many seconds has left the picture, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """How many detections of a class there were, and the sum of their scores."""

    detections: int
    scores: float

    def message(self) -> ClassVotes:
        """The same, as the wire has it."""
        score = round(min(1.0, self.scores / self.detections), 4)
        return ClassVotes(detections=self.detections, score=score)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame was captured, and its shape.

    Attributes:
        at_s: Seconds on the clock of analytics.
        captured_us: The same, microseconds since 1970 UTC.
        aspect: The frame's width over its height.
    """

    at_s: float
    captured_us: int
    aspect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A finished track, as `shared.wire.messages.Track` describes it."""

    track_id: int
    votes: dict[int, Votes]
    detections: int
    best_score: float
    started_us: int
    ended_us: int
    duration_s: float
    ended: TrackEnd
    path: list[Point]
    path_error: float
    first_box: Box
    last_box: Box
    stays: tuple[TrackStay, ...]
    crossings: tuple[TrackCrossing, ...]
    left_out: int
    stationary_share: float
    speed_average_m_s: float | None
    speed_max_m_s: float | None
    continues: int | None


class Followed:
    """A track, from the first frame that shows it.

    Args:
        track_id: Its id.
        age_s: How long the tracker has known it when it is first seen here.
        first: The first frame.
        box: Its box there: x1, y1, x2, y2, fractions of the frame; it may reach beyond the frame.
        points: The most points of its path.
    """

    __slots__ = (
        "_best",
        "_box",
        "_continues",
        "_crossings",
        "_detections",
        "_first_box",
        "_inside",
        "_last",
        "_left_out",
        "_mark",
        "_noted_s",
        "_path",
        "_speed",
        "_started_s",
        "_started_us",
        "_stays",
        "_still_s",
        "_track_id",
        "_velocity",
        "_votes",
    )

    def __init__(self, track_id: int, age_s: float, first: Moment, box: Box, points: int) -> None:
        self._track_id = track_id
        self._started_s = first.at_s - age_s
        self._started_us = first.captured_us - round(age_s * 1e6)
        self._last, self._box, self._velocity = first, box, (0.0, 0.0)
        self._first_box, self._mark = box, (first.at_s, box)
        self._path, self._noted_s = Path(points), -math.inf
        self._votes: dict[int, list[float]] = {}  # number of detections, sum of their scores
        self._detections, self._best, self._still_s = 0, 0.0, 0.0
        self._speed = [0.0, 0.0, 0.0]  # seconds for which it is known, metres in them, highest
        # When its open stays began, in seconds after the start: below 0 for those that a lost track began.
        self._inside: dict[str, float] = {}
        self._stays: list[TrackStay] = []
        self._crossings: list[TrackCrossing] = []
        self._left_out = 0
        self._continues: int | None = None

    def see(
        self,
        now: Moment,
        class_id: int,
        score: float,
        box: Box,
        velocity: tuple[float, float],
        speed_m_s: float | None,
    ) -> None:
        """Take in one frame in which a detection supports the track.

        Args:
            now: The frame.
            class_id: Class of the detection.
            score: Its score.
            box: x1, y1, x2, y2, fractions of the frame; it may reach beyond the frame.
            velocity: Of the box's centre, fractions of the frame per second.
            speed_m_s: Speed over the ground; NaN or None: unknown.
        """
        votes = self._votes.get(class_id)
        if votes is not None:
            votes[0] += 1
            votes[1] += score
        elif len(self._votes) < limits.TRACK_CLASSES:
            self._votes[class_id] = [1, score]
        self._detections += 1
        if score > self._best:
            self._best = score
        if speed_m_s is not None:
            self._note_speed(speed_m_s, now.at_s - self._last.at_s)
        self._last, self._box, self._velocity = now, box, velocity
        if now.at_s - self._noted_s >= POINT_EVERY_S:
            self._note_place()

    def experience(self, happening: Happening) -> None:
        """Take in something that happened to the track in a zone or at a line."""
        place, kind = happening.zone, happening.type
        if kind == "track_linked":
            self._continues = happening.linked_track_id
            if place is not None:
                self._inside[place] = self._since_start(happening) - (happening.dwell_s or 0.0)
        elif place is None:
            return
        elif kind == "zone_entered":
            if len(self._inside) < limits.ZONES:
                self._inside[place] = self._since_start(happening)
        elif kind in ("zone_exited", "zone_lost"):
            dwell_s = happening.dwell_s or 0.0
            self._inside.pop(place, None)
            self._stay(place, self._since_start(happening) - dwell_s, dwell_s, exited=kind == "zone_exited")
        elif happening.direction is not None and self._has_room(len(self._crossings)):
            at_s = round(max(0.0, self._since_start(happening)), 3)
            self._crossings.append(TrackCrossing(line=place, direction=happening.direction, at_s=at_s))

    def end(self, how: TrackEnd | None) -> Summary:
        """Conclude the track.

        Args:
            how: How it ended; None: it left the picture or was lost, whatever its last frame says.
        """
        last = self._last
        self._note_place()
        duration_s = max(0.0, last.at_s - self._started_s)
        for place, entered_s in self._inside.items():
            self._stay(place, entered_s, max(0.0, duration_s - entered_s), exited=False)
        known_s, metres, highest = self._speed
        return Summary(
            track_id=self._track_id,
            votes={
                class_id: Votes(detections=int(detections), scores=scores)
                for class_id, (detections, scores) in sorted(
                    self._votes.items(), key=lambda one: (-one[1][0], -one[1][1])
                )
            },
            detections=self._detections,
            best_score=self._best,
            started_us=max(0, self._started_us),
            ended_us=max(0, last.captured_us, self._started_us),
            duration_s=duration_s,
            ended=how or ("left" if _leaves(self._box, self._velocity) else "lost"),
            path=self._path.points(),
            path_error=self._path.error,
            first_box=_cut(self._first_box),
            last_box=_cut(self._box),
            stays=tuple(self._stays),
            crossings=tuple(self._crossings),
            left_out=self._left_out,
            stationary_share=min(1.0, self._still_s / duration_s) if duration_s > 0 else 0.0,
            speed_average_m_s=metres / known_s if known_s else None,
            speed_max_m_s=highest if known_s else None,
            continues=self._continues,
        )

    def _note_place(self) -> None:
        """Note where it is for the path, and once in a while whether it stands still."""
        now = self._last
        self._noted_s = now.at_s
        x1, _, x2, y2 = self._box
        self._path.add(max(0.0, now.at_s - self._started_s), _inside((x1 + x2) / 2), _inside(y2))
        since_s, before = self._mark
        if now.at_s - since_s >= STILL_AFTER_S:
            if _moved(before, self._box, now.aspect) < STILL_SIDES:
                self._still_s += now.at_s - since_s
            self._mark = now.at_s, self._box

    def _note_speed(self, speed_m_s: float, elapsed_s: float) -> None:
        if elapsed_s > 0 and not math.isnan(speed_m_s):
            self._speed[0] += elapsed_s
            self._speed[1] += speed_m_s * elapsed_s
            self._speed[2] = max(self._speed[2], speed_m_s)

    def _stay(self, place: str, entered_s: float, dwell_s: float, *, exited: bool) -> None:
        if self._has_room(len(self._stays)):
            self._stays.append(
                TrackStay(
                    zone=place,
                    entered_s=round(max(0.0, entered_s), 3),  # below 0: the stay of the track it continues
                    dwell_s=round(dwell_s, 3),
                    ended="exited" if exited else "inside",
                )
            )

    def _has_room(self, count: int) -> bool:
        if count < limits.TRACK_VISITS:
            return True
        self._left_out += 1
        return False

    def _since_start(self, happening: Happening) -> float:
        return happening.occurred_s - self._started_s


def _moved(before: Box, after: Box, aspect: float) -> float:
    """How far a box's centre moved, in sides of the box."""
    (x1, y1, x2, y2), (u1, v1, u2, v2) = before, after
    side = math.sqrt(max((u2 - u1) * aspect * (v2 - v1), 1e-12))
    return math.hypot((u1 + u2 - x1 - x2) / 2 * aspect, (v1 + v2 - y1 - y2) / 2) / side


def _leaves(box: Box, velocity: tuple[float, float]) -> bool:
    """Whether an object that was last seen like this has left the picture."""
    x1, y1, x2, y2 = box
    dx, dy = (speed * AHEAD_S for speed in velocity)
    left, right = min(x1, x1 + dx), max(x2, x2 + dx)
    top, bottom = min(y1, y1 + dy), max(y2, y2 + dy)
    return left < EDGE or top < EDGE or right > 1 - EDGE or bottom > 1 - EDGE


def _inside(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


def _cut(box: Box) -> Box:
    x1, y1, x2, y2 = map(_inside, box)
    return x1, y1, x2, y2
