"""Following objects from frame to frame: the interface, and the choice of tracker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I64, Detections, Looked, Tracks
from edge_node.track.rows import Given, Rows, State

if TYPE_CHECKING:
    from edge_node.track.table import Method


class Tracker:
    """Follows the objects of one camera; instances share nothing.

    Args:
        settings: How tracks begin and end.
        method: How tracks and detections are matched.
    """

    def __init__(self, settings: TrackerSettings, method: Method) -> None:
        self._settings, self._method = settings, method
        self._state = State(Rows.zeros(0, method.extra).columns)

    def update(self, detections: Detections | None, dt: float, looked: Looked | None = None) -> Tracks:
        """Advance by one frame; the arguments are those of `Given`.

        Returns:
            The confirmed tracks that are visible in this frame, and the ids of those that ended with it.
        """
        return self.update_all([self], [Given(detections, dt, looked)])[0]

    @staticmethod
    def update_all(trackers: Sequence[Tracker], given: Sequence[Given]) -> list[Tracks]:
        """Advance cameras by one frame each: what `update` does for each, in far fewer calls of numpy.

        Args:
            trackers: At least one; no camera twice. Those with other settings than the first take more calls.
            given: What each is given.
        """
        one = trackers[0]
        if any(tracker._settings is not one._settings for tracker in trackers):
            return [
                tracker.update(each.detections, each.dt, each.looked)
                for tracker, each in zip(trackers, given, strict=True)
            ]
        return one._method.advance(one._settings, [tracker._state for tracker in trackers], given)

    def end(self, track_ids: I64) -> None:
        """Forget these tracks; the next update reports them as ended."""
        rows = Rows(*self._state.columns)
        going = np.isin(rows.id, track_ids) & (rows.id > 0)
        self._state.ended += rows.id[going].tolist()
        self._state.columns = rows.only((~going).nonzero()[0]).columns

    def reset(self) -> None:
        """Forget all tracks, but not the next id; the next update reports the dropped tracks as ended."""
        old = self._state
        ids = Rows(*old.columns).id
        ended: list[int] = ids[ids > 0].tolist()
        self._state = State(
            Rows.zeros(0, self._method.extra).columns, next_id=old.next_id, ended=old.ended + ended
        )


def create(settings: TrackerSettings) -> Tracker:
    """Make a tracker of the configured kind."""
    # Imported here: SciPy takes longer to load than the rest of a node, which connects before it tracks.
    match settings.kind:
        case "bytetrack":
            from edge_node.track.bytetrack import BYTETRACK

            return Tracker(settings, BYTETRACK)
        case "ocsort":
            from edge_node.track.ocsort import OCSORT

            return Tracker(settings, OCSORT)
