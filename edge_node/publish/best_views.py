"""The best view of each track so far: large, sure and whole."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from edge_node.config.publishing import SnapshotSettings
from edge_node.frames import Frame, Tracks
from edge_node.pictures import U8

MAX_TRACKS = 256
"""The most tracks remembered per camera; beyond it, the track seen longest ago is forgotten."""

_BETTER = 1.15  # a view that is only a little better is not worth another picture
_MARGIN = 0.1  # of the box, on each side
_INWARD = np.array([1, 1, -1, -1], np.float32)  # makes every edge larger the farther inside it is
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
        self._ids: list[int] = []  # the last frame's tracks

    def __len__(self) -> int:
        """How many tracks are remembered."""
        return len(self._views)

    def update(self, frame: Frame, tracks: Tracks) -> None:
        """Keep this frame's view of each track for which it is clearly better than the best so far."""
        if not len(tracks):
            return
        views, ids = self._views, tracks.track_id.tolist()
        better = {
            row: value
            for row, (track_id, value) in enumerate(zip(ids, _quality(frame, tracks), strict=True))
            if value > (views[track_id].quality * _BETTER if track_id in views else 0.0)
        }
        if better:
            self._keep(frame, tracks, better)
        if better or ids != self._ids:  # otherwise they already stand last, in this order
            self._ids = ids
            for track_id in ids:
                if track_id in views:
                    views.move_to_end(track_id)
            while len(views) > MAX_TRACKS:
                views.popitem(last=False)

    def _keep(self, frame: Frame, tracks: Tracks, better: dict[int, float]) -> None:
        """Keep this frame's view of some tracks, by row with its quality, unless the box is empty."""
        xyxy = tracks.xyxy[list(better)]
        sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
        margins = np.concatenate([-sides, sides], axis=1) * _MARGIN
        size = np.array([frame.width, frame.height] * 2, np.float32)
        corners = np.clip(xyxy + margins, 0, size).astype(np.intp).tolist()
        for (row, quality), (x1, y1, x2, y2) in zip(better.items(), corners, strict=True):
            if x2 > x1 and y2 > y1:
                track_id = int(tracks.track_id[row])
                known = self._views.get(track_id)
                # A copy: a slice, however small, would keep the whole frame in memory.
                image = frame.part((x1, y1, x2, y2), self._side, self._side).copy()
                taken = known is not None and known.taken
                self._views[track_id] = View(quality, frame.seq, frame.captured_ns, image, taken)

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


def _quality(frame: Frame, tracks: Tracks) -> list[float]:
    """How good a view of each track this frame is."""
    sides = np.maximum(tracks.xyxy[:, 2:] - tracks.xyxy[:, :2], 0)
    inside = np.array([1, 1, 1 - frame.width, 1 - frame.height], np.float32)
    whole = (tracks.xyxy * _INWARD > inside).all(axis=1)
    quality = tracks.score * np.sqrt(sides[:, 0] * sides[:, 1]) * np.where(whole, 1.0, _CUT_OFF)
    quality[tracks.predicted] = 0
    values: list[float] = quality.tolist()
    return values
