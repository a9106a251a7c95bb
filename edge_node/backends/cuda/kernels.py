"""The kernels of `kernels.cu`, which letterbox pictures for the network, and the structures they read.

They ship as PTX, which the driver turns into machine code when it loads them: a box needs no CUDA toolkit.
The letterbox agrees with `preprocess.Preprocessor` within one grey level: OpenCV rounds its weights from
floats, the kernel from whole numbers.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.nms import NmsKernels
from edge_node.backends.preprocess import InputFormat

PTX = Path(__file__).parent / "kernels.ptx"
MAX_SIDE = 16384
"""Longest side of a picture in pixels; up to this, the letterbox's products fit into 32 bits."""

JOB = np.dtype(
    [(name, "<u8") for name in ("luma", "chroma")]
    + [
        (name, "<i4")
        for name in ("pitch", "source_width", "source_height", "width", "height", "left", "top", "colour")
    ]
)
FORMAT = np.dtype([("scale", "<f4", 3), ("offset", "<f4", 3), ("rgb", "<i4")])
_BLOCK = (32, 8, 1)


@functools.lru_cache(64)
def format_bytes(target: InputFormat) -> bytes:
    """The structure `Format`."""
    return np.array([(target.scale, target.offset, target.rgb)], FORMAT).tobytes()


class Kernels:
    """The loaded kernels; the context must be current whenever they are used.

    Args:
        gpu: The GPU.

    Attributes:
        nms: Those that run after the network.
    """

    def __init__(self, gpu: Device) -> None:
        self._module: Any = gpu.driver.module_from_buffer(PTX.read_bytes() + b"\0")
        self.nms = NmsKernels(gpu)
        self._functions: dict[str, Any] = {}
        for name in ("letterbox_float32", "letterbox_float16"):
            function = self._module.get_function(name)
            self._functions[name] = function.prepare(f"PPii{FORMAT.itemsize}s")

    def letterbox(
        self,
        jobs: int,
        out: int,
        shape: tuple[int, int, int, int],
        dtype: npt.DTypeLike,
        layout: bytes,
        stream: Any,
    ) -> None:
        """Fill an input tensor.

        Args:
            jobs: Address of a `JOB` for each picture of the batch.
            out: Address of the tensor.
            shape: Its shape ``(N, 3, height, width)``.
            dtype: float32 or float16.
            layout: The structure `Format`, from `format_bytes`.
            stream: A stream of pycuda.
        """
        batch, _, height, width = shape
        grid = (-(-width // _BLOCK[0]), -(-height // _BLOCK[1]), batch)
        self._functions[f"letterbox_{np.dtype(dtype)}"].prepared_async_call(
            grid, _BLOCK, stream, jobs, out, width, height, layout
        )
