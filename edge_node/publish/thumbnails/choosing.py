"""Thumbnails: JPEGs of some frames, which are encoded where no other frame waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.publishing import ThumbnailSettings
from edge_node.frames import Frame
from edge_node.pace import Pace
from edge_node.publish.jpeg import Encoded, Fitted
from edge_node.publish.thumbnails.interests import Interests
from shared import limits
from shared.channel import Channel


class _Camera:
    def __init__(self, settings: ThumbnailSettings) -> None:
        self.settings = settings
        self.pace = Pace(settings.fps)
        self.is_idle = False
        self.fitted = Fitted()


class Thumbnails:
    """Chooses frames for thumbnails, and encodes them in another thread.

    Scaling and encoding take 1 to 3 ms, and nothing of that needs the interpreter.

    Args:
        cameras: Settings by camera.
        live: How many are wanted, by camera.
        ahead: Most frames of a camera that wait.
        waits: Whether `offer` waits for room; else the newest frame of a camera replaces the one that waits.
        interests: Knows at which cameras nobody looks.

    Attributes:
        waiting: The frames that are to be encoded.
        unwatched: Thumbnails that were not made because nobody looked, by camera.
    """

    def __init__(
        self,
        cameras: Mapping[str, CameraSettings],
        live: LiveStore,
        ahead: int,
        *,
        waits: bool,
        interests: Interests,
    ) -> None:
        self._live, self._interests = live, interests
        self.unwatched: Counter[str] = Counter()
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
        before, known.is_idle = known.is_idle, self._interests.nobody_looks(frame.camera)
        # Who begins to look gets the next frame, however low the rate is.
        if known.pace.fps != fps or (before and not known.is_idle):
            known.pace = Pace(fps)
        if not known.pace.ready(now_s):
            return
        if known.is_idle:
            self.unwatched[frame.camera] += 1
        else:
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
