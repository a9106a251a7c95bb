"""Turns frames of all cameras into detections: in batches, and without the network where nothing moved."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_node.backends.interface import OutOfMemory, Pending
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.detect.detector import Detector, Input, Output, Outputs
from edge_node.detect.motion import MotionGate
from edge_node.frames import U8, Detected, Detections, Frame
from shared.channel import Channel, Closed
from shared.geometry import F32

log = logging.getLogger("darner.detect")

_RESTORE_S = 60.0
"""Seconds after memory ran out until batches may have one more frame."""

Choice = Literal["infer", "repeat", "skip"]
"""Run the network, repeat its last detections because nothing moved since, or do neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A frame for the network.

    Attributes:
        frame: As captured.
        input: The prepared picture; None if the network's thread has to prepare it.
    """

    frame: Frame
    input: Input | None


Chosen = list[tuple[Ready, Choice]]
"""Frames in their order, and what is done with each."""


@dataclass(frozen=True, slots=True, eq=False)
class Inferred:
    """A frame that has been through the network or past it.

    Attributes:
        frame: As captured.
        choice: What was done with the frame.
        output: The network's output; None if the frame went past the network.
        timings_ms: Milliseconds of each step.
    """

    frame: Frame
    choice: Choice
    output: Output | None
    timings_ms: dict[str, float]


class Detect:
    """The pipeline's stages between capture and watch: `ready`, `infer` and `decode`, each in its own thread.

    A batch holds the frames that wait when the network is free: at full load batches fill by themselves, and
    on an idle box no frame waits for another.

    Args:
        detector: The network, loaded and warm.
        cameras: Settings by camera.
        live: How often the network runs and the lowest score that counts, by camera.
        fill_s: How long a batch may wait for further frames.
        limit: Maximum number of frames in a batch; 0: as many as the engine takes.
        clock: Gives the time in seconds; it never goes back.

    Attributes:
        class_names: By class id.
        batches_run: Runs of the network, by number of frames.
        still: Frames that did not go through the network because nothing moved, by camera.
    """

    def __init__(
        self,
        detector: Detector,
        cameras: Mapping[str, CameraSettings],
        live: LiveStore,
        fill_s: float = 0.0,
        limit: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._detector = detector
        self._live = live
        self._fill_s, self._clock = fill_s, clock
        self._most = self._limit = min(limit or detector.max_batch, detector.max_batch)
        self.class_names = detector.class_names
        self._shrunk_at = 0.0
        self._cameras = cameras
        self._gates = {
            name: MotionGate(settings.motion_gate)
            for name, settings in cameras.items()
            if settings.motion_gate
        }
        self._since: Counter[str] = Counter()
        self._in_network: deque[Pending[list[Inferred]]] = deque()
        self._newest_size = 0
        self.batches_run: Counter[int] = Counter()
        self.still: Counter[str] = Counter()

    @property
    def limit(self) -> int:
        """Maximum number of frames in a batch now; fewer than configured while there is too little memory."""
        return min(self._limit, self._detector.max_batch)

    @property
    def run_s(self) -> float:
        """Seconds that the network took for one picture before the first frame."""
        return self._detector.run_s

    def ready(self, frame: Frame) -> Ready:
        """Prepare a frame in the thread that captured it, so that the network's thread need not."""
        early = frame.camera not in self._gates and self._live[frame.camera].detect_every == 1
        return Ready(frame, self._detector.prepare(self._part(frame)) if early else None)

    def batches(self, frames: Channel[Ready]) -> Iterator[list[Ready]]:
        """Batches of the frames that wait, each with at most as many as the network takes.

        An empty list asks `infer` to wait for the oldest batch in the network. While the network is busy, the
        next batch waits until it is as large as the newest one.
        """
        with contextlib.suppress(Closed):
            while True:
                limit = self.limit
                if not self._in_network:
                    yield frames.take(limit, fill_s=self._fill_s if limit > 1 else 0.0)
                elif len(frames) >= min(limit, self._newest_size):
                    yield frames.take(limit)
                else:
                    yield []

    def infer(self, batches: Iterable[list[Ready]]) -> Iterator[Inferred]:
        """Take all frames through the network or past it; those of one camera keep their order.

        An engine that works by itself gets the next batch before the last one is collected.
        """
        pending = self._in_network
        for batch in batches:
            if batch:
                self._newest_size = len(batch)
                pending.append(self.submit([(ready, self.choose(ready.frame)) for ready in batch]))
            elif pending:
                yield from pending.popleft().collect()
            while pending and (pending[0].done or len(pending) >= self._detector.in_flight):
                yield from pending.popleft().collect()
        while pending:
            yield from pending.popleft().collect()

    def decode(self, inferred: Iterable[Inferred]) -> Iterator[Detected]:
        """The detections of every frame, in the order of the frames."""
        last: dict[str, Detections] = {}
        for item in inferred:
            camera, timings = item.frame.camera, item.timings_ms
            match item.choice, item.output:
                case "infer", Output() as output:
                    start = time.perf_counter()
                    last[camera] = self._moved_back(item.frame, self._detector.detections(output))
                    decode_ms = round((time.perf_counter() - start) * 1e3, 3)
                    yield Detected(item.frame, last[camera], timings | {"decode": decode_ms})
                case "repeat", _:
                    yield Detected(item.frame, last[camera], timings)
                case _:
                    yield Detected(item.frame, None, timings)

    def choose(self, frame: Frame) -> Choice:
        """Choose what to do with a camera's next frame; call it once for each frame, in their order."""
        camera = frame.camera
        self._since[camera] += 1
        first = frame.seq == 0 or frame.restarted
        if self._since[camera] < self._live[camera].detect_every and not first:
            return "skip"
        self._since[camera] = 0
        gate = self._gates.get(camera)
        if gate is None or gate.moved(self._part(frame), frame.monotonic_ns / 1e9) or first:
            return "infer"
        self.still[camera] += 1
        return "repeat"

    def submit(self, frames: Chosen) -> Pending[list[Inferred]]:
        """Give the network the frames that were chosen for it, at most `limit`.

        Returns:
            All frames in their order, with those that went past the network.

        Raises:
            OutOfMemory: There is no memory for a single frame.
        """
        through = self._submit([ready for ready, choice in frames if choice == "infer"])

        def in_order(inferred: list[Inferred]) -> list[Inferred]:
            rest = iter(inferred)
            return [
                next(rest) if choice == "infer" else Inferred(ready.frame, choice, None, {})
                for ready, choice in frames
            ]

        return through.map(in_order)

    def _submit(self, batch: list[Ready]) -> Pending[list[Inferred]]:
        """Give the network a batch; if there is too little memory for it, one half after the other."""
        if not batch:
            return Pending.of([])
        inputs = [ready.input or self._detector.prepare(self._part(ready.frame)) for ready in batch]
        least = [self._live[ready.frame.camera].confidence for ready in batch]
        try:
            pending = self._detector.submit(inputs, least)
        except OutOfMemory as error:
            if len(batch) == 1:
                raise
            half = len(batch) // 2
            self._limit, self._shrunk_at = half, self._clock()
            log.warning("%s; batches have at most %d frames from now on", error, half)
            first = self._submit(batch[:half]).collect()
            return Pending.of(first + self._submit(batch[half:]).collect())
        self.batches_run[len(batch)] += 1
        self._grow()

        def inferred(result: Outputs) -> list[Inferred]:
            outputs, timings = result
            return [
                Inferred(ready.frame, "infer", output, timings)
                for ready, output in zip(batch, outputs, strict=True)
            ]

        return pending.map(inferred)

    def _grow(self) -> None:
        """Allow larger batches some time after memory ran out: the program that took it may have ended."""
        if self._limit < self._most and self._clock() - self._shrunk_at > _RESTORE_S:
            self._limit, self._shrunk_at = self._limit + 1, self._clock()

    def _part(self, frame: Frame) -> U8:
        """The part of the picture in the camera's region of interest."""
        left, top, right, bottom = self._region(frame)
        return frame.image[top:bottom, left:right]

    def _moved_back(self, frame: Frame, detections: Detections) -> Detections:
        """Detections in the region as detections in the whole picture."""
        left, top, _, _ = self._region(frame)
        if not left and not top:
            return detections
        offset: F32 = np.array([left, top, left, top], np.float32)
        return Detections(detections.xyxy + offset, detections.score, detections.class_id)

    def _region(self, frame: Frame) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the region of interest, in pixels."""
        region = self._cameras[frame.camera].region
        if region is None:
            return 0, 0, frame.width, frame.height
        x1, y1, x2, y2 = region
        left, top = int(x1 * frame.width), int(y1 * frame.height)
        return left, top, max(left + 1, round(x2 * frame.width)), max(top + 1, round(y2 * frame.height))
