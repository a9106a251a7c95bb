"""Following objects from frame to frame: the interface, and the choice of tracker."""

from __future__ import annotations

from typing import Protocol

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections, Tracks


class Tracker(Protocol):
    """One tracker follows the objects of one camera; instances share nothing."""

    def update(self, detections: Detections | None, dt: float) -> Tracks:
        """Advance by one frame.

        Args:
            detections: Of this frame; None when the detector did not run on it, then tracks are predicted.
            dt: Seconds since the previous call on the capture clock, 0 at the first.

        Returns:
            The confirmed tracks visible in this frame, and the confirmed tracks given up in it.
        """

    def reset(self) -> None:
        """Start afresh; ids go on counting, and the next update reports the dropped tracks as ended."""


def create(settings: TrackerSettings) -> Tracker:
    """A new tracker of the configured kind."""
    match settings.kind:
        case "bytetrack":
            from edge_node.track.bytetrack import ByteTrack

            return ByteTrack(settings)
        case "ocsort":
            from edge_node.track.ocsort import OcSort

            return OcSort(settings)
