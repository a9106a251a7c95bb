"""An engine is compared with its ONNX file on pictures; other ONNX files stand for TensorRT's engines."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_node.assets.models import BUILT_IN
from edge_node.backends.interface import Backend, OutOfMemory
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.tensorrt import backend as tensorrt
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.check import LEAST, compared
from shared.errors import ModelError

MODEL = BUILT_IN / "nanodet_g.onnx"
SETTINGS = ModelSettings(name="nanodet_g", providers=("cpu",))


def changed(path: Path, noise: float) -> Path:
    """The built-in model with noise in its weights, relative to their spread."""
    model = onnx.load(str(MODEL))
    random = np.random.default_rng(1)
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim == 4:
            spread = noise * values.std()
            worse = (values + random.normal(0, spread, values.shape)).astype(np.float32)
            weights.CopyFrom(numpy_helper.from_array(worse, weights.name))
    onnx.save(model, str(path))
    return path


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loads an "engine" as the ONNX file that it is."""
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))  # without the sample video

    def load(path: Path, settings: ModelSettings, _index: int, *, graphs: bool) -> Backend:
        assert not graphs
        if not path.exists():
            raise ModelError(f"model {path}: no GPU 0")
        return OnnxBackend(path, settings)

    monkeypatch.setattr(tensorrt, "TensorrtBackend", load)


def test_an_engine_as_precise_as_half_precision_is_good(tmp_path: Path) -> None:
    verdict = compared(SETTINGS, 0, MODEL, changed(tmp_path / "engine.onnx", 0.002))
    assert verdict.good, verdict
    count = int(verdict.text.split(" of ")[1].split()[0])
    assert count >= 8  # each of four drawn signs and clocks, from both sides


def test_a_ruined_engine_is_bad_and_the_figures_say_so(tmp_path: Path) -> None:
    verdict = compared(SETTINGS, 0, MODEL, changed(tmp_path / "engine.onnx", 0.8))
    assert verdict.good is False
    assert f"must be {LEAST}" in verdict.text


def test_an_engine_whose_outputs_are_no_detections_is_bad(tmp_path: Path) -> None:
    verdict = compared(SETTINGS, 0, MODEL, changed(tmp_path / "engine.onnx", float("nan")))
    assert verdict.good is False
    assert "no numbers" in verdict.text


def test_a_model_that_finds_nothing_is_not_checked() -> None:
    verdict = compared(SETTINGS, 0, MODEL, MODEL, [np.zeros((360, 640, 3), np.uint8)])
    assert verdict.good is None
    assert str(verdict) == "not checked: the model finds nothing in 1 picture"


def test_an_engine_that_cannot_be_loaded_here_is_not_checked(tmp_path: Path) -> None:
    verdict = compared(SETTINGS, 0, MODEL, tmp_path / "missing.engine")
    assert verdict.good is None
    assert "no GPU 0" in verdict.text


def test_a_lack_of_memory_says_nothing_about_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(OnnxBackend):
        def submit(self, *_: object) -> NoReturn:
            raise OutOfMemory("the GPU is full")

    monkeypatch.setattr(
        tensorrt,
        "TensorrtBackend",
        lambda path, settings, _index, graphs: Full(path, settings),  # noqa: ARG005 - as it is called
    )
    verdict = compared(SETTINGS, 0, MODEL, MODEL)
    assert verdict == Verdict(None, "the GPU is full", again=True)
