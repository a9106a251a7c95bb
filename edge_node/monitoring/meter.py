"""Counts for Prometheus on the frame path: detections by class, events by kind, latency by camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.frames import Tracks
from shared.wire.stopwatch import Histogram

OTHER = "other"
"""The class of detections whose class has no name."""


class Meter:
    """Counts what only Prometheus reads. A node without Prometheus has none.

    Each attribute has one thread that writes it; any thread may read it.

    Args:
        cameras: Their identifiers.
        class_names: By class id.

    Attributes:
        latency: Seconds from a frame's capture until its detections were sent, by camera.
        events: Number of events, by camera and type.
    """

    def __init__(self, cameras: Iterable[str], class_names: Sequence[str]) -> None:
        self._names = (*class_names, OTHER)
        self._detections = {camera: np.zeros(len(self._names), np.int64) for camera in cameras}
        self.latency = {camera: Histogram() for camera in self._detections}
        self.events: Counter[tuple[str, str]] = Counter()

    def note(self, analysed: Iterable[Analysed]) -> None:
        """Count what was found in frames and what happened in them; the thread that tracks calls it."""
        for item in analysed:
            self._add(item.frame.camera, item.tracks)
            if item.report.happenings:
                self.happened(item.frame.camera, item.report.happenings)

    def happened(self, camera: str, happenings: Iterable[Happening]) -> None:
        """Count events."""
        self.events.update((camera, happening.type) for happening in happenings)

    def sent(self, camera: str, seconds: float) -> None:
        """Note how old a frame was when its detections were sent; the thread that sends calls it."""
        self.latency[camera].add(seconds)

    def detections(self, camera: str) -> dict[str, int]:
        """How many detections of each class a camera had; classes without any are left out.

        Those of low score that no track took are not among them.
        """
        counts = self._detections[camera].tolist()
        return {name: count for name, count in zip(self._names, counts, strict=True) if count}

    def class_name(self, class_id: int) -> str:
        """The name under which a class is counted."""
        return self._names[min(class_id, len(self._names) - 1)]

    def _add(self, camera: str, tracks: Tracks) -> None:
        if len(tracks.class_id):
            detected = np.minimum(tracks.class_id[~tracks.predicted], len(self._names) - 1)
            self._detections[camera] += np.bincount(detected, minlength=len(self._names))
