"""The buffers of one batch on the GPU and the host, and the steps from its pictures to its candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.graph import CudaGraph
from edge_node.backends.cuda.kernels import CAPACITY, JOB, Kernels, fill_request, format_bytes, job
from edge_node.backends.cuda.memory import SlotPlan, aligned
from edge_node.backends.interface import Array, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import U8


class Slot:
    """Buffers for one batch in flight; the context must be current.

    The staging buffer holds the request, the jobs and the pictures side by side, so that they travel
    together.

    Args:
        gpu: The GPU.
        number: Unique to this slot; a network keeps under this number what belongs to these addresses.
        plan: What the slot has to hold.
        batch: Maximum number of pictures in a run of the network.
        pictures: Maximum bytes of all pictures, each `aligned`.

    Attributes:
        input: The input tensor.
        outputs: The network's outputs.
        on_gpu: Bytes of the GPU's memory.
        busy: Whether a batch in flight uses the slot.
        graphs: Recorded runs, by batch size.
        tried: Batch sizes whose recording was tried, with or without success.

    Raises:
        pycuda.driver.MemoryError: The memory does not suffice; the slot keeps none of it.
    """

    def __init__(self, gpu: Device, number: int, plan: SlotPlan, batch: int, pictures: int) -> None:
        self.number, self.batch, self.pictures = number, batch, pictures
        self._gpu, self._plan = gpu, plan
        self._memory: list[Buffer | Pinned] = []
        self.busy = False
        self.graphs: dict[int, CudaGraph] = {}
        self.tried: set[int] = set()
        sizes = plan.sizes(batch, pictures)
        self.on_gpu = sizes.on_gpu(shares_memory=gpu.shares_memory)
        try:
            self._host, self._device = self._pinned(sizes.staging), self._buffer(sizes.staging)
            self.input = self._buffer(sizes.input)
            self.outputs = [self._buffer(size) for size in sizes.outputs]
            self._counts, self._device_counts = self._pinned(sizes.counts), self._buffer(sizes.counts)
            self._chosen = self._buffer(sizes.chosen)
            self._found = self._pinned(sizes.found)
            self._fetched = [self._pinned(size) for size in sizes.fetched]
            event, flags = gpu.driver.Event, gpu.driver.event_flags
            self.started, self.ready, self.begun = event(), event(), event()
            # The thread that waits for the result sleeps, because an edge box has other work for its cores.
            self.done = event(flags.BLOCKING_SYNC)
        except BaseException:
            self.free()
            raise

    def _buffer(self, size: int) -> Buffer:
        self._memory.append(buffer := Buffer(self._gpu, size))
        return buffer

    def _pinned(self, size: int) -> Pinned:
        self._memory.append(pinned := Pinned(self._gpu, size))
        return pinned

    def upload(
        self,
        images: Sequence[U8],
        fits: Sequence[Letterbox],
        batch: int,
        wanted: Wanted | None,
        stream: Any,
    ) -> None:
        """Put a batch into the staging buffer, and start copying each picture as soon as it is there.

        Args:
            images: The pictures; they fit into the slot.
            fits: How each picture lies in the input.
            batch: Pictures in the run of the network; the first picture stands in for missing ones.
            wanted: For the filter; None where there is none.
            stream: The stream to copy on.
        """
        self.started.record(stream)
        starts, end = [], self._plan.pictures_start(self.batch)
        for image in images:
            starts.append(end)
            end += aligned(image.nbytes)
        memory = self._host.array
        jobs = [job(image, fit, start) for image, fit, start in zip(images, fits, starts, strict=True)]
        jobs += jobs[:1] * (batch - len(jobs))
        self._host.view(JOB, (batch,), self._plan.jobs_start)[:] = np.array(jobs, JOB)
        if wanted and self._plan.layout:
            fill_request(memory, wanted)
        copied = 0
        for image, start in zip(images, starts, strict=True):
            stop = start + image.nbytes
            np.copyto(memory[start:stop].reshape(image.shape), image)
            self._gpu.driver.memcpy_htod_async(self._device.address + copied, memory[copied:stop], stream)
            copied = stop

    def letterbox(self, batch: int, target: InputFormat, kernels: Kernels, stream: Any) -> None:
        """Make the input tensor from the uploaded pictures."""
        kernels.letterbox(
            self._device.address,
            self._device.address + self._plan.jobs_start,
            self.input.address,
            (batch, *self._plan.input),
            self._plan.dtype,
            format_bytes(target),
            stream,
        )
        self.ready.record(stream)

    def download(self, batch: int, kernels: Kernels, stream: Any) -> None:
        """Bring the candidates to the host, or the outputs if there is no filter."""
        driver, plan, layout = self._gpu.driver, self._plan, self._plan.layout
        if layout is None:
            for output, pinned, size in zip(
                self.outputs, self._fetched, plan.sizes(batch, 0).outputs, strict=True
            ):
                driver.memcpy_dtoh_async(pinned.array[:size], output.address, stream)
            return
        driver.memset_d32_async(self._device_counts.address, 0, batch, stream)
        kernels.filter(
            self.outputs[0].address,
            plan.outputs[0][1],
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
        """Outputs by picture, after the event `done`; the caller owns them."""
        layout = self._plan.layout
        if layout is None:
            views = [
                pinned.view(kind, (count, *shape))
                for pinned, (shape, kind) in zip(self._fetched, self._plan.outputs, strict=True)
            ]
            return [[np.array(view[index]) for view in views] for index in range(count)]
        counts = self._counts.view(np.int32, (count,))
        found = self._found.view(np.float32, (count, CAPACITY, 1 + layout.rows))
        return [
            [layout.rebuild(found[index, :number]) if number <= CAPACITY else self._fetch(index)]
            for index, number in enumerate(counts.tolist())
        ]

    def _fetch(self, index: int) -> Array:
        shape, kind = self._plan.outputs[0]
        whole = np.empty(shape, kind)
        self._gpu.driver.memcpy_dtoh(whole, self.outputs[0].address + index * whole.nbytes)
        return whole

    def drop_graphs(self) -> None:
        """Drop all recordings."""
        for graph in self.graphs.values():
            graph.close()
        self.graphs.clear()
        self.tried.clear()

    def free(self) -> None:
        """Give all memory back."""
        self.drop_graphs()
        while self._memory:
            self._memory.pop().free()
