"""The kernels of `kernels.cu`, which run before the network, and the structures they read.

They ship as PTX, which the driver turns into machine code when it loads them: a box needs no CUDA toolkit.
The letterbox agrees with `preprocess.Preprocessor` within one grey level: OpenCV rounds its weights from
floats, the kernel from whole numbers.
"""

from __future__ import annotations

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

COPY = np.dtype(
    [(name, "<u8") for name in ("source", "target")]
    + [(name, "<i4") for name in ("bytes", "rows", "source_pitch", "target_pitch")]
)
JOB = np.dtype(
    [(name, "<u8") for name in ("luma", "chroma")]
    + [
        (name, "<i4")
        for name in ("pitch", "source_width", "source_height", "width", "height", "left", "top", "colour")
    ]
)
FORMAT = np.dtype([("scale", "<f4", 3), ("offset", "<f4", 3), ("rgb", "<i4")])
_BLOCK = (32, 8, 1)
_COPIERS = 64
"""Blocks that copy pictures: enough reads under way to fill the bus, and few enough to leave it to others."""
_COPY_THREADS = 256


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
        copy_in = self._module.get_function("copy_in").prepare("PiPPi")
        self._functions: dict[str, Any] = {"copy_in": copy_in}
        for name in ("letterbox_float32", "letterbox_float16"):
            function = self._module.get_function(name)
            self._functions[name] = function.prepare(f"PPii{FORMAT.itemsize}s")

    def copy_in(
        self, copies: int, pictures: int, table: int, table_copy: int, table_size: int, stream: Any
    ) -> None:
        """Copy the pictures of a batch to the GPU, and a table with them.

        Args:
            copies: Address of a `COPY` for each picture, in page-locked memory.
            pictures: Number of pictures.
            table: Address of the table, in page-locked memory.
            table_copy: Address of its copy.
            table_size: Bytes, a multiple of 16.
            stream: A stream of pycuda.
        """
        grid = (max(4, -(-_COPIERS // pictures)), pictures + 1)
        self._functions["copy_in"].prepared_async_call(
            grid, (_COPY_THREADS, 1, 1), stream, copies, pictures, table, table_copy, table_size // 16
        )

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
