"""A contact sheet: small pictures with their boxes, on one page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from optimization import files
from optimization.dataset.contents import PICTURE_BYTES
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.texts import read_bytes, shown
from shared.errors import ConfigError, SourceError

SUFFIXES = (".jpg", ".jpeg", ".png")
_TILE, _LINE, _GAP = (320, 240), 15, 6
_BACK, _INK, _FAULT = (24, 26, 30), (235, 235, 235), (150, 30, 30)
_COLOURS = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 190, 130),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (120, 160, 255),
)
"""Bright colours that everybody can tell apart. Source: Okabe and Ito, "Color Universal Design"."""


def claim(path: Path | None, *, force: bool) -> None:
    """Check before the work that the sheet can be written after it.

    Raises:
        ConfigError: The file exists and may not, its suffix names no known format, or its folder cannot be
            used.
    """
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--sheet {path}: {path.suffix!r} is not a known format; use .jpg or .png")
    files.claim(path, force=force)


def choose(dataset: Dataset, count: int, seed: int) -> list[Labelled]:
    """Pictures for a sheet, at random, in such a way that rare classes are seen, too.

    The picture with the class that has been shown least comes next, as long as there is one.
    """
    order = np.random.default_rng(seed).permutation(len(dataset.items)).tolist()
    shown_of = np.zeros(len(dataset.names) + 1)
    left = [dataset.items[index] for index in order]
    chosen: list[Labelled] = []
    while left and len(chosen) < count:
        # What pictures show beyond a bounded number is not looked at: this is a choice among very many.
        scores = [shown_of[item.class_id].min(initial=shown_of[-1]) for item in left[:_LOOKED_AT]]
        item = left.pop(int(np.argmin(scores)))
        shown_of[np.unique(item.class_id)] += 1
        shown_of[-1] += 0 if len(item.class_id) else 1
        chosen.append(item)
    return chosen


_LOOKED_AT = 2000


def save(items: Sequence[Labelled], names: Sequence[str], path: Path, columns: int = 4) -> None:
    """Draw pictures with boxes and class names, under each its file and split; crowds are dashed by a cross.

    Args:
        items: The pictures.
        names: Of the classes.
        path: A file that `claim` has accepted.
        columns: Pictures side by side.

    Raises:
        ConfigError: The file cannot be written.
    """
    columns = max(1, min(columns, len(items)))
    rows = -(-len(items) // columns)
    step = _TILE[0] + _GAP, _TILE[1] + _LINE + _GAP
    page = Image.new("RGB", (columns * step[0] + _GAP, rows * step[1] + _GAP), _BACK)
    for number, item in enumerate(items):
        place = _GAP + number % columns * step[0], _GAP + number // columns * step[1]
        page.paste(_tile(item, names), place)
    buffer = io.BytesIO()
    page.save(buffer, "PNG" if path.suffix.lower() == ".png" else "JPEG", quality=90)
    files.save(path, buffer.getvalue())


def _tile(item: Labelled, names: Sequence[str]) -> Image.Image:
    tile = Image.new("RGB", (_TILE[0], _TILE[1] + _LINE), _BACK)
    draw = ImageDraw.Draw(tile)
    font = ImageFont.load_default(11)
    split = f" ({item.split})" if item.split else ""
    draw.text((2, _TILE[1] + 1), shown(item.path.name)[-44:] + split, _INK, font)
    try:
        pixels = cv2.imdecode(np.frombuffer(read_bytes(item.path, PICTURE_BYTES), np.uint8), cv2.IMREAD_COLOR)
    except (SourceError, cv2.error):
        pixels = None
    if pixels is None:
        draw.rectangle((0, 0, _TILE[0] - 1, _TILE[1] - 1), _FAULT)
        draw.text((8, 8), "cannot be read", _INK, font)
        return tile
    height, width = pixels.shape[:2]
    scale = min(_TILE[0] / width, _TILE[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    left, top = (_TILE[0] - size[0]) // 2, (_TILE[1] - size[1]) // 2
    tile.paste(Image.fromarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB)), (left, top))
    # In the size that the annotations say: where that is wrong, they are drawn where tools see them.
    boxes = item.xyxy * scale + np.array([left, top, left, top])
    labels = []
    for box, kind, crowd in zip(boxes.tolist(), item.class_id.tolist(), item.crowd.tolist(), strict=True):
        x1, y1, x2, y2 = np.clip(box, 0.0, np.array(_TILE * 2) - 1.0).tolist()
        corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        colour = _COLOURS[kind % len(_COLOURS)]
        draw.rectangle(corners, outline=colour, width=2)
        if crowd:
            draw.line(corners, colour)
        labels.append((corners[:2], names[kind], colour))
    for (x, y), name, colour in labels[:_NAMED]:  # last, so that no box hides a name
        at = (min(x, _TILE[0] - 20.0), max(0.0, y - 12))
        draw.rectangle(draw.textbbox(at, name, font), colour)
        draw.text(at, name, (0, 0, 0), font)
    return tile


_NAMED = 30
"""Objects of one picture whose names are written."""
