"""Which layers stay in float, in networks that TensorRT's own parser has made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_node.backends.tensorrt.build import BuildOptions, build
from edge_node.backends.tensorrt.calibration import Calibration, chosen, keep_float
from edge_node.backends.tensorrt.precision import set_precision
from shared.errors import ModelError
from tests.edge_node.backends.small_models import write

trt: Any = pytest.importorskip(
    "tensorrt_rtx_bindings", reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)"
)
DECODING = {"scores", "boxes", "scaled", "joined"}
LAST = {"conv_boxes", "conv_scores", "relu"}


def two_heads(path: Path) -> Path:
    """Three convolutions; the two last ones lead to scores and boxes, which are joined behind them."""
    rng = np.random.default_rng(1)
    weights = {
        name: numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name)
        for name, shape in {"w0": (4, 3, 3, 3), "w1": (4, 4, 1, 1), "w2": (2, 4, 1, 1), "size": (1,)}.items()
    }
    nodes = [
        helper.make_node("Conv", ["images", "w0"], ["c0"], name="conv_first", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu"),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], name="conv_boxes", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["r0", "w2"], ["c2"], name="conv_scores", kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["c2"], ["s"], name="scores"),
        helper.make_node("Exp", ["c1"], ["e"], name="boxes"),
        helper.make_node("Mul", ["e", "size"], ["m"], name="scaled"),
        helper.make_node("Concat", ["m", "s"], ["output0"], name="joined", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 6, 6])],
        list(weights.values()),
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def parsed(tmp_path: Path) -> Any:
    """A parsed network, and what keeps it alive."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(two_heads(tmp_path / "two.onnx")))
    return SimpleNamespace(network=network, alive=(logger, builder, parser))


def nodes(layers: list[Any]) -> set[str]:
    """Names of the layers that stand for a node; the others are constants and shapes around them."""
    return {layer.name for layer in layers} & (DECODING | LAST | {"conv_first"})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", set()),
        ("decoding", DECODING),
        ("last", DECODING | LAST),
        ("scaled, conv_boxes", {"scaled", "conv_boxes"}),
    ],
)
def test_the_end_of_the_network_is_chosen_as_quantize_chooses_it(
    parsed: Any, choice: str, expected: set[str]
) -> None:
    assert nodes(chosen(parsed.network, choice)) == expected


def test_a_node_that_does_not_exist_is_named(parsed: Any) -> None:
    with pytest.raises(ModelError, match=r"--keep-float decode: .*inspect --nodes"):
        chosen(parsed.network, "decode")


class Layer:
    """A layer as 8.6 and 10 have it: with a precision and output types that can be set."""

    def __init__(self, real: Any) -> None:
        self._real, self.precision, self.types = real, None, dict[int, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def set_output_type(self, index: int, kind: Any) -> None:
        self.types[index] = kind


class Weak:
    """What 8.6 and 10 have and TensorRT for RTX lacks."""

    BuilderFlag = SimpleNamespace(FP16="fp16", INT8="int8", PREFER_PRECISION_CONSTRAINTS="prefer")
    IInt8EntropyCalibrator2 = object

    def __getattr__(self, name: str) -> Any:
        return getattr(trt, name)


class Recorded:
    """A network whose layers can be told their precision, and a configuration that keeps its flags."""

    def __init__(self, network: Any) -> None:
        self._real = network
        self.layers = [Layer(network.get_layer(index)) for index in range(network.num_layers)]
        self.flags: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_layer(self, index: int) -> Layer:
        return self.layers[index]

    def set_flag(self, flag: str) -> None:
        self.flags.append(flag)


@pytest.mark.parametrize(
    ("dla", "decoding"), [(False, trt.float32), (True, trt.float16)], ids=["on the GPU", "on a DLA"]
)
def test_decoding_gets_single_precision_and_convolutions_half(parsed: Any, dla: bool, decoding: Any) -> None:
    told = Recorded(parsed.network)
    kept = keep_float(Weak(), told, told, "last", dla=dla)
    given = {layer.name: layer.precision for layer in told.layers if layer.precision is not None}
    assert kept == len(given)
    assert {name: given[name] for name in DECODING} == dict.fromkeys(DECODING, decoding)
    assert given["conv_boxes"] == given["conv_scores"] == trt.float16
    assert "conv_first" not in given
    assert all(layer.types == {0: layer.precision} for layer in told.layers if layer.precision)
    assert not [layer for layer in told.layers if layer.type == trt.LayerType.CONSTANT and layer.precision]
    assert told.flags == ["prefer"]


def test_nothing_kept_asks_for_nothing(parsed: Any) -> None:
    told = Recorded(parsed.network)
    assert keep_float(Weak(), told, told, "none", dla=False) == 0
    assert told.flags == []


def test_a_calibrator_means_int8_unless_something_else_is_said(parsed: Any) -> None:
    told = Recorded(parsed.network)
    model = Path("two.onnx")
    found = set_precision(Weak(), told, told, "auto", weak=True, calibrated=True, model=model)
    assert (found, told.flags) == ("int8", ["int8", "fp16"])


class WithoutBuilder:
    """TensorRT whose builder may not start."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        assert name != "Builder", "the builder was started"
        return getattr(self._real, name)


@pytest.mark.parametrize(
    ("real", "kind", "words"),
    [
        pytest.param(
            trt, "fp32", "takes precisions from the model.*optimize quantize --for tensorrt", id="too new"
        ),
        pytest.param(Weak(), "qdq", "is quantized already.*without --calibrate", id="quantized"),
    ],
)
def test_calibration_that_cannot_be_is_refused_before_the_builder_starts(
    tmp_path: Path, real: Any, kind: str, words: str
) -> None:
    model = write(tmp_path / "model.onnx", kind)
    with pytest.raises(ModelError, match=words):
        build(WithoutBuilder(real), model, BuildOptions(), calibration=Calibration(lambda _: None))
