"""The pictures that a model is adapted to: of a folder, or of a video, in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge_node.pictures import U8, fitting
from optimization import pictures
from optimization.training.augment import Boxes
from shared.errors import ConfigError, SourceError

MOST = 300
"""Most pictures of a video: more of one camera in one hour say little more."""
_LONG_SIDE, _QUALITY = 1920, 95
"""Frames wait as JPEGs in memory: at most about 150 MB for 300."""
_HELD, _GAP = 0.2, 0.05
"""Share of the pictures that judge, and of the frames before them, which look like them and are left out."""
_LEAST = 20


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One picture.

    Attributes:
        name: For people.
        read: Gives it: u8 ``(H, W, 3)``, BGR.
        encoded: Gives its file's bytes, for the digest.
        second: When it was taken, in a video; None: it follows nothing.
        group: Pictures of one group show the same scene.
    """

    name: str
    read: Callable[[], U8]
    encoded: Callable[[], bytes]
    second: float | None
    group: str


def of_folder(folder: Path, limit: int | None = None) -> list[Still]:
    """The pictures of a folder, sorted by name.

    Raises:
        SourceError: There are too few.
    """
    found = [
        Still(path.name, _reader(path), path.read_bytes, None, re.sub(r"\d+$", "", path.stem))
        for path in pictures.find(folder)[:limit]
    ]
    enough(len(found), folder)
    return found


def of_video(video: Path, frames: int | None = None) -> list[Still]:
    """Frames of a video, spread evenly over it.

    Args:
        video: The file.
        frames: Only the first so many of its frames; None: all.

    Raises:
        SourceError: It cannot be read, or has too few frames.
    """
    if not video.is_file():
        raise SourceError(f"{video}: no such video")
    reader = cv2.VideoCapture(str(video))
    try:
        rate = reader.get(cv2.CAP_PROP_FPS)
        rate = rate if 0.1 < rate < 1000 else 25.0
        kept: list[tuple[int, bytes]] = []
        step, number = 1, 0
        while (frames is None or number < frames) and reader.grab():
            if number % step == 0:
                ok, image = reader.retrieve()
                if ok:
                    kept.append((number, _encoded(np.asarray(image, np.uint8))))
            if len(kept) > MOST:  # every second one goes, so that the rest is spread over all that was read
                step *= 2
                kept = [one for one in kept if one[0] % step == 0]
            number += 1
    finally:
        reader.release()
    if not kept:
        raise SourceError(f"{video}: is not a video that OpenCV can read")
    found = [
        Still(f"frame {number}", _decoder(data), _same(data), number / rate, video.name)
        for number, data in kept
    ]
    enough(len(found), video)
    return found


def split(stills: Sequence[Still]) -> tuple[list[int], list[int]]:
    """Indices of the pictures to learn from, and of those that judge.

    Of a video, the last frames judge. Of pictures whose names tell several scenes, whole scenes do.
    """
    count = len(stills)
    groups = sorted({still.group for still in stills})
    if stills[0].second is None and len(groups) >= 1 / _HELD:
        chosen = set(groups[:: round(1 / _HELD)])
        held = [place for place, still in enumerate(stills) if still.group in chosen]
        if 0.5 * _HELD < len(held) / count < 2 * _HELD:
            return [place for place in range(count) if place not in set(held)], held
    first = count - max(round(_HELD * count), 1)
    gap = round(_GAP * count)
    return list(range(first - gap)), list(range(first, count))


def digest(stills: Sequence[Still], boxes: Sequence[Boxes], names: Sequence[str]) -> str:
    """What tells one set of training data from another: a SHA-256 over pictures and boxes, in any order.

    It is `optimization.dataset.labelled.digest`, for pictures that need not be files; what is not sure counts
    as a crowd.
    """
    rows = []
    for still, truth in zip(stills, boxes, strict=True):
        corners = np.round(truth.xyxy.astype(np.float64) * 100).astype(np.int64).tolist()
        said = zip(truth.class_id.tolist(), corners, truth.sure.tolist(), strict=True)
        objects = sorted(f"{names[kind]!r} {corner} {1 - sure}" for kind, corner, sure in said)
        rows.append("\n".join((hashlib.sha256(still.encoded()).hexdigest(), *objects)))
    return hashlib.sha256("\n\n".join(sorted(rows)).encode()).hexdigest()


def enough(count: int, where: Path) -> None:
    """Refuse too few pictures.

    Raises:
        ConfigError: There are too few.
    """
    if count < _LEAST:
        raise ConfigError(
            f"{where}: has {count} pictures; adapting needs {_LEAST}, and 100 or more do better"
        )


def _reader(path: Path) -> Callable[[], U8]:
    return lambda: pictures.read(path)


def _same(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _decoder(data: bytes) -> Callable[[], U8]:
    return lambda: np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _encoded(image: U8) -> bytes:
    width, height = fitting(image.shape[1], image.shape[0], _LONG_SIDE, _LONG_SIDE)
    if (width, height) != image.shape[1::-1]:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not ok:
        raise SourceError("a frame of the video cannot be kept as JPEG")
    return data.tobytes()
