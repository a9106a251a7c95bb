"""A graph in PyTorch says what ONNX Runtime says, and is written back as it was."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_node.assets.models import DEFAULT, find_model
from shared.errors import ModelError

torch = pytest.importorskip("torch", reason="the extra train is not installed")

from optimization.graph import graphs  # noqa: E402 - after the skip
from optimization.training.network.interpreter import Network  # noqa: E402

torch.set_num_threads(1)  # more fight for the cores with the tests beside


@pytest.fixture(scope="module")
def built_in() -> onnx.ModelProto:
    return graphs.load(find_model(DEFAULT))


@pytest.mark.parametrize("shape", [(1, 256, 256), (2, 192, 256)])
def test_the_built_in_model_says_the_same_in_pytorch(
    built_in: onnx.ModelProto, shape: tuple[int, int, int]
) -> None:
    batch, height, width = shape
    images = np.random.default_rng(0).random((batch, 3, height, width), np.float32)
    expected = graphs.session(built_in, 1).run(None, {"images": images})[0]
    with torch.no_grad():
        said = Network(built_in)(torch.from_numpy(images))[0].numpy()
    assert np.abs(said[:, :4] - expected[:, :4]).max() < 1e-3  # pixels
    assert np.abs(said[:, 4:] - expected[:, 4:]).max() < 1e-5  # scores


def test_a_graph_exported_for_one_picture_takes_a_batch() -> None:
    reshape = helper.make_node("Reshape", ["images", "shape"], ["rows"])
    shape = numpy_helper.from_array(np.array([1, 3, -1], np.int64), "shape")
    sides = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 4]),
        helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1, 3, 16]),
    ]
    graph = helper.make_graph([reshape], "one", sides[:1], sides[1:], [shape])
    images = torch.arange(2 * 48, dtype=torch.float32).reshape(2, 3, 4, 4)
    said = Network(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))(images)[0]
    assert torch.equal(said, images.reshape(2, 3, 16))


def test_a_network_that_learnt_nothing_is_the_same_file(built_in: onnx.ModelProto) -> None:
    assert Network(built_in).onnx().SerializeToString() == built_in.SerializeToString()


def test_what_was_learnt_is_in_the_new_file_and_nothing_else_is_changed(built_in: onnx.ModelProto) -> None:
    network = Network(built_in)
    name = _half(built_in)
    made = network.onnx({**network.weights, name: network.weights[name] + 1})
    changed = [
        new.name
        for new, old in zip(made.graph.initializer, built_in.graph.initializer, strict=True)
        if new.SerializeToString() != old.SerializeToString()
    ]
    assert changed == [name]
    stored = next(item for item in built_in.graph.initializer if item.name == name)
    again = next(item for item in made.graph.initializer if item.name == name)
    assert again.data_type == stored.data_type == TensorProto.FLOAT16
    again.CopyFrom(stored)
    assert made.SerializeToString() == built_in.SerializeToString()


def test_tables_for_decoding_and_scaling_are_not_learnt(built_in: onnx.ModelProto) -> None:
    assert not [name for name in Network(built_in).weights if "proj" in name or "norm" in name]


def test_a_weight_that_outgrows_its_16_bits_is_refused(built_in: onnx.ModelProto) -> None:
    network = Network(built_in)
    name = _half(built_in)
    with pytest.raises(ModelError, match="infinite"):
        network.onnx({**network.weights, name: network.weights[name] + 1e6})


@pytest.mark.parametrize(
    ("operator", "says"),
    [("NonMaxSuppression", "NonMaxSuppression, which training does not know"), ("QLinearConv", "quantised")],
)
def test_another_graph_is_refused_in_a_sentence(operator: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Network(_small(helper.make_node(operator, ["x"], ["y"])))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2]),
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 1, 2, 1]),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Slice", ["x", "begin", "end", "axes", "back"], ["y"]),
        helper.make_node("HardSigmoid", ["x"], ["y"], alpha=0.16),
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3]),
        helper.make_node("Transpose", ["x"], ["y"]),
        helper.make_node("Split", ["x"], ["y", "z"], axis=0),
        helper.make_node("Pad", ["x", "pads"], ["y"]),
        helper.make_node(
            "Resize", ["x", "", "scales"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel"
        ),
        helper.make_node(
            "Resize",
            ["x", "", "scales"],
            ["y"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ],
    ids=lambda node: f"{node.op_type}-{len(node.attribute)}",
)
def test_an_operator_does_what_onnx_runtime_does(node: onnx.NodeProto) -> None:
    model = _small(node)
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 11), np.float32)
    expected = graphs.session(model, 1).run(None, {"x": x})[0]
    with torch.no_grad():
        said = Network(model)(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(said, expected, atol=1e-5)


def _half(model: onnx.ModelProto) -> str:
    """The name of a weight that is stored with 16 bits."""
    names = [item.name for item in model.graph.initializer if item.data_type == TensorProto.FLOAT16]
    return str(names[0])


def _small(node: onnx.NodeProto) -> onnx.ModelProto:
    """A graph of one operator over ``x``, ``(2, 3, 8, 11)``."""
    constants = {
        "w": np.random.default_rng(2).standard_normal((4, 3, 3, 3)).astype(np.float32),
        "begin": np.array([-1]),
        "end": np.array([-100]),
        "axes": np.array([3]),
        "back": np.array([-2]),
        "pads": np.array([0, 0, 1, 2, 0, 0, 3, 0]),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 8, 11])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in node.input],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_a_model_below_opset_11_is_told_to_be_exported_anew() -> None:
    model = _small(helper.make_node("Relu", ["x"], ["y"]))
    model.opset_import[0].version = 9
    with pytest.raises(ModelError, match="opset 9"):
        Network(model)
