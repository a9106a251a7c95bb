"""What a batch takes of a GPU's memory, how many pictures fit, and which errors mean that none is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_node.backends.cuda.kernels import CAPACITY, JOB, FilterLayout, request_size

IN_FLIGHT = 2
"""Batches at a time: one is copied and letterboxed while the one before is in the network."""
MARGIN = 0.8
"""Part of the free memory that buffers may take; the network's own grows beside them."""
_ALIGN = 256
_BLOCK = 2 << 20
"""The driver takes memory from the GPU in blocks of so many bytes."""
_SHORTAGE = re.compile(
    r"out[ _]?of[ _]?memory|alloc(ation)?_failed|failed_allocation|bad_alloc"
    r"|failed to allocate|smaller than requested bytes|cudaMalloc\w* failed",
    re.IGNORECASE,
)
"""The CUDA runtime's, cuBLAS', cuDNN's, TensorRT's and ONNX Runtime's words for it."""


def is_shortage(text: str) -> bool:
    """Whether an engine's error says that it got no memory."""
    return _SHORTAGE.search(text) is not None


def aligned(size: int) -> int:
    """Bytes up to where the next thing in a buffer may begin."""
    return -(-size // _ALIGN) * _ALIGN


def largest_batch(free: int, needed: Callable[[int], int], most: int) -> int:
    """Most pictures whose buffers leave a margin of the free memory.

    Args:
        free: Bytes.
        needed: Bytes of all buffers for so many pictures.
        most: Not more pictures than that.

    Returns:
        0 to `most`.
    """
    return next((count for count in range(most, 0, -1) if needed(count) <= MARGIN * free), 0)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a slot's buffers: `found` and `fetched` lie in host memory, `staging` and `counts` in both."""

    staging: int
    input: int
    outputs: tuple[int, ...]
    counts: int
    chosen: int
    found: int
    fetched: tuple[int, ...]

    def on_gpu(self, *, shares_memory: bool) -> int:
        """Bytes of the GPU's memory, those of the host's included where both are one."""
        sizes = [self.staging, self.input, *self.outputs, self.counts, self.chosen]
        if shares_memory:
            sizes += [self.staging, self.counts, self.found, *self.fetched]
        return sum(-(-size // _BLOCK) * _BLOCK for size in sizes)


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What goes through the network for one input format and one layout of the output.

    Attributes:
        input: Shape of one picture's tensor, ``(3, height, width)``.
        dtype: Of the input.
        outputs: Shape of what comes out for one picture, and dtype, of each output.
        layout: How to filter the only output; None to fetch all.
    """

    input: tuple[int, int, int]
    dtype: np.dtype[Any]
    outputs: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    layout: FilterLayout | None

    @property
    def jobs_start(self) -> int:
        """Where the jobs begin in the staging buffer, behind the request."""
        return aligned(request_size(self.layout.classes) if self.layout else 0)

    def pictures_start(self, batch: int) -> int:
        """Where the pictures begin, behind the jobs."""
        return self.jobs_start + aligned(JOB.itemsize * batch)

    def sizes(self, batch: int, pictures: int) -> Sizes:
        """For a batch whose pictures have so many bytes in all."""
        outputs = tuple(batch * kind.itemsize * int(np.prod(shape)) for shape, kind in self.outputs)
        words = 4 * batch * CAPACITY if self.layout else 0
        return Sizes(
            staging=self.pictures_start(batch) + pictures,
            input=batch * self.dtype.itemsize * int(np.prod(self.input)),
            outputs=outputs,
            counts=4 * batch,
            chosen=words,
            found=words * (1 + self.layout.rows) if self.layout else 0,
            fetched=(0,) * len(outputs) if self.layout else outputs,
        )
