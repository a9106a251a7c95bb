"""Two looks at one place that found different things.

What a detector finds in one view of a picture and not in another is worth labelling (Yu et al., "Consistency-
based Active Learning for Object Detection", 2022; there are no others' labels in this). Views are tiles that
overlap, what the tracker expects where the network skips frames, and a mirrored frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.ignore.rules import Rules
from edge_node.pictures import U8
from shared.geometry import F32, Bool, box_area, iou

Find = Callable[[U8, float], Detections]
"""Lets the network look at a picture, u8 ``(H, W, 3)``, BGR, for what has at least a score; the result is in
its pixels."""
_LEAST = 0.1  # score with which a second look may find what the first one did
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


class SecondLook:
    """Lets the network look at frames once more, mirrored: at the part where it looked at first.

    Args:
        find: Lets the network look at a picture.
        region: Of a camera's picture, as fractions, where its network looks; None: everywhere.
        rules: What a camera ignores now; None: nothing.
    """

    def __init__(
        self,
        find: Find,
        region: Callable[[str], tuple[float, float, float, float] | None] = lambda _: None,
        rules: Callable[[str], Rules] | None = None,
    ) -> None:
        self._find, self._region, self._rules = find, region, rules

    def contested(self, frame: Frame, first: Detections, sure: F32) -> tuple[Detections, Detections]:
        """What only one of two looks found, without what the camera ignores.

        Args:
            frame: What both look at.
            first: What the first look found.
            sure: As above.

        Returns:
            What only the first look found, and what only the second did, both in pixels of the frame.
        """
        left, top, right, bottom = frame.area(self._region(frame.camera))
        mirrored = np.ascontiguousarray(frame.image[top:bottom, left:right][:, ::-1])
        found = self._find(mirrored, _LEAST)
        xyxy = found.xyxy + np.array([0, top, 0, top], np.float32)
        xyxy[:, [0, 2]] = right - found.xyxy[:, [2, 0]]
        second = Detections(xyxy, found.score, found.class_id)
        gone = _only(first, second, sure)
        new = _only(second, first, sure)
        if self._rules is None:
            return gone, new
        rules = self._rules(frame.camera)
        gone, new = (one[~rules.drops(one, frame.width, frame.height)] for one in (gone, new))
        return gone, new


def _only(found: Detections, others: Detections, sure: F32) -> Detections:
    """What one look is sure of, and another one has not found at all."""
    found = _sure(found, sure)
    return found[_unmet(found, _sure(others, sure * _FAINT))]


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
