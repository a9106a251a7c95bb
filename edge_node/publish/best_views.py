"""The best view of each track so far: large, sure and whole."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from edge_node.config.camera_settings import SnapshotSettings
from edge_node.frames import U8, Frame, Tracks
from edge_node.publish.jpeg import shrink

MAX_TRACKS = 256
"""Remembered per camera; past that the one seen longest ago is forgotten."""

_BETTER = 1.15  # a little better is not worth another picture
_MARGIN = 0.1  # of the box, on each side
_CUT_OFF = 0.6  # what a view is worth when the frame's edge cuts it


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One view of a track.

    Attributes:
        quality: Score times the box's side, lower when the frame's edge cuts it.
        seq: The frame it is from.
        captured_ns: Likewise.
        image: u8 ``(H, W, 3)``, BGR, a copy; None once it was taken.
    """

    quality: float
    seq: int
    captured_ns: int
    image: U8 | None


class Snapshots:
    """Best views of one camera's tracks; a picture is held only until it is taken.

    Args:
        settings: The pictures' size.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        self._side = settings.side
        self._best: OrderedDict[int, Snapshot] = OrderedDict()
        self._taken: set[int] = set()

    def update(self, frame: Frame, tracks: Tracks) -> None:
        """Look whether this frame shows a track better than any before."""
        size = np.array([frame.width, frame.height] * 2, np.float32)
        low, high = tracks.xyxy[:, :2], tracks.xyxy[:, 2:]
        sides = np.maximum(high - low, 0)
        whole = (low > 1).all(axis=1) & (high < size[2:] - 1).all(axis=1)
        quality = tracks.score * np.sqrt(sides.prod(axis=1)) * np.where(whole, 1.0, _CUT_OFF)
        quality[tracks.predicted] = 0
        margins = np.concatenate([-sides, sides], axis=1) * _MARGIN
        corners = np.clip(tracks.xyxy + margins, 0, size).astype(np.intp).tolist()
        for track_id, value, (x1, y1, x2, y2) in zip(
            tracks.track_id.tolist(), quality.tolist(), corners, strict=True
        ):
            known = self._best.get(track_id)
            if x2 > x1 and y2 > y1 and value > (known.quality * _BETTER if known else 0):
                # A copy, or one small picture would keep the whole frame alive.
                image = shrink(frame.image[y1:y2, x1:x2], self._side, self._side).copy()
                self._best[track_id] = Snapshot(value, frame.seq, frame.captured_ns, image)
            if track_id in self._best:
                self._best.move_to_end(track_id)
        while len(self._best) > MAX_TRACKS:
            self._taken.discard(self._best.popitem(last=False)[0])

    def take(self, track_id: int) -> Snapshot | None:
        """The best view, if it was not taken before."""
        best = self._best.get(track_id)
        if best is None or best.image is None:
            return None
        self._best[track_id] = Snapshot(best.quality, best.seq, best.captured_ns, None)
        self._taken.add(track_id)
        return best

    def was_taken(self, track_id: int) -> bool:
        """Whether some view of the track was taken, now or before."""
        return track_id in self._taken
