"""Two looks at one place that found different things.

What a detector finds in one view of a picture and not in another is worth labelling (Yu et al., "Consistency-
based Active Learning for Object Detection", 2022; there are no others' labels in this). Views are tiles that
overlap, what the tracker expects where the network skips frames, and a mirrored frame.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from edge_node.frames import Detected, Detections, Tracks
from edge_node.pictures import U8
from shared.geometry import F32, Bool, box_area, iou

_FAINT = 0.6  # what has less than this share of a sure score is not found: the tracker ignores it
_SAME = 0.3  # least IoU of two boxes of one object
_EXPECTED = 0.2  # least IoU of a box with where the tracker expected it
_INSIDE = 0.02  # how far inside both tiles a box must be, in the tile's size, so that neither cuts it
_REMEMBERED = 32
_LARGER = 1.5  # how much larger than the smallest object that a tile shows it must be


def tiles_disagree(detected: Detected, sure: F32) -> bool:
    """Whether one tile shows an object that another one, which shows the place as well, does not.

    Args:
        detected: A frame; where it has no tiles, nothing disagrees.
        sure: f32, by class id: the score from which on an object should be found in every look.
    """
    tiles = detected.tiles
    if tiles is None or len(tiles.places) < 2:
        return False
    xyxy, least = tiles.xyxy, tiles.least
    for one in tiles.places:
        found = _sure(detected.parts[one], sure)
        if not len(found):
            continue
        side = np.sqrt(box_area(found.xyxy))
        for other in tiles.places:
            if one == other:
                continue
            shown = _within(found.xyxy, xyxy[one]) & _within(found.xyxy, xyxy[other])
            shown &= side >= _LARGER * max(least[one], least[other])
            if shown.any() and _unmet(found[shown], _sure(detected.parts[other], sure * _FAINT)).any():
                return True
    return False


def guess_fails(guess: Tracks, dt: float, tracks: Tracks) -> bool:
    """Whether a track is far from where it was expected, or was not where the network looked for it.

    Args:
        guess: Tracks of the frame before, on which the network did not run.
        dt: Seconds since then.
        tracks: Tracks now, after the network ran.
    """
    if not len(guess) or not len(tracks):
        return False
    known, here, there = np.intersect1d(guess.track_id, tracks.track_id, return_indices=True)
    if not len(known):
        return False
    here = here[~tracks.predicted[there]]
    there = there[~tracks.predicted[there]]
    expected = guess.xyxy[here] + np.tile(guess.velocity[here] * np.float32(dt), 2)
    return any(
        iou(expected[i : i + 1], tracks.xyxy[j : j + 1])[0, 0] < _EXPECTED for i, j in enumerate(there)
    )


def mirrored(image: U8) -> U8:
    """A picture as in a mirror, u8 ``(H, W, 3)``."""
    return np.ascontiguousarray(image[:, ::-1])


def contested(first: Detections, second: Detections, width: int, sure: F32) -> tuple[Detections, Detections]:
    """What only one of two looks found.

    Args:
        first: What the first look found.
        second: What the second look found, in pixels of the mirrored frame.
        width: Of the frame, pixels.
        sure: As above.

    Returns:
        What only the first look found, and what only the second did, both in pixels of the frame as it is.
    """
    back = second.xyxy.copy()
    back[:, [0, 2]] = width - back[:, [2, 0]]
    again = Detections(back, second.score, second.class_id)
    one, other = _sure(first, sure), _sure(again, sure)
    return one[_unmet(one, _sure(again, sure * _FAINT))], other[_unmet(other, _sure(first, sure * _FAINT))]


class Known:
    """What looks have disagreed about before: a thing that stands there all day is worth one picture.

    A few are remembered, the newest.
    """

    def __init__(self) -> None:
        self._boxes: deque[tuple[int, F32]] = deque(maxlen=_REMEMBERED)

    def are_news(self, found: Detections) -> bool:
        """Whether something of this is new."""
        return any(
            not any(
                kind == known and iou(box[None], where[None])[0, 0] >= _SAME for known, where in self._boxes
            )
            for kind, box in zip(found.class_id.tolist(), found.xyxy, strict=True)
        )

    def learn(self, found: Detections) -> None:
        """Remember this."""
        self._boxes.extend(zip(found.class_id.tolist(), found.xyxy, strict=True))


def _sure(found: Detections, sure: F32) -> Detections:
    known = found.class_id < len(sure)
    found = found[known]
    return found[found.score >= sure[found.class_id]]


def _within(boxes: F32, tile: F32) -> Bool:
    margin = _INSIDE * (tile[2:] - tile[:2])
    low, high = tile[:2] + margin, tile[2:] - margin
    return np.asarray((boxes[:, :2] >= low).all(axis=1) & (boxes[:, 2:] <= high).all(axis=1))


def _unmet(found: Detections, others: Detections) -> Bool:
    """Which of some detections no other one of their class overlaps."""
    if not len(found) or not len(others):
        return np.ones(len(found), np.bool_)
    met = (iou(found.xyxy, others.xyxy) >= _SAME) & (found.class_id[:, None] == others.class_id)
    return np.asarray(~met.any(axis=1))
