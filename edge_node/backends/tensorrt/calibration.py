"""TensorRT calibrates a network to 8 bits by itself, and keeps some layers in float.

Boxes and scores often leave a network in one tensor whose values differ a thousandfold, which 8 bits cannot
hold. `quantize` leaves those nodes alone in the ONNX file. Here, each layer of the parsed network gets its
precision. Only versions with precision flags (8.6 and 10) allow that, and none of them has run this file yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import ModelError

CHOICES = ("decoding", "last", "none")
"""What stays in float: layers after the last convolutions; also these convolutions; nothing. Other words name
nodes."""
_WEIGHTED = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
_SELECTING = ("NMS", "TOPK")
# These layers compute no floats, or their type is fixed.
_WITHOUT = re.compile(
    "CONSTANT|SHAPE|CAST|QUANTIZE|DEQUANTIZE|PLUGIN|LOOP_OUTPUT|RECURRENCE|ITERATOR|TRIP_LIMIT|CONDITION|ASSERTION"
)


@dataclass(frozen=True)
class Calibration:
    """How TensorRT measures by itself which values 8 bits must hold (8.6 and 10 only).

    Attributes:
        make: Makes the calibrator for an input's shape.
        keep: Layers that stay in float; see `keep_float`.
    """

    make: Callable[[Sequence[int]], Any]
    keep: str = "decoding"


def calibrate(
    trt: Any,
    builder: Any,
    config: Any,
    network: Any,
    shape: list[int],
    calibration: Calibration,
    *,
    dla: bool,
) -> int:
    """Let TensorRT measure ranges with inputs of one shape; return how many layers stay in float.

    Raises:
        ModelError: The network has no layer that shall stay in float.
    """
    kept = keep_float(trt, config, network, calibration.keep, dla=dla)
    config.int8_calibrator = calibration.make(shape)
    if min(int(axis) for axis in network.get_input(0).shape) < 0:
        profile = builder.create_optimization_profile()
        profile.set_shape(network.get_input(0).name, shape, shape, shape)
        config.set_calibration_profile(profile)
    return kept


def keep_float(trt: Any, config: Any, network: Any, choice: str, *, dla: bool) -> int:
    """Ask for higher precision in some layers; return in how many.

    Convolutions get half precision, because that is what they are fast in, and the layers that decode get
    single: coordinates above 1024 have no fractions in 16 bits. A DLA has no single precision.

    Args:
        trt: The module.
        config: The builder's configuration.
        network: The parsed network.
        choice: One of `CHOICES`, or names of nodes, separated by commas.
        dla: Whether a Jetson's accelerator runs the engine.

    Raises:
        ModelError: The network has no such node.
    """
    kept = 0
    for layer in chosen(network, choice):
        if _WITHOUT.match(layer.type.name):
            continue
        outputs = [layer.get_output(index) for index in range(layer.num_outputs)]
        floats = [
            index
            for index, tensor in enumerate(outputs)
            if tensor.dtype.name in ("FLOAT", "HALF") and not tensor.is_shape_tensor
        ]
        if not floats:
            continue
        kind = trt.float16 if dla or layer.type.name in _WEIGHTED else trt.float32
        layer.precision = kind
        for index in floats:
            layer.set_output_type(index, kind)
        kept += 1
    if kept:
        # Preferred only: where TensorRT has no such kernel, a build that insists fails.
        config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
    return kept


def chosen(network: Any, choice: str) -> list[Any]:
    """The layers that a choice means; see `keep_float`."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    if choice == "none":
        return []
    if choice not in CHOICES:
        return _named(layers, choice)
    consumers: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        for tensor in _inputs(layer):
            consumers.setdefault(tensor.name, []).append(index)
    after = [0] * len(layers)  # the most weighted layers on any way from a layer to an output
    for index in reversed(range(len(layers))):  # consumers come later
        layer = layers[index]
        names = (layer.get_output(one).name for one in range(layer.num_outputs))
        ways = [after[one] + _weighted(layers[one]) for name in names for one in consumers.get(name, [])]
        after[index] = max(ways, default=0)
    depth = CHOICES.index(choice)
    inside = _selecting(layers)
    return [
        layer
        for index, layer in enumerate(layers)
        if after[index] < depth or index in inside or (after[index] == depth and not _weighted(layer))
    ]


def _selecting(layers: list[Any]) -> set[int]:
    """The layers that make the boxes for a selection inside the network, such as NMS."""
    makers = {
        layer.get_output(one).name: index
        for index, layer in enumerate(layers)
        for one in range(layer.num_outputs)
    }
    waiting = [tensor.name for layer in layers if layer.type.name in _SELECTING for tensor in _inputs(layer)]
    found: set[int] = set()
    while waiting:
        maker = makers.get(waiting.pop())
        if maker is not None and maker not in found and not _weighted(layers[maker]):
            found.add(maker)
            waiting += [tensor.name for tensor in _inputs(layers[maker])]
    return found


def _named(layers: list[Any], choice: str) -> list[Any]:
    """The layers of named nodes; the parser numbers the further layers of one node."""
    found = []
    for name in (part.strip() for part in choice.split(",")):
        pattern = re.compile(rf"{re.escape(name)}(_\d+)?")
        matching = [layer for layer in layers if pattern.fullmatch(layer.name)]
        if not matching:
            raise ModelError(
                f"--keep-float {name}: the network has no such layer; "
                f"{', '.join(CHOICES)}, or a name that inspect --nodes lists"
            )
        found += matching
    return found


def _inputs(layer: Any) -> list[Any]:
    tensors = (layer.get_input(index) for index in range(layer.num_inputs))
    return [tensor for tensor in tensors if tensor is not None]


def _weighted(layer: Any) -> bool:
    return layer.type.name in _WEIGHTED
