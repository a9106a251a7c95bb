"""From a camera's picture to the network's input and back, in the same way for all engines."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge_node.pictures import U8
from shared.geometry import F32

PAD_VALUE = 114
"""Grey of the bars, as in training (YOLOv5 and its successors)."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What a network expects in its input tensor.

    A value is ``pixel * scale + offset``, by channel in the network's order.

    Attributes:
        width: Pixels.
        height: Pixels.
        rgb: Channel order RGB; False for BGR.
        scale: Factor for pixel values 0..255.
        offset: Added after the scale.
        fit: "centre" keeps the aspect, with bars on both sides; "corner" keeps it, with bars right and below;
            "stretch" does not keep it.
    """

    width: int
    height: int
    rgb: bool = True
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fit: Literal["centre", "corner", "stretch"] = "centre"


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies in the network's input: its scale and its place."""

    source_width: int
    source_height: int
    scale_x: float
    scale_y: float
    width: int
    height: int
    left: int
    top: int

    @classmethod
    def fit(cls, source_width: int, source_height: int, target: InputFormat) -> Letterbox:
        """The largest copy of the source that fits into the target; "stretch" fills the target."""
        scale_x, scale_y = target.width / source_width, target.height / source_height
        if target.fit == "stretch":
            return cls(source_width, source_height, scale_x, scale_y, target.width, target.height, 0, 0)
        scale = min(scale_x, scale_y)
        width = max(1, round(source_width * scale))
        height = max(1, round(source_height * scale))
        # The 0.1 settles half pixels the way the training code of the YOLO family does.
        left = round((target.width - width) / 2 - 0.1) if target.fit == "centre" else 0
        top = round((target.height - height) / 2 - 0.1) if target.fit == "centre" else 0
        return cls(source_width, source_height, scale, scale, width, height, left, top)

    def to_source(self, xyxy: F32) -> F32:
        """Boxes ``(..., 4)`` from input pixels to source pixels, clipped to the source."""
        return _mapped(xyxy, *_to_source(self))


def to_sources(xyxy: F32, fits: Sequence[Letterbox]) -> F32:
    """`Letterbox.to_source` for several pictures at once: boxes ``(N, K, 4)`` of N pictures."""
    first = fits[0]
    if all(fit is first for fit in fits):  # cameras of one size
        return first.to_source(xyxy)
    corner, scale, size = (np.stack(each)[:, None] for each in zip(*map(_to_source, fits), strict=True))
    return _mapped(xyxy, corner, scale, size)


_ZERO = np.zeros((), np.float32)


def _mapped(xyxy: F32, corner: F32, scale: F32, size: F32) -> F32:
    boxes = np.subtract(xyxy, corner, dtype=np.float32)
    np.divide(boxes, scale, out=boxes)
    np.maximum(boxes, _ZERO, out=boxes)
    return np.minimum(boxes, size, out=boxes)


@functools.lru_cache(512)
def _to_source(fit: Letterbox) -> tuple[F32, F32, F32]:
    """Corner, scale and largest values, of a box each: a camera's pictures all have the same."""
    return (
        np.array([fit.left, fit.top] * 2, np.float32),
        np.array([fit.scale_x, fit.scale_y] * 2, np.float32),
        np.array([fit.source_width, fit.source_height] * 2, np.float32),
    )


def letterbox(image: U8, target: InputFormat) -> tuple[U8, Letterbox]:
    """Put a picture into a canvas of the target's size; the order of its channels stays.

    Args:
        image: u8 ``(H, W, 3)``.
        target: What the network expects.

    Returns:
        u8 ``(height, width, 3)``, which is the picture itself if it has this size; and how the picture lies
        in it.
    """
    fit = Letterbox.fit(image.shape[1], image.shape[0], target)
    if image.shape == (target.height, target.width, 3):
        return image, fit
    canvas: U8 = np.empty((target.height, target.width, 3), np.uint8)
    rows, columns = _inside(fit)
    canvas[: rows.start], canvas[rows.stop :] = PAD_VALUE, PAD_VALUE
    canvas[rows, : columns.start], canvas[rows, columns.stop :] = PAD_VALUE, PAD_VALUE
    _scale_into(canvas[rows, columns], image)
    return canvas, fit


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """How a picture lies in an input tensor.

    Attributes:
        dtype: Of the values; uint8 holds pixels without scale and offset.
        channels_last: ``(height, width, channels)``; False for ``(channels, height, width)``.
        channels: 3, or 4 with 255 in the fourth everywhere; 4 needs uint8 with the channels last.
    """

    dtype: Literal["float32", "float16", "uint8"] = "float32"
    channels_last: bool = False
    channels: Literal[3, 4] = 3


class Preprocessor:
    """Fills one input tensor again and again; only one thread at a time may use it.

    Args:
        target: What the network expects.
        tensor: How the values lie in memory.
        batch: Maximum number of pictures at once.

    Attributes:
        target: As given.
        slots: Maximum number of pictures at once.
        tensor: The whole tensor, with the slots that the last batch did not fill.
    """

    def __init__(self, target: InputFormat, tensor: TensorFormat | None = None, batch: int = 1) -> None:
        self.target, self.slots = target, batch
        self._format = tensor or TensorFormat()
        self._fits: list[Letterbox | None] = [None] * batch
        self._canvas: U8 = np.full((batch, target.height, target.width, 3), PAD_VALUE, np.uint8)
        channels = self._format.channels
        shape: tuple[int, ...] = (target.height, target.width, channels)
        if not self._format.channels_last:
            shape = (channels, target.height, target.width)
        self._reorder = cv2.COLOR_BGR2RGB
        if channels == 4:
            self._reorder = cv2.COLOR_BGR2RGBA if target.rgb else cv2.COLOR_BGR2BGRA
        # A network that takes interleaved BGR bytes reads the canvas itself.
        plain = self._format == TensorFormat("uint8", channels_last=True) and not target.rgb
        self.tensor: npt.NDArray[Any] = (
            self._canvas if plain else np.zeros((batch, *shape), self._format.dtype)
        )

    def __call__(self, image: U8) -> tuple[npt.NDArray[Any], Letterbox]:
        """Letterbox, reorder and scale a picture.

        Args:
            image: u8 ``(H, W, 3)``, BGR.

        Returns:
            The tensor ``(1, 3, height, width)``, or as its format says, which the next call overwrites; and
            how the picture lies in it.
        """
        tensor, fits = self.batch([image])
        return tensor, fits[0]

    def batch(self, images: Sequence[U8]) -> tuple[npt.NDArray[Any], list[Letterbox]]:
        """The same for several pictures; the length of the tensor's first axis is their number.

        A single picture that has the tensor's form already is not copied: the picture is the tensor.
        """
        if self.slots == 1 and self.tensor is self._canvas and images[0].shape == self.tensor.shape[1:]:
            image = images[0]
            fit = Letterbox.fit(image.shape[1], image.shape[0], self.target)
            return np.ascontiguousarray(image)[None], [fit]
        fits = []
        for slot, image in enumerate(images):
            fit = self._place(slot, image)
            if self.tensor is not self._canvas:
                self._convert(slot, fit)
            fits.append(fit)
        return self.tensor[: len(images)], fits

    def _place(self, slot: int, image: U8) -> Letterbox:
        """Put a picture into its canvas; the bars are drawn only when the picture's size is new."""
        height, width = image.shape[:2]
        fit = self._fits[slot]
        if fit is None or (fit.source_width, fit.source_height) != (width, height):
            fit = self._fits[slot] = Letterbox.fit(width, height, self.target)
            self._canvas[slot] = PAD_VALUE
            if self._format.channels_last and self._format.dtype == "uint8":
                self.tensor[slot, ..., :3], self.tensor[slot, ..., 3:] = PAD_VALUE, 255
        _scale_into(self._canvas[slot][_inside(fit)], image)
        return fit

    def _convert(self, slot: int, fit: Letterbox) -> None:
        """Fill a slot of the tensor from its canvas."""
        canvas, out, form = self._canvas[slot], self.tensor[slot], self._format
        if form.dtype == "uint8" and form.channels_last:
            cv2.cvtColor(canvas[_inside(fit)], self._reorder, dst=out[_inside(fit)])
            return
        planes = cv2.split(canvas)
        for channel, plane in enumerate(reversed(planes) if self.target.rgb else planes):
            into = out[..., channel] if form.channels_last else out[channel]
            if form.dtype == "uint8":
                into[:] = plane
                continue
            np.multiply(plane, np.float32(self.target.scale[channel]), out=into, casting="same_kind")
            if self.target.offset[channel]:
                np.add(into, np.float32(self.target.offset[channel]), out=into, casting="same_kind")


def _inside(fit: Letterbox) -> tuple[slice, slice]:
    """Rows and columns of the input that the picture covers."""
    return slice(fit.top, fit.top + fit.height), slice(fit.left, fit.left + fit.width)


def _scale_into(inside: U8, image: U8) -> None:
    """Fill a part of a canvas with a picture."""
    if inside.shape == image.shape:
        inside[:] = image
    else:
        cv2.resize(image, inside.shape[1::-1], dst=inside, interpolation=cv2.INTER_LINEAR)
