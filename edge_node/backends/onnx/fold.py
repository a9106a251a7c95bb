"""A picture's bytes as the network's input: scale, shift and colour order move into the first convolution.

In memory, an interleaved picture ``(height, width, channels)`` is one plane ``(height, width * channels)``. A
convolution over the picture's planes with kernel ``(kh, kw)`` and stride ``(sh, sw)`` equals a convolution
over that one plane with kernel ``(kh, kw * channels)`` and stride ``(sh, sw * channels)``, if its weights are
interleaved like the pixels. Scale and colour order go into the weights. The shift cannot go into the bias,
because the padding around the picture is not shifted. It becomes the weight of a fourth channel, which is 255
in the picture and 0 in the padding. The result is the same up to rounding; what remains of the preparation is
one cast of bytes to floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_node.backends.onnx.file import FLOAT, UINT8, Node, constant, read_model, values
from edge_node.backends.preprocess import InputFormat

_CAST = b"darner_picture"
_WEIGHT, _STEP, _WEIGHT_STEP = b"darner_first_weight", b"darner_step", b"darner_weight_step"
MAX_BYTES = 500_000_000
"""Larger files are not folded: reading one again would take longer than folding saves."""


class FoldError(Exception):
    """The network does not begin with a convolution that can be folded; the text says why."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A model whose picture input is u8 ``(N, 1, height, width * channels)``, BGR or BGR and 255.

    Attributes:
        model: The file's bytes.
        channels: 3 or 4.
    """

    model: bytes
    channels: Literal[3, 4]


@dataclass(slots=True)
class _Affine:
    """What the first convolution gets for a BGR pixel: ``pixel[order] * scale + offset``."""

    order: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]


def fold_input(path: Path, picture: str, target: InputFormat) -> Folded:
    """Make a model take the picture's bytes.

    Args:
        path: An ONNX file with a float32 picture input ``(N, 3, height, width)``.
        picture: That input's name.
        target: What the network expects in that input.

    Raises:
        FoldError: The model cannot be changed.
    """
    if path.stat().st_size > MAX_BYTES:
        raise FoldError(f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        model = read_model(path)
    except ValueError as error:
        raise FoldError(str(error)) from None
    graph = model.graph
    if any(tensor.data_location for tensor in graph.initializer):
        raise FoldError("its weights lie in another file")
    order = np.array([2, 1, 0] if target.rgb else [0, 1, 2])
    pixel = _Affine(order, np.array(target.scale, np.float64), np.array(target.offset, np.float64))
    chain, first = _walk(graph, picture.encode(), pixel)
    channels: Literal[3, 4] = 3
    if first.op_type == b"Conv":
        channels = _replace_weights(graph, first, pixel)
        _cast(graph, picture.encode(), first)
    else:
        chain += _quantized(graph, picture.encode(), first, pixel)
    for node in chain:
        graph.node.remove(node)
    _take_bytes(graph, picture.encode(), channels)
    return Folded(model.SerializeToString(), channels)


def _walk(graph: Any, name: bytes, pixel: _Affine) -> tuple[list[Any], Any]:
    """The nodes before the first convolution or quantisation, and that node; `pixel` gets their effect."""
    chain: list[Any] = []
    while True:
        node = _only_reader(graph, name)
        if node.op_type in (b"Conv", b"QuantizeLinear") and node.input[0] == name:
            return chain, node
        _put_into(pixel, graph, node, name)
        chain.append(node)
        name = node.output[0]


def _only_reader(graph: Any, name: bytes) -> Any:
    readers = [node for node in graph.node if name in node.input]
    inner = any(
        name in a.g or any(name in g for g in a.graphs) for node in graph.node for a in node.attribute
    )
    if len(readers) != 1 or inner or any(output.name == name for output in graph.output):
        raise FoldError(f"the picture is read by {len(readers)} nodes before the first convolution")
    return readers[0]


def _put_into(pixel: _Affine, graph: Any, node: Any, name: bytes) -> None:
    """Add the effect of a node that works by channel to `pixel`."""
    kind = node.op_type.decode(errors="replace")
    first = len(node.input) == 2 and node.input[0] == name
    operand = _resolve(graph, node.input[1 if first else 0]) if len(node.input) == 2 else None
    if operand is None:
        raise FoldError(f"the network begins with {kind}")
    if kind == "Gather" and first and _attributes(node).get(b"axis") == 1 and operand.shape == (3,):
        index = operand.astype(np.int64)
        pixel.order, pixel.scale, pixel.offset = pixel.order[index], pixel.scale[index], pixel.offset[index]
        return
    if kind not in ("Mul", "Add", "Sub", "Div") or not (first or kind in ("Mul", "Add")):
        raise FoldError(f"the network begins with {kind}")
    if operand.size == 1:
        operand = operand.reshape(1)
    elif operand.shape in ((1, 3, 1, 1), (3, 1, 1)):
        operand = operand.reshape(3)
    else:
        raise FoldError(f"the network begins with {kind} by {operand.shape}")
    by = operand.astype(np.float64)
    if kind in ("Mul", "Div"):
        by = by if kind == "Mul" else 1 / by
        pixel.scale, pixel.offset = pixel.scale * by, pixel.offset * by
    else:
        pixel.offset = pixel.offset + (by if kind == "Add" else -by)


def _replace_weights(graph: Any, node: Any, pixel: _Affine) -> Literal[3, 4]:
    """Give the convolution weights for interleaved bytes; return how many channels the bytes must have."""
    weight = _resolve(graph, node.input[1])
    if weight is None or weight.ndim != 4 or weight.shape[1] != 3 or weight.dtype != np.float32:
        raise FoldError("the first convolution's weights are not constant floats over three channels")
    channels: Literal[3, 4] = 4 if pixel.offset.any() else 3
    count, _, height, width = weight.shape
    interleaved = np.zeros((count, height, width, channels))
    for into, (source, scale) in enumerate(zip(pixel.order, pixel.scale, strict=True)):
        interleaved[..., source] += weight[:, into] * scale
    if channels == 4:
        interleaved[..., 3] = np.einsum("ochw,c->ohw", weight.astype(np.float64), pixel.offset) / 255
    kernel = interleaved.reshape(count, 1, height, width * channels).astype(np.float32)
    graph.initializer.append(constant(_WEIGHT, kernel))
    node.input[1] = _WEIGHT
    _stretch(node, height, width, channels)
    return channels


def _quantized(graph: Any, name: bytes, quantize: Any, pixel: _Affine) -> list[Any]:
    """Do the same for a network that quantises the picture first; return the nodes that it no longer needs.

    The scale goes into two quantisation steps in opposite ways: that of the picture and that of the weights.
    So the quantised numbers do not change; the weights only get another order.
    """
    dequantize = _only_reader(graph, quantize.output[0])
    convolution = _only_reader(graph, dequantize.output[0])
    if (dequantize.op_type, convolution.op_type) != (b"DequantizeLinear", b"Conv"):
        raise FoldError("the quantised picture does not go to a convolution")
    step, zero = (_resolve(graph, item) for item in quantize.input[1:3])
    of_weights = next((node for node in graph.node if convolution.input[1] in node.output), None)
    if of_weights is None or of_weights.op_type != b"DequantizeLinear":
        raise FoldError("the first convolution's weights are not quantised")
    weight, weight_step = (_resolve(graph, item) for item in of_weights.input[:2])
    if step is None or zero is None or weight is None or weight_step is None or step.size != 1:
        raise FoldError("the first quantisation is not constant, or one for each channel")
    if weight.ndim != 4 or weight.shape[1] != 3 or pixel.offset.any() or np.ptp(pixel.scale) > 1e-12:
        raise FoldError("the quantised picture is shifted, or scaled by channel")
    ordered = np.zeros_like(weight)
    ordered[:, pixel.order] = weight
    count, _, height, width = weight.shape
    kernel = ordered.transpose(0, 2, 3, 1).reshape(count, 1, height, width * 3)
    new_step = (step.astype(np.float64) / pixel.scale[0]).astype(np.float32)
    new_weight_step = (weight_step.astype(np.float64) * pixel.scale[0]).astype(np.float32)
    for key, array in ((_STEP, new_step), (_WEIGHT, kernel), (_WEIGHT_STEP, new_weight_step)):
        graph.initializer.append(constant(key, array))
    quantize.input[1] = dequantize.input[1] = _STEP
    of_weights.input[0], of_weights.input[1] = _WEIGHT, _WEIGHT_STEP
    _stretch(convolution, height, width, 3)
    # If every byte is its own quantised value, nothing is left to quantise.
    if zero.dtype == np.uint8 and not zero.any() and abs(255 / float(new_step) - 255) < 0.5:
        dequantize.input[0] = name
        return [quantize]
    _cast(graph, name, quantize)
    return []


def _stretch(node: Any, height: int, width: int, channels: int) -> None:
    """Turn a convolution over three planes into one over the interleaved plane."""
    attributes = _attributes(node)
    if attributes.get(b"auto_pad", b"NOTSET") not in (b"NOTSET", b"") or attributes.get(b"group", 1) != 1:
        raise FoldError("the first convolution pads by itself or is grouped")
    if any(step != 1 for step in attributes.get(b"dilations", ())):
        raise FoldError("the first convolution is dilated")
    stride = attributes.get(b"strides", [1, 1])
    top, left, bottom, right = attributes.get(b"pads", [0, 0, 0, 0])
    _set_ints(node, b"kernel_shape", [height, width * channels])
    _set_ints(node, b"strides", [stride[0], stride[1] * channels])
    _set_ints(node, b"pads", [top, left * channels, bottom, right * channels])


def _cast(graph: Any, name: bytes, reader: Any) -> None:
    """Put the cast to float between the input and the node that reads it."""
    cast = Node(op_type=b"Cast", input=[name], output=[_CAST])
    cast.attribute.add(name=b"to", i=FLOAT, type=2)
    reader.input[0] = _CAST
    graph.node.insert(0, cast)


def _take_bytes(graph: Any, name: bytes, channels: int) -> None:
    """Make the input u8."""
    tensor = next(value for value in graph.input if value.name == name).type.tensor_type
    tensor.elem_type = UINT8
    dims = tensor.shape.dim
    width = dims[3].dim_value
    for dim in (dims[1], dims[3]):
        dim.Clear()
    dims[1].dim_value = 1
    if width:
        dims[3].dim_value = width * channels
    else:
        dims[3].dim_param = b"darner_row"


def _resolve(graph: Any, name: bytes) -> npt.NDArray[np.generic] | None:
    """The constant of that name, also through a cast to float; None if the name is not a constant's."""
    for tensor in graph.initializer:
        if tensor.name == name:
            return values(tensor)
    for node in graph.node:
        if name in node.output:
            attributes = _attributes(node)
            if node.op_type == b"Constant" and b"value" in attributes:
                return values(attributes[b"value"])
            if node.op_type == b"Cast" and attributes.get(b"to") == FLOAT:
                inner = _resolve(graph, node.input[0])
                return None if inner is None else inner.astype(np.float32)
            return None
    return None


def _attributes(node: Any) -> dict[bytes, Any]:
    kinds = {2: "i", 3: "s", 4: "t", 7: "ints"}
    return {a.name: getattr(a, kinds[a.type]) for a in node.attribute if a.type in kinds}


def _set_ints(node: Any, name: bytes, numbers: list[int]) -> None:
    attribute = next((a for a in node.attribute if a.name == name), None)
    if attribute is None:
        attribute = node.attribute.add(name=name, type=7)
    del attribute.ints[:]
    attribute.ints.extend(numbers)
