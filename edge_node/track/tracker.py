"""Following objects from frame to frame: the interface, and the choice of tracker."""

from __future__ import annotations

from typing import Protocol

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I64, Detections, Looked, Tracks


class Tracker(Protocol):
    """One tracker follows the objects of one camera; instances share nothing."""

    def update(self, detections: Detections | None, dt: float, looked: Looked | None = None) -> Tracks:
        """Advance by one frame.

        Args:
            detections: The frame's detections; None if the detector did not run: tracks are then predicted.
            dt: Seconds since the previous frame on the capture clock, 0 at the first.
            looked: Where the detector looked, and for how small objects; None: everywhere, for all. Tracks
                that it did not look for are predicted instead of missed.

        Returns:
            The confirmed tracks that are visible in this frame, and the ids of those that ended with it.
        """

    def end(self, track_ids: I64) -> None:
        """Forget these tracks; the next update reports them as ended."""

    def reset(self) -> None:
        """Forget all tracks, but not the next id; the next update reports the dropped tracks as ended."""


def create(settings: TrackerSettings) -> Tracker:
    """Make a tracker of the configured kind."""
    # Imported here: SciPy takes longer to load than the rest of a node, which connects before it tracks.
    match settings.kind:
        case "bytetrack":
            from edge_node.track.bytetrack import ByteTrack

            return ByteTrack(settings)
        case "ocsort":
            from edge_node.track.ocsort import OcSort

            return OcSort(settings)
