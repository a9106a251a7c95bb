"""The best view of each track so far: large, sure and whole."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from edge_node.config.camera_settings import SnapshotSettings
from edge_node.frames import U8, Frame, Tracks

MAX_TRACKS = 256
"""The most tracks remembered per camera; beyond it, the track seen longest ago is forgotten."""

_BETTER = 1.15  # a view that is only a little better is not worth another picture
_MARGIN = 0.1  # of the box, on each side
_CUT_OFF = 0.6  # factor for the quality of a view that the frame's edge cuts


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One view of a track.

    Attributes:
        quality: Score times the box's side, lower when the frame's edge cuts the box.
        seq: Number of the frame that the view is cut from.
        captured_ns: When that frame was captured.
        image: u8 ``(H, W, 3)``, BGR, a copy; None once it was taken.
        taken: Whether this view of the track, or one before it, was taken.
    """

    quality: float
    seq: int
    captured_ns: int
    image: U8 | None
    taken: bool


class BestViews:
    """Best views of one camera's tracks; a picture is held only until it is taken.

    Args:
        settings: The pictures' size.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        self._side = settings.side
        self._views: OrderedDict[int, View] = OrderedDict()

    def __len__(self) -> int:
        """How many tracks are remembered."""
        return len(self._views)

    def update(self, frame: Frame, tracks: Tracks) -> None:
        """Keep this frame's view of each track for which it is clearly better than the best so far."""
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
            known = self._views.get(track_id)
            if x2 > x1 and y2 > y1 and value > (known.quality * _BETTER if known else 0):
                # A copy: a slice, however small, would keep the whole frame in memory.
                image = frame.part((x1, y1, x2, y2), self._side, self._side).copy()
                taken = known is not None and known.taken
                self._views[track_id] = View(value, frame.seq, frame.captured_ns, image, taken)
            if track_id in self._views:
                self._views.move_to_end(track_id)
        while len(self._views) > MAX_TRACKS:
            self._views.popitem(last=False)

    def take(self, track_id: int) -> View | None:
        """The best view of a track; None if there is none, or it was taken before."""
        best = self._views.get(track_id)
        if best is None or best.image is None:
            return None
        self._views[track_id] = replace(best, image=None, taken=True)
        return best

    def was_taken(self, track_id: int) -> bool:
        """Whether any view of the track was ever taken."""
        view = self._views.get(track_id)
        return view is not None and view.taken
