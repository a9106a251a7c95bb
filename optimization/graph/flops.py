"""The number of operations of one run of a network, counted over its graph.

A multiplication and an addition are two operations. Convolutions and matrix products are counted exactly,
with bias. A pooling counts one operation for every value it reads, and a function of single values one for
each. Moving, reshaping and comparing count nothing. Tools that count multiply-accumulates give half as many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from optimization.graph import graphs

_ELEMENTWISE = frozenset(
    "Add Sub Mul Div Pow Sqrt Exp Log Abs Neg Relu LeakyRelu PRelu Elu Selu Clip Sigmoid HardSigmoid "
    "HardSwish Tanh Erf Gelu Mish Softplus Softmax LogSoftmax BatchNormalization LayerNormalization "
    "Resize Upsample Min Max QuantizeLinear DequantizeLinear".split()
)
_POOLS = frozenset({"MaxPool", "AveragePool"})
_REDUCTIONS = frozenset("GlobalAveragePool GlobalMaxPool ReduceSum ReduceMean ReduceMax ReduceMin".split())
_WEIGHT_TYPES = frozenset({"float32", "float16", "float64", "int8", "uint8", "bfloat16"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One node.

    Attributes:
        name: Name of the node, or of its first output if the node has no name.
        op: Operator type.
        parameters: Number of values in its weights.
        flops: Operations in one run; None if a shape depends on the data.
        output: Shape of its first output.
    """

    name: str
    op: str
    parameters: int
    flops: int | None
    output: list[int | str]


def parameters(model: onnx.ModelProto) -> int:
    """Number of values in all weights; a constant of one number is not a weight."""
    return sum(array.size for array in _weights(model).values())


def layers(model: onnx.ModelProto, lengths: tuple[int, ...]) -> list[Layer]:
    """Count the cost of every node.

    Args:
        model: The model; it is not changed.
        lengths: Shape of the input, ``(N, 3, H, W)``.

    Raises:
        ModelError: The shapes do not fit together.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for dim, length in zip(fixed.graph.input[0].type.tensor_type.shape.dim, lengths, strict=True):
        dim.dim_value = length
    del fixed.graph.value_info[:]
    fixed = graphs.infer_shapes(fixed)
    graph = fixed.graph
    shapes = {item.name: graphs.shape(item) for item in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {item.name: list(item.dims) for item in graph.initializer}
    weights = {name: array.size for name, array in _weights(fixed).items()}
    for node in graph.node:  # a quantised or converted weight reaches its layer through these operators
        if node.op_type in {"DequantizeLinear", "QuantizeLinear", "Cast"} and node.input[0] in weights:
            weights[node.output[0]] = weights.pop(node.input[0])
    found = []
    for node in graph.node:
        own = sum(weights.get(name, 0) for name in node.input)
        output = shapes.get(node.output[0], ["?"])
        found.append(Layer(node.name or node.output[0], node.op_type, own, _flops(node, shapes), output))
    return found


def _weights(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return {
        name: array for name, array in arrays.items() if array.dtype.name in _WEIGHT_TYPES and array.size > 1
    }


def _flops(node: onnx.NodeProto, shapes: dict[str, list[int | str]]) -> int | None:
    counted = {"Conv", "ConvTranspose", "Gemm", "MatMul"} | _ELEMENTWISE | _POOLS | _REDUCTIONS
    if node.op_type not in counted:
        return 0
    made = graphs.elements(shapes.get(node.output[0], ["?"]))
    taken = graphs.elements(shapes.get(node.input[0], ["?"]))
    if made is None or taken is None:
        return None
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type in _ELEMENTWISE:
        return made
    if node.op_type in _REDUCTIONS:
        return taken
    if node.op_type in _POOLS:
        return made * int(math.prod(attributes["kernel_shape"]))
    weight = shapes.get(node.input[1], ["?"])
    if not all(isinstance(length, int) for length in weight):
        return None
    size = [int(length) for length in weight]
    bias = made if len(node.input) > 2 and node.input[2] else 0
    if node.op_type == "Conv":  # weight (out, in / groups, kernel...)
        return 2 * made * math.prod(size[1:]) + bias
    if node.op_type == "ConvTranspose":  # weight (in, out / groups, kernel...)
        return 2 * taken * math.prod(size[1:]) + bias
    inner = size[1] if attributes.get("transB") else size[-2] if len(size) > 1 else size[0]
    return 2 * made * inner + bias
