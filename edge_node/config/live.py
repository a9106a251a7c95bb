"""The settings of a camera that requests can change while the node runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_node.config.settings import EdgeConfig
from edge_node.config.tile_settings import TileSettings, chosen

DECIMALS = 6
"""Of a live setting that is set."""


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """The current values for one camera.

    Attributes:
        confidence: Lowest score with which a detection reaches the tracker.
        detect_every: The network runs on every n-th frame.
        paused: Frames are neither analysed nor published.
        thumbnail_fps: Most thumbnails a second.
    """

    confidence: float
    detect_every: int
    paused: bool
    thumbnail_fps: float


class LiveStore:
    """The live settings of every camera. Readers get a consistent set of values, and never wait.

    Args:
        config: The values at the start.
    """

    def __init__(self, config: EdgeConfig) -> None:
        self._lock = threading.Lock()
        self._live: Mapping[str, LiveSettings] = {name: _configured(config, name) for name in config.cameras}
        self._resting: Mapping[str, str] = {}
        self._tiles = _tiles(config)

    def __getitem__(self, camera: str) -> LiveSettings:
        """The current values for a camera.

        Raises:
            KeyError: There is no such camera.
        """
        return self._live[camera]

    def rest(self, camera: str, schedule: str | None) -> None:
        """Let a camera rest because a schedule is not active; None: let it work."""
        with self._lock:
            if self._resting.get(camera) != schedule:
                others = {name: one for name, one in self._resting.items() if name != camera}
                self._resting = others if schedule is None else others | {camera: schedule}

    def resting(self, camera: str) -> str | None:
        """The schedule off which a camera is; None: it works."""
        return self._resting.get(camera)

    def halted(self, camera: str) -> bool:
        """Whether a camera's frames are not analysed: somebody has paused it, or it is off schedule."""
        return self._live[camera].paused or camera in self._resting

    def tiles(self, camera: str) -> TileSettings | None:
        """The current tiles of a camera, which only a reload changes; None: the whole picture.

        Raises:
            KeyError: There is no such camera.
        """
        return self._tiles[camera]

    def change(self, camera: str, **changes: float | bool) -> LiveSettings:
        """Set some values for a camera, from its next frame on.

        Returns:
            All its values after the change.
        """
        with self._lock:
            # Programs that count in 32 bits send 0.30000001192092896 for 0.3; everybody would read it again.
            plain = {
                key: round(one, DECIMALS) if isinstance(one, float) else one for key, one in changes.items()
            }
            changed = replace(self._live[camera], **plain)  # type: ignore[arg-type]  # checked as a request
            self._live = {**self._live, camera: changed}
        return changed

    def reconfigure(self, before: EdgeConfig, now: EdgeConfig) -> None:
        """Use the values of `now` that differ from `before`.

        A value that is the same in both stays as requests have set it.
        """
        self._tiles = _tiles(now)
        for name in now.cameras:
            old, new = vars(_configured(before, name)), vars(_configured(now, name))
            self.change(name, **{key: value for key, value in new.items() if value != old[key]})


def _tiles(config: EdgeConfig) -> Mapping[str, TileSettings | None]:
    return {name: chosen(settings.tiles) for name, settings in config.cameras.items()}


def _configured(config: EdgeConfig, camera: str) -> LiveSettings:
    settings = config.cameras[camera]
    return LiveSettings(
        confidence=config.model.confidence,
        detect_every=settings.detect_every,
        paused=False,
        thumbnail_fps=settings.thumbnail.fps,
    )
