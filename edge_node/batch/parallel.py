"""Frames of files through the network on all cores; they come out in their order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from edge_node.detect.choosing import Chosen, Ready
from edge_node.detect.inferred import Inferred
from edge_node.detect.stages import Detect
from edge_node.frames import Frame
from shared.channel import Channel, Closed

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """The same items, made ahead of time by a thread of their own.

    Args:
        items: The items; this generator raises the errors of their iterator.
        depth: How many items may be made before they are taken.
    """
    channel: Channel[T] = Channel(depth)
    failed: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                channel.put(item)
        except Closed:
            pass  # nobody takes the rest
        except Exception as error:  # noqa: BLE001 - this generator raises it
            failed.append(error)
        channel.close()

    thread = threading.Thread(target=make, name="read")
    thread.start()
    try:
        yield from channel
        if failed:
            raise failed[0]
    finally:
        channel.close()
        thread.join()


def inferred(frames: Iterable[Frame], detects: Sequence[Detect]) -> Generator[Inferred, None, None]:
    """Take every frame through one of the networks, or past it, and keep their order.

    Args:
        frames: Of one camera.
        detects: The networks. One thread at a time uses each, or two if its engine takes batches: one batch
            is prepared while the other runs. The first network also chooses what is done with each frame.
    """
    batched = detects[0].limit > 1
    idle: queue.SimpleQueue[Detect] = queue.SimpleQueue()
    for detect in [*detects, *detects] if batched else detects:
        idle.put(detect)

    def work(unit: list[Chosen]) -> list[Inferred]:
        detect = idle.get()
        try:
            return detect.submit(unit).collect()
        finally:
            idle.put(detect)

    threads = idle.qsize()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="infer")
    futures: deque[Future[list[Inferred]]] = deque()
    units, given = _Units(detects), 0
    most = threads + (0 if batched else 1)
    try:
        for number, frame in enumerate(frames):
            # What is looked at depends on the tracks so many frames ago: on no other's, and so on no timing.
            while (lag := detects[0].lag) and number - given >= lag:
                if not futures:
                    futures.append(pool.submit(work, units.take()))
                for item in futures.popleft().result():
                    yield item
                    given += 1
            if units.add(frame):
                futures.append(pool.submit(work, units.take()))
            while len(futures) > most:
                for item in futures.popleft().result():
                    yield item
                    given += 1
        if units:
            futures.append(pool.submit(work, units.take()))
        while futures:
            yield from futures.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Units:
    """Gathers frames into lists that each hold as many pictures as one run of the network takes.

    Args:
        detects: The networks; the first one chooses what is done with each frame.
    """

    def __init__(self, detects: Sequence[Detect]) -> None:
        self._detects = detects
        self._unit: list[Chosen] = []
        self._pictures = 0

    def add(self, frame: Frame) -> bool:
        """Add a frame; return whether the list is full."""
        chosen = self._detects[0].choose(Ready(frame, None))
        self._unit.append(chosen)
        self._pictures += len(chosen.boxes)
        limit = min(detect.limit for detect in self._detects)
        return self._pictures >= limit or len(self._unit) > 2 * self._detects[0].limit

    def take(self) -> list[Chosen]:
        """The list; a new one begins."""
        unit, self._unit, self._pictures = self._unit, [], 0
        return unit

    def __bool__(self) -> bool:
        return bool(self._unit)
