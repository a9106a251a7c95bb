"""Following objects from frame to frame: the settings, the interface, and the choice of tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from edge_node.frames import Detections, Tracks

Seconds = Annotated[float, Meta(ge=0, le=86400)]
Ratio = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """How tracks begin, live and end.

    Detectors differ in what a good score is: one gives people 0.95, another 0.6. Score thresholds are
    therefore shares of the typical score of what is being tracked, learned per class while tracking.

    Attributes:
        kind: bytetrack is the faster one; ocsort leans on observations more than on predictions.
        start_score: A detection begins a track from this share of its class's typical score on.
        high_score: Detections from this share on are matched first.
        low_score: Detections below this share are ignored; those between may continue a track.
        confirm_s: A track is reported once it was seen twice and is this old, seconds.
        lost_s: How long an unseen track may come back under its id, seconds.
        stationary_lost_s: The same for a track that stood still, such as a parked car.
        predicted_s: How long an unseen track is still reported, as predicted, seconds.
    """

    kind: Literal["bytetrack", "ocsort"] = "bytetrack"
    start_score: Annotated[Ratio, Meta(description="Share of the typical score that begins a track")] = 0.9
    high_score: Annotated[Ratio, Meta(description="Share of the typical score that is matched first")] = 0.8
    low_score: Annotated[Ratio, Meta(description="Share of the typical score below which is ignored")] = 0.5
    confirm_s: Annotated[Seconds, Meta(description="Age at which a track seen twice is reported")] = 0.0
    lost_s: Annotated[Seconds, Meta(description="How long an unseen track may come back")] = 1.5
    stationary_lost_s: Annotated[Seconds, Meta(description="The same for one that stood still")] = 10.0
    predicted_s: Annotated[Seconds, Meta(description="How long an unseen track is still reported")] = 0.15


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
