"""ONNX to OpenVINO's format by its own converter: a file of the graph (.xml) beside its weights (.bin)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino

from optimization import files
from optimization.graph import graphs
from optimization.graph.parity import Arrays, Network
from shared.errors import ModelError
from shared.geometry import F32


def convert(model: onnx.ModelProto, *, half: bool) -> tuple[Network, Callable[[Path], int]]:
    """Convert a network, and load the result.

    Args:
        model: The network.
        half: Whether weights are stored with 16 bits.

    Returns:
        The result as OpenVINO runs it on this CPU in float32; and a function that writes it as an .xml file,
        and the .bin file beside, and returns the number of bytes.

    Raises:
        ModelError: OpenVINO cannot convert or run the network.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "target.xml"
        graphs.save(model, source)
        try:
            made = openvino.convert_model(source)
            for item in model.metadata_props:
                made.set_rt_info(item.value, ["model_info", item.key])
            openvino.save_model(made, target, compress_to_fp16=half)
            network = _load(target)
        except Exception as error:  # noqa: BLE001 - OpenVINO's exceptions have no common base
            raise ModelError(f"OpenVINO cannot convert it: {graphs.reason(error)}") from None
        graph, weights = target.read_bytes(), target.with_suffix(".bin").read_bytes()

    def save(path: Path) -> int:
        files.save(path.with_suffix(".bin"), weights)
        files.save(path, graph)
        return len(graph) + len(weights)

    return network, save


def _load(path: Path) -> Network:
    compiled: Any = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(tensor: F32) -> Arrays:
        found = compiled([np.ascontiguousarray(tensor)])
        return [np.asarray(found[output]) for output in compiled.outputs]

    return run
