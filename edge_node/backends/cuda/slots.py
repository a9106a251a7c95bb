"""Which buffers a batch gets: those of its input format, within the GPU's free memory."""

from __future__ import annotations

import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.layout import FilterLayout
from edge_node.backends.cuda.memory import IN_FLIGHT, MARGIN, SlotPlan, aligned, largest_batch
from edge_node.backends.cuda.slot import Slot
from edge_node.backends.interface import Anchors, OutOfMemory
from edge_node.backends.preprocess import InputFormat

log = logging.getLogger("darner.backend")
Shape = tuple[int, int, int, int]
"""Of an input: pictures, 3, height, width."""
KEPT = 4
"""Maximum input formats whose buffers are kept: cameras of different aspects take turns."""
_AGAIN_S = 60.0
"""Seconds after memory ran out until larger batches are tried again."""
_FLOATS = {np.dtype(np.float32), np.dtype(np.float16)}


class Network(Protocol):
    """The network that runs between letterbox and decoding.

    Attributes:
        input_dtype: float32 or float16.
        max_batch: Maximum number of pictures in one run.
        capturable: Whether its runs can be recorded as a CUDA graph; may become False later.
    """

    input_dtype: np.dtype[Any]
    max_batch: int
    capturable: bool

    def padded(self, count: int) -> int:
        """The size of the batch that the network needs to run `count` pictures; at least `count`."""

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape, batch first, and dtype of each output for an input of this shape.

        Raises:
            OutOfMemory: There is no memory for the run that shows the shapes.
        """

    def scratch(self, shape: Shape) -> int:
        """Bytes of the GPU's memory that the network will allocate for itself to run this shape.

        0 if the network cannot tell.
        """

    def forget(self, slot: int) -> None:
        """Drop what is kept for a slot whose buffers will be freed; none of its runs is in flight."""

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:
        """Enqueue one run.

        Args:
            slot: Number of the slot; a slot always has the same addresses.
            shape: Of the input.
            source: Address of the input.
            outputs: Addresses of the outputs.
            stream: Handle of the stream.

        Raises:
            OutOfMemory: There is no memory for this shape; an enqueued part of the run does no harm.
        """

    def close(self) -> None:
        """Release everything; no run is in flight."""


@dataclass(slots=True)
class _Kept:
    plan: SlotPlan
    slots: list[Slot | None] = field(default_factory=lambda: [None] * IN_FLIGHT)

    def made(self) -> list[Slot]:
        return [slot for slot in self.slots if slot]

    @property
    def on_gpu(self) -> int:
        return sum(slot.on_gpu for slot in self.made())


class Slots:
    """Buffers by input format and filter; the context must be current.

    A batch's number of pictures is rounded up to a power of two, so that a few cameras take little memory.

    Args:
        gpu: The GPU.
        network: The network that runs on the buffers.

    Attributes:
        max_batch: How many pictures are known to fit. It is less than the network takes while little memory
            is free, and for a minute after a batch ran out of memory; then it is a size without padding.
    """

    def __init__(self, gpu: Device, network: Network) -> None:
        self._gpu, self._network = gpu, network
        self.max_batch = network.max_batch
        self._kept: OrderedDict[tuple[InputFormat, Anchors | None], _Kept] = OrderedDict()
        self._numbers = itertools.count()
        self._again_at = 0.0
        self._told = False

    def get(self, target: InputFormat, anchors: Anchors | None, count: int, room: int) -> Slot:
        """Free buffers for a batch; call it with fewer than two batches in flight.

        Args:
            target: The network's input.
            anchors: Of the filter.
            count: Pictures.
            room: Bytes of the pictures that must be copied.

        Raises:
            OutOfMemory: Several pictures do not fit within the margin.
            pycuda.driver.MemoryError: The GPU gives less memory than it says is free.
        """
        kept = self._kept_for(target, anchors)
        place, slot = next(
            (place, slot) for place, slot in enumerate(kept.slots) if slot is None or not slot.busy
        )
        each = -(-room // count)
        self._grow(kept, each)
        if slot and slot.batch >= self._network.padded(count):
            if slot.upload.room < room:
                # Leave room for the pictures of other cameras. What is recorded for the slot stays.
                each = aligned(each * 3 // 2)
                slot.upload.release()
                slot.upload.reserve(self._fitting(kept, count, each) * each)
            return slot
        if slot:
            kept.slots[place] = None
            self._free(slot)
        fits = self._fitting(kept, count, each)
        kept.slots[place] = slot = Slot(
            self._gpu, next(self._numbers), kept.plan, self._network.padded(fits), fits * each
        )
        return slot

    def shrink(self, count: int) -> None:
        """After `count` pictures ran out of memory: allow fewer, and give back the unused buffers."""
        self.max_batch = self._whole(min(self.max_batch, count // 2 or self.max_batch // 2))
        self._again_at = time.monotonic() + _AGAIN_S
        self.release()

    def release(self) -> None:
        """Give back the buffers that no batch in flight uses."""
        for key in list(self._kept):
            self._release(key)

    def _release(self, key: tuple[InputFormat, Anchors | None]) -> None:
        kept = self._kept[key]
        for place, slot in enumerate(kept.slots):
            if slot and not slot.busy:
                kept.slots[place] = None
                self._free(slot)
        if not kept.made():
            del self._kept[key]

    def _free(self, slot: Slot) -> None:
        self._network.forget(slot.number)
        slot.free()

    def _kept_for(self, target: InputFormat, anchors: Anchors | None) -> _Kept:
        key = target, anchors
        if key not in self._kept:
            idle = [one for one, kept in self._kept.items() if not any(slot.busy for slot in kept.made())]
            for old in idle[: max(0, len(self._kept) - KEPT + 1)]:
                self._release(old)
            self._kept[key] = _Kept(self._plan(target, anchors))
        self._kept.move_to_end(key)
        return self._kept[key]

    def _plan(self, target: InputFormat, anchors: Anchors | None) -> SlotPlan:
        picture = (3, target.height, target.width)
        outputs = self._network.outputs((self._network.padded(1), *picture))
        size = target.width, target.height
        filtered = FilterLayout.of(anchors, [output for output, _ in outputs], size)
        kinds = {kind for _, kind in outputs}
        if len(kinds) > 1 or not kinds <= _FLOATS:
            filtered = None
        return SlotPlan(
            picture, self._network.input_dtype, tuple((shape[1:], kind) for shape, kind in outputs), filtered
        )

    def _fitting(self, kept: _Kept, count: int, each: int) -> int:
        """For how many pictures of `each` bytes a slot is made; at least `count`.

        Raises:
            OutOfMemory: They do not fit. A single picture is tried however little is free.
        """
        network = self._network
        alone = self._whole(self._room(kept, each, network.max_batch, others=True))
        if alone < self.max_batch:
            self.max_batch, self._again_at = alone, time.monotonic() + _AGAIN_S
            self._tell(kept)
        power = 1 << (count - 1).bit_length()
        fits = self._room(kept, each, max(count, min(power, self.max_batch)), others=False)
        if fits < count and count > 1:
            _, height, width = kept.plan.input
            raise OutOfMemory(f"buffers for {count} pictures of {width}x{height} leave no margin")
        return max(fits, 1)

    def _room(self, kept: _Kept, each: int, most: int, *, others: bool) -> int:
        """How many pictures there is room for; with `others`, buffers of other formats may be freed."""
        held = sum(one.on_gpu for one in self._kept.values()) if others else kept.on_gpu

        def needed(count: int) -> int:
            batch = self._network.padded(count)
            buffers = kept.plan.sizes(batch, count * each).on_gpu(shares_memory=self._gpu.shares_memory)
            return IN_FLIGHT * buffers + self._network.scratch((batch, *kept.plan.input))

        return largest_batch(self._gpu.free_memory() + held, needed, most)

    def _grow(self, kept: _Kept, each: int) -> None:
        """Allow twice as many pictures some time after memory ran out, if there is room."""
        if self.max_batch < self._network.max_batch and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + _AGAIN_S
            room = self._room(kept, each, min(2 * self.max_batch, self._network.max_batch), others=True)
            self.max_batch = max(self.max_batch, self._whole(room))

    def _whole(self, most: int) -> int:
        """The largest batch up to `most` that is not padded, because padding costs as much as pictures.

        At least 1; `most` for a network that pads every batch to one size.
        """
        sizes = range(most, 0, -1)
        return next((count for count in sizes if self._network.padded(count) == count), max(most, 1))

    def _tell(self, kept: _Kept) -> None:
        if not self._told:
            _, height, width = kept.plan.input
            log.warning(
                "%s has %d MB free, of which a model's buffers may take %.0f %%: a batch of %dx%d pictures "
                "has at most %d, although the model would take %d",
                self._gpu.name,
                self._gpu.free_memory() >> 20,
                MARGIN * 100,
                width,
                height,
                self.max_batch,
                self._network.max_batch,
            )
            self._told = True
