"""How many of a scene's people are found, at which precision, and under how many ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections, Frame, Tracks
from optimization.measure import mot
from optimization.measure.watching import watch
from shared.geometry import F32, F64, Bool, iou
from tests.scenes.films import Picture

_FOUND = 0.5
"""Least IoU of a box and the person that it finds."""


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What the pipeline made of a film, frame by frame.

    Attributes:
        truth: Identities and boxes of the people.
        detections: What was found.
        tracks: What was known afterwards.
        took_ms: Milliseconds of the detector's steps.
    """

    truth: list[mot.Boxes] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)


def watch_film(
    pictures: Iterable[Picture],
    rate: float,
    detector: Detector,
    camera: CameraSettings,
    model: ModelSettings,
    tracking: TrackerSettings | None = None,
) -> Watched:
    """Take a film through the pipeline.

    Args:
        pictures: Its frames.
        rate: Frames per second.
        detector: The network, loaded and warm.
        camera: The camera's settings.
        model: The network's settings.
        tracking: The tracker's settings; None: the defaults.
    """
    made = Watched()

    def frames() -> Iterator[Frame]:
        for seq, picture in enumerate(pictures):
            made.truth.append((picture.ids, picture.boxes))
            at_ns = round(seq / rate * 1e9)
            yield Frame("video", seq, at_ns, at_ns, picture.image)

    for detected, analysed in watch(frames(), detector, camera, model, tracking or TrackerSettings()):
        made.detections.append(detected.detections or Detections.empty())
        made.tracks.append(analysed.tracks)
        made.took_ms.append(sum(detected.timings_ms.values()))
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Recall against precision, over all thresholds.

    Attributes:
        score: Of each box, falling, ``(N,)``.
        right: Which of them found somebody, ``(N,)``.
        people: How many there are in all frames together.
    """

    score: F64
    right: Bool
    people: int

    def found_at(self, precision: float) -> int:
        """Most people that are found in all frames together with at least this precision."""
        hits = np.cumsum(self.right)
        fine = hits >= precision * np.arange(1, len(hits) + 1)
        return int(hits[fine].max(initial=0))


def curve(truth: Sequence[mot.Boxes], boxes: Sequence[F32], scores: Sequence[F32]) -> Curve:
    """Match boxes with people, the best box first and each person once, as COCO does."""
    right, score = [np.zeros(0, np.bool_)], [np.zeros(0)]
    for (_, people), found, sure in zip(truth, boxes, scores, strict=True):
        order = np.argsort(-sure, kind="stable")
        overlap = iou(found[order], people)
        hit = np.zeros(len(order), np.bool_)
        for row in range(len(order)):
            best = int(overlap[row].argmax()) if len(people) else 0
            if len(people) and overlap[row, best] >= _FOUND:
                hit[row] = True
                overlap[:, best] = 0.0
        right.append(hit)
        score.append(sure[order].astype(np.float64))
    flat = np.concatenate(score)
    order = np.argsort(-flat, kind="stable")
    return Curve(flat[order], np.concatenate(right)[order], sum(len(people) for _, people in truth))


def of_detections(watched: Watched) -> Curve:
    """Of what the detector found."""
    found = watched.detections
    return curve(watched.truth, [one.xyxy for one in found], [one.score for one in found])


def of_tracks(watched: Watched) -> Curve:
    """Of what is reported: tracks, also where they are only predicted."""
    tracks = watched.tracks
    return curve(watched.truth, [one.xyxy for one in tracks], [one.score for one in tracks])


@dataclass(frozen=True, slots=True)
class Identities:
    """How people and tracks belong together.

    Attributes:
        people: How many people there are.
        followed: How many of them a track followed for a while.
        ids: Under how many ids one of them was followed, on average.
    """

    people: int
    followed: int
    ids: float


def identities(watched: Watched) -> Identities:
    """Match tracks with people frame by frame, and count each person's ids."""
    ids_of: dict[int, set[int]] = defaultdict(set)
    everybody: set[int] = set()
    for (people, boxes), tracks in zip(watched.truth, watched.tracks, strict=True):
        everybody |= set(people.tolist())
        overlap = iou(boxes, tracks.xyxy)
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if overlap[row, column] >= _FOUND:
                ids_of[int(people[row])].add(int(tracks.track_id[column]))
    count = sum(map(len, ids_of.values()))
    return Identities(len(everybody), len(ids_of), count / max(len(ids_of), 1))
