"""A GPU's video decoder on a machine without one: OpenCV decodes, and the pictures lie in host memory."""

from __future__ import annotations

import ctypes
from typing import Literal

import cv2
import numpy as np

from edge_node.pictures import U8, Colour, Copier, Decoded
from shared.errors import SourceError
from tests.edge_node.gpu_pictures import HostCopier, on_gpu


class FakeDecoder:
    """Decodes, unless a test says otherwise, and keeps what it was asked for.

    Args:
        refuses: Why it decodes nothing; None: it decodes.
        fails_after: Pictures after which every decoder fails.
        starts_s: Time stamp of a film's first picture, seconds.
        turned: Whether films come turned by a quarter.
        silent: Whether streams give no pictures.

    Attributes:
        films: The files.
        units: First bytes of each access unit, by stream.
        colours: How each stream's pictures become BGR.
        open: Decoders that are open.
    """

    def __init__(
        self,
        *,
        refuses: str | None = None,
        fails_after: int | None = None,
        starts_s: float = 0.0,
        turned: bool = False,
        silent: bool = False,
    ) -> None:
        self.refuses, self.fails_after = refuses, fails_after
        self.starts_s, self.turned, self.silent = starts_s, turned, silent
        self.copier: Copier = HostCopier()
        self.films: list[str] = []
        self.units: list[list[bytes]] = []
        self.colours: list[Colour] = []
        self.open = 0

    def film(self, path: str) -> Film:
        self.films.append(path)
        self._begin()
        return Film(self, path)

    def stream(self, codec: Literal["h264", "h265"], colour: Colour) -> Stream:
        assert codec == "h264"
        self.colours.append(colour)
        self._begin()
        self.units.append([])
        return Stream(self, self.units[-1])

    def _begin(self) -> None:
        if self.refuses:
            raise SourceError(self.refuses)
        self.open += 1

    def given(self, count: int) -> None:
        """Take in that a decoder has given so many pictures."""
        if self.fails_after is not None and count > self.fails_after:
            raise SourceError("the decoder fails: it is lost")


class Film:
    def __init__(self, decoder: FakeDecoder, path: str) -> None:
        self._decoder, self._video, self._count = decoder, cv2.VideoCapture(path), 0

    def read(self) -> Decoded | None:
        good, image = self._video.read()
        if not good:
            return None
        self._count += 1
        self._decoder.given(self._count)
        stamp = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1e3 + self._decoder.starts_s
        if self._decoder.turned:
            image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        return Decoded(on_gpu(nv12(np.asarray(image, np.uint8)), self._decoder.copier), stamp)

    def close(self) -> None:
        self._video.release()
        self._decoder.open -= 1


class Stream:
    """Gives grey pictures, one for each unit, a unit late."""

    def __init__(self, decoder: FakeDecoder, units: list[bytes]) -> None:
        self._decoder, self._units = decoder, units
        self._waiting: list[int] = []

    def decode(self, address: int, size: int, stamp: int) -> list[Decoded]:
        self._units.append(ctypes.string_at(address, size)[:64])
        self._decoder.given(len(self._units))
        self._waiting.append(stamp)
        if len(self._waiting) < 2 or self._decoder.silent:
            return []
        picture = on_gpu(np.full((540, 640), 128, np.uint8), self._decoder.copier)
        return [Decoded(picture, self._waiting.pop(0))]

    def close(self) -> None:
        self._decoder.open -= 1


def nv12(image: U8) -> U8:
    """A picture u8 ``(H, W, 3)``, BGR, as NV12 ``(H * 3 / 2, W)``."""
    height, width = image.shape[:2]
    planar = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
    luma, chroma = planar[: height * width], planar[height * width :].reshape(2, -1)
    return np.concatenate([luma, chroma.T.reshape(-1)]).reshape(height * 3 // 2, width)
