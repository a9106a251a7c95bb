"""Frames of files through the network on all cores, and out again in their order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from edge_node.detect.stages import Choice, Detect, Looked
from edge_node.frames import Frame
from shared.channel import Channel, Closed

T = TypeVar("T")

_Unit = tuple[list[tuple[Frame, Choice]], "Future[list[Looked]]"]


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """The same items, made in a thread of their own.

    Args:
        items: Their errors are raised here.
        depth: How many may be made before they are taken.
    """
    channel: Channel[T] = Channel(depth)
    failed: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                channel.put(item)
        except Closed:
            pass  # nobody wants the rest
        except Exception as error:  # noqa: BLE001 - raised again where the items are taken
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


def looked(frames: Iterable[Frame], detects: Sequence[Detect]) -> Generator[Looked, None, None]:
    """Every frame through one of the networks, or past it; they come out as they went in.

    Args:
        frames: Of one camera.
        detects: Each is given to one thread at a time; the first also chooses. Engines that take batches get
            two at a time, so that the next is prepared while one runs.
    """
    batched = detects[0].limit > 1
    idle: queue.SimpleQueue[Detect] = queue.SimpleQueue()
    for detect in [*detects, *detects] if batched else detects:
        idle.put(detect)

    def work(batch: list[Frame]) -> list[Looked]:
        detect = idle.get()
        try:
            return detect.run([detect.ready(frame) for frame in batch])
        finally:
            idle.put(detect)

    flying: deque[_Unit] = deque()
    threads = idle.qsize()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="look")
    try:
        for unit in _units(frames, detects):
            flying.append((unit, pool.submit(work, [frame for frame, choice in unit if choice == "look"])))
            while len(flying) > threads + (0 if batched else 1):
                yield from _landed(*flying.popleft())
        while flying:
            yield from _landed(*flying.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _units(frames: Iterable[Frame], detects: Sequence[Detect]) -> Iterator[list[tuple[Frame, Choice]]]:
    """Frames and what is done with each, with as many to look at as one run takes."""
    unit: list[tuple[Frame, Choice]] = []
    looks = 0
    for frame in frames:
        choice = detects[0].choose(frame)
        unit.append((frame, choice))
        looks += choice == "look"
        if looks >= min(detect.limit for detect in detects) or len(unit) > 2 * detects[0].limit:
            yield unit
            unit, looks = [], 0
    if unit:
        yield unit


def _landed(unit: list[tuple[Frame, Choice]], future: Future[list[Looked]]) -> Iterator[Looked]:
    seen = iter(future.result())
    for frame, choice in unit:
        yield next(seen) if choice == "look" else Looked(frame, choice, None, {})
