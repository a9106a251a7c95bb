"""Batches through the GPU: copy, letterbox, network, filter, copy back; two in flight.

Pictures cross the bus as u8 and candidates come back; the float tensor never leaves the GPU. Copy and
letterbox of a batch have a stream of their own, so that they run beside the network of the batch before it.
Network and filter are recorded as a CUDA graph by the third batch of a size and replayed from then on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edge_node.backends.backend import Inference, Wanted
from edge_node.backends.cuda import Device
from edge_node.backends.cuda_graph import CaptureError, CudaGraph
from edge_node.backends.cuda_kernels import MAX_SIDE, FilterLayout, Kernels, source_size
from edge_node.backends.cuda_slot import Slot
from edge_node.frames import U8
from edge_node.preprocess import InputFormat, Letterbox
from shared.errors import ModelError

log = logging.getLogger(__name__)
Shape = tuple[int, int, int, int]
WARM_UP = 2
"""Runs of a batch size before one is recorded."""
MAX_GRAPHS = 8
"""Recorded batch sizes of a slot; further ones are enqueued step by step."""


class Network(Protocol):
    """What runs between letterbox and filter.

    Attributes:
        input_dtype: float32 or float16.
        max_batch: Most pictures in one run.
        capturable: It can be recorded as a CUDA graph; may turn False later.
    """

    input_dtype: np.dtype[Any]
    max_batch: int
    capturable: bool

    def padded(self, count: int) -> int:
        """Pictures that must be given for so many that there are."""

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape, batch first, and dtype of each output for an input of this shape."""

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:
        """Enqueue one run.

        Args:
            slot: Which of the two batches in flight.
            shape: Of the input.
            source: Address of the input.
            outputs: Addresses of the outputs.
            stream: Handle of the stream.
        """

    def close(self) -> None:
        """Release everything; no run is in flight."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A batch in flight."""

    slot: int
    fits: list[Letterbox]


class CudaRunner:
    """Runs batches through a network on the GPU; for one thread at a time.

    Args:
        gpu: Where.
        network: What to run; closed by `close`.
        stream: The pycuda stream that the network runs on.
        graphs: Record and replay where the network allows.
    """

    def __init__(self, gpu: Device, network: Network, stream: Any, *, graphs: bool = True) -> None:
        self._gpu, self._network, self._compute, self._use_graphs = gpu, network, stream, graphs
        with gpu.current():
            self._upload = gpu.driver.Stream()
            self._kernels = Kernels(gpu)
        self._slots: dict[int, Slot] = {}
        self._made_for: tuple[InputFormat, str] | None = None
        self._in_flight: set[int] = set()

    def infer(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Inference:
        """See `Backend`."""
        return self.collect(self.submit(images, target, wanted))

    def submit(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Ticket:
        """Start a batch; returns when its pictures are copied, so that the caller may reuse them.

        Args:
            images: u8, BGR ``(H, W, 3)`` or NV12 ``(H * 3 / 2, W)``, of any sizes, at most `max_batch`.
            target: What the network expects.
            wanted: What counts.

        Raises:
            ModelError: A picture is too large, or the GPU has too little memory.
            ValueError: Too many or no pictures, or two batches are in flight already.
        """
        if not 0 < len(images) <= self._network.max_batch:
            raise ValueError(f"{len(images)} pictures; 1 to {self._network.max_batch} fit into a batch")
        if len(self._in_flight) == 2:
            raise ValueError("two batches are in flight: collect one first")
        fits = [Letterbox.fit(*_checked(image), target) for image in images]
        batch = self._network.padded(len(images))
        index = 0 if 0 not in self._in_flight else 1
        with self._gpu.current():
            slot = self._slot(index, target, wanted.layout)
            slot.upload(images, fits, batch, wanted, self._upload)
            slot.letterbox(batch, target, self._kernels, self._upload)
            self._compute.wait_for_event(slot.ready)
            slot.begun.record(self._compute)
            self._run(index, slot, (batch, 3, target.height, target.width))
            slot.done.record(self._compute)
        self._in_flight.add(index)
        return Ticket(index, fits)

    def collect(self, ticket: Ticket) -> Inference:
        """Wait for a batch.

        Args:
            ticket: Of `submit`; each one is collected once.

        Returns:
            Candidates only where the layout allows that, else the whole outputs. The times are the GPU's:
            from the first picture's copy to the tensor, and from there to the candidates.
        """
        slot = self._slots[ticket.slot]
        with self._gpu.current():
            slot.done.synchronize()
            outputs = slot.results(len(ticket.fits))
            preprocess_ms = slot.ready.time_since(slot.started)
            inference_ms = slot.done.time_since(slot.begun)
        self._in_flight.discard(ticket.slot)
        return Inference(outputs, ticket.fits, preprocess_ms, inference_ms)

    def close(self) -> None:
        """Release everything."""
        with self._gpu.current():
            self._compute.synchronize()
            self._upload.synchronize()
            for slot in self._slots.values():
                slot.free()
            self._network.close()
        self._slots.clear()

    def _slot(self, index: int, target: InputFormat, layout: str) -> Slot:
        if self._made_for != (target, layout):
            if self._in_flight:
                raise ValueError("the input format changed while a batch is in flight: collect it first")
            for old in self._slots.values():
                old.free()
            self._slots.clear()
            self._made_for = (target, layout)
        slot = self._slots.get(index)
        if slot is None:
            shape = (self._network.max_batch, 3, target.height, target.width)
            outputs = self._network.outputs(shape)
            filtered = FilterLayout.of(layout, [output for output, _ in outputs])
            if filtered and outputs[0][1] not in (np.dtype(np.float32), np.dtype(np.float16)):
                filtered = None
            try:
                slot = Slot(self._gpu, shape, self._network.input_dtype, outputs, filtered)
            except self._gpu.driver.MemoryError:
                raise ModelError(
                    f"{self._gpu.name} has too little memory for {shape[0]} pictures of "
                    f"{target.width}x{target.height}: set a smaller largest batch"
                ) from None
            self._slots[index] = slot
        return slot

    def _run(self, index: int, slot: Slot, shape: Shape) -> None:
        batch = shape[0]

        def work() -> None:
            addresses = [output.address for output in slot.outputs]
            self._network.enqueue(index, shape, slot.input.address, addresses, self._compute.handle)
            slot.download(batch, self._kernels, self._compute)

        allowed = self._use_graphs and self._network.capturable
        if not allowed and slot.graphs:
            slot.drop_graphs()
        # The first runs of a size choose kernels and allocate, which cannot be recorded.
        if allowed and slot.runs[batch] == WARM_UP and len(slot.graphs) < MAX_GRAPHS:
            try:
                slot.graphs[batch] = CudaGraph(self._compute.handle, work)
            except CaptureError as error:
                self._network.capturable = False
                log.warning("the network cannot be recorded as a CUDA graph, enqueued instead: %s", error)
                # CUDA's runtime tells the next one who asks once more; here, nobody is hurt.
                with contextlib.suppress(Exception):
                    work()
        slot.runs[batch] += 1
        graph = slot.graphs.get(batch)
        if graph:
            graph.launch(self._compute.handle)
        else:
            work()


def _checked(image: U8) -> tuple[int, int]:
    width, height = source_size(image)
    if not 0 < max(width, height) <= MAX_SIDE:
        raise ModelError(f"a picture of {width}x{height}: longer than {MAX_SIDE} pixels, or empty")
    if image.ndim == 2 and (image.shape[0] % 3 or width % 2):
        raise ModelError(f"an NV12 picture of shape {image.shape}: needs (H * 3 / 2, W) with even H and W")
    return width, height
