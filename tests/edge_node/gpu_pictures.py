"""Pictures as if they lay on a GPU, on a machine without one: their addresses are the host's."""

from __future__ import annotations

import ctypes
from typing import Any

import cv2
import numpy as np

from edge_node.pictures import U8, Box, Copier, OnGpu


class HostCopier(Copier):
    """Reads pictures where they lie, and counts.

    Args:
        encodes: Whether it encodes JPEGs.
        refuses: Whether it leaves each of them to the host, as a GPU without memory does.

    Attributes:
        parts: Box and size of each part that somebody asked for.
        jpegs: The same of each JPEG, and its quality.
    """

    def __init__(self, *, encodes: bool = False, refuses: bool = False) -> None:
        self.encodes, self._refuses = encodes, refuses
        self.parts: list[tuple[Box, tuple[int, int]]] = []
        self.jpegs: list[tuple[Box, tuple[int, int], int]] = []

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        self.parts.append((box, (width, height)))
        return _scaled(picture, box, width, height)

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes | None:
        self.jpegs.append((box, (width, height), quality))
        if self._refuses:
            return None
        image = _scaled(picture, box, width, height)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


class NoCopier(Copier):
    """For pictures of which nobody may want a copy."""

    encodes = False

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        raise AssertionError(f"a copy of {box} as {width}x{height} of {picture}")

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes:
        raise AssertionError(f"a JPEG of {box} as {width}x{height} of {picture}, quality {quality}")


def on_gpu(image: U8, copier: Copier | None = None, **more: Any) -> OnGpu:
    """A picture, BGR ``(H, W, 3)`` or NV12 ``(H * 3 / 2, W)``, whose rows may be parts of longer ones."""
    rows, width = image.shape[:2]
    start, pitch = int(image.ctypes.data), image.strides[0]
    copier = copier or NoCopier()
    if image.ndim == 3:
        return OnGpu(start, None, pitch, width, rows, copier, image, **more)
    height = rows * 2 // 3
    return OnGpu(start, start + height * pitch, pitch, width, height, copier, image, **more)


def _scaled(picture: OnGpu, box: Box, width: int, height: int) -> U8:
    left, top, right, bottom = box
    image = _bgr(picture)[top:bottom, left:right]
    return np.array(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _bgr(picture: OnGpu) -> U8:
    width, height, pitch = picture.width, picture.height, picture.pitch
    if picture.chroma is None:
        return _rows(picture.luma, pitch, 3 * width, height).reshape(height, width, 3)
    planes = _rows(picture.luma, pitch, width, height), _rows(picture.chroma, pitch, width, height // 2)
    return np.asarray(cv2.cvtColor(np.concatenate(planes), cv2.COLOR_YUV2BGR_NV12), np.uint8)


def _rows(address: int, pitch: int, size: int, count: int) -> U8:
    """A copy of the rows of `size` bytes that lie there."""
    return np.stack(
        [np.frombuffer(ctypes.string_at(address + row * pitch, size), np.uint8) for row in range(count)]
    )
