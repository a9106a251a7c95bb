"""A float network and its measured ranges become a network with 8-bit weights and activations (Q/DQ nodes).

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018; per-channel weights as in Krishnamoorthi, "Quantizing deep convolutional networks for
efficient inference", 2018. Done by `onnxruntime.quantization`.
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from optimization.graph import branches, graphs
from shared.errors import ModelError

Target = Literal["cpu", "tensorrt"]
_SELECT = frozenset({"NonMaxSuppression", "TopK"})
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that compute in 8 bits; all others only pass values on."""
_CPU = WEIGHTED | frozenset(
    "Add AveragePool Clip Concat Flatten Gather GlobalAveragePool LeakyRelu MaxPool Mul Pad Relu "
    "Reshape Resize Sigmoid Slice SpaceToDepth Split Squeeze Transpose Unsqueeze".split()
)
# TensorRT fuses a convolution with the nodes after it, and wants Q/DQ only where 8 bits begin.
_TENSORRT = WEIGHTED | {"Add", "AveragePool", "GlobalAveragePool", "MaxPool"}


def has_vnni() -> bool:
    """Whether this CPU multiplies u8 by s8 without saturating at 16 bits (x86 with VNNI, and all ARM)."""
    if platform.machine().lower() in {"aarch64", "arm64", "armv7l"}:
        return True
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return False
    return bool(flags & {"avx512_vnni", "avx_vnni"})


def convert(
    graph: onnx.ModelProto,
    ranges: dict[str, tuple[float, float]],
    target: Target,
    *,
    keep_float: Collection[str] = (),
    reduce_range: bool = False,
    per_channel: bool = True,
) -> onnx.ModelProto:
    """Insert Q/DQ nodes.

    Args:
        graph: What `graphs.pre_process` returned; it is not changed.
        ranges: Lowest and highest value by tensor.
        target: "cpu" makes activations u8 and weights s8. "tensorrt" makes both s8 and symmetric,
            leaves biases in float and writes weights as Q and DQ, which TensorRT 8 to 11 read.
        keep_float: Names of nodes that stay in float.
        reduce_range: Whether weights have 7 bits, for CPUs whose product of u8 and s8 saturates.
        per_channel: Whether each channel of a weight has a scale of its own, or the weight has one.

    Returns:
        The quantised network, with inputs and outputs in float32.

    Raises:
        ModelError: No node is left to quantise, or the graph cannot be quantised.
    """
    float_nodes = set(keep_float) | _unmeasured(graph, ranges)
    chosen = _TENSORRT if target == "tensorrt" else _CPU
    if not any(node.op_type in WEIGHTED and node.name not in float_nodes for node in graph.graph.node):
        raise ModelError("nothing to quantise: no convolution or matrix product is left in 8 bits")
    symmetric = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "AddQDQPairToWeight": True,
        "OpTypesToExcludeOutputQuantization": sorted(WEIGHTED),
    }
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    pairs = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    with graphs.quiet():
        try:
            quantizer = QDQQuantizer(
                copy,
                per_channel,
                reduce_range,
                QuantType.QInt8,
                QuantType.QInt8 if target == "tensorrt" else QuantType.QUInt8,
                TensorsData(CalibrationMethod.MinMax, pairs),
                [],
                sorted(float_nodes),
                sorted(chosen & {node.op_type for node in graph.graph.node}),
                symmetric if target == "tensorrt" else {},
            )
            quantizer.quantize_model()
            branches.sort(quantizer.model.model)
        except Exception as error:  # noqa: BLE001 - a third-party rewrite
            raise ModelError(f"the graph cannot be quantised: {graphs.reason(error)}") from None
    result: onnx.ModelProto = quantizer.model.model
    graphs.set_metadata(result, {item.key: item.value for item in graph.metadata_props})
    return result


def _unmeasured(graph: onnx.ModelProto, ranges: dict[str, tuple[float, float]]) -> set[str]:
    """Nodes with a float tensor that has no range because it was infinite on some picture."""
    types = {item.name: item.type.tensor_type.elem_type for item in graph.graph.value_info}
    floats = {name for name, kind in types.items() if kind == onnx.TensorProto.FLOAT}
    return {
        node.name
        for node in graph.graph.node
        if any(name in floats and name not in ranges for name in (*node.input, *node.output))
    }


def head_levels(graph: onnx.ModelProto, most: int = 4) -> list[list[str]]:
    """Choices of nodes to keep in float: none, then more and more nodes of the network's end.

    Boxes and scores are decoded after the last convolutions, often in one tensor whose values differ a
    thousandfold.

    Returns:
        Names of nodes by level. Level 0 has none, level 1 has the nodes after the last convolutions, level 2
        also has those convolutions, and every further level the convolutions before.
    """
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    after: dict[str, int] = {}  # largest number of weighted nodes between a node and an output
    for node in reversed(graph.graph.node):  # topological order: consumers come later
        ways = [
            after[next_.name] + (next_.op_type in WEIGHTED)
            for name in node.output
            for next_ in consumers.get(name, [])
        ]
        after[node.name] = max(ways, default=0)
    weighted = {node.name for node in graph.graph.node if node.op_type in WEIGHTED}
    inside = choosing(graph)
    levels: list[list[str]] = [[]]
    for depth in range(most):
        tail = [
            name
            for name, count in after.items()
            if count < depth or name in inside or (count == depth and name not in weighted)
        ]
        if len(weighted - set(tail)) and tail != levels[-1]:
            levels.append(tail)
    return levels


def choosing(graph: onnx.ModelProto) -> set[str]:
    """Names of the nodes that compute boxes in the middle of a network of two stages, to choose among them.

    These are all nodes between convolutions and a selection (NMS, or the boxes that RoiAlign cuts out).
    """
    makers = {name: node for node in graph.graph.node for name in node.output}
    waiting: list[str] = []
    for node in graph.graph.node:
        if node.op_type in _SELECT:
            waiting += node.input
        elif node.op_type in branches.OPERATORS:
            waiting += branches.reads(node)
        elif node.op_type == "RoiAlign":
            waiting += node.input[1:]
    found: set[str] = set()
    while waiting:
        maker = makers.get(waiting.pop())
        if maker is not None and maker.name not in found and maker.op_type not in WEIGHTED | {"RoiAlign"}:
            found.add(maker.name)
            waiting += branches.reads(maker)
    return found


def blocks(graph: onnx.ModelProto, count: int = 12) -> list[list[str]]:
    """Cut all nodes, in order, into blocks with about equally many weighted nodes.

    Returns:
        At most `count` lists of names; every list has a weighted node.
    """
    weighted = sum(node.op_type in WEIGHTED for node in graph.graph.node)
    each = max(1, -(-weighted // count))
    found: list[list[str]] = [[]]
    seen = 0
    for node in graph.graph.node:
        if node.op_type in WEIGHTED:
            if seen and seen % each == 0:
                found.append([])
            seen += 1
        found[-1].append(node.name)
    return found
