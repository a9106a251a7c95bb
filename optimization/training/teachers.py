"""Detectors label pictures for another one: what they are sure of, and what nothing shall be said about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np
from tqdm import tqdm

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections, Tracks
from edge_node.pictures import U8
from edge_node.track.tracker import create
from optimization import detectors
from optimization.measure.watching import detect_pictures
from optimization.training.augment import Boxes
from optimization.training.fusion import fuse, overlaps
from optimization.training.material import Still
from shared.errors import ConfigError, ModelError

SURE, UNSURE = 0.4, 0.15
"""From the first score on, a box is an object; below the second it is nothing; between, it is ignored."""
_LARGER = 1.5
_TRACKED_SURE, _TRACKED_FRAMES, _SAME = 0.35, 4, 0.5
"""A weak box is sure, too, where its object was seen so well in the mean of so many frames, both ways."""


def labels_of(
    models: Sequence[str], stills: Sequence[Still], names: Sequence[str], labels: Sequence[str] = ()
) -> tuple[list[Boxes], list[int]]:
    """What one or several teachers see.

    Args:
        models: Files or names of known models.
        stills: The pictures.
        names: Of the student's classes.
        labels: Of the classes of teachers that do not name theirs; none: COCO's.

    Returns:
        The boxes of each picture, and the ids of the classes that a teacher knows.

    Raises:
        ConfigError: No teacher knows a class of the student.
        DarnerError: A teacher cannot run, or a picture cannot be read.
    """
    with ExitStack() as stack:
        ready = [_opened(stack, model, labels or ("coco",)) for model in models]
        maps = [[names.index(name) if name in names else -1 for name in one.class_names] for one in ready]
        knows = [{kind for kind in one if kind >= 0} for one in maps]
        if not any(knows):
            raise ConfigError(
                f"--teacher {','.join(models)}: knows none of the model's classes ({', '.join(names[:3])}...)"
            )
        found = []
        for still in tqdm(stills, desc="teacher", unit=" pictures", disable=None):
            image = still.read()
            seen = [_renamed(one.detect(image)[0], ids) for one, ids in zip(ready, maps, strict=True)]
            found.append(fuse(seen, knows) if len(seen) > 1 else seen[0])
    return [_boxes(one, one.score >= SURE) for one in found], sorted(set().union(*knows))


def labels_of_self(settings: ModelSettings, stills: Sequence[Still]) -> list[Boxes]:
    """What a model sees if it looks longer: larger, mirrored, in tiles, forwards and backwards in time.

    Args:
        settings: Of the model.
        stills: The pictures; only those with times follow each other.
    """
    with ExitStack() as stack:
        usual = stack.enter_context(Detector(settings))
        looks: list[Iterator[Detections]] = [
            (usual.detect(still.read())[0] for still in stills),
            (_mirrored(usual, still.read()) for still in stills),
            detect_pictures(
                (still.read() for still in stills),
                usual,
                CameraSettings(source="pictures", tiles=TileSettings(columns=2, rows=2)),
                settings,
            ),
        ]
        if larger := _larger(usual, settings):
            large = stack.enter_context(Detector(larger))
            looks.append(large.detect(still.read())[0] for still in stills)
        bar = tqdm(
            zip(*looks, strict=True), total=len(stills), desc="teacher", unit=" pictures", disable=None
        )
        found = [fuse(seen) for seen in bar]
    if stills[0].second is None:
        return [_boxes(one, one.score >= SURE) for one in found]
    seconds = [still.second or 0.0 for still in stills]
    return [_boxes(one, sure) for one, sure in zip(found, smoothed(found, seconds), strict=True)]


def smoothed(found: Sequence[Detections], seconds: Sequence[float]) -> list[np.ndarray]:
    """Which boxes are sure: by themselves, or because the object was seen well before and after.

    Args:
        found: Of each frame, in order.
        seconds: When each frame was taken.
    """
    ahead = _support(found, seconds)
    back = _support(found[::-1], [-second for second in seconds[::-1]])[::-1]
    return [
        (one.score >= SURE) | ((one.score >= UNSURE) & before & after)
        for one, before, after in zip(found, ahead, back, strict=True)
    ]


def _support(found: Sequence[Detections], seconds: Sequence[float]) -> list[np.ndarray]:
    """Which boxes of each frame belong to a track that is long and well seen on the mean."""
    steps = np.diff(seconds, prepend=seconds[0] - 0.1).clip(1e-3).tolist()
    tracker = create(TrackerSettings(lost_s=max(1.5, 4 * float(np.median(steps)))))
    frames: list[Tracks] = [tracker.update(one, dt) for one, dt in zip(found, steps, strict=True)]
    scores: dict[int, list[float]] = {}
    owners: list[np.ndarray] = []
    for one, tracks in zip(found, frames, strict=True):
        owner = np.zeros(len(one), np.int64)
        if len(one) and len(tracks.track_id):
            overlap = overlaps(one.xyxy, tracks.xyxy) * (one.class_id[:, None] == tracks.class_id[None])
            best = overlap.argmax(1)
            near = overlap[np.arange(len(one)), best] > _SAME
            owner[near] = tracks.track_id[best[near]]
        for identity, score in zip(owner.tolist(), one.score.tolist(), strict=True):
            scores.setdefault(identity, []).append(score)
        owners.append(owner)
    good = [
        identity
        for identity, seen in scores.items()
        if identity and len(seen) >= _TRACKED_FRAMES and float(np.mean(seen)) >= _TRACKED_SURE
    ]
    return [np.isin(owner, good) for owner in owners]


def _opened(stack: ExitStack, model: str, labels: Sequence[str]) -> Detector:
    """A teacher, ready to run; with these names if it has none."""
    keys = {"name": model, "backend": "onnxruntime", "confidence": UNSURE}
    try:
        return stack.enter_context(Detector(detectors.build(**keys)))
    except ModelError:  # if something else is wrong, that is said again
        return stack.enter_context(Detector(detectors.build(**keys, labels=list(labels))))


def _larger(usual: Detector, settings: ModelSettings) -> ModelSettings | None:
    """The settings for a larger input; None where the model takes one size only."""
    shape = usual.input_format
    free = usual.target(2 * shape.width, shape.height) != shape
    if not free:
        return None
    return detectors.build(
        name=settings.name,
        backend="onnxruntime",
        confidence=settings.confidence,
        layout=settings.layout,
        labels=list(settings.labels) or None,
        input_size=int(_LARGER * max(shape.width, shape.height)) // 32 * 32,
    )


def _mirrored(detector: Detector, image: U8) -> Detections:
    seen, _ = detector.detect(np.ascontiguousarray(image[:, ::-1]))
    xyxy = seen.xyxy.copy()
    xyxy[:, [0, 2]] = image.shape[1] - xyxy[:, [2, 0]]
    return Detections(xyxy, seen.score, seen.class_id)


def _renamed(seen: Detections, ids: Sequence[int]) -> Detections:
    """The detections with the student's class ids; without those that it has no name for."""
    kinds = np.asarray(ids, np.int32)[seen.class_id]
    known = np.flatnonzero(kinds >= 0)
    return Detections(seen.xyxy[known], seen.score[known], kinds[known])


def _boxes(seen: Detections, sure: np.ndarray) -> Boxes:
    likely = seen.score >= UNSURE
    return Boxes(seen.xyxy[likely], seen.class_id[likely], sure[likely].astype(np.int32))
