"""Frames to detections: preprocess, run the network, decode."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from edge_node.backends.backend import Axis, Backend, ModelFile, Wanted
from edge_node.backends.onnx import OnnxBackend
from edge_node.config import ModelSettings
from edge_node.decode import candidates, class_count, input_format, nms, recognise
from edge_node.frames import U8, Detections
from edge_node.models import COCO, KNOWN, Layout, find_model
from shared.errors import ConfigError, ModelError


class Detector:
    """A network ready to run; `with` loads, warms up and releases it.

    Args:
        settings: The model and its thresholds.

    Attributes:
        class_names: By class id.
        layout: How the output is read.
        input_format: What the network takes.
        backend_name: The engine and its version.
        device: Where it runs.
        max_batch: Most pictures that `detect_batch` takes.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    def __enter__(self) -> Detector:
        settings = self._settings
        path = find_model(settings.name)
        self._backend: Backend = OnnxBackend(path, settings.threads)
        backend = self._backend
        self.backend_name, self.device, self.max_batch = backend.name, backend.device, backend.max_batch
        width, height = _input_size(path, backend.model.inputs[0].shape)
        known = KNOWN.get(settings.name)
        layout = known.layout if known else settings.layout
        self.layout: Layout = recognise(backend.model, width, height) if layout == "auto" else layout
        self.input_format = input_format(self.layout, width, height)
        self.class_names = self._label(backend.model, known_coco=known is not None or self.layout == "yolox")
        self._wanted = _class_ids(settings.classes, self.class_names)
        for _ in range(2):  # the first runs allocate and are slow
            self.detect(np.zeros((height, width, 3), np.uint8))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close()

    def detect(self, image: U8, confidence: float | None = None) -> tuple[Detections, dict[str, float]]:
        """Detections of one picture; any thread may ask, one at a time is served.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            confidence: Lowest score; None for the configured one.

        Returns:
            Detections in pixels of the picture, best first, and the milliseconds of each step.
        """
        found, timings = self.detect_batch([image], [confidence])
        return found[0], timings

    def detect_batch(
        self, images: Sequence[U8], confidences: Sequence[float | None]
    ) -> tuple[list[Detections], dict[str, float]]:
        """Detections of several pictures in one run of the network.

        Args:
            images: u8 ``(H, W, 3)``, BGR, at most `max_batch`.
            confidences: Lowest score for each; None for the configured one.

        Returns:
            By picture: detections in its pixels, best first. And the milliseconds of each step.
        """
        settings = self._settings
        least = [settings.confidence if one is None else one for one in confidences]
        wanted = Wanted(self.layout, self._wanted, min(least))
        with self._lock:
            inference = self._backend.infer(images, self.input_format, wanted)
        start = time.perf_counter()
        results = []
        for outputs, fit, confidence in zip(inference.outputs, inference.fits, least, strict=True):
            found = candidates(self.layout, outputs, self.input_format, self._wanted, confidence)
            found = nms(found, settings.iou, settings.max_detections)
            results.append(
                Detections(fit.to_source(found.xyxy), np.minimum(found.score, 1.0), found.class_id)
            )
        decode_ms = (time.perf_counter() - start) * 1e3
        steps = {
            "preprocess": inference.preprocess_ms,
            "inference": inference.inference_ms,
            "decode": decode_ms,
        }
        return results, {name: round(ms, 3) for name, ms in steps.items()}

    def _label(self, model: ModelFile, *, known_coco: bool) -> tuple[str, ...]:
        count = class_count(self.layout, model)
        names = self._settings.labels or model.class_names
        if not names and count is None:
            raise ModelError(
                f"model {self._settings.name!r} does not say its classes: name them in model.labels"
            )
        if not names:
            names = (
                COCO if known_coco and count == len(COCO) else tuple(f"class_{i}" for i in range(count or 0))
            )
        if count is not None and len(names) != count:
            raise ModelError(
                f"model {self._settings.name!r} has {count} classes, not {len(names)}: correct model.labels"
            )
        return names


def _input_size(path: Path, shape: tuple[Axis, ...]) -> tuple[int, int]:
    """Width and height of a network's input."""
    batch, channels, height, width = shape
    if channels != 3 or (isinstance(batch, int) and batch != 1):
        raise ModelError(f"model {path}: input shape {list(shape)}; needs (1, 3, height, width)")
    # A dynamic size can be anything that is a multiple of 32; 640 is what most were trained at.
    return (width if isinstance(width, int) else 640), (height if isinstance(height, int) else 640)


def _class_ids(wanted: tuple[str, ...], names: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Ids of the wanted class names, all when none are named."""
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(names[:10])}..."
            raise ConfigError(f"model.classes: the model has no class {name!r}; {hint}")
    chosen = [index for index, name in enumerate(names) if not wanted or name in wanted]
    return np.array(chosen, dtype=np.intp)
