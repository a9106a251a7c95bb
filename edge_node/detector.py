"""Frames to detections: preprocess, run the network, decode."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from edge_node.backends.onnx import OnnxBackend
from edge_node.config import ModelSettings
from edge_node.decode import candidates, nms, recognise
from edge_node.frames import U8, Detections, Frame
from edge_node.live import Controls
from edge_node.models import COCO, KNOWN, Layout, find_model
from edge_node.preprocess import InputFormat, Preprocessor
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
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    def __enter__(self) -> Detector:
        settings = self._settings
        path = find_model(settings.name)
        self._backend = backend = OnnxBackend(path, settings.threads)
        self.backend_name, self.device = backend.name, backend.device
        known = KNOWN.get(settings.name)
        width, height = _input_size(str(path), backend.input_shape)
        self.input_format = InputFormat(width, height)
        layout = known.layout if known else settings.layout
        self.layout: Layout = (
            recognise(backend.output_shapes, self.input_format) if layout == "auto" else layout
        )
        if self.layout == "yolox":
            self.input_format = InputFormat(width, height, rgb=False, scale=1.0, centred=False)
        self._preprocess = Preprocessor(self.input_format)
        self.class_names = self._label(backend, known_coco=known is not None or self.layout == "yolox")
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
        settings = self._settings
        least = settings.confidence if confidence is None else confidence
        with self._lock:
            start = time.perf_counter()
            tensor, fit = self._preprocess(image)
            ready = time.perf_counter()
            output = self._backend.infer(tensor)[0]
            done = time.perf_counter()
        found = candidates(self.layout, output, self.input_format, self._wanted, least)
        found = nms(found, settings.iou, settings.max_detections)
        detections = Detections(fit.to_source(found.xyxy), np.minimum(found.score, 1.0), found.class_id)
        end = time.perf_counter()
        steps = {"preprocess": ready - start, "inference": done - ready, "decode": end - done}
        return detections, {name: round(seconds * 1e3, 3) for name, seconds in steps.items()}

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

    def _label(self, backend: OnnxBackend, *, known_coco: bool) -> tuple[str, ...]:
        shape = backend.output_shapes[0]
        count = shape[1] - 4 if self.layout == "yolov8" else shape[2] - 5
        names = self._settings.labels or backend.class_names
        if not names:
            names = COCO if known_coco and count == len(COCO) else tuple(f"class_{i}" for i in range(count))
        if len(names) != count:
            raise ModelError(
                f"model {self._settings.name!r} has {count} classes, not {len(names)}: correct model.labels"
            )
        return names


def _input_size(path: str, shape: tuple[int | str | None, ...]) -> tuple[int, int]:
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
