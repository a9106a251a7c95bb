"""Frames of files through the network on all cores; they come out in their order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from edge_node.detect.stages import Chosen, Detect, Inferred, Ready
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

    def work(unit: Chosen) -> list[Inferred]:
        detect = idle.get()
        try:
            return detect.submit(unit).collect()
        finally:
            idle.put(detect)

    threads = idle.qsize()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="infer")
    futures: deque[Future[list[Inferred]]] = deque()
    try:
        for unit in _units(frames, detects):
            futures.append(pool.submit(work, unit))
            while len(futures) > threads + (0 if batched else 1):
                yield from futures.popleft().result()
        while futures:
            yield from futures.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _units(frames: Iterable[Frame], detects: Sequence[Detect]) -> Iterator[Chosen]:
    """Lists of frames; each list holds as many frames for the network as one run takes."""
    unit: Chosen = []
    size = 0
    for frame in frames:
        choice = detects[0].choose(frame)
        unit.append((Ready(frame, None), choice))
        size += choice == "infer"
        if size >= min(detect.limit for detect in detects) or len(unit) > 2 * detects[0].limit:
            yield unit
            unit, size = [], 0
    if unit:
        yield unit
