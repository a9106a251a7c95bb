"""From a camera's picture to the network's input and back: one definition for every engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edge_node.frames import U8
from shared.geometry import F32

PAD_VALUE = 114
"""Grey of the bars, as in training (YOLOv5 and its successors)."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What a network expects in its input tensor ``(N, 3, height, width)``, float32.

    A value is ``pixel * scale + offset``, by channel in the network's order.

    Attributes:
        width: Pixels.
        height: Pixels.
        rgb: Channel order RGB; False for BGR.
        scale: What pixel values 0..255 are multiplied by.
        offset: What is added then.
        fit: "centre" keeps the aspect with bars on both sides, "corner" with bars right and below, "stretch"
            does not keep it.
    """

    width: int
    height: int
    rgb: bool = True
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fit: Literal["centre", "corner", "stretch"] = "centre"


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Scale and offset that put a picture into the network's input."""

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
        """The largest copy of the source that fits into the target; all of the target when stretched."""
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
        """Boxes ``(N, 4)`` from input pixels to source pixels, clipped to the source."""
        boxes = (xyxy - np.array([self.left, self.top] * 2, np.float32)) / np.array(
            [self.scale_x, self.scale_y] * 2, np.float32
        )
        limit = np.array([self.source_width, self.source_height] * 2, np.float32)
        return np.asarray(np.clip(boxes, 0, limit), np.float32)


class Preprocessor:
    """Fills one input tensor again and again; not for several threads at once.

    Args:
        target: What the network expects.
    """

    def __init__(self, target: InputFormat) -> None:
        self.target = target
        self._canvas: U8 = np.full((target.height, target.width, 3), PAD_VALUE, np.uint8)
        self._tensor: F32 = np.empty((1, 3, target.height, target.width), np.float32)
        self._fit: Letterbox | None = None

    def __call__(self, image: U8) -> tuple[F32, Letterbox]:
        """Letterbox, reorder and scale a picture.

        Args:
            image: u8 ``(H, W, 3)``, BGR.

        Returns:
            The tensor f32 ``(1, 3, height, width)``, overwritten by the next call, and the way back.
        """
        height, width = image.shape[:2]
        fit = self._fit
        if fit is None or (fit.source_width, fit.source_height) != (width, height):
            fit = self._fit = Letterbox.fit(width, height, self.target)
            self._canvas[:] = PAD_VALUE
        inside = self._canvas[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width]
        if inside.shape == image.shape:
            inside[:] = image
        else:
            cv2.resize(image, (fit.width, fit.height), dst=inside, interpolation=cv2.INTER_LINEAR)
        planes = cv2.split(self._canvas)
        for channel, plane in enumerate(reversed(planes) if self.target.rgb else planes):
            out = self._tensor[0, channel]
            np.multiply(plane, np.float32(self.target.scale[channel]), out=out)
            if self.target.offset[channel]:
                np.add(out, np.float32(self.target.offset[channel]), out=out)
        return self._tensor, fit
