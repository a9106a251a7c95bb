"""Draws boxes, track ids, zones, lines and counts on analysed frames."""

from __future__ import annotations

import argparse
import colorsys
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge_node.analytics.watch import Analysed
from edge_node.config.saved.definitions import Definitions
from edge_node.pictures import U8
from shared.wire.messages import Point, ZoneNumbers

Colour = tuple[int, int, int]
Size = tuple[int, int]
WHOLE_SIZE: Size = (1_000_000, 1_000_000)
"""A box, width and height in pixels, that no picture exceeds: each keeps its size."""
_SIZE = re.compile(r"([1-9]\d{1,3})(?:x([1-9]\d{1,3}))?")
_LIKE_SIZE = re.compile(r"\d\w*")
_ZONE: Colour = (80, 200, 255)
_LINE: Colour = (255, 160, 60)
_MASK: Colour = (170, 170, 170)
_BLACK: Colour = (0, 0, 0)


def colour_of(track_id: int) -> Colour:
    """A track's colour, BGR: neighbouring ids lie far apart on the colour wheel (by the golden ratio)."""
    red, green, blue = colorsys.hsv_to_rgb(track_id * 0.61803398875 % 1.0, 0.65, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


def is_meant_as_size(text: str) -> bool:
    """Whether a command line's word is a size, such as 1280x720, or was meant as one, such as 720p."""
    return bool(_SIZE.fullmatch(text) or (_LIKE_SIZE.fullmatch(text) and not Path(text).exists()))


def size_of(text: str) -> Size:
    """The box that a size on the command line stands for; an empty text stands for `WHOLE_SIZE`.

    Raises:
        argparse.ArgumentTypeError: It is no size.
    """
    if not text:
        return WHOLE_SIZE
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size in pixels (10 to 9999), such as 640 or 1280x720"
        )
    return int(found[1]), int(found[2] or found[1])


def draw(item: Analysed, definitions: Definitions, class_names: Sequence[str], size: Size = WHOLE_SIZE) -> U8:
    """A copy of a frame with its boxes, track ids, zones, lines, masks and counts.

    Args:
        item: The analysed frame.
        definitions: Zones, lines and masks of the camera.
        class_names: By class id.
        size: The box, width and height in pixels, that the copy fits into; no frame is enlarged.

    Returns:
        u8 ``(h, w, 3)``, BGR.
    """
    image = _fitted(item.frame.image, size)
    ratio = np.tile(np.divide(image.shape[1::-1], (item.frame.width, item.frame.height)), 2)
    scale = max(0.4, image.shape[0] / 1200)
    numbers = item.report.numbers
    for name, zone in definitions.zones.items():
        corners = [_pixels(point, image) for point in zone.polygon]
        cv2.polylines(image, [np.array(corners, np.int32)], isClosed=True, color=_ZONE, thickness=2)
        _text(image, f"{name}: {_zone_counts(numbers.get(name))}", corners[0], _ZONE, scale)
    for name, line in definitions.lines.items():
        start, end = (_pixels(point, image) for point in line.points)
        cv2.line(image, start, end, _LINE, 2)
        _text(image, f"{name}: {_line_counts(numbers.get(name))}", end, _LINE, scale)
    for name, mask in definitions.masks.items():
        corners = [_pixels(point, image) for point in mask.polygon]
        cv2.polylines(image, [np.array(corners, np.int32)], isClosed=True, color=_MASK, thickness=1)
        _text(
            image, f"never here: {', '.join(mask.classes) or 'anything'} ({name})", corners[0], _MASK, scale
        )
    tracks = item.tracks
    rows = zip(
        tracks.track_id.tolist(),
        tracks.class_id.tolist(),
        (tracks.xyxy * ratio).round().astype(int).tolist(),
        tracks.predicted.tolist(),
        strict=True,
    )
    for track_id, class_id, (x1, y1, x2, y2), predicted in rows:
        colour = colour_of(track_id)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 1 if predicted else 2)
        _text(image, f"{class_names[class_id]} {track_id}", (x1, y1), colour, scale)
    return image


def _fitted(image: U8, size: Size) -> U8:
    """A copy of a picture that fits into a box.

    A smaller copy has an even width and height: there are players that show no other video.
    """
    height, width = image.shape[:2]
    ratio = min(1.0, size[0] / width, size[1] / height)
    if ratio == 1.0:
        return np.array(image)
    even = [
        max(2, min(round(side * ratio / 2), most // 2) * 2)
        for side, most in zip((width, height), size, strict=True)
    ]
    return np.asarray(cv2.resize(image, even, interpolation=cv2.INTER_AREA), np.uint8)


def _zone_counts(numbers: ZoneNumbers | None) -> str:
    return "0" if numbers is None else f"{numbers.occupancy} (in {numbers.entered}, out {numbers.exited})"


def _line_counts(numbers: ZoneNumbers | None) -> str:
    return "in 0, out 0" if numbers is None else f"in {numbers.entered}, out {numbers.exited}"


def _pixels(point: Point, image: U8) -> tuple[int, int]:
    return round(point[0] * image.shape[1]), round(point[1] * image.shape[0])


def _text(image: U8, text: str, corner: tuple[int, int], colour: Colour, scale: float) -> None:
    """Draw text on a filled rectangle above a point, moved so that all of it is inside the picture."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = min(max(0, corner[0]), max(0, image.shape[1] - width))
    y = min(max(height + below, corner[1]), image.shape[0] - below)
    cv2.rectangle(image, (x, y - height - below), (x + width, y + below), colour, cv2.FILLED)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _BLACK, 1, cv2.LINE_AA)
