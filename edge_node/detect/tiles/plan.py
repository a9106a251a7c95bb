"""Chooses where the network looks in a frame, if it may look at some parts only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_node.config.tile_settings import TileSettings
from edge_node.detect.tiles.ages import Ages
from edge_node.detect.tiles.grid import covering
from edge_node.detect.tiles.interest import NOTHING, Followed, Spots
from edge_node.detect.tiles.looks import CLEAR
from edge_node.detect.tiles.motion import ChangedCells
from edge_node.detect.tiles.packing import Crop, Items, Packing
from edge_node.pictures import Box, Picture
from shared.geometry import F64

_SHRINKS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Pixels of the picture for one of the network's input, in a crop."""
_WHOLE_S = 0.5
"""Longest time between two looks at the whole picture, seconds."""
_LARGE_S = 0.2
"""The same while something is followed or moves that is large enough to be found there, seconds."""
_AGAIN_S = 2.0
"""Longest time between two looks at what does not move, where `motion_gate` is set, seconds."""
_FITS = 0.7
"""Largest share of a crop's side that an object aimed at takes."""
_LARGEST_CROP = 0.75
"""A crop that would be larger than this share of the picture is left to the look at the whole picture."""
_TRUST_S = 0.8
"""Longest time for which a track is left without a look, seconds; a young one is left for as long as it was
followed, because its movement is not known better than that."""
_TRUST_SIDES = 4.0
"""Nor is it left for longer than it takes to move this far, in sides."""
_MOST_NEED = 4.0
"""A track's need when it is overdue."""
_SPOT_NEED = 2.0
"""Need of a find: the second look has to come before the object has moved on."""
_MOTION_NEED, _MOTION_S = 0.7, 1.0
"""Need of a moving region where nobody looked for this time, seconds: as many of them are found."""
_NEWS = 0.4
"""Least share of that time that counts: what moves is looked at soon, too, where somebody has just looked."""
_SWEEP_NEED, _SWEEP_NEED_S = 0.5, 4.0
"""Need of a tile of the sweep where nobody looked for this time, seconds."""
_PART_OF_MOTION = 0.8
"""Size of an object against the shorter side of the region in which something moves."""
_SWEEP_OVERLAP = 0.15
_SWEEP_SHARE = 0.5
"""Largest share of the budget that the sweep needs; where it needs more, its tiles are larger."""
_SWEEP_KEPT = 1.2
"""By how much tiles once chosen may exceed that share."""
_SWEEP_SHRINKS = _SHRINKS[1:]
"""A crop at 1.25:1 finds 40 % more small people in a run than one at 1:1, which shows less of the picture."""
_SWEEP_PACE = 1.25
"""How much faster than needed the sweep goes, so that it keeps its time when frames come irregularly."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame as the choice sees it.

    Attributes:
        picture: The picture, or its region of interest.
        size: Width and height of the network's input for it, pixels.
        now_s: Time of the frame, seconds.
        runs: Most looks.
        followed: What is known from earlier frames that was not seen before, the oldest first; boxes are in
            pixels of the picture.
        afresh: Whether earlier frames say nothing about this one.
    """

    picture: Picture
    size: tuple[int, int]
    now_s: float
    runs: int
    followed: tuple[Followed, ...]
    afresh: bool


class Plan:
    """Chooses the looks of one camera's frames, in their order.

    Each place has a need, about the number of objects that a look there finds or keeps. It grows with the
    square of the time since the last look with enough detail. That of a track grows until its movement can no
    longer be trusted. A crop is worth the needs of what it shows.
    The same frames with the same knowledge give the same looks.

    Args:
        settings: The budget's sweep.
        gate: Grey levels by which a place changes until it is looked at; 0: look without regard to it.
    """

    def __init__(self, settings: TileSettings, gate: float = 0.0) -> None:
        self._settings, self._gate = settings, gate
        self._cells = ChangedCells(gate)
        self._begin(1, 1)

    def _begin(self, width: int, height: int) -> None:
        self._extent = (width, height)
        self._ages, self._spots = Ages(width, height), Spots()
        self._known = NOTHING
        self._whole_s = self._last_s = -np.inf
        self._owed, self._step_s = 0.0, 0.0
        self._alternate = False
        self._sweep_shrink = 0.0

    def choose(self, view: View) -> list[Crop]:
        """The looks at a frame: at most `runs`; none where `motion_gate` is set and nothing needs one."""
        height, width = view.picture.shape[:2]
        afresh = view.afresh or (width, height) != self._extent
        if afresh:
            self._begin(width, height)
        self._cells.take(view.picture, afresh=afresh)
        for followed in () if afresh else view.followed:
            self._spots.take(followed, self._known)
            self._known = followed
        self._tick(view.now_s)
        area, shrink = (0, 0, width, height), max(width / view.size[0], height / view.size[1])
        items = self._items(view, shrink)
        chosen: list[Crop] = []
        if self._wants_whole(view, items, shrink, afresh=afresh):
            chosen.append(Crop(area, shrink, "whole"))
            self._whole_s = view.now_s
            large = items.shrink >= _LARGEST_CROP * shrink
            for box in items.boxes[large & items.moving]:
                self._cells.looked(_rounded(box))
            items.weight[large] = 0.0
        self._choose_crops(view, items, shrink, chosen)
        return chosen

    def _tick(self, now_s: float) -> None:
        """Learn how far frames are apart."""
        step = now_s - self._last_s
        if 0 < step < 10:
            self._step_s = step if not self._step_s else 0.8 * self._step_s + 0.2 * step
        self._last_s = now_s

    def _items(self, view: View, whole_shrink: float) -> Items:
        """Everything that is worth a look, with its need."""
        width, height = self._extent
        tracks, spots = self._known.boxes_at(view.now_s), self._spots.open()
        moving = self._cells.regions(np.concatenate((tracks, spots)))
        boxes = np.concatenate((tracks, spots, moving))
        boxes = np.clip(boxes, 0, (width, height, width, height))
        sides = boxes[:, 2:] - boxes[:, :2]
        seen = (sides > 1).all(axis=1)
        least = (sides / (_FITS * np.array(view.size))).max(axis=1, initial=0.0)
        side = np.sqrt(np.maximum(sides.prod(axis=1), 1.0))
        # What moves may be several objects, or one where it was and where it is.
        news = len(tracks) + len(spots)
        side[news:] = _PART_OF_MOTION * sides[news:].min(axis=1, initial=np.inf)
        shrink = np.maximum(_rounded_down(side / CLEAR), _rounded_up(least))
        stale = view.now_s - self._ages.at(
            (boxes[:, :2] + boxes[:, 2:]) / 2, np.minimum(shrink, whole_shrink)
        )
        trusted = np.full(len(boxes), _MOTION_S)
        known_s = self._known.age_s + (view.now_s - self._known.at_s)
        followed_s = known_s - stale[: len(tracks)]
        speed = np.abs(self._known.velocity).max(axis=1, initial=0.0)
        crossing_s = _TRUST_SIDES * side[: len(tracks)] / np.maximum(speed, 1.0)
        trusted[: len(tracks)] = np.clip(np.minimum(followed_s, crossing_s), self._step_s or 0.1, _TRUST_S)
        weight = np.clip(stale / trusted, _NEWS, 1.0) ** 2 * _MOTION_NEED
        weight[: len(tracks)] = np.minimum((stale / trusted)[: len(tracks)] ** 2, _MOST_NEED)
        weight[len(tracks) : news] = _SPOT_NEED
        if self._gate:
            weight *= self._cells.changed(boxes) | (stale >= _AGAIN_S)
        weight *= seen
        return Items(boxes, side, shrink, weight, len(tracks), len(spots))

    def _wants_whole(self, view: View, items: Items, shrink: float, *, afresh: bool) -> bool:
        """Whether the whole picture is due: what is large is followed in it, and what is new found."""
        age = view.now_s - self._whole_s
        large = items.shrink >= _LARGEST_CROP * shrink
        if self._gate:
            needed = bool((items.weight[large] > 0).any()) or age >= _AGAIN_S
        else:
            needed = age >= (_LARGE_S if large.any() else _WHOLE_S) - 1e-6
        self._alternate = not self._alternate
        return afresh or (needed and (view.runs > 1 or self._alternate))

    def _choose_crops(self, view: View, items: Items, whole_shrink: float, chosen: list[Crop]) -> None:
        """Spend the rest of the budget on crops, each time on the one that is worth most."""
        shrink, tiles = self._sweep(view, whole_shrink)
        self._owed = min(self._owed + _SWEEP_PACE * self._step_s * len(tiles) / self._settings.within_s, 4.0)
        items.weight[items.shrink >= _LARGEST_CROP * whole_shrink] = 0.0
        packing = Packing(items, view.size, self._extent)
        # What the crops of this frame show of the tiles counts from the next frame on.
        ages = view.now_s - self._ages.oldest(tiles, shrink)
        for _ in range(view.runs - len(chosen)):
            crop, worth = packing.best()
            oldest = int(np.argmax(ages)) if tiles else -1
            sweep = _SWEEP_NEED * min(ages[oldest] / _SWEEP_NEED_S, 1.0) ** 2 if tiles else 0.0
            if (tiles and self._owed >= 1.0) or (not self._gate and sweep > worth):
                crop = Crop(tiles[oldest], shrink, "sweep")
                ages[oldest] = 0.0
                self._owed = max(0.0, self._owed - 1.0)
            if crop is None:
                break
            self._look(crop, items, view.now_s)
            chosen.append(crop)

    def _look(self, crop: Crop, items: Items, now_s: float) -> None:
        """Note a look: what it shows needs no other one."""
        self._ages.looked(crop.box, crop.shrink, now_s)
        self._cells.looked(crop.box)
        shown = items.shown_by(crop)
        items.weight[shown] = 0.0
        self._spots.looked(shown[items.tracks : items.tracks + items.spots])

    def _sweep(self, view: View, whole_shrink: float) -> tuple[float, tuple[Box, ...]]:
        """The tiles of the sweep, as small as the budget allows to look at all of them in time."""
        width, height = self._extent
        most = _SWEEP_SHARE * view.runs * self._settings.within_s / max(self._step_s * _SWEEP_PACE, 1e-3)
        for shrink in _SWEEP_SHRINKS:
            if shrink >= _LARGEST_CROP * whole_shrink:
                break
            size = round(view.size[0] * shrink), round(view.size[1] * shrink)
            tiles = covering((0, 0, width, height), size, _SWEEP_OVERLAP)
            # Tiles once chosen may cost somewhat more, or frames that come irregularly would mix two sizes.
            if len(tiles) <= most * (_SWEEP_KEPT if shrink == self._sweep_shrink else 1.0):
                self._sweep_shrink = shrink
                return shrink, tiles
        return whole_shrink, ()


def _rounded_down(shrink: F64) -> F64:
    place = np.searchsorted(_SHRINKS, shrink + 1e-9, side="right") - 1
    return np.array(_SHRINKS)[np.maximum(place, 0)]


def _rounded_up(shrink: F64) -> F64:
    place = np.searchsorted(_SHRINKS, shrink - 1e-9, side="left")
    return np.array((*_SHRINKS, np.inf))[place]


def _rounded(box: F64) -> Box:
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    return left, top, right, bottom
