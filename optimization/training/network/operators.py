"""The ONNX operators that training knows, in PyTorch.

Source: the operators' definitions in the ONNX specification (Apache-2.0), opsets 11 to 21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's users know
from onnx import TensorProto, helper

from shared.errors import ModelError

Given = Sequence[Any]
"""Inputs of a node: tensors, or None for one that is left out."""
Attributes = dict[str, Any]
Operator = Callable[[Given, Attributes], Any]


def _ints(value: Any) -> list[int]:
    return (
        [int(one) for one in value.tolist()] if isinstance(value, torch.Tensor) else [int(v) for v in value]
    )


def _floats(value: Any) -> list[float]:
    return [float(one) for one in value.reshape(-1).tolist()]


def _padded(
    x: Any, attributes: Attributes, kernel: Sequence[int], strides: Sequence[int], value: float
) -> Any:
    """The picture with the borders that a convolution or pooling asks for."""
    count = len(kernel)
    pads = list(attributes.get("pads", [0] * 2 * count))
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        dilations = attributes.get("dilations", [1] * count)
        for axis, side in enumerate(x.shape[2:]):
            span = (kernel[axis] - 1) * dilations[axis] + 1
            total = max((-(-side // strides[axis]) - 1) * strides[axis] + span - side, 0)
            less, more = total // 2, total - total // 2
            pads[axis], pads[axis + count] = (less, more) if auto == b"SAME_UPPER" else (more, less)
    if not any(pads):
        return x
    flat = [side for axis in reversed(range(count)) for side in (pads[axis], pads[axis + count])]
    return F.pad(x, flat, value=value)


def _conv(given: Given, attributes: Attributes) -> Any:
    x, weight = given[0], given[1]
    if weight.ndim != 4:
        raise ModelError(
            "training knows convolutions of pictures only, and the model has one of another shape"
        )
    strides = attributes.get("strides", [1, 1])
    pads = attributes.get("pads", [0, 0, 0, 0])
    padding = 0
    if attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID") and pads[:2] == pads[2:]:
        padding = pads[:2]
    else:
        x = _padded(x, attributes, weight.shape[2:], strides, 0.0)
    bias = given[2] if len(given) > 2 else None
    dilations = attributes.get("dilations", [1, 1])
    return F.conv2d(x, weight, bias, strides, padding, dilations, attributes.get("group", 1))


def _max_pool(given: Given, attributes: Attributes) -> Any:
    kernel = attributes["kernel_shape"]
    strides = attributes.get("strides", [1] * len(kernel))
    x = _padded(given[0], attributes, kernel, strides, -float("inf"))
    dilations = attributes.get("dilations", [1] * len(kernel))
    return F.max_pool2d(x, kernel, strides, 0, dilations, bool(attributes.get("ceil_mode", 0)))


def _average_pool(given: Given, attributes: Attributes) -> Any:
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:] or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ModelError("training does not know an AveragePool whose borders differ from side to side")
    kernel = attributes["kernel_shape"]
    return F.avg_pool2d(
        given[0],
        kernel,
        attributes.get("strides", [1] * len(kernel)),
        pads[:2],
        bool(attributes.get("ceil_mode", 0)),
        bool(attributes.get("count_include_pad", 0)),
    )


def _batch_norm(given: Given, attributes: Attributes) -> Any:
    """With the file's own statistics: those of a few pictures of one camera would destroy the network."""
    x, scale, bias, mean, variance = given[:5]
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, attributes.get("epsilon", 1e-5))


def _resize(given: Given, attributes: Attributes) -> Any:
    x, sizes = given[0], given[3] if len(given) > 3 else None
    mode, place = (
        attributes.get("mode", b"nearest"),
        attributes.get("coordinate_transformation_mode", b"half_pixel"),
    )
    if sizes is not None and sizes.numel():
        target = _ints(sizes)[2:]
    else:
        scales = _floats(given[2] if len(given) > 2 else given[1])
        target = [int(side * scale) for side, scale in zip(x.shape[2:], scales[2:], strict=True)]
    if mode == b"nearest":
        whole = all(new % old == 0 for new, old in zip(target, x.shape[2:], strict=True))
        usual = place == b"asymmetric" and attributes.get("nearest_mode") == b"floor"
        if not (whole or usual):
            raise ModelError(
                "training does not know a Resize to the nearest pixel by a factor that is not whole"
            )
        return F.interpolate(x, size=target, mode="nearest")
    if mode != b"linear" or place not in (b"half_pixel", b"pytorch_half_pixel", b"align_corners"):
        raise ModelError(f"training does not know a Resize that is {mode.decode()} and {place.decode()}")
    return F.interpolate(x, size=target, mode="bilinear", align_corners=place == b"align_corners")


def _slice(given: Given, _: Attributes) -> Any:
    x = given[0]
    starts, ends = (_ints(one) for one in given[1:3])
    axes = _ints(given[3]) if len(given) > 3 and given[3] is not None else list(range(len(starts)))
    steps = _ints(given[4]) if len(given) > 4 and given[4] is not None else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = torch.arange(x.shape[axis], device=x.device)[
            slice(start, end, step) if step > 0 else slice(None)
        ]
        if step < 0:
            chosen = list(range(x.shape[axis]))[start : None if end < -x.shape[axis] else end : step]
            at = torch.tensor(chosen, device=x.device, dtype=torch.long)
        x = x.index_select(axis, at)
    return x


def _split(given: Given, attributes: Attributes) -> Any:
    x, axis = given[0], attributes.get("axis", 0)
    lengths = _ints(given[1]) if len(given) > 1 and given[1] is not None else attributes.get("split")
    if lengths is None:
        return x.chunk(attributes["outputs"], axis)
    return x.split(list(lengths), axis)


def _reshape(given: Given, attributes: Attributes) -> Any:
    x, shape = given[0], _ints(given[1])
    if not attributes.get("allowzero", 0):
        shape = [x.shape[axis] if length == 0 else length for axis, length in enumerate(shape)]
    return x.reshape(shape)


def _axes(given: Given, attributes: Attributes) -> list[int] | None:
    """Axes as newer opsets have them, in an input, or as older ones, in an attribute."""
    if len(given) > 1 and given[1] is not None:
        return _ints(given[1])
    found = attributes.get("axes")
    return None if found is None else list(found)


def _unsqueeze(given: Given, attributes: Attributes) -> Any:
    x, axes = given[0], _axes(given, attributes) or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _squeeze(given: Given, attributes: Attributes) -> Any:
    x, axes = given[0], _axes(given, attributes)
    for axis in sorted((axis % x.ndim for axis in axes or range(x.ndim)), reverse=True):
        x = x.squeeze(axis)
    return x


def _reduce(function: Callable[..., Any]) -> Operator:
    def reduce(given: Given, attributes: Attributes) -> Any:
        axes = _axes(given, attributes) or list(range(given[0].ndim))
        return function(given[0], axes, keepdim=bool(attributes.get("keepdims", 1)))

    return reduce


def _gather(given: Given, attributes: Attributes) -> Any:
    x, index, axis = given[0], given[1].long(), attributes.get("axis", 0)
    index = torch.where(index < 0, index + x.shape[axis], index).to(x.device)
    found = x.index_select(axis, index.reshape(-1))
    return found.reshape([*x.shape[:axis], *index.shape, *x.shape[axis % x.ndim + 1 :]])


def _pad(given: Given, attributes: Attributes) -> Any:
    x, amounts = given[0], _ints(given[1])
    if attributes.get("mode", b"constant") != b"constant":
        raise ModelError("training does not know a Pad that repeats the picture")
    value = float(given[2]) if len(given) > 2 and given[2] is not None else 0.0
    axes = _ints(given[3]) if len(given) > 3 and given[3] is not None else list(range(x.ndim))
    before, after = [0] * x.ndim, [0] * x.ndim
    for place, axis in enumerate(axes):
        before[axis], after[axis] = amounts[place], amounts[place + len(axes)]
    flat = [side for axis in reversed(range(x.ndim)) for side in (before[axis], after[axis])]
    return F.pad(x, flat, value=value)


def _clip(given: Given, attributes: Attributes) -> Any:
    bounds = [
        float(given[place]) if len(given) > place and given[place] is not None else attributes.get(key)
        for place, key in ((1, "min"), (2, "max"))
    ]
    return given[0].clamp(*bounds)


def _range(given: Given, _: Attributes) -> Any:
    start, end, step = (one.item() for one in given)
    return torch.arange(start, end, step, dtype=given[0].dtype, device=given[0].device)


def _shape(given: Given, attributes: Attributes) -> Any:
    whole = list(given[0].shape)
    return torch.tensor(
        whole[attributes.get("start", 0) : attributes.get("end", len(whole))], dtype=torch.int64
    )


def _cast(given: Given, attributes: Attributes) -> Any:
    dtype = torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(attributes["to"]))).dtype
    # Weights stored with 16 bits are computed with 32: what is learnt is often smaller than their rounding.
    return given[0].to(torch.float32 if attributes["to"] == TensorProto.FLOAT16 else dtype)


def _gemm(given: Given, attributes: Attributes) -> Any:
    a = given[0].transpose(-1, -2) if attributes.get("transA") else given[0]
    b = given[1].transpose(-1, -2) if attributes.get("transB") else given[1]
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product + attributes.get("beta", 1.0) * given[2] if len(given) > 2 else product


def _filled(given: Given, attributes: Attributes) -> Any:
    value = attributes.get("value", torch.zeros(1))
    return value.reshape(()).expand(_ints(given[0])).clone()


def _flatten(given: Given, attributes: Attributes) -> Any:
    axis = attributes.get("axis", 1)
    return given[0].reshape(int(np.prod(given[0].shape[:axis])), -1)


def _div(given: Given, _: Attributes) -> Any:
    a, b = given[:2]
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _expand(given: Given, _: Attributes) -> Any:
    return given[0].expand(torch.broadcast_shapes(tuple(given[0].shape), tuple(_ints(given[1]))))


OPERATORS: dict[str, Operator] = {
    "Add": lambda given, _: given[0] + given[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda given, attributes: torch.cat(list(given), attributes["axis"]),
    "Constant": lambda _, attributes: attributes["value"],
    "ConstantOfShape": _filled,
    "Conv": _conv,
    "Div": _div,
    "Equal": lambda given, _: given[0] == given[1],
    "Exp": lambda given, _: given[0].exp(),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": lambda given, _: given[0].floor(),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda given, _: given[0].mean((2, 3), keepdim=True),
    "HardSigmoid": lambda given, a: (given[0] * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda given, _: F.hardswish(given[0]),
    "Identity": lambda given, _: given[0],
    "LeakyRelu": lambda given, attributes: F.leaky_relu(given[0], attributes.get("alpha", 0.01)),
    "MatMul": lambda given, _: given[0] @ given[1],
    "MaxPool": _max_pool,
    "Mul": lambda given, _: given[0] * given[1],
    "Pad": _pad,
    "Pow": lambda given, _: given[0] ** given[1],
    "Range": _range,
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": lambda given, _: F.relu(given[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": lambda given, _: torch.sigmoid(given[0]),
    "Slice": _slice,
    "Softmax": lambda given, attributes: given[0].softmax(attributes.get("axis", -1)),
    "Softplus": lambda given, _: F.softplus(given[0]),
    "Split": _split,
    "Sqrt": lambda given, _: given[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda given, _: given[0] - given[1],
    "Tanh": lambda given, _: given[0].tanh(),
    "Tile": lambda given, _: given[0].repeat(_ints(given[1])),
    "Transpose": lambda given, a: given[0].permute(a.get("perm", list(range(given[0].ndim))[::-1])),
    "Unsqueeze": _unsqueeze,
    "Where": lambda given, _: torch.where(given[0], given[1], given[2]),
}
"""By the names of the standard."""
