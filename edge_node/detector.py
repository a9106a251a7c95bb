"""Frames to detections: preprocess, run the network, decode."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from edge_node.backends.backend import Axis, Backend, Wanted
from edge_node.backends.onnx import OnnxBackend
from edge_node.config import ModelSettings
from edge_node.decode import (
    candidates,
    class_names,
    input_format,
    observed,
    output_order,
    recognise,
    suppress,
)
from edge_node.frames import U8, Detections, Frame
from edge_node.live import Controls
from edge_node.models import KNOWN, NO_CLASS, Layout, find_model
from edge_node.preprocess import InputFormat
from shared.errors import ConfigError, ModelError


@dataclass(frozen=True, slots=True)
class Detected:
    """A frame, what was seen in it (None: nobody looked), and how long each step took in milliseconds."""

    frame: Frame
    detections: Detections | None
    timings_ms: dict[str, float]


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
        blank = np.zeros((height, width, 3), np.uint8)
        everything = Wanted("auto", np.arange(0), 0.0)
        sample = backend.infer([blank], InputFormat(width, height), everything).outputs[0]
        model = observed(backend.model, sample)
        self.layout: Layout = recognise(model, width, height, sample) if layout == "auto" else layout
        self._order = output_order(self.layout, model)
        self.input_format = input_format(self.layout, width, height)
        self.class_names = class_names(self.layout, model, settings.labels)
        self._wanted = _class_ids(settings.classes, self.class_names)
        for _ in range(2):  # the first runs allocate and are slow
            self.detect(blank)
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
            ordered = [outputs[index] for index in self._order]
            found = candidates(self.layout, ordered, self.input_format, self._wanted, confidence)
            found = suppress(self.layout, found, settings.iou, settings.max_detections)
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

    def stage(self, frames: Iterable[Frame], controls: Controls) -> Iterator[Detected]:
        """The pipeline's stage: every frame that comes, in its order.

        Args:
            frames: Of any number of cameras.
            controls: How often to look, and how sure to be, by camera.
        """
        skipped: Counter[str] = Counter()
        for frame in frames:
            skipped[frame.camera] += 1
            live = controls[frame.camera]
            if skipped[frame.camera] < live.detect_every and frame.seq and not frame.restarted:
                yield Detected(frame, None, {})
                continue
            skipped[frame.camera] = 0
            detections, timings = self.detect(frame.image, live.confidence)
            yield Detected(frame, detections, timings)


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
    chosen = [
        index for index, name in enumerate(names) if name in wanted or (not wanted and name != NO_CLASS)
    ]
    return np.array(chosen, dtype=np.intp)
