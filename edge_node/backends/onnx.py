"""ONNX Runtime on the CPU."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort

from shared.errors import ModelError
from shared.geometry import F32


class OnnxBackend:
    """Runs an ONNX model; the engine interface of Darner is `infer` and `close`.

    Args:
        path: The model.
        threads: Threads for one inference; 0 takes every core this process may use.

    Attributes:
        name: "onnxruntime" and its version.
        device: Where it runs.
        input_shape: ``(batch, channels, height, width)``; a str or None is a dynamic axis.
        output_shapes: One per output.
        class_names: From the model's metadata, empty when there are none.

    Raises:
        ModelError: The file is no ONNX model, or has another input than one float32 picture.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        # Spinning threads win little on an idle box and steal time from capture and tracking on a busy one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this file is bad"
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"model {path}: ONNX Runtime cannot load it: {first}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
            raise ModelError(f"model {path}: needs one float32 input (1, 3, height, width), has {found}")
        self._input = inputs[0].name
        self.name = f"onnxruntime {ort.__version__}"
        self.device = "cpu"
        self.input_shape: tuple[int | str | None, ...] = tuple(inputs[0].shape)
        self.output_shapes = [tuple(item.shape) for item in self._session.get_outputs()]
        self.class_names = _names(self._session.get_modelmeta().custom_metadata_map.get("names", ""))

    def infer(self, batch: F32) -> list[F32]:
        """Run the network.

        Args:
            batch: f32 ``(N, 3, height, width)``.

        Returns:
            Every output, owned by the caller.
        """
        return [np.asarray(output) for output in self._session.run(None, {self._input: batch})]

    def close(self) -> None:
        """Release the session's memory."""
        del self._session


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _names(text: str) -> tuple[str, ...]:
    """Class names from metadata: a JSON or Python mapping of id to name, or a list."""
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return ()
    if isinstance(found, dict):
        try:
            found = [found[key] for key in sorted(found, key=int)]
        except (TypeError, ValueError):
            return ()
    return tuple(str(name)[:128] for name in found) if isinstance(found, list) else ()
