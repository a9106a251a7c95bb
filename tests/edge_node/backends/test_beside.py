from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edge_node.backends.beside import Beside
from edge_node.backends.host import PictureInput
from edge_node.backends.interface import Array, Inference, ModelFile, Pending, Tensor
from edge_node.backends.preprocess import InputFormat

MODEL = ModelFile((Tensor("images", (None, 3, 4, 4)),), (Tensor("mean", (None, 1, 1)),), {})
SIZE = InputFormat(4, 4, scale=(1.0, 1.0, 1.0))


class Device:
    """Waits for `go`, then gives each picture's mean; remembers the threads that it was called from."""

    def __init__(self) -> None:
        self.go, self.threads = threading.Event(), set[str]()

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        self.threads.add(threading.current_thread().name)
        if not self.go.wait(60):
            raise TimeoutError
        return [feeds["images"].mean(axis=(1, 2, 3)).reshape(-1, 1, 1)]


def submit(beside: Beside, *greys: int) -> Pending[Inference]:
    return beside.submit([np.full((4, 4, 3), grey, np.uint8) for grey in greys], SIZE)


def made(run: Callable[[Mapping[str, Array]], list[Array]]) -> Beside:
    return Beside(MODEL, PictureInput.of(MODEL, "m"), run)


def test_the_next_input_is_made_while_a_batch_runs_and_each_gets_its_own_outputs() -> None:
    device = Device()
    beside = made(device)
    first, second = submit(beside, 10, 20), submit(beside, 30)
    assert (first.done, second.done) == (False, False), "both were taken, although the first still runs"
    device.go.set()
    found = [first.collect()]
    third = submit(beside, 40, 50)
    found += [second.collect(), third.collect()]
    means = [[outputs[0].item() for outputs in one.outputs] for one in found]
    assert means == [[10.0, 20.0], [30.0], [40.0, 50.0]]
    assert [len(one.fits) for one in found] == [2, 1, 2]
    assert threading.current_thread().name not in device.threads
    assert len(device.threads) == 1
    beside.close()


def test_the_engine_s_error_is_raised_to_who_collects() -> None:
    def broken(_: Mapping[str, Array]) -> list[Array]:
        raise ConnectionError("the server is gone")

    beside = made(broken)
    pending = submit(beside, 1)
    with pytest.raises(ConnectionError, match="the server is gone"):
        pending.collect()
    beside.close()
