"""Engines built by each TensorRT that is here: without a GPU only that for RTX, which is like TensorRT 11."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.interface import Tensor
from edge_node.backends.tensorrt.build import build
from edge_node.backends.tensorrt.cache import save
from edge_node.backends.tensorrt.description import in_order, read
from shared.errors import ModelError
from tests.edge_node.backends.small_models import write
from tests.edge_node.backends.tensorrt.conftest import FOR_AMPERE, WITH_RTX, Real, rtx


def engine_of(blob: bytes) -> Any:
    """The deserialised engine; None if this machine has no driver."""
    runtime = rtx.Runtime(rtx.Logger(rtx.Logger.ERROR))
    return runtime.deserialize_cuda_engine(blob)


@pytest.mark.parametrize("kind", ["fp32", "fp16", "qdq"])
def test_engines_of_every_precision_are_built(real: Real, tmp_path: Path, kind: str) -> None:
    built = build(real.trt, write(tmp_path / "model.onnx", kind), real.options)
    assert len(built.engine) > 1000
    own = {"qdq": "int8", "fp32": "fp16" if real.weak else "fp32"}
    assert built.description["precision"] == own.get(kind, kind)
    assert built.description["profiles"] == [
        [[batch, 3, 64, 64] for batch in batches] for batches in real.options.profiles
    ]


def test_the_built_in_model_is_built_for_every_aspect_and_any_batch(real: Real) -> None:
    options = replace(real.options, workspace_mb=1024)
    built = build(real.trt, BUILT_IN / "nanodet_g.onnx", options)
    assert built.description["profiles"] == [
        [[1, 3, 32, 32], [1, 3, 288, 512], [1, 3, 512, 512]],
        [[1, 3, 32, 32], [8, 3, 288, 512], [16, 3, 512, 512]],
    ]


@pytest.mark.parametrize(
    ("model", "options", "shapes"),
    [
        pytest.param(
            {"batch": 4}, {}, [[[4, 3, 64, 64]] * 3], id="a fixed batch leaves the profiles no choice"
        ),
        pytest.param(
            {"size": "side"},
            {"sizes": ((96, 160),) * 3, "profiles": ((1, 2, 4),)},
            [[[1, 3, 96, 160], [2, 3, 96, 160], [4, 3, 96, 160]]],
            id="an open size is set",
        ),
        pytest.param(
            {"size": "side"},
            {"sizes": ((64, 64), (96, 160), (160, 160)), "profiles": ((1, 1, 1),)},
            [[[1, 3, 64, 64], [1, 3, 96, 160], [1, 3, 160, 160]]],
            id="a range of sizes",
        ),
        pytest.param(
            {"size": "side"},
            {"profiles": ((1, 1, 1),)},
            [[[1, 3, 32, 32], [1, 3, 384, 640], [1, 3, 640, 640]]],
            id="an open size that nobody names is 640 and any aspect",
        ),
        pytest.param(
            {"size": "side"},
            {"profiles": ((1, 1, 1),), "side": 300, "square": True},
            [[[1, 3, 320, 320]] * 3],
            id="a square of the configured side",
        ),
        pytest.param({}, {"side": 320, "profiles": ((1, 1, 1),)}, [[[1, 3, 64, 64]] * 3], id="a fixed size"),
    ],
)
def test_shapes_that_are_open_are_set(
    real: Real, tmp_path: Path, model: dict[str, Any], options: dict[str, Any], shapes: list[Any]
) -> None:
    built = build(real.trt, write(tmp_path / "model.onnx", **model), replace(real.options, **options))
    assert built.description["profiles"] == shapes


@WITH_RTX
@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        pytest.param(
            {"kind": "fp16"}, {"precision": "fp32"}, ["is fp16", "was made from"], id="float of a half model"
        ),
        pytest.param(
            {"kind": "qdq"}, {"precision": "fp16"}, ["is int8", "was made from"], id="half of an INT8 model"
        ),
        pytest.param({"kind": "unknown"}, {}, ["Detectify"], id="unknown operator"),
        pytest.param({}, {"sizes": ((32, 32),) * 3}, ["64x64", "32x32"], id="another size than the model's"),
        pytest.param({}, {"precision": "fp16"}, ["fp32", "fp16 --model"], id="half of a float model"),
        pytest.param(
            {},
            {"precision": "int8"},
            ["not quantized", "--for tensorrt --images"],
            id="INT8 of a float model",
        ),
        pytest.param({}, {"capability": (5, 0)}, ["SM50"], id="a GPU it does not know"),
        pytest.param({}, {"dla": 0}, ["no DLA core 0"], id="no accelerator"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(
    tmp_path: Path, model: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    path = write(tmp_path / "model.onnx", **model)
    with pytest.raises(ModelError) as caught:
        build(rtx, path, replace(FOR_AMPERE, **options))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_refused(real: Real, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        build(real.trt, path, real.options)


def test_the_names_of_the_classes_come_along(real: Real, tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    path = tmp_path / "model.engine"
    built = build(real.trt, model, real.options)
    save(path, built)
    found = read(path)
    assert found.blob == built.engine
    assert json.loads(found.metadata["names"]) == {"0": "cat", "1": "dog"}


def test_metadata_before_the_engine_is_read(tmp_path: Path) -> None:
    text = json.dumps({"names": {"0": "cat"}, "stride": 32}).encode()
    path = tmp_path / "model.engine"
    path.write_bytes(len(text).to_bytes(4, "little") + text + b"engine")
    found = read(path)
    assert found.blob == b"engine"
    assert found.metadata == {"names": '{"0": "cat"}', "stride": "32"}


class WithoutBuilder:
    """TensorRT whose builder may not start."""

    def __getattr__(self, name: str) -> Any:
        assert name != "Builder", "the builder was started"
        return getattr(rtx, name)


@WITH_RTX
@pytest.mark.parametrize(
    "options", [{"sizes": ((32, 32),) * 3}, {"precision": "int8"}, {"capability": (5, 0)}], ids=str
)
def test_wrong_options_are_refused_before_the_builder_starts(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        build(WithoutBuilder(), write(tmp_path / "model.onnx"), replace(FOR_AMPERE, **options))


def test_outputs_have_the_order_of_the_onnx_file(real: Real, tmp_path: Path) -> None:
    """TensorRT 8.6 has an order of its own."""
    model, path = write(tmp_path / "model.onnx"), tmp_path / "model.engine"
    save(path, build(real.trt, model, real.options))
    assert list(read(path).outputs) == [one.name for one in onnx.load(model).graph.output]
    own = [Tensor(name, (1, 8)) for name in ("c0", "d0", "c1", "d1")]
    assert [one.name for one in in_order(own, ["c0", "c1", "d0", "d1"])] == ["c0", "c1", "d0", "d1"]
    assert in_order(own, ["c0", "c1"]) == in_order(own, []) == tuple(own)


def test_an_engine_of_another_tool_has_the_order_of_the_onnx_file_beside_it(tmp_path: Path) -> None:
    model = write(tmp_path / "model.onnx")
    (tmp_path / "model.engine").write_bytes(b"engine")
    found = read(tmp_path / "model.engine")
    assert list(found.outputs) == [one.name for one in onnx.load(model).graph.output]
    assert json.loads(found.metadata["names"]) == {"0": "cat", "1": "dog"}
