"""Settings of a camera that can be changed while it runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_node.config.settings import EdgeConfig


@dataclass(frozen=True, kw_only=True)
class Live:
    """What is in force on one camera.

    Attributes:
        confidence: Lowest score that reaches the tracker.
        detect_every: The network runs on one frame in so many.
        paused: Frames are neither analysed nor published.
        thumbnail_fps: JPEGs a second.
    """

    confidence: float
    detect_every: int
    paused: bool
    thumbnail_fps: float


class Controls:
    """The live settings of every camera; readers see a consistent set, and never wait.

    Args:
        config: What is in force at first.
    """

    def __init__(self, config: EdgeConfig) -> None:
        self._lock = threading.Lock()
        self._live: Mapping[str, Live] = {
            name: Live(
                confidence=config.model.confidence,
                detect_every=camera.detect_every,
                paused=False,
                thumbnail_fps=camera.thumbnail.fps,
            )
            for name, camera in config.cameras.items()
        }

    def __getitem__(self, camera: str) -> Live:
        """What is in force now.

        Raises:
            KeyError: There is no such camera.
        """
        return self._live[camera]

    def change(self, camera: str, **changes: float | bool) -> Live:
        """Put some settings of a camera in force from its next frame on; all that are then."""
        with self._lock:
            changed = replace(self._live[camera], **changes)  # type: ignore[arg-type]  # checked as a request
            self._live = {**self._live, camera: changed}
        return changed
