"""Pictures to detections in three steps, each of which may have its own thread: prepare, infer, decode."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import numpy as np

from edge_node.assets.models import KNOWN
from edge_node.assets.names import Layout
from edge_node.backends.choose import choose
from edge_node.backends.host import PictureInput
from edge_node.backends.interface import Array, Backend, Inference, Pending, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox, letterbox
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode import plausible
from edge_node.detect.decode.candidates import candidates, suppress
from edge_node.detect.decode.classes import class_ids, class_names
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.layouts import recognise
from edge_node.detect.decode.outputs import observed
from edge_node.detect.input_size import nominal_size, rectangular, with_known_size
from edge_node.frames import Detections
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8, Lender, Picture, in_host


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture prepared for the network.

    Attributes:
        image: Letterboxed, u8 ``(H, W, 3)``, BGR, unless the engine letterboxes on its device.
        fit: How the picture lies in the input; None if the engine letterboxes.
        target: The input that the network takes for this picture.
        prepare_ms: Milliseconds of the preparation.
    """

    image: Picture
    fit: Letterbox | None
    target: InputFormat
    prepare_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What the engine gave for one picture.

    Attributes:
        arrays: The network's outputs in the family's order, without the batch axis; not needed with `found`.
        fit: How the picture lies in the input.
        target: The input that the network took.
        confidence: Lowest score that counts, 0..1.
        found: What the engine made of the outputs, as `Inference.found` has it; with those that score less,
            if other pictures of the batch wanted them. None: `arrays` have to be decoded.
    """

    arrays: list[Array]
    fit: Letterbox
    target: InputFormat
    confidence: float
    found: Detections | None = None


Outputs = tuple[list[Output], dict[str, float]]
"""The output for each picture of a batch, and the milliseconds of each step for the whole batch."""


class Detector:
    """A network that is ready to run; `with` loads it, warms it up and releases it.

    Args:
        settings: The model and its thresholds.
        index: Number of the GPU, for engines that run on one.
        open_backend: Loads the model into an engine; None for `choose`.

    Attributes:
        class_names: By class id.
        layout: The family of the network; see `decode/families.py`.
        input_format: The input that the network takes for a square picture.
        precision: What the file beside a TensorRT engine says: fp32, fp16 or int8; else empty.
        run_s: Seconds that a picture of 16:9 took when the network was warm.
    """

    def __init__(
        self,
        settings: ModelSettings,
        index: int = 0,
        *,
        open_backend: Callable[[ModelSettings, int], Backend] | None = None,
    ) -> None:
        self._settings, self._index, self._open_backend = settings, index, open_backend or choose
        self._lock = threading.Lock()

    def __enter__(self) -> Detector:
        # OpenCV's threads would fight the engine's for the cores, and both lose.
        cv2.setNumThreads(1)
        settings = self._settings
        self._backend: Backend = self._open_backend(with_known_size(settings), self._index)
        backend = self._backend
        self.precision = backend.model.metadata.get("precision", "")
        self._places = threading.Semaphore(backend.in_flight)
        known = KNOWN.get(settings.name)
        self._picture = PictureInput.of(backend.model, settings.name)
        if known and known.size:
            self._picture = replace(self._picture, width=known.size, height=known.size)
        width, height = nominal_size(self._picture, settings.input_size, backend.model.trained_size)
        blank = np.zeros((height, width, 3), np.uint8)
        sample = backend.submit([blank], InputFormat(width, height), None).collect().outputs[0]
        model = observed(backend.model, sample)
        layout = known.layout if known else settings.layout
        self.layout: Layout = recognise(model, width, height, sample) if layout == "auto" else layout
        self._family = FAMILIES[self.layout]
        self._order = self._family.output_order(model)
        anchors = self._family.anchors
        self._anchors = replace(anchors, order=tuple(self._order)) if anchors else None
        self.input_format = self._family.input_format(width, height)
        named = len(model.class_names) == self._family.class_count(model)
        self._check(sample, sure=named or settings.layout != "auto")
        coco = known is not None and not model.class_names  # all models of the table know COCO's classes
        self.class_names = class_names(self._family, model, settings.labels or (("coco",) if coco else ()))
        self._wanted = class_ids(settings.classes, self.class_names)
        usual = blank[: max(width * 9 // 16, 1)]  # most cameras' aspect
        for _ in range(2):  # the first runs allocate memory and are slow
            start = time.perf_counter()
            self.detect(usual)
            self.run_s = time.perf_counter() - start
        return self

    def _check(self, blank: list[Array], *, sure: bool) -> None:
        """Make sure that the outputs for a blank picture and for noise are those of a detector."""
        target = self.input_format
        noise = np.random.default_rng(0).integers(0, 256, (target.height, target.width, 3), np.uint8)
        noisy = self._backend.submit([noise], target, None).collect().outputs[0]
        for outputs in (blank, noisy):
            ordered = [outputs[place] for place in self._order]
            plausible.check(self.layout, ordered, (target.width, target.height), sure=sure)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close()

    @property
    def backend_name(self) -> str:
        """The engine and its version now: TensorRT may take over, and the processor when a GPU fails."""
        return self._backend.name

    @property
    def device(self) -> str:
        """The device that the engine runs on; see `backend_name`."""
        return self._backend.device

    @property
    def max_batch(self) -> int:
        """Maximum number of pictures in one batch; the number may change while the engine runs."""
        return self._backend.max_batch

    @property
    def usual_batch(self) -> int:
        """Most pictures of a batch where the user sets no limit; 0: as many as the engine takes.

        On a CPU a larger batch gains nothing once every thread has a picture, and all of its pictures wait
        for the last one.
        """
        # While TensorRT builds its engine the model may run on the CPU, but soon it will not.
        if self.device != "cpu" or self._settings.backend == "tensorrt":
            return 0
        return self._settings.threads or usable_cores()

    @property
    def pictures(self) -> Lender | None:
        """Memory in which pictures need no copy by the CPU; see `Backend`."""
        return self._backend.pictures

    @property
    def in_flight(self) -> int:
        """Maximum number of batches that are submitted and not collected; see `Backend`."""
        return self._backend.in_flight

    @property
    def max_detections(self) -> int:
        """Maximum number of detections of one frame."""
        return self._settings.max_detections

    def detect(self, image: U8, confidence: float | None = None) -> tuple[Detections, dict[str, float]]:
        """Detections in one picture; any thread may call this, and they take turns.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            confidence: Lowest score, 0..1; None for the configured one.

        Returns:
            Detections in pixels of the picture, best first; and the milliseconds of each step.
        """
        found, timings = self.detect_batch([image], [confidence])
        return found[0], timings

    def detect_batch(
        self, images: Sequence[U8], confidences: Sequence[float | None]
    ) -> tuple[list[Detections], dict[str, float]]:
        """Detections in several pictures, in one run of the network.

        Args:
            images: u8 ``(H, W, 3)``, BGR, at most `max_batch`.
            confidences: Lowest score for each; None for the configured one.

        Returns:
            For each picture, detections in its pixels, best first; and the milliseconds of each step.
        """
        inputs = [self.prepare(image) for image in images]
        outputs, timings = self.submit(inputs, confidences).collect()
        start = time.perf_counter()
        found = [self.detections(output) for output in outputs]
        timings["decode"] = round((time.perf_counter() - start) * 1e3, 3)
        return found, timings

    def prepare(self, image: Picture) -> Input:
        """Letterbox a picture, unless the engine does that on its device; any thread may, at any time.

        Args:
            image: In host memory, or on the engine's GPU.
        """
        start = time.perf_counter()
        target = self.target(image.shape[1], image.shape[0])
        if self._backend.letterboxes:
            return Input(image, None, target, 0.0)
        canvas, fit = letterbox(in_host(image), target)
        return Input(canvas, fit, target, (time.perf_counter() - start) * 1e3)

    def submit(self, inputs: Sequence[Input], confidences: Sequence[float | None]) -> Pending[Outputs]:
        """Give the network a batch, once fewer than `in_flight` are uncollected; any thread may call this.

        Only one thread may submit a batch before it has collected its last one.

        Args:
            inputs: At most `max_batch`.
            confidences: Lowest score for each; None for the configured one.

        Raises:
            OutOfMemory: There is no memory for these pictures; a smaller batch may fit.
        """
        least = [self._settings.confidence if one is None else one for one in confidences]
        by_target: dict[InputFormat, list[int]] = {}
        for index, one in enumerate(inputs):
            by_target.setdefault(one.target, []).append(index)
        parts: list[tuple[list[int], Pending[Inference]]] = []
        for target, indices in by_target.items():
            # Pictures of one size run together. Of several runs only the last one stays in flight, because a
            # thread that waits for a place in flight must not hold one already.
            parts = [(those, Pending.of(pending.collect())) for those, pending in parts]
            wanted = self._wanted_of([least[index] for index in indices])
            parts.append((indices, self._start([inputs[index].image for index in indices], target, wanted)))

        def collect() -> Outputs:
            return self._outputs(inputs, least, [(those, pending.collect()) for those, pending in parts])

        return Pending(collect, done=all(pending.done for _, pending in parts))

    def _wanted_of(self, least: Sequence[float]) -> Wanted:
        """What a batch wants of its pictures, whose lowest scores are `least`."""
        settings = self._settings
        return Wanted(self._wanted, min(least), self._anchors, settings.iou, settings.max_detections)

    def _start(self, images: Sequence[Picture], target: InputFormat, wanted: Wanted) -> Pending[Inference]:
        """Give the engine a batch, which holds one of the engine's places until it is collected."""
        self._places.acquire()
        try:
            with self._lock:
                pending = self._backend.submit(images, target, wanted)
        except BaseException:
            self._places.release()
            raise
        if pending.done:
            self._places.release()
            return pending

        def collect() -> Inference:
            try:
                return pending.collect()
            finally:
                self._places.release()

        return Pending(collect)

    def _outputs(
        self,
        inputs: Sequence[Input],
        least: Sequence[float],
        parts: Sequence[tuple[list[int], Inference]],
    ) -> Outputs:
        """The outputs of a batch in the order of its inputs, from the parts in which it ran.

        Args:
            inputs: The pictures of the batch.
            least: Lowest score for each.
            parts: Indices of the pictures that ran together, and their results.
        """
        outputs: dict[int, Output] = {}
        preprocess_ms, inference_ms = sum(one.prepare_ms for one in inputs), 0.0
        for indices, inference in parts:
            finished = inference.found or [None] * len(indices)
            for index, arrays, fit, found in zip(
                indices, inference.outputs, inference.fits, finished, strict=True
            ):
                one, ordered = inputs[index], [arrays[place] for place in self._order] if arrays else []
                outputs[index] = Output(ordered, one.fit or fit, one.target, least[index], found)
            preprocess_ms += inference.preprocess_ms
            inference_ms += inference.inference_ms
        timings = {"preprocess": round(preprocess_ms, 3), "inference": round(inference_ms, 3)}
        return [outputs[index] for index in range(len(inputs))], timings

    def detections(self, output: Output) -> Detections:
        """Detections in pixels of the picture, best first; any thread may call this at any time."""
        settings, found = self._settings, output.found
        if found is not None:
            if len(found) and found.score[-1] < output.confidence:
                # Boxes are suppressed only by better ones, so those that score enough are the same.
                return found[found.score >= output.confidence]
            return found
        found = candidates(self._family, output.arrays, output.target, self._wanted, output.confidence)
        found = suppress(self._family, found, settings.iou, settings.max_detections)
        xyxy, score = output.fit.to_source(found.xyxy), np.minimum(found.score, 1.0)
        all_found = Detections(xyxy, score, found.class_id)
        # A box in the bars around the picture shows nothing.
        visible = (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])
        return all_found if visible.all() else all_found[visible]

    def target(self, width: int, height: int) -> InputFormat:
        """The input that the network takes for a picture of this size.

        A network that takes any size gets an input with the picture's aspect: 16:9 fills a square only to 56
        %.

        Args:
            width: Pixels.
            height: Pixels.
        """
        base, picture = self.input_format, self._picture
        free = picture.width is None and picture.height is None
        if not free or not self._settings.rectangular or base.fit == "stretch":
            return base
        return rectangular(base, width, height)
