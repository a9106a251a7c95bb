"""The detections of several tiles as those of one picture: halves are joined and duplicates removed.

The network has removed duplicates within each tile already, so two boxes of one tile are two objects. Boxes
of different tiles show the same object if they agree in the part of the picture that both tiles show. This
test needs no tuning for people side by side: a neighbour's box does not agree there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge_node.frames import I32, Detections
from shared.geometry import F32, Bool

_SAME = 0.5  # least IoU, in the part that both tiles show, of two boxes of one object
_INSIDE, _ROUGHLY = 0.8, 0.25  # a cut box that lies this far inside a whole one needs to agree only roughly
_NEAR_EDGE, _NEAR_EDGE_OF_BOX = 0.02, 0.2  # a box this close to its tile's edge is cut; sides of tile and box
_SEAM = 1.0  # pixels by which tiles are enlarged, so that tiles that only touch have a part in common
_MOST_BOXES = 2048  # only so many of the best boxes are compared, which bounds time and memory

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes of all tiles.

    Attributes:
        xyxy: f32 ``(N, 4)``.
        score: f32 ``(N,)``.
        class_id: i32 ``(N,)``.
        tile: Number of the tile, ``(N,)``.
        cut: Which edges the tile has cut: left, top, right, bottom, ``(N, 4)``.
        reach: The boxes with their cut edges moved out to just beyond the edge of the tile, ``(N, 4)``.
    """

    xyxy: F32
    score: F32
    class_id: I32
    tile: Index
    cut: Bool
    reach: F32

    def only(self, index: Index | Bool) -> _Boxes:
        """Some of the boxes."""
        return _Boxes(
            self.xyxy[index],
            self.score[index],
            self.class_id[index],
            self.tile[index],
            self.cut[index],
            self.reach[index],
        )


def merge(
    parts: Sequence[Detections],
    tiles: F32,
    area: tuple[int, int, int, int],
    *,
    least: F32,
    whole: int | None,
    most: int,
) -> Detections:
    """Merge the detections of the tiles that went through the network for one picture.

    A box that its tile's edge cuts gives way to one that shows the object uncut. Otherwise it is joined with
    its other half. If nobody looked at what lies beyond the cut in this picture, it is dropped: half an
    object in the place of a whole one would mislead the tracker.

    Args:
        parts: Detections of each tile, in pixels of the picture, inside their tile.
        tiles: f32 ``(K, 4)``, corners in pixels of the picture.
        area: Left, top, right and bottom of what the tiles are parts of: the picture, or its region of
            interest. Its edges cut nothing.
        least: f32 ``(K,)``: side of the smallest object that counts as looked for in each tile, in pixels, as
            `edge_node.frames.Looked` has it.
        whole: Number of the tile that is all of the area; None if there is none.
        most: Maximum number of detections returned.

    Returns:
        Detections in pixels of the picture, best first.
    """
    if len(parts) == 1 and whole == 0:
        return parts[0][:most]
    boxes = _collect(parts, tiles, np.array(area, np.float32))
    if not len(boxes.score):
        return Detections.empty()
    uncut: Bool = np.asarray(~boxes.cut.any(axis=1))
    i, j, agree = _pairs(boxes, tiles)
    kept = _without_duplicates(boxes, uncut, i, j, agree)
    halves = kept & ~uncut
    if halves.any():
        joined = _joined(boxes, halves, i, j, agree)
        joined = joined.only(_looked_beyond(joined, tiles, least))
        boxes = _together(boxes.only(kept & uncut), joined)
    else:
        boxes = boxes.only(kept)
    order = np.argsort(-boxes.score, kind="stable")[:most]
    return Detections(boxes.xyxy[order], boxes.score[order], boxes.class_id[order])


def _collect(parts: Sequence[Detections], tiles: F32, area: F32) -> _Boxes:
    """The boxes of all tiles, at most `_MOST_BOXES`, and which edges are cut."""
    xyxy = np.concatenate([part.xyxy for part in parts])
    score = np.concatenate([part.score for part in parts])
    class_id = np.concatenate([part.class_id for part in parts])
    tile = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    if len(score) > _MOST_BOXES:
        best = np.sort(np.argsort(-score, kind="stable")[:_MOST_BOXES])
        xyxy, score, class_id, tile = xyxy[best], score[best], class_id[best], tile[best]
    own = tiles[tile]
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    tile_sides = np.tile(own[:, 2:] - own[:, :2], 2)
    near = np.maximum(np.minimum(_NEAR_EDGE * tile_sides, _NEAR_EDGE_OF_BOX * sides), 1.0)
    inner = np.hstack((own[:, :2] > area[:2], own[:, 2:] < area[2:]))
    cut = (np.abs(xyxy - own) <= near) & inner
    beyond = own + np.array([-_SEAM, -_SEAM, _SEAM, _SEAM], np.float32)
    return _Boxes(xyxy, score, class_id, tile, cut, np.where(cut, beyond, xyxy))


def _pairs(boxes: _Boxes, tiles: F32) -> tuple[Index, Index, F32]:
    """Pairs of boxes of one class from different tiles, and how well they agree.

    Returns:
        Indices of both boxes, ``(P,)``, the first one smaller, and the IoU in the part of the picture that
        both tiles show, ``(P,)``, above 0.
    """
    low, high = boxes.reach[:, :2], boxes.reach[:, 2:]
    touch = (low[:, None, 0] < high[None, :, 0]) & (low[:, None, 1] < high[None, :, 1])
    touch &= touch.T
    touch &= boxes.class_id[:, None] == boxes.class_id
    touch &= boxes.tile[:, None] < boxes.tile  # the boxes stand in the order of their tiles
    i, j = touch.nonzero()
    seam = np.array([-_SEAM, -_SEAM, _SEAM, _SEAM], np.float32)
    a = _clipped(boxes.reach[i], tiles[boxes.tile[j]] + seam)
    b = _clipped(boxes.reach[j], tiles[boxes.tile[i]] + seam)
    agree = _iou(a, b)
    fits = agree > 0
    return i[fits], j[fits], agree[fits]


def _without_duplicates(boxes: _Boxes, uncut: Bool, i: Index, j: Index, agree: F32) -> Bool:
    """Which boxes stay: of uncut boxes of one object the best, and no cut box of an object seen uncut.

    A box keeps its own score. A part of an object often scores higher than all of it, for example a face, and
    says little about the whole: on COCO in 2x2 tiles, taking the best score costs 3.5 points of AP.
    """
    any_uncut = uncut[i] | uncut[j]
    i, j, agree = i[any_uncut], j[any_uncut], agree[any_uncut]
    both = uncut[i] & uncut[j]
    # The better one of a pair is the uncut one, or else the one with the higher score.
    first = np.where(both, boxes.score[i] >= boxes.score[j], uncut[i])
    better, worse = np.where(first, i, j), np.where(first, j, i)
    inside = _intersection(boxes.xyxy[i], boxes.xyxy[j]) / np.maximum(_area(boxes.xyxy[worse]), 1e-6)
    same = np.where(both, (agree >= _SAME) & _mutual(i, j, agree, boxes.tile), agree >= _SAME)
    same |= ~both & (inside >= _INSIDE) & (agree >= _ROUGHLY)
    better, worse = better[same], worse[same]
    # Greedy suppression in rounds: who has no better rival that is still in question stays.
    stays, open_ = np.zeros(len(uncut), np.bool_), np.ones(len(uncut), np.bool_)
    while open_.any():
        rivalled = np.zeros(len(uncut), np.bool_)
        rivalled[worse[open_[better]]] = True
        keep = open_ & ~rivalled
        stays |= keep
        open_ &= ~keep
        open_[worse[keep[better]]] = False
    return stays


def _joined(boxes: _Boxes, halves: Bool, i: Index, j: Index, agree: F32) -> _Boxes:
    """Objects of which no tile shows all: cut boxes, joined with what continues them in other tiles."""
    fits = halves[i] & halves[j] & (agree >= _SAME)
    i, j, agree = i[fits], j[fits], agree[fits]
    mutual = _mutual(i, j, agree, boxes.tile)
    i, j = i[mutual], j[mutual]
    group = np.arange(len(halves))
    while (group[i] != group[j]).any():  # each round hands the smallest number on to the next half
        least = np.minimum(group[i], group[j])
        np.minimum.at(group, i, least)
        np.minimum.at(group, j, least)
    members = halves.nonzero()[0]
    members = members[np.argsort(group[members], kind="stable")]
    starts = np.flatnonzero(np.diff(group[members], prepend=-1))
    low = np.minimum.reduceat(boxes.xyxy[members, :2], starts)
    high = np.maximum.reduceat(boxes.xyxy[members, 2:], starts)
    xyxy = np.hstack((low, high))
    # An edge is still cut if the half that reaches farthest there is cut there.
    reach = boxes.reach[members]
    low = np.minimum.reduceat(reach[:, :2], starts)
    high = np.maximum.reduceat(reach[:, 2:], starts)
    farthest = np.hstack((low, high))
    of = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(members)))
    cut = np.logical_or.reduceat(boxes.cut[members] & (reach == farthest[of]), starts)
    score = np.maximum.reduceat(boxes.score[members], starts)
    first = members[starts]
    return _Boxes(xyxy, score, boxes.class_id[first], boxes.tile[first], cut, farthest)


def _looked_beyond(boxes: _Boxes, tiles: F32, least: F32) -> Bool:
    """Whether, for each cut edge of a box, a tile shows what lies beyond it, fine enough for this box."""
    middle = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    reach = boxes.reach
    edges: tuple[F32, ...] = (
        np.column_stack((reach[:, 0], middle[:, 1])),
        np.column_stack((middle[:, 0], reach[:, 1])),
        np.column_stack((reach[:, 2], middle[:, 1])),
        np.column_stack((middle[:, 0], reach[:, 3])),
    )
    fine = np.sqrt(_area(boxes.xyxy))[:, None] >= least
    beyond = np.ones(len(middle), np.bool_)
    for edge, points in enumerate(edges):
        shown = (points[:, None] >= tiles[:, :2]) & (points[:, None] <= tiles[:, 2:])
        beyond &= ~boxes.cut[:, edge] | (shown.all(axis=2) & fine).any(axis=1)
    return np.asarray(beyond)


def _together(a: _Boxes, b: _Boxes) -> _Boxes:
    return _Boxes(
        np.concatenate((a.xyxy, b.xyxy)),
        np.concatenate((a.score, b.score)),
        np.concatenate((a.class_id, b.class_id)),
        np.concatenate((a.tile, b.tile)),
        np.concatenate((a.cut, b.cut)),
        np.concatenate((a.reach, b.reach)),
    )


def _mutual(i: Index, j: Index, agree: F32, tile: Index) -> Bool:
    """Which pairs are each other's best in the other one's tile."""
    count = int(tile.max(initial=0)) + 1
    best = np.ones(len(i), np.bool_)
    for one, other in ((i, j), (j, i)):
        key = one * count + tile[other]
        top = np.zeros(len(tile) * count, np.float32)
        np.maximum.at(top, key, agree)
        best &= agree == top[key]
    return best


def _clipped(xyxy: F32, to: F32) -> F32:
    return np.hstack((np.maximum(xyxy[:, :2], to[:, :2]), np.minimum(xyxy[:, 2:], to[:, 2:])))


def _area(xyxy: F32) -> F32:
    sides = np.maximum(xyxy[..., 2:] - xyxy[..., :2], 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _intersection(a: F32, b: F32) -> F32:
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return _area(np.concatenate((low, high), axis=-1))


def _iou(a: F32, b: F32) -> F32:
    shared = _intersection(a, b)
    return np.asarray(shared / np.maximum(_area(a) + _area(b) - shared, 1e-6))


def moved(detections: Detections, corner: tuple[int, int]) -> Detections:
    """Detections in a part of the picture as detections in the picture."""
    left, top = corner
    if not left and not top:
        return detections
    offset: F32 = np.array([left, top, left, top], np.float32)
    return replace(detections, xyxy=detections.xyxy + offset)
