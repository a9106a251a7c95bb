"""TensorRT's own calibration. Its calibrator and the GPU are stand-ins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge_node.backends.preprocess import InputFormat
from optimization import pictures
from optimization.graph import calibrator
from shared.errors import ConfigError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu

SIZE = InputFormat(64, 64)


class Entropy:
    def __init__(self) -> None: ...


TRT = SimpleNamespace(__version__="10.3.0", IInt8EntropyCalibrator2=Entropy)


@pytest.fixture
def shown(tmp_path: Path) -> list[Path]:
    for shade in range(5):
        cv2.imwrite(str(tmp_path / f"{shade}.png"), np.full((64, 64, 3), 50 * shade, np.uint8))
    return pictures.find(tmp_path)


def test_pictures_come_in_whole_batches_and_the_ranges_are_kept(
    shown: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, driver = fake_gpu(monkeypatch, 1 << 30)
    given: list[list[float]] = []
    driver.memcpy_htod = lambda _address, batch: given.append([float(one.max()) for one in batch])
    cache = tmp_path / "x.calib"
    one = calibrator.create(TRT, device, shown, SIZE, cache, 2)
    assert one.read_calibration_cache() is None
    batches = 0
    while one.get_batch(["images"]) is not None:
        batches += 1
    assert (batches, [len(batch) for batch in given]) == (2, [2, 2]), "the fifth picture is left out"
    levels = [level for batch in given for level in batch]
    assert levels == sorted(set(levels)), "each picture once"
    one.write_calibration_cache(memoryview(b"ranges"))
    assert calibrator.create(TRT, device, [], SIZE, cache, 2).read_calibration_cache() == b"ranges"


def test_too_few_pictures_for_a_batch_are_refused(
    shown: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, _ = fake_gpu(monkeypatch, 1 << 30)
    with pytest.raises(ConfigError, match="5 pictures are too few: calibration takes 8 at a time"):
        calibrator.create(TRT, device, shown, SIZE, tmp_path / "x.calib", 8)


def test_a_tensorrt_without_calibrators_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"11\.0 has no calibration .*quantize --for tensorrt"):
        calibrator.create(SimpleNamespace(__version__="11.0"), None, [], SIZE, tmp_path / "x", 1)  # type: ignore[arg-type]  # no GPU is asked
