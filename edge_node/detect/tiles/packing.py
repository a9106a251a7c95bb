"""The crop that shows most of what is worth a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.detect.tiles.looks import LEAST, Why
from edge_node.pictures import Box
from shared.geometry import F64, Bool

_SEEDS = 48
"""Most items that crops are laid around; those with the greatest needs are taken."""
_MARGIN = 0.04
"""Share of a crop's side that an item keeps from the crop's edge."""
_ENOUGH = 1.25 * LEAST
"""Side in the network's input, pixels, at which a crop also shows an item that it was not laid for."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the picture for the network.

    Attributes:
        box: In pixels.
        shrink: Pixels of the picture for one of the network's input.
        why: What it is for.
    """

    box: Box
    shrink: float
    why: Why

    @property
    def least(self) -> float:
        """Side of the smallest object that the network is expected to find in it, pixels."""
        # Nothing shows more than a crop that is not scaled down: what it does not show is not there.
        return LEAST * self.shrink if self.shrink > 1.0 else LEAST / 2


@dataclass(slots=True, eq=False)
class Items:
    """What is worth a look in one frame.

    Attributes:
        boxes: ``(N, 4)``, pixels: tracks, then finds, then moving regions.
        side: ``(N,)``, pixels: the square root of a box's area.
        shrink: ``(N,)``: of the crop that shows it as it should be shown.
        weight: ``(N,)``: its need of a look; 0 for none.
        tracks: How many of them are tracks.
        spots: How many are finds that a second look has to confirm.
    """

    boxes: F64
    side: F64
    shrink: F64
    weight: F64
    tracks: int
    spots: int

    @property
    def moving(self) -> Bool:
        """Which items are only known as moving regions, ``(N,)``."""
        return np.arange(len(self.boxes)) >= self.tracks + self.spots

    def shown_by(self, crop: Crop) -> Bool:
        """Which items a crop shows whole and large enough."""
        box, margin = np.array(crop.box, np.float64), 1.0
        inside = (self.boxes[:, :2] >= box[:2] - margin) & (self.boxes[:, 2:] <= box[2:] + margin)
        return np.asarray(inside.all(axis=1) & self.large_enough(crop.shrink))

    def large_enough(self, shrink: float) -> Bool:
        """Which items a crop with this shrinkage shows large enough, ``(N,)``."""
        return np.asarray((shrink <= self.shrink + 1e-6) | (self.side >= _ENOUGH * shrink))


class Packing:
    """Crops that may be taken in one frame, and what each of them shows.

    Crops are laid around the neediest items: with the item in the middle, and in each corner and along each
    edge, so that what stands beside it comes along.

    Args:
        items: What is worth a look; their weights may fall from one call of `best` to the next.
        size: Of the network's input, pixels.
        extent: Of the picture, pixels.
    """

    def __init__(self, items: Items, size: tuple[int, int], extent: tuple[int, int]) -> None:
        self._items, self._extent = items, extent
        needy = np.flatnonzero(items.weight > 0)
        seeds = needy[np.argsort(-items.weight[needy], kind="stable")[:_SEEDS]]
        self._groups: list[_Group] = []
        for shrink in np.unique(items.shrink[seeds]).tolist():
            sides = np.minimum(np.array(size) * shrink, extent)
            corners = _corners(items.boxes[seeds[items.shrink[seeds] == shrink]], sides, extent)
            here = needy[items.large_enough(shrink)[needy]]
            shown = _contains(corners, sides, items.boxes[here], extent)
            self._groups.append(_Group(shrink, sides, corners, here, shown))

    def best(self) -> tuple[Crop | None, float]:
        """The crop that is worth most now, centred on what it shows, and what it is worth."""
        items = self._items
        best, worth, group = -1, 0.0, None
        for one in self._groups:
            worths = one.shown @ items.weight[one.here]
            at = int(np.argmax(worths))
            if worths[at] > worth:
                best, worth, group = at, float(worths[at]), one
        if group is None:
            return None, 0.0
        inside = group.here[group.shown[best] & (items.weight[group.here] > 0)]
        corner = _centred(items.boxes[inside], group.sides, self._extent)
        if not _contains(corner[None], group.sides, items.boxes[inside], self._extent).all():
            corner = group.corners[best]
        box = np.rint(np.concatenate((corner, corner + group.sides))).astype(int).tolist()
        lead = int(inside[np.argmax(items.weight[inside])])
        why: Why = "motion" if items.moving[lead] else "track"
        return Crop((box[0], box[1], box[2], box[3]), group.shrink, why), worth


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Crops of one size: their corners ``(C, 2)``, and which of the items `here` each shows, ``(C, N)``."""

    shrink: float
    sides: F64
    corners: F64
    here: npt.NDArray[np.intp]
    shown: Bool


def _corners(boxes: F64, sides: F64, extent: tuple[int, int]) -> F64:
    """Left upper corners of the crops that are laid around boxes, ``(9 N, 2)``."""
    margin = _MARGIN * sides
    low, high = boxes[:, :2] - margin, boxes[:, 2:] + margin - sides
    places = np.stack(((low + high) / 2, low, high))  # (3, N, 2)
    x, y = places[:, None, :, 0], places[None, :, :, 1]
    corners = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, 2)
    return np.asarray(np.clip(corners, 0, np.array(extent) - sides))


def _contains(corners: F64, sides: F64, boxes: F64, extent: tuple[int, int]) -> Bool:
    """Which crops show which boxes whole, ``(C, N)``; the picture's own edges need no margin."""
    margin = _MARGIN / 2 * sides
    low = np.where(corners <= 0, -np.inf, corners + margin)
    ends = corners + sides
    high = np.where(ends >= np.array(extent), np.inf, ends - margin)
    x1, y1, x2, y2 = boxes.T
    # Comparing column by column is several times faster than a reduction over an axis of two.
    inside = (x1 >= low[:, :1]) & (x2 <= high[:, :1])
    inside &= (y1 >= low[:, 1:]) & (y2 <= high[:, 1:])
    return np.asarray(inside, bool)


def _centred(boxes: F64, sides: F64, extent: tuple[int, int]) -> F64:
    """The left upper corner of the crop in whose middle some boxes are."""
    middle = (boxes[:, :2].min(axis=0) + boxes[:, 2:].max(axis=0)) / 2
    return np.asarray(np.clip(middle - sides / 2, 0, np.array(extent) - sides))
