"""Makes simulated tracks: objects that follow known paths, filmed at any times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_node.analytics.analyse import Analytics, Report
from edge_node.analytics.happenings import Happening
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.frames import Tracks
from shared.wire.messages import EventType, LineDefinition, ZoneDefinition, ZoneNumbers

WIDTH, HEIGHT = 1280, 720
CLASSES = ("person", "car", "dog")

Spot = tuple[float, float]
Path = Callable[[float], Spot | None]
Film = Iterable[tuple[Tracks, float]]


@dataclass(frozen=True)
class Actor:
    """An object of the scene.

    Attributes:
        track_id: Id that the tracker gives the object.
        path: Where its feet (bottom centre) are at a time, fractions of the frame; None if it is not seen.
        class_id: Index into `CLASSES`.
        size: Width and height of its box, fractions of the frame.
        predicted: Whether the box at a time is only the tracker's prediction.
        score: Score of its detections.
    """

    track_id: int
    path: Path
    class_id: int = 0
    size: Spot = (0.04, 0.12)
    predicted: Callable[[float], bool] = lambda _t: False
    score: float = 0.9


def walk(*stops: tuple[float, float, float]) -> Path:
    """Go straight from stop to stop, each ``(time, x, y)``; unseen before the first and after the last."""
    times, xs, ys = (np.array(column) for column in zip(*stops, strict=True))

    def path(t: float) -> Spot | None:
        if not times[0] - 1e-9 <= t <= times[-1] + 1e-9:
            return None
        return float(np.interp(t, times, xs)), float(np.interp(t, times, ys))

    return path


def stand(x: float, y: float, start: float = 0.0, end: float = math.inf) -> Path:
    """Stand in one place between two times."""
    return lambda t: (x, y) if start - 1e-9 <= t <= end + 1e-9 else None


def unseen(path: Path, *gaps: tuple[float, float]) -> Path:
    """Follow a path, unseen inside the gaps (without their ends)."""
    return lambda t: None if any(a + 1e-9 < t < b - 1e-9 for a, b in gaps) else path(t)


def between(path: Path, start: float, end: float) -> Path:
    """Follow a path, seen only between two times."""
    return lambda t: path(t) if start < t < end else None


def shaken(path: Path, amount: float, seed: int = 0) -> Path:
    """Follow a path with a jitter of up to `amount` in both directions, which depends on the time alone."""

    def jittered(t: float) -> Spot | None:
        spot = path(t)
        if spot is None:
            return None
        dx, dy = np.random.default_rng((seed, round(t * 1e6))).uniform(-amount, amount, 2)
        return spot[0] + float(dx), spot[1] + float(dy)

    return jittered


def clock(fps: float, seconds: float, start: float = 0.0) -> list[float]:
    """Frame times at a steady rate, including start and end."""
    return [start + i / fps for i in range(math.floor(seconds * fps + 1e-9) + 1)]


def frame_of(actors: Sequence[tuple[Actor, Spot, float, Spot]], ended: Sequence[int], t: float) -> Tracks:
    """Tracks of one frame, from each actor, its spot, the time it was first seen and its velocity."""
    n = len(actors)
    feet = np.array([spot for _, spot, _, _ in actors], np.float64).reshape(n, 2)
    sizes = np.array([actor.size for actor, *_ in actors], np.float64).reshape(n, 2)
    low = feet - sizes * (0.5, 1.0)
    pixels = np.concatenate((low, low + sizes), axis=1) * (WIDTH, HEIGHT, WIDTH, HEIGHT)
    speed = np.array([velocity for *_, velocity in actors], np.float64).reshape(n, 2) * (WIDTH, HEIGHT)
    return Tracks(
        pixels.astype(np.float32),
        np.array([actor.score for actor, *_ in actors], np.float32),
        np.array([actor.class_id for actor, *_ in actors], np.int32),
        np.array([actor.track_id for actor, *_ in actors], np.int64),
        np.array([t - born for _, _, born, _ in actors], np.float32),
        speed.astype(np.float32),
        np.array([actor.predicted(t) for actor, *_ in actors], np.bool_),
        np.array(ended, np.int64),
    )


def film(
    actors: Sequence[Actor], times: Sequence[float], give_up_s: float = 1.0
) -> Iterator[tuple[Tracks, float]]:
    """What a tracker would report. It ends an actor `give_up_s` after it was last seen."""
    spots = [[(actor, actor.path(t)) for actor in actors] for t in times]
    last = {actor.track_id: t for t, row in zip(times, spots, strict=True) for actor, spot in row if spot}
    before: dict[int, tuple[float, Spot]] = {}
    born: dict[int, float] = {}
    for t, row in zip(times, spots, strict=True):
        seen = []
        for actor, spot in row:
            if spot is None:
                continue
            was_s, was = before.get(actor.track_id, (t, spot))
            dt = max(t - was_s, 1e-9)
            velocity = ((spot[0] - was[0]) / dt, (spot[1] - was[1]) / dt) if t > was_s else (0.0, 0.0)
            seen.append((actor, spot, born.setdefault(actor.track_id, t), velocity))
            before[actor.track_id] = (t, spot)
        ended = [i for i, at in last.items() if i in born and t >= at + give_up_s - 1e-9]
        for track_id in ended:
            del born[track_id], last[track_id]
        yield frame_of(seen, ended, t), t


@dataclass
class Played:
    """Analytics and everything that it reported about a film."""

    analytics: Analytics
    reports: list[Report] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)

    @property
    def numbers(self) -> dict[str, ZoneNumbers]:
        """The numbers as of the last frame."""
        return self.reports[-1].numbers

    def of(self, *types: EventType) -> list[Happening]:
        """Events of these types, in the order of the reports."""
        return [happening for happening in self.happenings if happening.type in types]

    def story(self, *types: EventType) -> list[tuple[str, int | None, float]]:
        """Events of these types as type, track and time, to the millisecond."""
        return [(h.type, h.track_id, round(h.occurred_s, 3)) for h in self.of(*types)]

    def feed(self, frames: Film) -> Played:
        """Show more frames."""
        for tracks, t in frames:
            self.add(self.analytics.update(tracks, t, WIDTH, HEIGHT))
        return self

    def add(self, report: Report) -> None:
        """Add the report of one more frame."""
        self.reports.append(report)
        self.happenings += report.happenings


def play(
    frames: Film,
    zones: Mapping[str, ZoneDefinition] | None = None,
    lines: Mapping[str, LineDefinition] | None = None,
    settings: AnalyticsSettings | None = None,
) -> Played:
    """Show a film to new analytics."""
    return Played(Analytics(zones or {}, lines or {}, CLASSES, settings or AnalyticsSettings())).feed(frames)


def square(low: float = 0.25, high: float = 0.75) -> tuple[Spot, ...]:
    """Corners of a square zone, in fractions of the frame."""
    return ((low, low), (high, low), (high, high), (low, high))
