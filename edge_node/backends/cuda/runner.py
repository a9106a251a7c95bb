"""Batches through the GPU: copy, letterbox, network, decode, NMS. Two batches are in flight.

Pictures cross the bus as u8 and detections come back; the float tensor never leaves the GPU. The first batch
of a size records the network and all that follows as one CUDA graph, which later batches start with one call.
So an engine that prepares itself again for every new shape does that once for each size. The copies are not
recorded: that of the first picture is on its way while the host describes the second.

All networks run on one stream, so that no two run at a time. The pictures of the second batch in flight are
copied and letterboxed on another stream meanwhile. That batch waits on the GPU, not in this process.

If the GPU has no memory for a batch, nothing but time is lost: the runner finishes the batches in flight and
gives back all buffers, and the caller may try a smaller batch.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.graph import CaptureError, CudaGraph
from edge_node.backends.cuda.kernels import Kernels
from edge_node.backends.cuda.libcuda import wait, wait_before
from edge_node.backends.cuda.memory import IN_FLIGHT
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.slot import Slot
from edge_node.backends.cuda.slots import Network, Shape, Slots
from edge_node.backends.cuda.upload import Source
from edge_node.backends.interface import Inference, OutOfMemory, Pending, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.pictures import OnGpu, Picture
from shared.errors import ModelError

log = logging.getLogger(__name__)
WARM_UP = 2
"""Runs of a batch size before it is recorded; the first runs choose kernels and allocate memory."""
MAX_GRAPHS = 8
"""Maximum number of recorded batch sizes of a slot; batches of other sizes are enqueued step by step."""
GRAPH_ROOM = 64 << 20
"""A recording that fails with this many bytes free did not lack memory, so recording is given up for good."""


@dataclass(slots=True, eq=False)
class _Batch:
    """A batch in flight.

    Attributes:
        slot: Its buffers, until it is collected.
        sources: Its pictures, until it is collected: the GPU may read them where they are.
        fits: How each picture lies in the input.
        size: Pictures in the run of the network.
        started_s: When its copies began, by `time.perf_counter`.
        inference: The result; None until it is known.
    """

    slot: Slot
    sources: list[Source]
    fits: list[Letterbox]
    size: int
    started_s: float
    inference: Inference | None = None


class CudaRunner:
    """Runs batches through a network on the GPU. Any thread may submit or collect.

    Args:
        gpu: The GPU.
        network: The network; `close` closes it.
        stream: The pycuda stream that the network runs on.
        graphs: Whether to record runs and replay them, if the network allows it.

    Attributes:
        pictures: Page-locked memory for pictures.

    Raises:
        ModelError: The GPU has no memory left.
    """

    def __init__(self, gpu: Device, network: Network, stream: Any, *, graphs: bool = True) -> None:
        self._gpu, self._network, self._compute, self._use_graphs = gpu, network, stream, graphs
        self._shortage = gpu.driver.MemoryError, OutOfMemory
        with gpu.current():
            try:
                self._beside = gpu.driver.Stream()
                self._kernels = Kernels(gpu)
            except gpu.driver.MemoryError as error:
                network.close()
                raise ModelError(f"{gpu.name} has no memory left for the model: {error}") from None
        self.pictures = PinnedPool(gpu)
        self._slots = Slots(gpu, network)
        self._in_flight: list[_Batch] = []
        self._done_s = 0.0
        self._lock = threading.Lock()  # for slots and batches: one thread may collect while another submits

    @property
    def max_batch(self) -> int:
        """Maximum number of pictures that a batch may have now; see `Slots`."""
        return self._slots.max_batch

    def submit(
        self, pictures: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """Start a batch.

        Pictures that this runner's `pictures` lent, and those on the GPU, are read until the batch is
        collected: nobody may change them before. Others may be reused at once.

        The result has detections if the GPU can decode the output, else the whole outputs. Its times are
        those of the GPU: from the first copy to the input tensor, and from there to the result.

        Args:
            pictures: Of any sizes, at most `max_batch`; NV12 in host memory is u8 ``(H * 3 / 2, W)``.
            target: What the network expects.
            wanted: The detections that count; None for the whole outputs.

        Raises:
            OutOfMemory: The GPU has too little memory for several pictures. Nothing is lost, and `max_batch`
                is smaller now.
            ModelError: A picture is too large, or the GPU has too little memory for one.
            ValueError: There are no pictures or too many, or two batches are in flight already.
        """
        count = len(pictures)
        if not 0 < count <= self._network.max_batch:
            raise ValueError(f"{count} pictures; 1 to {self._network.max_batch} fit into a batch")
        sources = [Source.of(picture, self.pictures.find) for picture in pictures]
        with self._gpu.current(), self._lock:
            if len(self._in_flight) == IN_FLIGHT:
                raise ValueError("two batches are in flight: collect one first")
            for last in (count > 1, True):
                try:
                    return self._start(sources, target, wanted)
                except self._shortage as error:
                    log.debug("%d pictures of %dx%d: %s", count, target.width, target.height, error)
                    self._make_room(count)
                    if last:
                        raise self._too_little(count, target) from None
        raise AssertionError  # the second try either returned or raised

    def _too_little(self, count: int, target: InputFormat) -> ModelError:
        size, free = f"{target.width}x{target.height}", self._gpu.free_memory() >> 20
        if count > 1:
            return OutOfMemory(
                f"{self._gpu.name} has too little memory for {count} pictures of {size} "
                f"({free} MB are free without their buffers)"
            )
        return ModelError(
            f"{self._gpu.name} has too little memory for one picture of {size} ({free} MB are free): end "
            "other programs on the GPU, or choose a smaller model or model.input_size"
        )

    def _make_room(self, count: int) -> None:
        """After `count` pictures did not fit: finish the batches in flight, and give back all buffers."""
        for batch in list(self._in_flight):
            batch.slot.done.synchronize()
            self._finish(batch)
        self._synchronize()
        self._slots.shrink(count)

    def _synchronize(self) -> None:
        self._beside.synchronize()
        self._compute.synchronize()

    def _start(self, sources: list[Source], target: InputFormat, wanted: Wanted | None) -> Pending[Inference]:
        size = self._network.padded(len(sources))
        room = sum(source.room for source in sources)
        slot = self._slots.get(target, wanted.anchors if wanted else None, len(sources), room)
        # What another batch would have to wait for is made on a stream of its own.
        before = self._beside if self._in_flight else self._compute
        started_s = time.perf_counter()
        slot.started.record(before.handle)
        fits = slot.upload.bring(sources, target, size, wanted, before.handle)
        for source in sources:
            if isinstance(source.picture, OnGpu) and source.picture.ready is not None:
                wait_before(before.handle, source.picture.ready)
        self._letterbox(slot, size, target, before)
        slot.ready.record(before.handle)
        if before is not self._compute:
            slot.ready.before(self._compute.handle)
        slot.begun.record(self._compute.handle)
        self._run(slot, (size, 3, target.height, target.width))
        slot.done.record(self._compute.handle)
        slot.busy = True
        batch = _Batch(slot, sources, fits, size, started_s)
        self._in_flight.append(batch)
        return Pending(partial(self._collect, batch))

    def _collect(self, batch: _Batch) -> Inference:
        """Wait for a batch; any thread may."""
        if batch.inference is None:
            slot = batch.slot
            with self._gpu.current():
                # The network begins when the input is there and the batch before is done.
                prepare_s, run_s = slot.usual_s(batch.size)
                wait(slot.done, max(batch.started_s + prepare_s, self._done_s) + run_s)
                self._done_s = time.perf_counter()
                with self._lock:
                    self._finish(batch)
        assert batch.inference  # noqa: S101 - `_finish` made it, here or in `_make_room`
        return batch.inference

    def _finish(self, batch: _Batch) -> None:
        if batch.inference is None:
            if batch not in self._in_flight:
                raise ModelError("the engine was closed before this batch was collected")
            slot = batch.slot
            outputs, found = slot.results(batch.fits)
            preprocess_ms = slot.ready.since(slot.started)
            inference_ms = slot.done.since(slot.begun)
            slot.took(batch.size, preprocess_ms / 1e3, inference_ms / 1e3)
            slot.busy = False
            self._in_flight.remove(batch)
            batch.sources.clear()
            batch.inference = Inference(outputs, batch.fits, preprocess_ms, inference_ms, found)

    def close(self) -> None:
        """Release everything. A batch that is collected afterwards is a `ModelError`."""
        with self._gpu.current(), self._lock:
            self._synchronize()
            for batch in self._in_flight:
                batch.slot.busy = False
            self._in_flight.clear()
            self._slots.release()
            self._network.close()
        self.pictures.close()

    def _letterbox(self, slot: Slot, batch: int, target: InputFormat, stream: Any) -> None:
        """Enqueue the letterbox; once the network is recorded, as a recording, which is cheaper to start."""

        def work() -> None:
            slot.letterbox(batch, target, self._kernels, stream)

        if batch in slot.graphs and batch not in slot.letterboxes:
            try:
                slot.letterboxes[batch] = CudaGraph(stream.handle, work)
            except CaptureError as error:  # memory is short: the next batch tries again
                log.debug("the letterbox is not recorded: %s", error)
        graph = slot.letterboxes.get(batch)
        if graph:
            graph.launch(stream.handle)
        else:
            work()

    def _run(self, slot: Slot, shape: Shape) -> None:
        """Enqueue the network and what follows; its input is there, or the stream waits for it."""
        batch, stream = shape[0], self._compute
        addresses = [output.address for output in slot.outputs]

        def work() -> None:
            self._network.enqueue(slot.number, shape, slot.input.address, addresses, stream.handle)
            slot.download(batch, self._kernels, stream)

        allowed = self._use_graphs and self._network.capturable
        if not allowed and slot.graphs:
            slot.drop_graphs()
        if allowed and batch not in slot.tried and len(slot.graphs) < MAX_GRAPHS:
            self._record(slot, batch, work)
        graph = slot.graphs.get(batch)
        if graph:
            graph.launch(stream.handle)
        else:
            work()

    def _record(self, slot: Slot, batch: int, work: Callable[[], None]) -> None:
        for _ in range(WARM_UP):
            work()
        slot.tried.add(batch)
        if not self._network.capturable:
            return
        try:
            slot.graphs[batch] = CudaGraph(self._compute.handle, work)
        except CaptureError as error:
            if isinstance(error.__cause__, self._shortage):
                raise error.__cause__ from None
            # With little memory free, memory may be the cause although the engine's error does not say so.
            if self._gpu.free_memory() >= GRAPH_ROOM:
                self._network.capturable = False
            log.warning("the network cannot be recorded as a CUDA graph, enqueued instead: %s", error)
            # CUDA's runtime reports the error again to the next caller; here that does no harm.
            with contextlib.suppress(Exception):
                work()
