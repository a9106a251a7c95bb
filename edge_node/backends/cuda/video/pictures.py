"""The kernel of `pictures.cu`: cuts a part out of a picture on the GPU, converts it to BGR and scales it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.upload import COLOURS
from edge_node.pictures import Box, OnGpu

PTX = Path(__file__).parent / "pictures.ptx"
_PART = struct.Struct("2Q10i")
"""The structure `Part`."""
_BLOCK = (32, 8, 1)


def describe(picture: OnGpu, box: Box, size: tuple[int, int], rows: tuple[int, int]) -> bytes:
    """The structure `Part`.

    Args:
        picture: The picture.
        box: The part of it; any box inside the picture.
        size: Width and height that the part is scaled to.
        rows: The first row of that to make, and how many.

    Raises:
        ValueError: The box is not inside the picture, or empty, or there is nothing to make.
    """
    left, top, right, bottom = box
    inside = 0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height
    if not inside or min(size) < 1:
        shape = f"{picture.width}x{picture.height}"
        raise ValueError(f"a part {box} of a picture of {shape}, as {size[0]}x{size[1]}: not in it, or empty")
    part = left, top, right - left, bottom - top
    colour = COLOURS[picture.colour]
    return _PART.pack(picture.luma, picture.chroma or 0, picture.pitch, *part, *size, *rows, colour)


class PictureKernel:
    """The loaded kernel; the context must be current whenever it is used.

    Args:
        gpu: The GPU.
    """

    def __init__(self, gpu: Device) -> None:
        self._module: Any = gpu.driver.module_from_buffer(PTX.read_bytes() + b"\0")
        self._part = self._module.get_function("part").prepare(f"{_PART.size}sP")

    def enqueue(
        self,
        picture: OnGpu,
        box: Box,
        size: tuple[int, int],
        rows: tuple[int, int],
        target: int,
        stream: Any,
    ) -> None:
        """Enqueue the making of some rows of a part; see `describe`.

        Args:
            picture: The picture; it stays until the stream has come this far.
            box: The part of it.
            size: Width and height that the part is scaled to.
            rows: The first row of that, and how many.
            target: Where they go: address of u8 ``(rows, width, 3)``, BGR.
            stream: A stream of pycuda.
        """
        grid = (-(-size[0] // _BLOCK[0]), -(-rows[1] // _BLOCK[1]))
        part = describe(picture, box, size, rows)
        self._part.prepared_async_call(grid, _BLOCK, stream, part, target)
