"""What one batch needs on the GPU and beside it, from its pictures to its candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.backends.backend import Array, Wanted
from edge_node.backends.cuda import Buffer, Device, Pinned
from edge_node.backends.cuda_graph import CudaGraph
from edge_node.backends.cuda_kernels import (
    CAPACITY,
    JOB,
    FilterLayout,
    Kernels,
    fill_request,
    format_bytes,
    job,
    request_size,
)
from edge_node.frames import U8
from edge_node.preprocess import InputFormat, Letterbox

_ALIGN = 256


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


class Slot:
    """Buffers for one batch in flight; the context must be current.

    The staging buffer holds the request, the jobs and the pictures, so that one copy brings all to the GPU.

    Args:
        gpu: Where.
        shape: Of the largest input tensor.
        input_dtype: float32 or float16.
        outputs: Shape and dtype of each output for that input.
        layout: How to filter the only output; None to fetch all.

    Attributes:
        input: The input tensor.
        outputs: The network's outputs.
        graphs: What was recorded, by batch.
        runs: How many there were, by batch.
    """

    def __init__(
        self,
        gpu: Device,
        shape: tuple[int, int, int, int],
        input_dtype: npt.DTypeLike,
        outputs: Sequence[tuple[tuple[int, ...], np.dtype[Any]]],
        layout: FilterLayout | None,
    ) -> None:
        self._gpu, self._shape, self._dtype, self._layout = gpu, shape, np.dtype(input_dtype), layout
        self._specs = outputs
        batch = shape[0]
        self._jobs_start = _aligned(request_size(layout.classes) if layout else 0)
        self._pictures_start = self._jobs_start + _aligned(JOB.itemsize * batch)
        self._host, self._device = Pinned(gpu, self._pictures_start), Buffer(gpu, self._pictures_start)
        self.input = Buffer(gpu, self._dtype.itemsize * int(np.prod(shape)))
        sizes = [kind.itemsize * int(np.prod(output)) for output, kind in outputs]
        self.outputs = [Buffer(gpu, size) for size in sizes]
        self._counts = Pinned(gpu, 4 * batch)
        self._device_counts = Buffer(gpu, 4 * batch)
        self._chosen = Buffer(gpu, 4 * batch * CAPACITY if layout else 0)
        self._found = Pinned(gpu, 4 * batch * CAPACITY * (1 + layout.rows) if layout else 0)
        self._fetched = [Pinned(gpu, 0 if layout else size) for size in sizes]
        event, flags = gpu.driver.Event, gpu.driver.event_flags
        self.started, self.ready, self.begun = event(), event(), event()
        # The thread that waits for the result sleeps: an edge box has other work for its cores.
        self.done = event(flags.BLOCKING_SYNC)
        self.graphs: dict[int, CudaGraph] = {}
        self.runs: Counter[int] = Counter()

    def upload(
        self, images: Sequence[U8], fits: Sequence[Letterbox], batch: int, wanted: Wanted, stream: Any
    ) -> None:
        """Put a batch into the staging buffer and start copying it to the GPU, each picture beside the next.

        Args:
            images: The pictures.
            fits: How each goes into the input.
            batch: Pictures that the network takes; missing ones repeat the first.
            wanted: For the filter.
            stream: To copy on.
        """
        self.started.record(stream)
        starts, end = [], self._pictures_start
        for image in images:
            starts.append(end)
            end += _aligned(image.nbytes)
        if end > self._host.array.size:
            self._grow(end)
        memory = self._host.array
        jobs = [job(image, fit, start) for image, fit, start in zip(images, fits, starts, strict=True)]
        jobs += jobs[:1] * (batch - len(jobs))
        self._host.view(JOB, (batch,), self._jobs_start)[:] = np.array(jobs, JOB)
        if self._layout:
            fill_request(memory, wanted)
        copied = 0
        for image, start in zip(images, starts, strict=True):
            stop = start + image.nbytes
            np.copyto(memory[start:stop].reshape(image.shape), image)
            self._gpu.driver.memcpy_htod_async(self._device.address + copied, memory[copied:stop], stream)
            copied = stop

    def letterbox(self, batch: int, target: InputFormat, kernels: Kernels, stream: Any) -> None:
        """Make the input tensor of what was uploaded."""
        kernels.letterbox(
            self._device.address,
            self._device.address + self._jobs_start,
            self.input.address,
            (batch, *self._shape[1:]),
            self._dtype,
            format_bytes(target),
            stream,
        )
        self.ready.record(stream)

    def download(self, batch: int, kernels: Kernels, stream: Any) -> None:
        """Bring the candidates, or the outputs where there is no filter, to the host."""
        driver, layout = self._gpu.driver, self._layout
        if layout is None:
            for output, pinned, (shape, kind) in zip(self.outputs, self._fetched, self._specs, strict=True):
                size = kind.itemsize * int(np.prod(shape[1:])) * batch
                driver.memcpy_dtoh_async(pinned.array[:size], output.address, stream)
            return
        driver.memset_d32_async(self._device_counts.address, 0, batch, stream)
        kernels.filter(
            self.outputs[0].address,
            self._specs[0][1],
            batch,
            layout,
            self._device.address,
            self._device_counts.address,
            self._chosen.address,
            self._found.address,
            stream,
        )
        driver.memcpy_dtoh_async(self._counts.array[: 4 * batch], self._device_counts.address, stream)

    def results(self, count: int) -> list[list[Array]]:
        """Outputs by picture, once `done` has happened; the caller's own."""
        if self._layout is None:
            views = [
                pinned.view(kind, (count, *shape[1:]))
                for pinned, (shape, kind) in zip(self._fetched, self._specs, strict=True)
            ]
            return [[np.array(view[index]) for view in views] for index in range(count)]
        counts = self._counts.view(np.int32, (count,))
        found = self._found.view(np.float32, (count, CAPACITY, 1 + self._layout.rows))
        return [
            [self._layout.rebuild(found[index, :number]) if number <= CAPACITY else self._fetch(index)]
            for index, number in enumerate(counts.tolist())
        ]

    def _fetch(self, index: int) -> Array:
        shape, kind = self._specs[0]
        whole = np.empty(shape[1:], kind)
        self._gpu.driver.memcpy_dtoh(whole, self.outputs[0].address + index * whole.nbytes)
        return whole

    def _grow(self, size: int) -> None:
        # Half as much again: cameras of other sizes may come.
        size = _aligned(size * 3 // 2)
        self._host.free()
        self._device.free()
        self._host, self._device = Pinned(self._gpu, size), Buffer(self._gpu, size)
        self.drop_graphs()  # they know the old address

    def drop_graphs(self) -> None:
        """Forget what was recorded."""
        for graph in self.graphs.values():
            graph.close()
        self.graphs.clear()
        self.runs.clear()

    def free(self) -> None:
        """Give all memory back."""
        self.drop_graphs()
        for pinned in (self._host, self._counts, self._found, *self._fetched):
            pinned.free()
        for buffer in (self._device, self.input, *self.outputs, self._device_counts, self._chosen):
            buffer.free()
