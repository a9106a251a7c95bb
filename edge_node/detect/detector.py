"""Pictures to detections in three steps, each of which may have its own thread: prepare, infer, decode."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import cv2
import numpy as np

from edge_node.assets.names import Layout
from edge_node.backends.choose import choose
from edge_node.backends.interface import Pending, Wanted
from edge_node.backends.lineage import Lineage, lineage_of
from edge_node.backends.preprocess import InputFormat, letterbox
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.in_and_out import Input, Output, Outputs, Ran, found_in, outputs_of
from edge_node.detect.input_size import rectangular
from edge_node.detect.loading import Loaded, OpenBackend, load
from edge_node.frames import Detections
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8, Lender, Picture, in_host
from shared.errors import ModelError

log = logging.getLogger("darner.detect")

_EMPTY_S = 10.0
"""Seconds that a network which was exchanged has for the batches in it."""


class Detector:
    """A network that is ready to run; `with` loads it, warms it up and releases it.

    Args:
        settings: The model and its thresholds.
        index: Number of the GPU, for engines that run on one.
        open_backend: Loads the model into an engine; None for `choose`.

    Attributes:
        run_s: Seconds that a picture of 16:9 took when the network was warm.
    """

    def __init__(
        self, settings: ModelSettings, index: int = 0, *, open_backend: OpenBackend | None = None
    ) -> None:
        self._settings, self._index, self._open_backend = settings, index, open_backend or choose
        self._lock = threading.Lock()

    def __enter__(self) -> Detector:
        # OpenCV's threads would fight the engine's for the cores, and both lose.
        cv2.setNumThreads(1)
        self._now: Loaded = load(self._settings, self._index, self._open_backend)
        try:
            base = self.input_format
            # Most cameras' aspect.
            usual = np.zeros((max(base.width * 9 // 16, 1), base.width, 3), np.uint8)
            for _ in range(2):  # the first runs allocate memory and are slow
                start = time.perf_counter()
                self.detect(usual)
                self.run_s = time.perf_counter() - start
        except BaseException:
            self._now.backend.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now.backend.close()

    def take_over(self, newer: Detector) -> None:
        """Run another detector's network from the next batch on, and release the one that ran until now.

        Batches that are in the old network come back from it. Any thread may call this at any time.

        Args:
            newer: Was entered, and is not used or left by anybody from now on.

        Raises:
            ModelError: The other network has other classes, or takes or gives something else.
        """
        self.check_exchange(newer)
        with self._lock:
            before, self._now, self.run_s = self._now, newer._now, newer.run_s
        deadline = time.monotonic() + _EMPTY_S
        for _ in range(before.in_flight):
            if not before.places.acquire(timeout=max(0.0, deadline - time.monotonic())):
                log.warning("a batch is still in the model that was exchanged: its memory is not released")
                return
        before.backend.close()

    def check_exchange(self, newer: Detector) -> None:
        """Make sure that `take_over` could run the other detector's network.

        Raises:
            ModelError: It has other classes, or takes or gives something else.
        """
        why = newer._now.differs_from(self._now)
        if why is not None:
            raise ModelError(
                f"model {self._settings.name}: the new file {why}, and trackers and zones go by the old one; "
                "restart the node to run it"
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names by class id."""
        return self._now.class_names

    @property
    def layout(self) -> Layout:
        """The family of the network; see `decode/families.py`."""
        return self._now.layout

    @property
    def input_format(self) -> InputFormat:
        """The input that the network takes for a square picture."""
        return self._now.input_format

    @property
    def precision(self) -> str:
        """What the file beside a TensorRT engine says: fp32, fp16 or int8; else empty."""
        return self._now.backend.model.metadata.get("precision", "")

    @property
    def lineage(self) -> Lineage:
        """Which file the model is now, and where it comes from."""
        return lineage_of(self._now.backend.model)

    @property
    def backend_name(self) -> str:
        """The engine and its version now: TensorRT may take over, and the processor when a GPU fails."""
        return self._now.backend.name

    @property
    def device(self) -> str:
        """The device that the engine runs on; see `backend_name`."""
        return self._now.backend.device

    @property
    def max_batch(self) -> int:
        """Maximum number of pictures in one batch; the number may change while the engine runs."""
        return self._now.backend.max_batch

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
        return self._now.backend.pictures

    @property
    def in_flight(self) -> int:
        """Maximum number of batches that are submitted and not collected; see `Backend`."""
        return self._now.backend.in_flight

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
        if self._now.backend.letterboxes:
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
        parts: list[tuple[list[int], Pending[Ran]]] = []
        for target, indices in by_target.items():
            # Pictures of one size run together. Of several runs only the last one stays in flight, because a
            # thread that waits for a place in flight must not hold one already.
            parts = [(those, Pending.of(pending.collect())) for those, pending in parts]
            lowest = min(least[index] for index in indices)
            parts.append((indices, self._start([inputs[index].image for index in indices], target, lowest)))

        def collect() -> Outputs:
            return outputs_of(inputs, least, [(those, pending.collect()) for those, pending in parts])

        return Pending(collect, done=all(pending.done for _, pending in parts))

    def _start(self, images: Sequence[Picture], target: InputFormat, lowest: float) -> Pending[Ran]:
        """Give the engine a batch, which holds one of the engine's places until it is collected."""
        settings = self._settings
        while True:
            now = self._now
            now.places.acquire()
            try:
                with self._lock:
                    if now is not self._now:  # exchanged meanwhile
                        now.places.release()
                        continue
                    wanted = Wanted(now.wanted, lowest, now.anchors, settings.iou, settings.max_detections)
                    pending = now.backend.submit(images, target, wanted)
            except BaseException:
                now.places.release()
                raise
            break
        if pending.done:
            now.places.release()
            return Pending.of((now, pending.collect()))

        def collect() -> Ran:
            try:
                return now, pending.collect()
            finally:
                now.places.release()

        return Pending(collect)

    def detections(self, output: Output) -> Detections:
        """Detections in pixels of the picture, best first; any thread may call this at any time."""
        settings = self._settings
        return found_in(output, self._now, settings.iou, settings.max_detections)

    def target(self, width: int, height: int) -> InputFormat:
        """The input that the network takes for a picture of this size.

        A network that takes any size gets an input with the picture's aspect: 16:9 fills a square only to 56
        %.

        Args:
            width: Pixels.
            height: Pixels.
        """
        base, picture = self._now.input_format, self._now.picture
        free = picture.width is None and picture.height is None
        if not free or not self._settings.rectangular or base.fit == "stretch":
            return base
        return rectangular(base, width, height)
