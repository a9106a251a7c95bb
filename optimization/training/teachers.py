"""Detectors label pictures for another one: what they are sure of, and what nothing shall be said about.

A teacher looks longer than a node has time for: mirrored and, where its input has any size, larger. What it
sees is fused. Source of the looks: Solovyev et al., see `fusion.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from edge_node.pictures import U8
from optimization import detectors
from optimization.measure.watching import detect_pictures
from optimization.training.augment import Boxes
from optimization.training.following import SURE, UNSURE, settled
from optimization.training.fusion import fuse
from optimization.training.material import Still
from shared.errors import ConfigError, ModelError

_LARGER = 1.5
_GRID = 2
_TILES = TileSettings(columns=_GRID, rows=_GRID)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One way to look at pictures.

    Attributes:
        see: What is seen in each picture, with the student's class ids.
        knows: The student's classes that are seen in this way.
        cost: Time of this look, in usual looks of the same detector.
        optional: Whether it is left out where time is short.
    """

    see: Callable[[Iterable[U8]], Iterator[Detections]]
    knows: frozenset[int]
    cost: float
    optional: bool = True


def labels_of(
    models: Sequence[str],
    stills: Sequence[Still],
    names: Sequence[str],
    labels: Sequence[str] = (),
    *,
    seconds: float | None = None,
) -> tuple[list[Boxes], list[int]]:
    """What one or several teachers see.

    Args:
        models: Files or names of known models.
        stills: The pictures; those with times follow each other.
        names: Of the student's classes.
        labels: Of the classes of teachers that do not name theirs; none: COCO's.
        seconds: How long they may take; when that is short, they look less often. None: as long as it takes.

    Returns:
        The boxes of each picture, and the ids of the classes that a teacher knows.

    Raises:
        ConfigError: No teacher knows a class of the student.
        DarnerError: A teacher cannot run, or a picture cannot be read.
    """
    with ExitStack() as stack:
        ways = []
        for model in models:
            settings, detector = _opened(stack, model, labels or ("coco",))
            ids = [names.index(name) if name in names else -1 for name in detector.class_names]
            ways.append(_looks(stack, detector, settings, ids))
        knows = frozenset[int]().union(*(looks[0].knows for looks in ways))
        if not knows:
            raise ConfigError(
                f"--teacher {','.join(models)}: knows none of the model's classes ({', '.join(names[:3])}...)"
            )
        return _labels(ways, stills, seconds), sorted(knows)


def labels_of_self(
    settings: ModelSettings, stills: Sequence[Still], *, seconds: float | None = None
) -> list[Boxes]:
    """What a model sees if it looks longer: larger, mirrored, in tiles.

    Args:
        settings: Of the model.
        stills: The pictures; those with times follow each other.
        seconds: How long it may take; None: as long as it takes.
    """
    with ExitStack() as stack:
        usual = stack.enter_context(Detector(settings))
        looks = _looks(stack, usual, settings, range(len(usual.class_names)))
        camera = CameraSettings(source="pictures", tiles=_TILES)

        def tiled(images: Iterable[U8]) -> Iterator[Detections]:
            return detect_pictures(images, usual, camera, settings)

        parts = 1.0 + _GRID**2
        return _labels([[*looks, _Look(tiled, looks[0].knows, parts)]], stills, seconds)


def _looks(stack: ExitStack, detector: Detector, settings: ModelSettings, ids: Sequence[int]) -> list[_Look]:
    """The ways in which a detector looks, the usual one first."""
    knows = frozenset(kind for kind in ids if kind >= 0)

    def plain(images: Iterable[U8]) -> Iterator[Detections]:
        return (_renamed(detector.detect(image)[0], ids) for image in images)

    def mirrored(images: Iterable[U8]) -> Iterator[Detections]:
        return (_renamed(_mirrored(detector, image), ids) for image in images)

    found = [_Look(plain, knows, 1.0, optional=False), _Look(mirrored, knows, 1.0)]
    if larger := _larger(detector, settings):
        large = stack.enter_context(Detector(larger))

        def nearer(images: Iterable[U8]) -> Iterator[Detections]:
            return (_renamed(large.detect(image)[0], ids) for image in images)

        found.append(_Look(nearer, knows, _LARGER**2))
    return found


def _labels(ways: Sequence[Sequence[_Look]], stills: Sequence[Still], seconds: float | None) -> list[Boxes]:
    """Fuse the looks that there is time for, and follow what is seen in a video."""
    start, seen, knows = time.monotonic(), [], []
    for looks in ways:
        usual_s = 0.0
        for look in looks:
            left = float("inf") if seconds is None else seconds - (time.monotonic() - start)
            if look.optional and look.cost * usual_s > left:
                continue
            begun = time.monotonic()
            images = tqdm(stills, desc="teacher", unit=" pictures", disable=None, leave=False)
            seen.append(list(look.see(still.read() for still in images)))
            knows.append(look.knows)
            usual_s = usual_s or time.monotonic() - begun
    found = [fuse(one, knows) for one in zip(*seen, strict=True)] if len(seen) > 1 else seen[0]
    found = [one[np.flatnonzero(one.score >= UNSURE)] for one in found]
    if stills[0].second is None:
        return [Boxes(one.xyxy, one.class_id, (one.score >= SURE).astype(np.int32)) for one in found]
    boxes, sure = settled(found, [still.second or 0.0 for still in stills])
    return [
        Boxes(xyxy, one.class_id, certain.astype(np.int32))
        for one, xyxy, certain in zip(found, boxes, sure, strict=True)
    ]


def _opened(stack: ExitStack, model: str, labels: Sequence[str]) -> tuple[ModelSettings, Detector]:
    """A teacher, ready to run; with these names if it has none."""
    keys = {"name": model, "backend": "onnxruntime", "confidence": UNSURE}
    settings = detectors.build(**keys)
    try:
        return settings, stack.enter_context(Detector(settings))
    except ModelError:  # if something else is wrong, that is said again
        settings = detectors.build(**keys, labels=list(labels))
        return settings, stack.enter_context(Detector(settings))


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
