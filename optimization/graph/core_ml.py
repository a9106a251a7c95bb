"""ONNX to Core ML by Apple's own converter, which reads PyTorch: so ONNX becomes PyTorch first.

The result is an ML program in a folder (.mlpackage). Apple's converter runs on Linux, too, but only macOS
can run its result.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from optimization.graph import branches, graphs
from optimization.graph.parity import Arrays, Network
from shared.errors import ConfigError, ModelError
from shared.geometry import F32

RUNS = sys.platform == "darwin"
"""Whether this system can run the result."""


def convert(
    model: onnx.ModelProto, size: tuple[int, int], *, half: bool
) -> tuple[Network, Callable[[Path], int]]:
    """Convert a network for one picture of a size.

    Args:
        model: The network.
        size: Height and width of the input.
        half: Whether it computes with 16 bits.

    Returns:
        What can be run here: the result on macOS, elsewhere the PyTorch network that was converted; and a
        function that writes an .mlpackage, replaces what is there, and returns the number of bytes.

    Raises:
        ModelError: The network has an operator that cannot be converted.
    """
    with contextlib.redirect_stderr(io.StringIO()), graphs.quiet():  # they say what is missing on Linux
        import coremltools
        import onnx2torch
        import torch
    if "NonMaxSuppression" in branches.operators(model.graph):
        raise ModelError(
            "it chooses its boxes itself, which Core ML's converter cannot read: export it without NMS"
        )
    shape = (1, 3, *size)
    try:
        with contextlib.redirect_stderr(io.StringIO()), graphs.quiet():
            network = onnx2torch.convert(_plain(model, shape)).eval()
            traced = torch.jit.trace(network, torch.rand(*shape), check_trace=False)
            made = coremltools.convert(
                traced,
                inputs=[coremltools.TensorType(name=model.graph.input[0].name, shape=shape)],
                outputs=[coremltools.TensorType(name=item.name) for item in model.graph.output],
                minimum_deployment_target=coremltools.target.macOS13,
                compute_precision=coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32,
                skip_model_load=not RUNS,
            )
    except NotImplementedError as error:
        raise ModelError(f"onnx2torch cannot read it: {graphs.reason(error)}") from None
    except Exception as error:  # noqa: BLE001 - three libraries without a common base
        raise ModelError(f"Core ML's converter cannot convert it: {graphs.reason(error)}") from None
    for item in model.metadata_props:
        made.user_defined_metadata[item.key] = item.value
    return (_on_macos(made, model) if RUNS else _torch(network)), partial(_save, made)


def _plain(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The network for one shape, with everything folded that does not depend on the picture."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    copy = type(model)()
    copy.CopyFrom(model)
    for axis, length in zip(copy.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        axis.dim_value = length
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "plain.onnx")
        onnxruntime.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _save(made: Any, path: Path) -> int:
    """Write the package beside its place, and then put it there as a whole.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            whole = Path(folder) / path.name
            made.save(str(whole))
            if path.exists():
                path.rename(Path(folder) / "old")
            shutil.move(str(whole), path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _torch(network: Any) -> Network:
    import torch

    def run(tensor: F32) -> Arrays:
        with torch.no_grad():
            found = network(torch.from_numpy(np.ascontiguousarray(tensor)))
        return [item.numpy() for item in (found if isinstance(found, (list, tuple)) else [found])]

    return run


def _on_macos(made: Any, model: onnx.ModelProto) -> Network:
    def run(tensor: F32) -> Arrays:
        found = made.predict({model.graph.input[0].name: tensor})
        return [np.asarray(found[item.name]) for item in model.graph.output]

    return run
