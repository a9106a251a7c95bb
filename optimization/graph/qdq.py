"""A float network and its ranges to one with 8-bit weights and activations, as Q/DQ nodes.

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

from optimization.graph import graphs
from shared.errors import ModelError

Target = Literal["cpu", "tensorrt"]
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose work is done in 8 bits; all others only pass values on."""
_CPU = WEIGHTED | frozenset(
    "Add AveragePool Clip Concat Flatten Gather GlobalAveragePool LeakyRelu MaxPool Mul Pad Relu "
    "Reshape Resize Sigmoid Slice SpaceToDepth Split Squeeze Transpose Unsqueeze".split()
)
# TensorRT fuses what follows a convolution into it and wants Q/DQ only where 8 bits begin.
_TENSORRT = WEIGHTED | {"Add", "AveragePool", "GlobalAveragePool", "MaxPool"}


def has_vnni() -> bool:
    """Whether this CPU multiplies u8 by s8 into 32 bits without saturating at 16 (VNNI; any ARM does)."""
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
) -> onnx.ModelProto:
    """Insert Q/DQ nodes.

    Args:
        graph: As `graphs.pre_process` leaves it; not changed.
        ranges: Lowest and highest value by tensor.
        target: "cpu": u8 activations, s8 weights per channel. "tensorrt": s8 and symmetric both, biases in
            float and weights as Q and DQ, as TensorRT 8 to 11 read them.
        keep_float: Names of nodes left as they are.
        reduce_range: 7-bit weights, for CPUs whose u8 x s8 saturates.

    Returns:
        The network, inputs and outputs in float32.

    Raises:
        ModelError: Nothing is left to quantise, or the graph cannot be.
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
                True,  # per channel
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
            quantizer.model.topological_sort()
        except Exception as error:  # noqa: BLE001 - a third-party rewrite
            raise ModelError(f"the graph cannot be quantised: {graphs.first_line(error)}") from None
    result: onnx.ModelProto = quantizer.model.model
    graphs.set_metadata(result, {item.key: item.value for item in graph.metadata_props})
    return result


def _unmeasured(graph: onnx.ModelProto, ranges: dict[str, tuple[float, float]]) -> set[str]:
    """Nodes that touch a float tensor without a range: one that was infinite."""
    types = {item.name: item.type.tensor_type.elem_type for item in graph.graph.value_info}
    floats = {name for name, kind in types.items() if kind == onnx.TensorProto.FLOAT}
    return {
        node.name
        for node in graph.graph.node
        if any(name in floats and name not in ranges for name in (*node.input, *node.output))
    }


def head_levels(graph: onnx.ModelProto, most: int = 4) -> list[list[str]]:
    """Which nodes to keep in float, from nothing upwards.

    Returns:
        Names of nodes by level: none; what comes after the last convolutions (boxes and scores are decoded
        there, often in one tensor whose values differ a thousandfold); also those convolutions; then the
        convolutions before them, one more with every level.
    """
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    after: dict[str, int] = {}  # most weighted nodes on a way from a node to an output
    for node in reversed(graph.graph.node):  # topological order: consumers come later
        ways = [
            after[next_.name] + (next_.op_type in WEIGHTED)
            for name in node.output
            for next_ in consumers.get(name, [])
        ]
        after[node.name] = max(ways, default=0)
    weighted = {node.name for node in graph.graph.node if node.op_type in WEIGHTED}
    levels: list[list[str]] = [[]]
    for depth in range(most):
        tail = [
            name
            for name, count in after.items()
            if count < depth or (count == depth and name not in weighted)
        ]
        if len(weighted - set(tail)) and tail != levels[-1]:
            levels.append(tail)
    return levels


def blocks(graph: onnx.ModelProto, count: int = 12) -> list[list[str]]:
    """All nodes in order, cut into blocks with about as many weighted nodes in each.

    Returns:
        Names of nodes, at most `count` lists, none without a weighted node.
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
