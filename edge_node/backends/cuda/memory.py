"""How much of a GPU's memory a batch takes, how many pictures fit, and which errors mean out of memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_node.backends.cuda.kernels import JOB
from edge_node.backends.cuda.layout import FilterLayout
from edge_node.backends.cuda.nms import RESULT, SCRATCH, request_size

IN_FLIGHT = 2
"""Batches at a time: one is copied and letterboxed while the network runs on the previous one."""
MARGIN = 0.8
"""Share of the free memory that buffers may take; the network allocates more memory for itself."""
_ALIGN = 256
_BLOCK = 2 << 20
"""The driver takes memory from the GPU in blocks of this many bytes."""
_SHORTAGE = re.compile(
    r"out[ _]?of[ _]?memory|alloc(ation)?_failed|failed_allocation|bad_alloc"
    r"|failed to allocate|smaller than requested bytes|cudaMalloc\w* failed",
    re.IGNORECASE,
)
"""How the CUDA runtime, cuBLAS, cuDNN, TensorRT and ONNX Runtime say that memory ran out."""


def is_shortage(text: str) -> bool:
    """Whether an engine's error says that memory ran out."""
    return _SHORTAGE.search(text) is not None


def aligned(size: int) -> int:
    """A size in bytes, rounded up to where the next part of a buffer may begin."""
    return -(-size // _ALIGN) * _ALIGN


def table_parts(request: int, batch: int) -> tuple[int, int]:
    """Where a slot's table has its jobs, behind the request, and where it ends.

    Args:
        request: Bytes of the request.
        batch: Pictures.
    """
    jobs = aligned(request)
    return jobs, jobs + JOB.itemsize * batch


def largest_batch(free: int, needed: Callable[[int], int], most: int) -> int:
    """The largest number of pictures whose buffers leave a margin of free memory.

    Args:
        free: Free bytes.
        needed: Gives the bytes of all buffers for a number of pictures.
        most: Largest number to consider.

    Returns:
        A number from 0 to `most`.
    """
    return next((count for count in range(most, 0, -1) if needed(count) <= MARGIN * free), 0)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a slot's buffers: `results` and `fetched` are on the host, `table` on both sides.

    The others are on the GPU; `pictures` is on the host where they share one memory.
    """

    table: int
    pictures: int
    input: int
    outputs: tuple[int, ...]
    counts: int
    scratch: int
    results: int
    fetched: tuple[int, ...]

    def on_gpu(self, *, shares_memory: bool) -> int:
        """Bytes of the GPU's memory, with those of the host's if GPU and host share one memory."""
        sizes = [self.table, self.pictures, self.input, *self.outputs, self.counts, self.scratch]
        if shares_memory:
            sizes += [self.results, *self.fetched]
        return sum(-(-size // _BLOCK) * _BLOCK for size in sizes)


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What a slot has to hold, for one input format and one kind of output.

    Attributes:
        input: Shape of one picture's tensor, ``(3, height, width)``.
        dtype: Of the input.
        outputs: Shape for one picture and dtype of each output.
        layout: How to decode the outputs; None to copy them whole.
    """

    input: tuple[int, int, int]
    dtype: np.dtype[Any]
    outputs: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    layout: FilterLayout | None

    @property
    def request(self) -> int:
        """Bytes of the request; 0 where nothing is decoded."""
        return request_size(self.layout.classes) if self.layout else 0

    def sizes(self, batch: int, pictures: int) -> Sizes:
        """Sizes for a batch whose pictures have `pictures` bytes in all."""
        outputs = tuple(batch * kind.itemsize * int(np.prod(shape)) for shape, kind in self.outputs)
        decoded = batch if self.layout else 0
        return Sizes(
            table=table_parts(self.request, batch)[1],
            pictures=pictures,
            input=batch * self.dtype.itemsize * int(np.prod(self.input)),
            outputs=outputs,
            counts=4 * decoded,
            scratch=SCRATCH.itemsize * decoded,
            results=RESULT.itemsize * decoded,
            fetched=(0,) * len(outputs) if self.layout else outputs,
        )
