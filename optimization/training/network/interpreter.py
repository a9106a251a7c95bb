"""An ONNX graph runs in PyTorch with the weights of its file, which may be learnt and written back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from optimization.graph import graphs
from optimization.training.network.operators import OPERATORS
from shared.errors import ModelError

_LEARNT = {"Conv": (1, 2), "Gemm": (1, 2), "MatMul": (0, 1), "BatchNormalization": (1, 2)}
"""The inputs of a node that are learnt: weights and biases, not what decodes boxes or scales pixels."""
_KEEPS_VALUES = ("Cast", "Identity", "Reshape", "Transpose")
"""Operators between a stored weight and the node that uses it."""
_LEAST_OPSET = 11


class Network:
    """A graph with learnable weights.

    Args:
        model: The graph; it is not changed.
        device: Where PyTorch computes.

    Attributes:
        device: Where PyTorch computes.
        weights: What is learnt, by the name of its initializer: f32, whatever the file stores.

    Raises:
        ModelError: It has an operator that training does not know.
    """

    def __init__(self, model: onnx.ModelProto, device: str = "cpu") -> None:
        _check(model)
        self._model, self.device = model, device
        learnt = _learnt(model.graph)
        self.weights: dict[str, Any] = {}
        self._constants: dict[str, Any] = {}
        for item in model.graph.initializer:
            value = _tensor(item, device)
            if item.name in learnt and not _is_fixed(value):
                self.weights[item.name] = value.requires_grad_()
            else:
                self._constants[item.name] = value
        self._steps = [_step(node, device) for node in model.graph.node]
        self._last = _last_uses(model.graph)
        # A graph exported for one picture has that number in its reshapes, so that it takes no batch.
        self._one_by_one = graphs.shape(model.graph.input[0])[:1] == [1]

    def __call__(self, images: Any, weights: Mapping[str, Any] | None = None) -> list[Any]:
        """The graph's outputs.

        Args:
            images: What the graph's input takes: f32 ``(N, 3, H, W)``.
            weights: Others than its own, such as an average of earlier ones.
        """
        if self._one_by_one and len(images) > 1:
            answers = [self(image, weights) for image in images.split(1)]
            return [torch.cat(parts) for parts in zip(*answers, strict=True)]
        values: dict[str, Any] = {"": None, **self._constants, **(weights or self.weights)}
        values[self._model.graph.input[0].name] = images
        for place, (operator, inputs, outputs, attributes) in enumerate(self._steps):
            found = operator([values[name] for name in inputs], attributes)
            several = found if isinstance(found, (tuple, list)) else (found,)
            values.update(zip(outputs, several, strict=False))
            for name in self._last[place]:
                values.pop(name, None)
        return [values[item.name] for item in self._model.graph.output]

    def onnx(self, weights: Mapping[str, Any] | None = None) -> onnx.ModelProto:
        """The same graph with the weights as they are now, stored as wide as before; all else is as it was.

        Raises:
            ModelError: A weight does not fit into the 16 bits that the file stores it in, or is no number.
        """
        made = onnx.ModelProto()
        made.CopyFrom(self._model)
        now = weights or self.weights
        for item in made.graph.initializer:
            if item.name not in now:
                continue
            dtype = helper.tensor_dtype_to_np_dtype(item.data_type)
            with np.errstate(over="ignore"):
                value = now[item.name].detach().cpu().numpy().astype(dtype)
            if not np.isfinite(value).all():
                raise ModelError(
                    f"the weight {item.name} has become infinite or no number; nothing was written"
                )
            item.CopyFrom(numpy_helper.from_array(value, item.name))
        return made


def _check(model: onnx.ModelProto) -> None:
    unknown = sorted(
        {node.op_type for node in model.graph.node if node.op_type not in OPERATORS or node.domain}
    )
    if unknown:
        if any("Quantize" in name or name.startswith("QLinear") for name in unknown):
            raise ModelError(
                "the model is quantised and cannot be trained; adapt the float model, then quantise it"
            )
        raise ModelError(
            f"the model has {', '.join(unknown[:4])}, which training does not know; it trains detectors that "
            "score every place and decode their boxes themselves (yolov8, yolov5, yolox_decoded, yolox): no "
            "NMS inside"
        )
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    if version < _LEAST_OPSET:
        raise ModelError(
            f"the model has opset {version}; training knows {_LEAST_OPSET} and newer: export it anew"
        )
    if len(model.graph.input) != 1:
        raise ModelError(f"the model has {len(model.graph.input)} inputs, and training knows models with one")


def _learnt(graph: onnx.GraphProto) -> set[str]:
    """Names of the initializers that convolutions and their like multiply with or add."""
    stored = {item.name for item in graph.initializer}
    source = {node.output[0]: node.input[0] for node in graph.node if node.op_type in _KEEPS_VALUES}
    found: set[str] = set()
    for node in graph.node:
        for place in _LEARNT.get(node.op_type, ()):
            name = node.input[place] if len(node.input) > place else ""
            while name in source:
                name = source[name]
            if name in stored:
                found.add(name)
    return found


def _is_fixed(value: Any) -> bool:
    """Whether a weight is a table that a graph calculates with, such as 0 to 15 of a distribution's bins."""
    if not value.is_floating_point():
        return True
    return bool((value == value.round()).all()) and bool(value.unique().numel() > 1)


def _tensor(item: onnx.TensorProto, device: str) -> Any:
    array = np.array(numpy_helper.to_array(item))
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    # Whole numbers are shapes and places, which PyTorch reads on the processor.
    return torch.from_numpy(array).to(device if array.dtype.kind == "f" and array.ndim else "cpu")


def _step(node: onnx.NodeProto, device: str) -> tuple[Any, list[str], list[str], dict[str, Any]]:
    attributes: dict[str, Any] = {"outputs": len(node.output)}
    for item in node.attribute:
        value = helper.get_attribute_value(item)
        attributes[item.name] = _tensor(value, device) if isinstance(value, onnx.TensorProto) else value
    if node.op_type == "Constant" and "value" not in attributes:
        key = next(name for name in attributes if name.startswith("value_"))
        attributes["value"] = torch.tensor(attributes[key])
    return OPERATORS[node.op_type], list(node.input), list(node.output), attributes


def _last_uses(graph: onnx.GraphProto) -> list[list[str]]:
    """Names that nobody needs after each node."""
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    kept = {item.name for item in graph.output} | {item.name for item in graph.initializer} | {""}
    places: list[list[str]] = [[] for _ in graph.node]
    for name, place in last.items():
        if name not in kept:
            places[place].append(name)
    return places
