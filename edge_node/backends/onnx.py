"""ONNX Runtime on the CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_node.backends.backend import Inference, ModelFile, Tensor, Wanted
from edge_node.frames import U8
from edge_node.preprocess import InputFormat, Preprocessor
from shared.errors import ModelError


class OnnxBackend:
    """Runs an ONNX model.

    Args:
        path: The model.
        threads: Threads for one inference; 0 takes every core this process may use.

    Raises:
        ModelError: The file is no ONNX model, or has another input than one float32 picture.
    """

    max_batch = 1

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
        self.model = ModelFile(
            tuple(Tensor(item.name, tuple(item.shape)) for item in inputs),
            tuple(Tensor(item.name, tuple(item.shape)) for item in self._session.get_outputs()),
            self._session.get_modelmeta().custom_metadata_map,
        )
        self._preprocessor: Preprocessor | None = None

    def infer(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Inference:  # noqa: ARG002
        """See `Backend`; on the CPU everything is left to the decoder."""
        start = time.perf_counter()
        if self._preprocessor is None or self._preprocessor.target != target:
            self._preprocessor = Preprocessor(target)
        tensor, fit = self._preprocessor(images[0])
        ready = time.perf_counter()
        outputs = [np.asarray(output)[0] for output in self._session.run(None, {self._input: tensor})]
        done = time.perf_counter()
        return Inference([outputs], [fit], (ready - start) * 1e3, (done - ready) * 1e3)

    def close(self) -> None:
        """Release the session's memory."""
        del self._session


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
