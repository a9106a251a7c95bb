"""Thumbnails: JPEGs of some frames, which are encoded where no other frame waits for them."""

from __future__ import annotations

from collections.abc import Mapping

from edge_node.config.camera_settings import CameraSettings, ThumbnailSettings
from edge_node.config.live import LiveStore
from edge_node.frames import Frame
from edge_node.pace import Pace
from edge_node.publish.jpeg import Encoded, Fitted
from shared import limits
from shared.channel import Channel


class _Camera:
    def __init__(self, settings: ThumbnailSettings) -> None:
        self.settings = settings
        self.pace = Pace(settings.fps)
        self.fitted = Fitted()


class Thumbnails:
    """Chooses frames for thumbnails, and encodes them in another thread.

    Scaling and encoding take 1 to 3 ms, and nothing of that needs the interpreter.

    Args:
        cameras: Settings by camera.
        live: How many are wanted, by camera.
        ahead: Most frames of a camera that wait.
        waits: Whether `offer` waits for room; else the newest frame of a camera replaces the one that waits.

    Attributes:
        waiting: The frames that are to be encoded.
    """

    def __init__(
        self, cameras: Mapping[str, CameraSettings], live: LiveStore, ahead: int, *, waits: bool
    ) -> None:
        self._live = live
        self._cameras = {name: _Camera(settings.thumbnail) for name, settings in cameras.items()}
        self.waiting: Channel[Frame] = Channel(depth=ahead)
        self._put = self.waiting.put if waits else self.waiting.put_newest

    def reconfigure(self, camera: str, settings: ThumbnailSettings) -> None:
        """Use other settings from the next frame on."""
        self._cameras[camera].settings = settings

    def offer(self, frame: Frame, now_s: float) -> None:
        """Let a frame wait to be encoded, if it is time for a thumbnail of its camera.

        Args:
            frame: The frame.
            now_s: Its time on the clock of analytics, seconds.
        """
        known, fps = self._cameras[frame.camera], self._live[frame.camera].thumbnail_fps
        if known.pace.fps != fps:
            known.pace = Pace(fps)
        if known.pace.ready(now_s):
            self._put(frame, frame.camera)

    def encode(self, frame: Frame, room: int) -> tuple[Encoded | None, bool]:
        """The thumbnail of a frame, and whether it had to be made smaller than configured.

        Args:
            frame: The frame.
            room: Bytes that the JPEG may have.

        Returns:
            No thumbnail if even the smallest one does not fit.
        """
        known = self._cameras[frame.camera]
        settings, fitted = known.settings, known.fitted
        most = settings.width, min(frame.height, limits.PICTURE_SIDE)
        encoded = fitted.encode(frame.picture, settings.quality, room, most)
        return encoded, fitted.shrinks
