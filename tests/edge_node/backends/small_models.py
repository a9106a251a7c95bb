"""Small ONNX detectors for building engines: float, half, quantized, and one that no engine can take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Batch = int | str


def write(path: Path, kind: str = "fp32", *, batch: Batch = "N", size: int | str = 64) -> Path:
    """A convolution, an activation and an output ``(N, 6, cells)``: four box values and two classes.

    Args:
        path: Of the file.
        kind: "fp32", "fp16", "qdq" or "unknown" (an operator that does not exist).
        batch: Pictures; a name leaves it open.
        size: Of the input, pixels; a name leaves it open.
    """
    rng = np.random.default_rng(3)
    real: Any = np.float16 if kind == "fp16" else np.float32
    tensors = [
        numpy_helper.from_array(rng.normal(0, 0.2, (6, 3, 3, 3)).astype(real), "weight"),
        numpy_helper.from_array(np.zeros(6, real), "bias"),
        numpy_helper.from_array(np.array([0, 6, -1]), "shape"),
    ]
    nodes, picture, weight = [], "images", "weight"
    if kind == "qdq":
        tensors += [
            numpy_helper.from_array(np.array(1 / 127, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
        ]
        for name in ("images", "weight"):
            nodes += [
                helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}_q"]),
                helper.make_node("DequantizeLinear", [f"{name}_q", "scale", "zero"], [f"{name}_dq"]),
            ]
        picture, weight = "images_dq", "weight_dq"
    nodes.append(
        helper.make_node(
            "Conv",
            [picture, weight, "bias"],
            ["conv"],
            kernel_shape=[3, 3],
            strides=[8, 8],
            pads=[1, 1, 1, 1],
        )
    )
    if kind == "unknown":
        nodes.append(helper.make_node("Detectify", ["conv"], ["found"], name="last", domain="acme"))
    else:
        nodes.append(helper.make_node("Sigmoid", ["conv"], ["found"]))
    nodes.append(helper.make_node("Reshape", ["found", "shape"], ["output0"]))
    elem = TensorProto.FLOAT16 if kind == "fp16" else TensorProto.FLOAT
    height, width = (size, size) if isinstance(size, int) else (f"{size}_high", f"{size}_wide")
    cells = (size // 8) ** 2 if isinstance(size, int) else "cells"
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", elem, [batch, 3, height, width])],
        [helper.make_tensor_value_info("output0", elem, [batch, 6, cells])],
        tensors,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, {"names": '{"0": "cat", "1": "dog"}'})
    onnx.save(model, path)
    return path
