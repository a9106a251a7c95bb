"""Pictures side by side: a network that uses one core for each picture, called from a thread for each core.

Where every layer of a network is shared out among the cores, each layer waits for its slowest core. With a
picture for every core, none waits for another. A single picture takes longer in this way, so only batches
run like this.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from edge_node.backends.interface import Inference, Pending, joined
from edge_node.backends.onnx.network import Network
from edge_node.backends.preprocess import InputFormat
from edge_node.pictures import Picture

log = logging.getLogger("darner.backend")

_Run = tuple[Inference, float, float]
"""The result for one picture, when its run began and when it was done, seconds."""


class SideBySide:
    """Runs the pictures of a batch at the same time, each on one core. Only one thread at a time may submit.

    The network is opened when the first batch fills the cores, and takes batches as soon as it is open.

    Args:
        threads: How many pictures run at the same time.
        load: Opens the network for one core.
    """

    def __init__(self, threads: int, load: Callable[[], Network]) -> None:
        self._threads, self._load = threads, load
        self._pool: ThreadPoolExecutor | None = None
        self._network: Future[Network] | None = None
        self._newest: list[Future[_Run]] = []
        self._own = threading.local()

    def submit(self, images: Sequence[Picture], target: InputFormat) -> Pending[Inference] | None:
        """Start a batch, if it fills the cores or others fill them by now.

        Returns:
            None if the batch is too small, or while the network is opened: run it in another way.
        """
        if len(images) < self._threads and all(run.done() for run in self._newest):
            return None
        if self._pool is None or self._network is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="network")
            self._network = self._pool.submit(self._opened)
            return None
        if not self._network.done() or self._network.exception() is not None:
            return None
        network = self._network.result()
        runs = self._newest = [self._pool.submit(self._run, network, image, target) for image in images]
        return Pending(lambda: _together([run.result() for run in runs]))

    def close(self) -> None:
        """Release the network once the pictures in it are done."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._network = None

    def _opened(self) -> Network:
        try:
            return self._load()
        except Exception as error:
            log.warning("pictures of a batch do not run side by side: %s", error)
            raise

    def _run(self, network: Network, image: Picture, target: InputFormat) -> _Run:
        """Run one picture, in one of the threads."""
        given = getattr(self._own, "given", None)
        if given is None:
            given = self._own.given = network.new_input()
        begun = time.perf_counter()
        return network.infer(given, [image], target), begun, time.perf_counter()


def _together(runs: Sequence[_Run]) -> Inference:
    """The result of a batch; it took from the beginning of its first picture to the end of its last one."""
    whole = joined([part for part, _, _ in runs])
    took_ms = (max(done for _, _, done in runs) - min(begun for _, begun, _ in runs)) * 1e3
    prepare_ms = whole.preprocess_ms / len(runs)  # pictures are prepared side by side as well
    return replace(whole, preprocess_ms=prepare_ms, inference_ms=max(0.0, took_ms - prepare_ms))
