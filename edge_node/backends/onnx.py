"""ONNX Runtime on the CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_node.backends.backend import Inference, ModelFile, Tensor, Wanted
from edge_node.decode import extra_inputs
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
        pictures = [item for item in inputs if len(item.shape) == 4]
        if len(pictures) != 1 or pictures[0].type != "tensor(float)":
            found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
            raise ModelError(f"model {path}: needs one float32 input (1, 3, height, width), has {found}")
        self._input = pictures[0].name
        self.name = f"onnxruntime {ort.__version__}"
        self.device = "cpu"
        self.model = ModelFile(
            tuple(_tensor(item) for item in sorted(inputs, key=lambda item: item.name != self._input)),
            tuple(_tensor(item) for item in self._session.get_outputs()),
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
        feeds = {self._input: tensor, **extra_inputs(self.model, target.width, target.height)}
        raw = [np.asarray(output) for output in self._session.run(None, feeds)]
        outputs = [output[0] for output in raw] if self.model.has_batch_axis else raw
        done = time.perf_counter()
        return Inference([outputs], [fit], (ready - start) * 1e3, (done - ready) * 1e3)

    def close(self) -> None:
        """Release the session's memory."""
        del self._session


def _tensor(item: ort.NodeArg) -> Tensor:
    kind = item.type.removeprefix("tensor(").removesuffix(")")
    return Tensor(item.name, tuple(item.shape), "float32" if kind == "float" else kind)


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
