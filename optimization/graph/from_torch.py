"""From a network in PyTorch to an ONNX file. PyTorch is imported only once a function here is called."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from optimization.graph import graphs, parity
from shared.errors import ModelError
from shared.geometry import F32


def convert(network: Any, path: Path, size: tuple[int, int], opset: int, *, static: bool) -> None:
    """Write a network as ONNX.

    Args:
        network: A module in evaluation mode, or an exported program.
        path: File to write.
        size: Height and width of the example input. If static, they are those of the network.
        opset: Version of the operators.
        static: Whether batch and size are fixed.

    Raises:
        ModelError: PyTorch cannot export the network, for example because of an operator.
    """
    import torch

    example = torch.rand(1, 3, *size)
    options: dict[str, Any] = {"opset_version": opset, "input_names": ["images"]}
    parameters = inspect.signature(torch.onnx.export).parameters
    exported = isinstance(network, torch.export.ExportedProgram)
    if "dynamo" in parameters:
        options["dynamo"] = exported
    if exported:
        options["external_data"] = False
    elif not static:
        outputs = [f"output{index}" for index in range(len(_flat(network(example))))]
        options["output_names"] = outputs
        options["dynamic_axes"] = {"images": {0: "batch", 2: "height", 3: "width"}}
        options["dynamic_axes"] |= {name: {0: "batch"} for name in outputs}
    if names := getattr(network, "names", None):
        options["output_names"] = list(names)
        options["dynamic_axes"] = {name: {0: "detections"} for name in names}
    try:
        with graphs.quiet(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(network, (example,), str(path), **options)
    except Exception as error:  # noqa: BLE001 - the exporters have no common base
        raise ModelError(f"PyTorch cannot export it: {graphs.reason(error)}") from None


def runner(network: Any) -> parity.Network:
    """A PyTorch network as a function of arrays."""
    import torch

    module = network.module() if isinstance(network, torch.export.ExportedProgram) else network

    def run(tensor: F32) -> parity.Arrays:
        with torch.no_grad():
            return [item.numpy() for item in _flat(module(torch.from_numpy(np.ascontiguousarray(tensor))))]

    return run


def _flat(outputs: Any) -> list[Any]:
    """The output tensors, in the order in which ONNX lists them."""
    if isinstance(outputs, Mapping):
        return [item for value in outputs.values() for item in _flat(value)]
    if isinstance(outputs, (list, tuple)):
        return [item for value in outputs for item in _flat(value)]
    return [outputs]
