"""Pictures to detections in three steps that three threads can take: prepare, run the network, decode."""

from __future__ import annotations

import difflib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import numpy as np

from edge_node.assets.models import KNOWN, NO_CLASS, Layout
from edge_node.backends.choose import choose
from edge_node.backends.host import Picture
from edge_node.backends.interface import Array, Backend, Inference, Pending, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox, letterbox
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode.candidates import (
    candidates,
    class_names,
    input_format,
    observed,
    output_order,
    recognise,
    suppress,
)
from edge_node.frames import U8, Detections
from shared.errors import ConfigError

_STRIDE = 32
_DEFAULT_SIZE = 640
"""What most networks that take any size were trained at."""


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture made ready for the network.

    Attributes:
        image: u8 ``(H, W, 3)``, BGR: letterboxed, or as it came for engines that do it on their device.
        fit: How it was letterboxed; None where the engine does it.
        target: What the network takes.
        prepare_ms: What it took.
    """

    image: U8
    fit: Letterbox | None
    target: InputFormat
    prepare_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What the network said of one picture, not decoded yet.

    Attributes:
        arrays: In the order of the layout, without the batch axis.
        fit: From input pixels to those of the picture.
        target: What the network took.
        confidence: Lowest score that counts.
    """

    arrays: list[Array]
    fit: Letterbox
    target: InputFormat
    confidence: float


class Running:
    """A batch that the network was given.

    Args:
        inputs: Its pictures.
        least: Lowest score for each.
        order: Places of the layout's outputs among the network's.
        parts: Indices of those that run together, and what they wait for.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        least: Sequence[float],
        order: Sequence[int],
        parts: Sequence[tuple[list[int], Pending]],
    ) -> None:
        self._inputs, self._least, self._order, self._parts = inputs, least, order, parts

    @property
    def done(self) -> bool:
        """Whether nothing is left to wait for."""
        return all(isinstance(pending, Inference) for _, pending in self._parts)

    def collect(self) -> tuple[list[Output], dict[str, float]]:
        """Wait for it; once.

        Returns:
            By picture what `Detector.decode` reads, and the milliseconds of each step for all together.
        """
        outputs: dict[int, Output] = {}
        preprocess_ms, inference_ms = sum(one.prepare_ms for one in self._inputs), 0.0
        for indices, pending in self._parts:
            inference = pending.collect()
            for index, arrays, fit in zip(indices, inference.outputs, inference.fits, strict=True):
                one, ordered = self._inputs[index], [arrays[place] for place in self._order]
                outputs[index] = Output(ordered, one.fit or fit, one.target, self._least[index])
            preprocess_ms += inference.preprocess_ms
            inference_ms += inference.inference_ms
        timings = {"preprocess": round(preprocess_ms, 3), "inference": round(inference_ms, 3)}
        return [outputs[index] for index in range(len(self._inputs))], timings


@dataclass(frozen=True, slots=True)
class _Placed:
    """A batch that holds one of the engine's places until it is collected."""

    pending: Pending
    places: threading.Semaphore

    def collect(self) -> Inference:
        """See `Pending`."""
        try:
            return self.pending.collect()
        finally:
            self.places.release()


class Detector:
    """A network ready to run; `with` loads, warms up and releases it.

    Args:
        settings: The model and its thresholds.
        index: Number of the GPU, for engines that run on one.

    Attributes:
        class_names: By class id.
        layout: How the output is read.
        input_format: What the network takes; for networks that take any size, of a square picture.
        backend_name: The engine and its version.
        device: Where it runs.
    """

    def __init__(self, settings: ModelSettings, index: int = 0) -> None:
        self._settings, self._index = settings, index
        self._lock = threading.Lock()

    def __enter__(self) -> Detector:
        # OpenCV's threads would fight the engine's for the cores, and both lose.
        cv2.setNumThreads(1)
        settings = self._settings
        self._backend: Backend = choose(settings, self._index)
        backend = self._backend
        self.backend_name, self.device = backend.name, backend.device
        self._places = threading.Semaphore(backend.in_flight)
        self._picture = Picture.of(backend.model, settings.name)
        width, height = self._nominal_size()
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

    @property
    def max_batch(self) -> int:
        """Most pictures in one run; an engine may change it while it runs."""
        return self._backend.max_batch

    @property
    def in_flight(self) -> int:
        """Most batches that are worth submitting before one is collected."""
        return self._backend.in_flight

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
        outputs, timings = self.run([self.prepare(image) for image in images], confidences)
        start = time.perf_counter()
        found = [self.decode(output) for output in outputs]
        timings["decode"] = round((time.perf_counter() - start) * 1e3, 3)
        return found, timings

    def prepare(self, image: U8) -> Input:
        """Letterbox a picture, where the engine does not do it on its device; any thread may, at any time.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
        """
        start = time.perf_counter()
        target = self.target(image.shape[1], image.shape[0])
        if self._backend.letterboxes:
            return Input(image, None, target, 0.0)
        canvas, fit = letterbox(image, target)
        return Input(canvas, fit, target, (time.perf_counter() - start) * 1e3)

    def run(
        self, inputs: Sequence[Input], confidences: Sequence[float | None]
    ) -> tuple[list[Output], dict[str, float]]:
        """`submit`, and `collect` at once."""
        return self.submit(inputs, confidences).collect()

    def submit(self, inputs: Sequence[Input], confidences: Sequence[float | None]) -> Running:
        """Give the network a batch; any thread may, and waits while as many as `in_flight` are not collected.

        One thread alone may submit another before it collects its last.

        Args:
            inputs: At most `max_batch`.
            confidences: Lowest score for each; None for the configured one.

        Raises:
            OutOfMemory: For several pictures; a smaller batch may fit.
        """
        least = [self._settings.confidence if one is None else one for one in confidences]
        by_target: dict[InputFormat, list[int]] = {}
        for index, one in enumerate(inputs):
            by_target.setdefault(one.target, []).append(index)
        parts: list[tuple[list[int], Pending]] = []
        for target, indices in by_target.items():
            # Pictures of one size go together. Of several such runs only the last is left running: who waits
            # for a place must not hold one.
            parts = [(those, pending.collect()) for those, pending in parts]
            wanted = Wanted(self.layout, self._wanted, min(least[index] for index in indices))
            parts.append((indices, self._begin([inputs[index].image for index in indices], target, wanted)))
        return Running(inputs, least, self._order, parts)

    def _begin(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Pending:
        self._places.acquire()
        try:
            with self._lock:
                pending = self._backend.submit(images, target, wanted)
        except BaseException:
            self._places.release()
            raise
        if isinstance(pending, Inference):
            self._places.release()
            return pending
        return _Placed(pending, self._places)

    def decode(self, output: Output) -> Detections:
        """Detections in pixels of the picture, best first; any thread may, at any time."""
        settings = self._settings
        found = candidates(self.layout, output.arrays, output.target, self._wanted, output.confidence)
        found = suppress(self.layout, found, settings.iou, settings.max_detections)
        xyxy, score = output.fit.to_source(found.xyxy), np.minimum(found.score, 1.0)
        return Detections(xyxy, score, found.class_id)

    def target(self, width: int, height: int) -> InputFormat:
        """What the network takes for a picture of this size.

        A network that takes any size gets the picture's aspect: 16:9 fills a square to 56 % only.

        Args:
            width: Pixels.
            height: Pixels.
        """
        base, picture = self.input_format, self._picture
        free = picture.width is None and picture.height is None
        if not free or not self._settings.rectangular or base.fit == "stretch":
            return base
        scale = base.width / max(width, height)
        return replace(base, width=_multiple(width * scale), height=_multiple(height * scale))

    def _nominal_size(self) -> tuple[int, int]:
        """Width and height of the input, for a square picture where the network takes any size."""
        picture, settings = self._picture, self._settings
        wanted = settings.input_size or self._backend.model.trained_size or _DEFAULT_SIZE
        width, height = picture.width or _multiple(wanted), picture.height or _multiple(wanted)
        if settings.input_size and settings.input_size not in (width, height):
            raise ConfigError(
                f"model.input_size={settings.input_size}: the model takes {width}x{height}; leave it out, "
                "or choose a multiple of 32 for a model that takes any size"
            )
        return width, height


def _multiple(pixels: float) -> int:
    """The next multiple of 32, the coarsest stride of most networks."""
    return max(_STRIDE, math.ceil(round(pixels, 3) / _STRIDE) * _STRIDE)


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
