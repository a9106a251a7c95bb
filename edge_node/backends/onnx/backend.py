"""ONNX Runtime, on the CPU or another of its execution providers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_node.backends.host import HostInput, PictureInput, by_picture, picture_first
from edge_node.backends.interface import Array, Inference, ModelFile, Pending, Tensor, Wanted
from edge_node.backends.onnx import providers
from edge_node.backends.onnx.fold import FoldError, fold_input
from edge_node.backends.preprocess import InputFormat, Letterbox, TensorFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.frames import Picture
from edge_node.machine.hardware import usable_cores
from shared.errors import ModelError

log = logging.getLogger("darner.backend")

_DTYPES = {"float": "float32", "float16": "float16", "double": "float64"}


class OnnxBackend:
    """Runs an ONNX model.

    Args:
        path: The model.
        settings: Providers and threads.
        index: Number of the GPU.
        fold: Whether the first convolution may be changed, on the CPU, to take the picture's bytes.

    Raises:
        ModelError: The file is no ONNX model or takes no picture, or a configured provider cannot start.
    """

    in_flight, letterboxes, pictures = 1, False, None

    def __init__(
        self, path: Path, settings: ModelSettings | None = None, index: int = 0, *, fold: bool = True
    ) -> None:
        self._path, self._settings, self._index = path, settings or ModelSettings(), index
        self._providers = providers.wanted(
            self._settings.providers, allow_fallback=self._settings.allow_fallback
        )
        self._session = self._open(path)
        self._providers = providers.started(
            self._session,
            self._providers,
            self._settings.providers,
            allow_fallback=self._settings.allow_fallback,
        )
        self.name = f"onnxruntime {ort.__version__}"
        self.device: str = self._providers[0]
        self.model = ModelFile(
            picture_first([_tensor(item) for item in self._session.get_inputs()]),
            tuple(_tensor(item) for item in self._session.get_outputs()),
            self._session.get_modelmeta().custom_metadata_map,
        )
        self._picture = PictureInput.of(self.model, str(path))
        self.max_batch = self._picture.max_batch if self.model.has_batch_axis else 1
        self._prepare = HostInput(self.model, self._picture)
        self._may_fold = fold and self.device == "cpu" and self._picture.tensor == TensorFormat()
        self._folded_for: InputFormat | None = None

    @property
    def folded(self) -> bool:
        """Whether the network takes the picture's bytes; known after the first run."""
        return self._folded_for is not None

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `Backend`; everything is left to the decoder."""
        if self._may_fold and wanted is not None:
            self._fold(target)
        start = time.perf_counter()
        feeds, fits = self._feeds(images, target)
        ready = time.perf_counter()
        raw = [np.asarray(output) for output in self._session.run(None, feeds)]
        done = time.perf_counter()
        outputs = by_picture(raw, self.model, len(images))
        return Pending.of(Inference(outputs, fits, (ready - start) * 1e3, (done - ready) * 1e3))

    def close(self) -> None:
        """Release the session's memory."""
        del self._session

    def _feeds(
        self, images: Sequence[Picture], target: InputFormat
    ) -> tuple[dict[str, Array], list[Letterbox]]:
        if self._folded_for is None:
            return self._prepare(images, target)
        # The network scales and reorders; the tensor holds plain pixels.
        feeds, fits = self._prepare(images, replace(target, rgb=False))
        rows = feeds[self._picture.name]
        feeds[self._picture.name] = rows.reshape(len(rows), 1, target.height, -1)
        return feeds, fits

    def _fold(self, target: InputFormat) -> None:
        """Let the first convolution take the picture's bytes, if the network begins with one."""
        key = replace(target, width=0, height=0)
        if key == self._folded_for:
            return
        try:
            folded = fold_input(self._path, self._picture.name, target)
        except FoldError as reason:
            log.debug("model %s takes floats: %s", self._path, reason)
            self._may_fold = False
            return
        self._session = self._open(folded.model)
        tensor = TensorFormat("uint8", channels_last=True, channels=folded.channels)
        self._prepare = HostInput(self.model, replace(self._picture, tensor=tensor))
        self._folded_for = key

    def _open(self, model: Path | bytes) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._settings.threads or usable_cores()
        options.inter_op_num_threads = 1
        # Spinning threads gain little on an idle box, and on a busy one take time from capture and tracking.
        spinning = "1" if self._settings.spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        options.log_severity_level = 3
        asked = providers.options(self._providers, self._index)
        try:
            return ort.InferenceSession(model, options, providers=asked)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this file is bad"
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"model {self._path}: ONNX Runtime cannot load it: {first}") from None


def _tensor(item: ort.NodeArg) -> Tensor:
    kind = item.type.removeprefix("tensor(").removesuffix(")")
    return Tensor(item.name, tuple(item.shape), _DTYPES.get(kind, kind))
