"""Graphs with graphs inside, as two-stage detectors have them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimization.graph import branches, fp16, graphs, qdq
from shared.errors import ModelError


def with_branch() -> onnx.ModelProto:
    """Boxes from a convolution, half of them chosen by a branch that reads them from around it."""
    value = helper.make_tensor_value_info
    then = helper.make_graph(
        [
            helper.make_node("Mul", ["boxes", "two"], ["doubled"], name="inside"),
            helper.make_node("ReduceMax", ["doubled"], ["most"], name="most", keepdims=0),
        ],
        "then",
        [],
        [value("most", TensorProto.FLOAT, [])],
    )
    otherwise = helper.make_graph(
        [helper.make_node("ReduceMax", ["boxes"], ["plain"], name="plain", keepdims=0)],
        "otherwise",
        [],
        [value("plain", TensorProto.FLOAT, [])],
    )
    weight = np.random.default_rng(1).normal(size=(4, 3, 1, 1)).astype(np.float32)
    arrays = {"w": weight, "two": np.array(2, np.float32), "zero": np.array(0, np.float32)}
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["first"], name="first"),
        helper.make_node("Relu", ["first"], ["boxes"], name="boxes"),
        helper.make_node("ReduceMax", ["boxes"], ["largest"], name="largest", keepdims=0),
        helper.make_node("Greater", ["largest", "zero"], ["some"], name="some"),
        helper.make_node("If", ["some"], ["score"], name="if", then_branch=then, else_branch=otherwise),
    ]
    graph = helper.make_graph(
        nodes,
        "branch",
        [value("images", TensorProto.FLOAT, [1, 3, 4, 4])],
        [value("score", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def test_what_a_branch_reads_from_around_it_counts_as_read() -> None:
    model = with_branch()
    choice = model.graph.node[-1]
    assert branches.captured(choice) == {"boxes", "two"}
    assert branches.reads(choice) == {"boxes", "two", "some"}
    assert "Mul" in branches.operators(model.graph)
    assert qdq.choosing(model) == {"boxes", "largest", "some"}, "up to the convolution"


def test_nodes_are_sorted_after_what_only_a_branch_reads() -> None:
    model = with_branch()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    branches.sort(model)
    onnx.checker.check_model(model)
    order = [node.name for node in model.graph.node]
    assert order.index("boxes") < order.index("if")
    model.graph.node[0].input[0] = "score"
    with pytest.raises(ModelError, match="goes round in a circle"):
        branches.sort(model)


@pytest.mark.parametrize("kept", [[], ["boxes", "largest", "some"]], ids=["all of it", "boxes in float"])
def test_half_precision_around_a_branch_gives_the_same(kept: list[str]) -> None:
    model = with_branch()
    half = fp16.convert(model, kept, [], half_io=False)
    types = {item.data_type for item in half.graph.initializer}
    assert TensorProto.FLOAT16 in types
    picture = np.random.default_rng(2).random((1, 3, 4, 4), np.float32)
    (expected,), (found,) = (graphs.runner(one)(picture) for one in (model, half))
    assert float(expected) > 0.1
    assert float(found) == pytest.approx(float(expected), rel=5e-3)
