"""The objects of one picture on their way between a sidecar, COCO's pixels and the page's fractions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.collected import Collected

MOST = 1000
"""Boxes of one picture."""
_SAME = 1e-6
"""Of the picture's side: what a box that nobody has moved may differ by, after sums in floating point."""
_WHOLE = 2**53
"""JavaScript would round a larger id."""
Corners = tuple[float, float, float, float]
Row = Mapping[str, Any]
"""Of `annotations`, decoded."""


@dataclass(frozen=True, slots=True)
class Box:
    """An object.

    Attributes:
        label: Its class.
        corners: Left, top, right, bottom, as fractions of the picture.
        score: The model's, from 0 to 1; None for what a person drew.
        id: Of the row in the annotations; None for what is not there yet.
    """

    label: str
    corners: Corners
    score: float | None = None
    id: int | str | None = None


def proposed(proposal: Collected | None) -> list[Box]:
    """The boxes that the model proposes, the surest first."""
    found = proposal.boxes if proposal else ()
    return [Box(one.label, one.xyxy, one.score) for one in sorted(found, key=lambda one: -one.score)][:MOST]


def annotated(
    rows: Sequence[Row], names: Mapping[Any, str], width: float, height: float
) -> list[tuple[Row, Box]]:
    """The rows of `annotations` that can be shown, with their boxes: each has a box and a known class.

    Args:
        rows: As they stand in the file.
        names: Of the categories.
        width: Of the picture, pixels, as the file says it.
        height: Likewise.
    """
    found = []
    for row in rows:
        corners = _corners(row.get("bbox"), width, height)
        label = names.get(_usable(row.get("category_id")))
        if corners and label is not None:
            found.append((row, Box(label, corners, None, _usable(row.get("id")))))
    return found


def rows_of(
    boxes: Sequence[Box],
    before: Sequence[Row],
    shown: Sequence[tuple[Row, Box]],
    size: tuple[int, int],
    *,
    same_size: bool,
) -> list[dict[str, Any]]:
    """Rows of `annotations` for what a person decided.

    A row whose box was not moved keeps its very numbers. One that was moved loses its outline, which fits no
    more. Rows that were not shown stay.

    Args:
        boxes: The decision.
        before: The rows that the file has for the picture.
        shown: Those of them that were shown, with their boxes.
        size: Width and height of the picture, pixels.
        same_size: Whether the file says so, too; if not, all boxes are written anew.
    """
    by_id: dict[int | str | None, tuple[Row, Box]] = {box.id: (row, box) for row, box in shown}
    by_id.pop(None, None)
    were_shown = {id(row) for row, _ in shown}
    made = [dict(row) | {"category": None} for row in before if id(row) not in were_shown]
    for box in boxes:
        old = by_id.pop(box.id, None)
        row: dict[str, Any] = dict(old[0]) if old else {"iscrowd": 0}
        if old is None or not same_size or not _is_same(box.corners, old[1].corners):
            row = {name: value for name, value in row.items() if name not in ("segmentation", "keypoints")}
            row |= _bbox(box.corners, size)
        made.append(row | {"category": box.label})
    return made


def are_same(boxes: Sequence[Box], others: Sequence[Box]) -> bool:
    """Whether the same objects are in the same places, in whatever order."""

    def rounded(some: Sequence[Box]) -> Counter[tuple[str, tuple[int, ...]]]:
        return Counter((one.label, tuple(round(corner * 1e4) for corner in one.corners)) for one in some)

    return rounded(boxes) == rounded(others)


def _is_same(one: Corners, other: Corners) -> bool:
    return all(abs(a - b) < _SAME for a, b in zip(one, other, strict=True))


def _bbox(corners: Corners, size: tuple[int, int]) -> dict[str, Any]:
    """COCO's left, top, width and height in pixels, to a hundredth of a pixel."""
    left, right = (corners[i] * size[0] for i in (0, 2))
    top, bottom = (corners[i] * size[1] for i in (1, 3))
    box = [round(value, 2) for value in (left, top, right - left, bottom - top)]
    return {"bbox": box, "area": round(box[2] * box[3], 2)}


def _corners(bbox: Any, width: float, height: float) -> Corners | None:
    """The part of a box that is in the picture, as fractions; None for what has no area there."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not width or not height:
        return None
    try:
        x, y, w, h = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError):
        return None
    left, top, right, bottom = (
        min(1.0, max(0.0, value)) for value in (x / width, y / height, (x + w) / width, (y + h) / height)
    )
    return (left, top, right, bottom) if left < right and top < bottom else None


def _usable(known: Any) -> int | str | None:
    """An id as the file gives it; None where it is none that can be asked for."""
    if isinstance(known, int):
        return known if abs(known) < _WHOLE else None
    return known if isinstance(known, str) else None
