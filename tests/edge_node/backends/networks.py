"""Small ONNX networks with random weights, for tests that must hold for any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Step = tuple[str, tuple[int, ...], float]
"""An operator before the first convolution, the shape of its constant, and a factor for the constant."""

_KINDS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def save(path: Path, graph: onnx.GraphProto, **metadata: str) -> Path:
    """Write a graph as a model."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def convolution(
    path: Path,
    shape: Sequence[int | str],
    *,
    before: Sequence[Step] = (),
    kernel: tuple[int, int] = (3, 3),
    in_channels: int = 3,
    out: int = 8,
    **attributes: Any,
) -> Path:
    """A network of steps by channel and one convolution."""
    rng = np.random.default_rng(3)
    weights, nodes, name = [], [], "images"
    for number, (kind, constant_shape, factor) in enumerate(before):
        values: Any = (rng.uniform(0.5, 1.5, constant_shape) * factor).astype(np.float32)
        extra: dict[str, Any] = {}
        if kind == "Gather":
            values, extra = np.array([2, 0, 1]), {"axis": 1}
        weights.append(numpy_helper.from_array(values, f"c{number}"))
        nodes.append(helper.make_node(kind, [name, f"c{number}"], [f"t{number}"], **extra))
        name = f"t{number}"
    weight = rng.normal(0, 0.3, (out, in_channels, *kernel)).astype(np.float32)
    weights += [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.arange(out, dtype=np.float32), "b"),
    ]
    nodes.append(helper.make_node("Conv", [name, "w", "b"], ["output0"], **attributes))
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [None, out, None, None])],
        weights,
    )
    return save(path, graph)


def mean_colour(
    path: Path, shape: Sequence[int | str], dtype: str = "float32", *, last: bool = False
) -> Path:
    """A network from a picture to its means by channel ``(N, 3, 1)``, which show exactly what came in."""
    axes = [1, 2] if last else [len(shape) - 2, len(shape) - 1]
    nodes = [
        helper.make_node("Cast", ["images"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=axes, keepdims=0),
        helper.make_node("Reshape", ["m", "s"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("images", _KINDS[dtype], shape)],
        [
            helper.make_tensor_value_info(
                "output0", TensorProto.FLOAT, [shape[0] if len(shape) == 4 else 1, 3, 1]
            )
        ],
        [numpy_helper.from_array(np.array([-1, 3, 1]), "s")],
    )
    return save(path, graph)


def detector(path: Path, **metadata: str) -> Path:
    """A network of any size and batch, four classes, with the output of YOLOv8 ``(N, 8, cells)``.

    One box per 32x32 cell: the cell itself; the score of class 0 is the cell's mean brightness.
    """
    classes, rng = 4, np.random.default_rng(5)
    weights = {
        "mean": np.full((1, 3, 32, 32), 1 / (3 * 32 * 32), np.float32),
        "others": (rng.random((classes - 1, 1, 1, 1)) * 0.05).astype(np.float32),
        "side": np.float32(32),
        "half": np.float32(16),
        "shape": np.array([0, 4 + classes, -1]),
        "nothing": np.float32(0),
        "unit": np.float32(1),
        "two": np.array(2),
        "three": np.array(3),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["images", "mean"], ["bright"], strides=[32, 32]),
        make("Conv", ["bright", "others"], ["dim"]),
        # The position of a cell: how many cells are up to it, in either direction.
        make("Mul", ["bright", "nothing"], ["blank"]),
        make("Add", ["blank", "unit"], ["ones"]),
        make("CumSum", ["ones", "three"], ["column"]),
        make("CumSum", ["ones", "two"], ["row"]),
        make("Mul", ["column", "side"], ["right"]),
        make("Mul", ["row", "side"], ["bottom"]),
        make("Sub", ["right", "half"], ["x"]),
        make("Sub", ["bottom", "half"], ["y"]),
        make("Mul", ["ones", "side"], ["size"]),
        make("Concat", ["x", "y", "size", "size", "bright", "dim"], ["map"], axis=1),
        make("Reshape", ["map", "shape"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cells",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["N", 4 + classes, "cells"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return save(path, graph, **metadata)
