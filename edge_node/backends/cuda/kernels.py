"""The kernels of `kernels.cu` and the structures they read.

They ship as PTX, which the driver turns into machine code when it loads them: a box needs no CUDA toolkit.
The letterbox agrees with `preprocess.Preprocessor` within one grey level: OpenCV rounds its weights from
floats, the kernel from whole numbers. The filter keeps the anchors that can become detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.backends.cuda.device import Device
from edge_node.backends.interface import Anchors, Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.frames import U8

PTX = Path(__file__).parent / "kernels.ptx"
CAPACITY = 1024
"""Maximum candidates of a picture that the filter hands over; with more, the whole output is copied."""
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
LAYOUT = np.dtype(
    [(name, "<i4") for name in ("rows", "anchors", "row_stride", "anchor_stride", "objectness", "capacity")]
)
_BLOCK = (32, 8, 1)
_COPIERS = 64
"""Blocks that copy pictures: enough reads under way to fill the bus, and few enough to leave it to others."""
_THREADS = 128
_COPY_THREADS = 256


def format_bytes(target: InputFormat) -> bytes:
    """The structure `Format`."""
    return np.array([(target.scale, target.offset, target.rgb)], FORMAT).tobytes()


@dataclass(frozen=True, slots=True)
class FilterLayout:
    """How the anchors of an output lie in memory.

    Attributes:
        rows: Values of an anchor: box, objectness if there is one, classes.
        anchors: Number of anchors.
        by_anchor: Whether the values of an anchor lie side by side.
        objectness: Whether an anchor has an objectness.
    """

    rows: int
    anchors: int
    by_anchor: bool
    objectness: bool

    @classmethod
    def of(cls, anchors: Anchors | None, outputs: Sequence[tuple[int, ...]]) -> FilterLayout | None:
        """The layout of a network's outputs ``(N, ...)``; None if they must be copied whole."""
        if anchors is None or len(outputs) != 1 or len(outputs[0]) != 3:
            return None
        _, first, second = outputs[0]
        rows, count = (second, first) if anchors.by_anchor else (first, second)
        found = cls(rows, count, anchors.by_anchor, anchors.objectness)
        return found if found.classes > 0 else None

    @property
    def classes(self) -> int:
        """How many classes the network knows."""
        return self.rows - 4 - self.objectness

    def to_bytes(self) -> bytes:
        """The structure `Layout`."""
        strides = (1, self.rows) if self.by_anchor else (self.anchors, 1)
        return np.array([(self.rows, self.anchors, *strides, self.objectness, CAPACITY)], LAYOUT).tobytes()

    def rebuild(self, found: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The output with the found anchors alone, in the order of the output.

        Args:
            found: ``(K, 1 + rows)``, in any order; the anchor's number comes first.
        """
        ordered = found[np.argsort(found[:, 0]), 1:]
        return ordered if self.by_anchor else ordered.T


def request_size(classes: int) -> int:
    """Bytes of the structure `Request` for a network that knows `classes` classes."""
    return 8 + 4 * max(classes, 1)


def fill_request(memory: U8, wanted: Wanted) -> None:
    """Write the structure `Request`.

    Args:
        memory: u8 ``(size,)``.
        wanted: The detections that count.
    """
    count = len(wanted.class_ids)
    memory[:4].view(np.float32)[0] = wanted.confidence
    memory[4:8].view(np.int32)[0] = count
    memory[8 : 8 + 4 * count].view(np.int32)[:] = wanted.class_ids


class Kernels:
    """The loaded kernels; the context must be current whenever they are used.

    Args:
        gpu: The GPU.
    """

    def __init__(self, gpu: Device) -> None:
        self._module: Any = gpu.driver.module_from_buffer(PTX.read_bytes() + b"\0")
        copy_in = self._module.get_function("copy_in").prepare("PiPPi")
        self._functions: dict[str, Any] = {"copy_in": copy_in}
        for kind in ("float32", "float16"):
            for name, arguments in (
                ("letterbox", f"PPii{FORMAT.itemsize}s"),
                ("select", f"PP{LAYOUT.itemsize}sPP"),
                ("gather", f"P{LAYOUT.itemsize}sPPP"),
            ):
                function = self._module.get_function(f"{name}_{kind}")
                self._functions[f"{name}_{kind}"] = function.prepare(arguments)

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

    def filter(
        self,
        output: int,
        dtype: npt.DTypeLike,
        batch: int,
        layout: FilterLayout,
        request: int,
        counts: int,
        chosen: int,
        found: int,
        stream: Any,
    ) -> None:
        """Find the candidates.

        Args:
            output: Address of the network's output.
            dtype: float32 or float16.
            batch: Pictures.
            layout: How the output lies in memory.
            request: Address of the structure `Request`.
            counts: Address of i32 ``(batch,)``, all zero; the kernel writes the number of candidates there.
            chosen: Address of i32 ``(batch, CAPACITY)``, scratch memory.
            found: Address of f32 ``(batch, CAPACITY, 1 + rows)``.
            stream: A stream of pycuda.
        """
        kind, structure = np.dtype(dtype), layout.to_bytes()
        threads = (_THREADS, 1, 1)
        self._functions[f"select_{kind}"].prepared_async_call(
            (-(-layout.anchors // _THREADS), batch),
            threads,
            stream,
            output,
            request,
            structure,
            counts,
            chosen,
        )
        self._functions[f"gather_{kind}"].prepared_async_call(
            (-(-(layout.rows + 1) // _THREADS), 64, batch),
            threads,
            stream,
            output,
            structure,
            counts,
            chosen,
            found,
        )
