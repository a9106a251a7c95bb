"""Pictures, in host memory or in a GPU's, and how both are cut and scaled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture, in pixels; right and bottom are outside it."""
Colour = Literal["bt601", "bt709", "bt601-full", "bt709-full"]
"""How a picture's luma and chroma become red, green and blue; without "full", luma is from 16 to 235."""


class Copier(Protocol):
    """Copies pictures out of a GPU's memory, cut and scaled there. Any thread may ask.

    Attributes:
        encodes: Whether the GPU encodes JPEGs; else the host encodes small copies.
    """

    encodes: bool

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        """A part of a picture, scaled to width x height by the mean of areas: u8 ``(height, width, 3)``, BGR.

        Any box inside the picture will do, also of NV12.
        """

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes | None:
        """The same as JPEG, the quality 1..100; None: the host has to encode this one."""


@dataclass(frozen=True, slots=True, eq=False)
class OnGpu:
    """A picture in a GPU's memory: NV12, or BGR where it has no chroma.

    Attributes:
        luma: Address of the first row: of the luma, or of the BGR pixels.
        chroma: Address of the chroma's first row, U and V side by side, at half the height; None for BGR.
        pitch: Bytes from one row to the next; the same for luma and chroma.
        width: Pixels; even for NV12.
        height: Pixels; even for NV12.
        copier: Copies it, or parts of it, to the host.
        owner: Whatever keeps the memory; the memory stays as it is while the owner lives.
        colour: How NV12 becomes BGR.
        ready: Handle of the CUDA event after which the picture is there; None: it is there.
    """

    luma: int
    chroma: int | None
    pitch: int
    width: int
    height: int
    copier: Copier
    owner: object
    colour: Colour = "bt601"
    ready: int | None = None
    _host: U8 | None = field(default=None, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3, as of the picture in host memory."""
        return self.height, self.width, 3

    @property
    def whole(self) -> Box:
        """The box of the whole picture."""
        return 0, 0, self.width, self.height

    def in_host(self) -> U8:
        """The whole picture in host memory, u8 ``(H, W, 3)``, BGR; copied when somebody asks first."""
        host = self._host
        if host is None:
            host = self.copier.part(self, self.whole, self.width, self.height)
            object.__setattr__(self, "_host", host)
        return host

    def aligned(self, box: Box) -> Box:
        """The smallest box around another that `cut` takes."""
        if self.chroma is None:
            return box
        left, top, right, bottom = box
        return left & ~1, top & ~1, right + right % 2, bottom + bottom % 2

    def cut(self, box: Box) -> OnGpu:
        """A part of the picture where it lies.

        Raises:
            ValueError: Four pixels of NV12 share their colour, and the box would part them.
        """
        left, top, right, bottom = box
        if box == self.whole:
            return self
        chroma, before = self.chroma, 3 * left
        if chroma is not None:
            if any(edge % 2 for edge in box):
                raise ValueError(f"a part {box} of an NV12 picture: all four numbers must be even")
            chroma, before = chroma + top // 2 * self.pitch + left, left
        luma = self.luma + top * self.pitch + before
        return replace(self, luma=luma, chroma=chroma, width=right - left, height=bottom - top)


class Decoded(NamedTuple):
    """A picture that a GPU has decoded.

    Attributes:
        picture: Nobody writes to its memory while somebody holds it.
        stamp: The time stamp of what was decoded; None when it had none.
    """

    picture: OnGpu
    stamp: float | None


Picture = U8 | OnGpu
"""A picture in host memory, u8 ``(H, W, 3)`` in BGR, or in a GPU's memory."""


def in_host(picture: Picture) -> U8:
    """The picture in host memory, u8 ``(H, W, 3)``, BGR."""
    return picture.in_host() if isinstance(picture, OnGpu) else picture


def cut(picture: Picture, box: Box) -> Picture:
    """A part of a picture where it lies; `OnGpu.cut` says which boxes a GPU's picture takes."""
    if isinstance(picture, OnGpu):
        return picture.cut(box)
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def part(picture: Picture, box: Box, width: int, height: int) -> U8:
    """Any part of a picture in host memory, scaled to width x height; a view if it has that size there."""
    if isinstance(picture, OnGpu):
        return picture.copier.part(picture, box, width, height)
    left, top, right, bottom = box
    return scaled(picture[top:bottom, left:right], width, height)


def scaled(picture: Picture, width: int, height: int) -> U8:
    """The picture in host memory, scaled to width x height; as it is if it has that size."""
    if picture.shape[:2] == (height, width):
        return in_host(picture)
    if isinstance(picture, OnGpu):
        return picture.copier.part(picture, picture.whole, width, height)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def fitting(width: int, height: int, most_width: float, most_height: float) -> tuple[int, int]:
    """Width and height of a picture that is shrunk to fit, keeping its aspect; its own if it fits."""
    scale = min(most_width / width, most_height / height)
    if scale >= 1:
        return width, height
    return max(1, round(width * scale)), max(1, round(height * scale))


def as_jpeg(picture: Picture, size: tuple[int, int], quality: int) -> bytes:
    """A picture as JPEG of exactly this width and height; a GPU encodes its own if it can."""
    if isinstance(picture, OnGpu) and picture.copier.encodes:
        jpeg = picture.copier.jpeg(picture, picture.whole, *size, quality)
        if jpeg is not None:
            return jpeg
    image = scaled(picture, *size)
    good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"OpenCV cannot encode a picture of shape {image.shape}")
    return data.tobytes()


class Lender(Protocol):
    """Memory for pictures that an engine can take without a copy by the CPU. Any thread may ask."""

    def lend(self, height: int, width: int) -> U8:
        """An array ``(height, width, 3)`` with any content; its memory returns once nobody holds it."""


class Decoding(NamedTuple):
    """Where a camera's video is decoded.

    Attributes:
        on: The processor or the GPU.
        why: Why not on the GPU, where somebody may expect it; None otherwise.
    """

    on: Literal["cpu", "gpu"]
    why: str | None = None


ON_CPU, ON_GPU = Decoding("cpu"), Decoding("gpu")
