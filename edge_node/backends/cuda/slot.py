"""The buffers of one batch on the GPU and the host, and the steps from its pictures to its detections."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.graph import CudaGraph
from edge_node.backends.cuda.kernels import Kernels, format_bytes
from edge_node.backends.cuda.libcuda import Event
from edge_node.backends.cuda.memory import SlotPlan
from edge_node.backends.cuda.nms import RESULT, Results
from edge_node.backends.cuda.upload import Upload
from edge_node.backends.interface import Array
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import Detections


class Slot:
    """Buffers for one batch in flight; the context must be current.

    Args:
        gpu: The GPU.
        number: Unique to this slot; a network keeps under this number what belongs to these addresses.
        plan: What the slot has to hold.
        batch: Maximum number of pictures in a run of the network.
        pictures: Bytes of room for pictures.

    Attributes:
        upload: What a batch brings to the GPU.
        input: The input tensor.
        outputs: The network's outputs.
        started: Event before the copies.
        ready: Event after the letterbox.
        begun: Event before the network.
        done: Event after the results.
        busy: Whether a batch in flight uses the slot.
        graphs: Recorded runs of the network and what follows, by batch size.
        letterboxes: Recorded letterboxes, by batch size.
        tried: Batch sizes whose recording was tried, with or without success.

    Raises:
        pycuda.driver.MemoryError: The memory does not suffice; the slot keeps none of it.
    """

    def __init__(self, gpu: Device, number: int, plan: SlotPlan, batch: int, pictures: int) -> None:
        self.number, self.batch = number, batch
        self._gpu, self._plan = gpu, plan
        self._memory: list[Buffer | Pinned | Upload] = []
        self.busy = False
        self.graphs: dict[int, CudaGraph] = {}
        self.letterboxes: dict[int, CudaGraph] = {}
        self.tried: set[int] = set()
        self._took_s: dict[int, deque[tuple[float, float]]] = {}
        sizes = plan.sizes(batch, 0)
        try:
            self._memory.append(upload := Upload(gpu, plan.request, batch))
            self.upload = upload
            upload.reserve(pictures)
            self.input = self._buffer(sizes.input)
            self.outputs = [self._buffer(size) for size in sizes.outputs]
            self._counts, self._scratch = self._buffer(sizes.counts), self._buffer(sizes.scratch)
            self._results = self._pinned(sizes.results)
            if plan.layout:
                self._results.array[:] = 0
                self._found = Results(self._results.view(RESULT, (batch,)))
            self._fetched = [self._pinned(size) for size in sizes.fetched]
            self.started, self.ready, self.begun = self._event(), self._event(), self._event()
            self.done = self._event(blocking=True)
        except BaseException:
            self.free()
            raise

    @property
    def on_gpu(self) -> int:
        """Bytes of the GPU's memory."""
        return self._plan.sizes(self.batch, self.upload.room).on_gpu(shares_memory=self._gpu.shares_memory)

    def _event(self, *, blocking: bool = False) -> Event:
        return Event(self._gpu, blocking=blocking)

    def _buffer(self, size: int) -> Buffer:
        self._memory.append(buffer := Buffer(self._gpu, size))
        return buffer

    def _pinned(self, size: int) -> Pinned:
        self._memory.append(pinned := Pinned(self._gpu, size))
        return pinned

    def letterbox(self, batch: int, target: InputFormat, kernels: Kernels, stream: Any) -> None:
        """Enqueue the letterbox: the input tensor of the pictures that the table names."""
        kernels.letterbox(
            self.upload.jobs,
            self.input.address,
            (batch, *self._plan.input),
            self._plan.dtype,
            format_bytes(target),
            stream,
        )

    def download(self, batch: int, kernels: Kernels, stream: Any) -> None:
        """Bring the detections to the host, or the outputs where the host decodes them."""
        driver, plan, layout = self._gpu.driver, self._plan, self._plan.layout
        if layout is None:
            for output, pinned, size in zip(
                self.outputs, self._fetched, plan.sizes(batch, 0).outputs, strict=True
            ):
                driver.memcpy_dtoh_async(pinned.array[:size], output.address, stream)
            return
        driver.memset_d32_async(self._counts.address, 0, batch, stream)
        kernels.nms.detect(
            [output.address for output in self.outputs],
            plan.outputs[0][1],
            batch,
            layout,
            self.upload.request,
            self._counts.address,
            self._scratch.address,
            self._results.address,
            stream,
        )

    def results(self, fits: Sequence[Letterbox]) -> tuple[list[list[Array]], list[Detections | None] | None]:
        """Outputs and detections by picture, after the event `done`; the caller owns them.

        A picture has either, as in `Inference`; `fits` says how each lies in the input.
        """
        count = len(fits)
        if self._plan.layout is None:
            views = [
                pinned.view(kind, (count, *shape))
                for pinned, (shape, kind) in zip(self._fetched, self._plan.outputs, strict=True)
            ]
            return [[np.array(view[index]) for view in views] for index in range(count)], None
        found = self._found.detections(fits)
        return [self._fetch(index) if one is None else [] for index, one in enumerate(found)], found

    def _fetch(self, index: int) -> list[Array]:
        """The outputs of one picture that the GPU could not decode."""
        fetched: list[Array] = []
        for output, (shape, kind) in zip(self.outputs, self._plan.outputs, strict=True):
            fetched.append(whole := np.empty(shape, kind))
            self._gpu.driver.memcpy_dtoh(whole, output.address + index * whole.nbytes)
        return fetched

    def took(self, batch: int, prepare_s: float, run_s: float) -> None:
        """Note how long a batch of this size took until its input was there, and how long its run."""
        self._took_s.setdefault(batch, deque(maxlen=2)).append((prepare_s, run_s))

    def usual_s(self, batch: int) -> tuple[float, float]:
        """How long a batch of this size takes at least, as `took` has it: the shorter of its last two times.

        A single long time, such as that of the first batch, which is recorded, says nothing of the next one.
        """
        last = self._took_s.get(batch, ())
        if len(last) < 2:
            return 0.0, 0.0
        prepare_s, run_s = zip(*last, strict=True)
        return min(prepare_s), min(run_s)

    def drop_graphs(self) -> None:
        """Drop all recordings."""
        for graph in (*self.graphs.values(), *self.letterboxes.values()):
            graph.close()
        self.graphs.clear()
        self.letterboxes.clear()
        self.tried.clear()

    def free(self) -> None:
        """Give all memory back."""
        self.drop_graphs()
        while self._memory:
            self._memory.pop().free()
