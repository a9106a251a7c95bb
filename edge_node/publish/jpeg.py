"""Shrinks pictures, and encodes them as JPEGs."""

from __future__ import annotations

import logging

from edge_node.pictures import OnGpu, Picture, as_jpeg, fitting, scaled
from shared.log import Once
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.topics import Topic

log = logging.getLogger("darner.publish")

Encoded = tuple[bytes, tuple[int, int]]
"""A JPEG, and its width and height in pixels."""

_STEPS = (
    (100, 1.0),
    (75, 1.0),
    (50, 1.0),
    (50, 0.7),
    (50, 0.5),
    (50, 0.35),
    (50, 0.25),
    (50, 0.12),
    (50, 0.06),
)
"""Highest quality and scale of each try."""
TRY_AGAIN = 100
"""Pictures after which a better step is tried again: what the camera sees may be simpler by now."""


class Fitted:
    """Encodes pictures so that they fit: with less quality if they must, and then smaller.

    It remembers what fitted, so that the next picture of the same camera is encoded once.
    """

    def __init__(self) -> None:
        self._step = 0
        self._since = 0

    @property
    def shrinks(self) -> bool:
        """Whether the last picture did not fit as it was to be."""
        return self._step > 0

    def encode(
        self, picture: Picture, quality: int, room: int, most: tuple[int, int] | None = None
    ) -> Encoded | None:
        """The picture as JPEG.

        Args:
            picture: In host memory, or in a GPU's.
            quality: The wanted quality, 1..100.
            room: Bytes that the JPEG may have.
            most: Maximum width and height, pixels; None: as large as the picture.

        Returns:
            None when even the smallest picture does not fit.
        """
        height, width = picture.shape[:2]
        width, height = fitting(width, height, *most) if most else (width, height)
        if not (isinstance(picture, OnGpu) and picture.copier.encodes):
            picture = scaled(picture, width, height)
        self._since += 1
        if self._since >= TRY_AGAIN:
            self._step, self._since = max(0, self._step - 1), 0
        for step in range(self._step, len(_STEPS)):
            best, scale = _STEPS[step]
            if step > self._step and scale == 1.0 and quality <= best:
                continue  # as in the step before
            size = fitting(width, height, max(1, round(width * scale)), max(1, round(height * scale)))
            jpeg = as_jpeg(picture, size, min(quality, best))
            if len(jpeg) <= room:
                if step > self._step:
                    self._step, self._since = step, 0
                return jpeg, size
        return None


class Fitting:
    """Counts pictures that are not sent because they do not fit, and warns of those and of smaller ones.

    Args:
        client: The connection, which counts what it drops.
    """

    def __init__(self, client: Client) -> None:
        self._client, self._once = client, Once()

    def note(self, topic: Topic, camera: str, encoded: Encoded | None, *, shrunk: bool) -> None:
        """Note what became of a picture: None if it does not fit, `shrunk` if it was made smaller to fit."""
        if encoded is None:
            self._client.dropped[topic.name] += 1
        if (shrunk or encoded is None) and self._once(f"{topic.name} {camera}"):
            key = "snapshot.side" if topic is topics.SNAPSHOT else "thumbnail.width"
            log.warning(
                "camera %s: its %ss are larger than a message may be, so they are %s; "
                "lower cameras.%s.%s or its quality (said once)",
                camera, topic.name, "made smaller" if encoded else "not sent", camera, key,
            )  # fmt: skip


def encode_jpeg(picture: Picture, most: tuple[int, int], quality: int) -> bytes:
    """A picture as JPEG, shrunk to fit and keeping its aspect.

    Args:
        picture: In host memory, or in a GPU's, which then encodes it if it can.
        most: Maximum width and height, pixels.
        quality: 1..100.
    """
    return as_jpeg(picture, fitting(picture.shape[1], picture.shape[0], *most), quality)
