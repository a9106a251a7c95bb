"""ONNX Runtime, on the CPU or another of its execution providers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnxruntime as ort

from edge_node.assets.download import sha256
from edge_node.backends.host import PictureInput, picture_first
from edge_node.backends.interface import Inference, ModelFile, Pending, Tensor, Wanted, joined
from edge_node.backends.onnx import providers
from edge_node.backends.onnx.fold import FoldError, fold_input
from edge_node.backends.onnx.network import Network
from edge_node.backends.onnx.side_by_side import SideBySide
from edge_node.backends.preprocess import InputFormat, TensorFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import Picture
from shared.errors import ModelError, first_line

log = logging.getLogger("darner.backend")

_TWICE_AT_MOST = 64_000_000
"""Bytes of a file up to which its network is opened a second time, for pictures side by side."""
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

    letterboxes, pictures = False, None

    def __init__(
        self, path: Path, settings: ModelSettings | None = None, index: int = 0, *, fold: bool = True
    ) -> None:
        self._path, self._settings, self._index = path, settings or ModelSettings(), index
        self._providers = providers.wanted(
            self._settings.providers, allow_fallback=self._settings.allow_fallback
        )
        self._threads = self._settings.threads or usable_cores()
        self._stamp = _stamp(path)
        session = self._open(path, self._threads)
        self._providers = providers.started(
            session,
            self._providers,
            self._settings.providers,
            allow_fallback=self._settings.allow_fallback,
        )
        self.name = f"onnxruntime {ort.__version__}"
        self.device: str = self._providers[0]
        self.model = ModelFile(
            picture_first([_tensor(item) for item in session.get_inputs()]),
            tuple(_tensor(item) for item in session.get_outputs()),
            session.get_modelmeta().custom_metadata_map,
            sha256(path),
        )
        self._picture = PictureInput.of(self.model, str(path))
        self._network = Network(session, self.model, self._picture)
        self._given = self._network.new_input()
        self._may_fold = fold and self.device == "cpu" and self._picture.tensor == TensorFormat()
        self._folded_for: InputFormat | None = None
        self._at_once = self._picture.max_batch if self.model.has_batch_axis else 1
        self._beside = self._side_by_side()
        # A file that takes one picture at a time gets a batch's pictures side by side.
        self.max_batch = self._at_once if self._beside is None else max(self._at_once, self._threads)
        self.in_flight = 1 if self._beside is None else 2

    @property
    def folded(self) -> bool:
        """Whether the network takes the picture's bytes; known after the first run."""
        return self._network.folded

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `Backend`; everything is left to the decoder."""
        if self._may_fold and wanted is not None:
            self._fold(target)
        if self._beside is not None and wanted is not None:
            pending = self._beside.submit(images, target)
            if pending is not None:
                return pending
        step = self._at_once
        parts = [
            self._network.infer(self._given, images[first : first + step], target)
            for first in range(0, len(images), step)
        ]
        return Pending.of(joined(parts))

    def close(self) -> None:
        """Release the sessions' memory."""
        if self._beside is not None:
            self._beside.close()
        del self._network

    def _side_by_side(self) -> SideBySide | None:
        """What runs a batch's pictures at the same time; None where that is of no use."""
        fixed = (self._picture.batch or 1) > 1
        large = self._path.stat().st_size > _TWICE_AT_MOST
        if self._threads == 1 or self.device != "cpu" or fixed or large:
            return None
        return SideBySide(self._threads, self._narrow)

    def _narrow(self) -> Network:
        """The network for one core.

        Raises:
            ModelError: The file is another one by now.
        """
        if _stamp(self._path) != self._stamp:
            raise ModelError(f"model {self._path}: its file is a new one, which a reload loads")
        network = self._network
        target = self._folded_for
        model = self._path if target is None else fold_input(self._path, self._picture.name, target).model
        return replace(network, session=self._open(model, 1))

    def _fold(self, target: InputFormat) -> None:
        """Let the first convolution take the picture's bytes, if the network begins with one."""
        key = replace(target, width=0, height=0)
        if key == self._folded_for:
            return
        try:
            if _stamp(self._path) != self._stamp:
                raise FoldError("its file is a new one, which a reload loads")
            folded = fold_input(self._path, self._picture.name, target)
        except FoldError as reason:
            log.debug("model %s takes floats: %s", self._path, reason)
            self._may_fold = False
            return
        tensor = TensorFormat("uint8", channels_last=True, channels=folded.channels)
        session = self._open(folded.model, self._threads)
        self._network = Network(session, self.model, replace(self._picture, tensor=tensor), folded=True)
        self._given = self._network.new_input()
        self._folded_for = key

    def _open(self, model: Path | bytes, threads: int) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads gain little on an idle box, and on a busy one take time from capture and tracking.
        spinning = "1" if self._settings.spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        options.log_severity_level = 3
        try:
            return providers.open_session(
                model, options, self._providers, self._index, self._settings.provider_options
            )
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this file is bad"
            raise ModelError(
                f"model {self._path}: ONNX Runtime cannot load it: {first_line(error)}"
            ) from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from the one that takes its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tensor(item: ort.NodeArg) -> Tensor:
    kind = item.type.removeprefix("tensor(").removesuffix(")")
    return Tensor(item.name, tuple(item.shape), _DTYPES.get(kind, kind))
