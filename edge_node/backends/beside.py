"""Runs a network in a thread of its own, where the engine's call waits for a device that works by itself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from edge_node.backends.host import HostInput, PictureInput, by_picture
from edge_node.backends.interface import Array, Inference, ModelFile, Pending
from edge_node.backends.preprocess import InputFormat
from edge_node.pictures import Picture

IN_FLIGHT = 2
"""One batch runs, and the next one's input is made meanwhile."""


class Beside:
    """Runs batches one after the other, while others submit the next one or read the last one's outputs.

    Args:
        model: What the model's file says.
        picture: How the model takes pictures.
        run: Runs the network on inputs by name.
    """

    def __init__(
        self, model: ModelFile, picture: PictureInput, run: Callable[[Mapping[str, Array]], list[Array]]
    ) -> None:
        self._model, self._run = model, run
        # The input of the batch that runs is not overwritten.
        self._inputs = itertools.cycle([HostInput(model, picture) for _ in range(IN_FLIGHT)])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")

    def submit(self, images: Sequence[Picture], target: InputFormat) -> Pending[Inference]:
        """Start the network on pictures; at most `IN_FLIGHT` batches may be uncollected."""
        start = time.perf_counter()
        feeds, fits = next(self._inputs)(images, target)
        prepare_ms = (time.perf_counter() - start) * 1e3

        def run() -> Inference:
            begun = time.perf_counter()
            raw = self._run(feeds)
            run_ms = (time.perf_counter() - begun) * 1e3
            return Inference(by_picture(raw, self._model, len(images)), fits, prepare_ms, run_ms)

        return Pending(self._thread.submit(run).result)

    def close(self) -> None:
        """Begin no further batch; one that runs, and may wait for a server, is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)
