"""Pictures of a batch on a core each: the same results, and nothing until a batch fills the cores."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge_node.backends.host import HostInput
from edge_node.backends.interface import Inference, Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.onnx.network import Network
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.pictures import U8, Picture
from tests.conftest import wait_until
from tests.edge_node.backends import networks

TARGET = InputFormat(64, 32)
WANTED = Wanted(np.arange(80), 0.0)


def pictures(count: int) -> list[U8]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (32, 64, 3), np.uint8) for _ in range(count)]


def outputs(inference: Inference) -> list[list[object]]:
    return [[output.tolist() for output in one] for one in inference.outputs]


def opened(path: Path, threads: int = 2) -> OnnxBackend:
    return OnnxBackend(path, ModelSettings(threads=threads))


def one_by_one(path: Path, images: list[U8]) -> list[list[object]]:
    backend = opened(path, threads=1)
    return [outputs(backend.submit([image], TARGET, WANTED).collect())[0] for image in images]


def warmed(backend: OnnxBackend) -> OnnxBackend:
    """After its first batch, when the network for one core is open."""

    def takes_batches() -> bool:
        pending = backend.submit(pictures(2), TARGET, WANTED)
        pending.collect()
        return not pending.done

    wait_until(takes_batches)
    return backend


@pytest.fixture(params=[1, "N"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that takes one picture, and one that takes any number."""
    return networks.convolution(tmp_path / "m.onnx", (request.param, 3, 32, 64), pads=[1, 1, 1, 1])


def test_a_batch_that_fills_the_cores_runs_side_by_side_with_the_same_results_in_order(path: Path) -> None:
    images = pictures(5)
    backend = warmed(opened(path))
    assert backend.max_batch >= 2
    waiting = [backend.submit(some, TARGET, WANTED) for some in (images[:2], images[2:])]
    assert [pending.done for pending in waiting] == [False, False]
    found = [pending.collect() for pending in waiting]
    assert outputs(found[0]) + outputs(found[1]) == one_by_one(path, images)
    assert [len(one.fits) for one in found] == [2, 3]
    assert all(one.inference_ms > 0 for one in found)
    backend.close()


def test_single_pictures_open_nothing_and_use_all_cores_at_once(path: Path) -> None:
    backend = opened(path)
    assert backend.submit(pictures(1), TARGET, WANTED).done
    before = set(threading.enumerate())
    for image in pictures(3):
        assert backend.submit([image], TARGET, WANTED).done
    assert set(threading.enumerate()) <= before


def test_the_first_batches_do_not_wait_for_the_network_to_open(path: Path) -> None:
    images = pictures(2)
    backend = opened(path)
    pending = backend.submit(images, TARGET, WANTED)
    assert pending.done
    assert outputs(pending.collect()) == one_by_one(path, images)
    backend.close()


def test_a_picture_joins_those_that_fill_the_cores(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = warmed(opened(path))
    expected, go = one_by_one(path, pictures(1)), threading.Event()

    def held(self: Network, given: HostInput, images: Sequence[Picture], target: InputFormat) -> Inference:
        assert go.wait(30)
        return infer(self, given, images, target)

    infer = Network.infer
    monkeypatch.setattr(Network, "infer", held)
    pair, alone = backend.submit(pictures(2), TARGET, WANTED), backend.submit(pictures(1), TARGET, WANTED)
    assert (pair.done, alone.done) == (False, False)
    go.set()
    pair.collect()
    assert outputs(alone.collect()) == expected
    assert backend.submit(pictures(1), TARGET, WANTED).done, "the others are done"
    backend.close()


def test_a_network_that_cannot_be_opened_twice_goes_on_as_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = networks.convolution(tmp_path / "m.onnx", ("N", 3, 32, 64), pads=[1, 1, 1, 1])
    images = pictures(2)
    expected = one_by_one(path, images)
    backend = opened(path)
    backend.submit(images[:1], TARGET, WANTED)  # folds the file
    path.unlink()
    with caplog.at_level(logging.WARNING):
        backend.submit(images, TARGET, WANTED)
        wait_until(lambda: caplog.records)
    for _ in range(2):
        pending = backend.submit(images, TARGET, WANTED)
        assert pending.done
        assert outputs(pending.collect()) == expected
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("pictures of a batch do not run side by side: ")
    backend.close()


@pytest.mark.parametrize(
    ("batch", "threads"),
    [pytest.param("N", 1, id="one core"), pytest.param(2, 2, id="a file that takes two pictures")],
)
def test_where_it_gains_nothing_batches_run_as_they_did(
    tmp_path: Path, batch: int | str, threads: int
) -> None:
    path = networks.convolution(tmp_path / "m.onnx", (batch, 3, 32, 64), pads=[1, 1, 1, 1])
    backend = opened(path, threads)
    assert backend.in_flight == 1
    for _ in range(3):
        assert backend.submit(pictures(2), TARGET, WANTED).done


def test_a_file_that_took_the_models_place_is_not_half_of_what_runs(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = opened(path)
    backend.submit(pictures(1), TARGET, WANTED).collect()  # as the detector does before the first frame
    expected = one_by_one(path, pictures(2))
    new = networks.convolution(path.with_name("new"), (1, 3, 32, 64), pads=[0, 0, 0, 0])
    new.replace(path)
    for _ in range(2):
        assert outputs(backend.submit(pictures(2), TARGET, WANTED).collect()) == expected
        wait_until(lambda: "its file is a new one, which a reload loads" in caplog.text)
    backend.close()
