"""Frames of all cameras to detections: batches, and which frames the network need not look at."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_node.backends.interface import OutOfMemory
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import Controls
from edge_node.detect.detector import Detector, Input, Output, Running
from edge_node.detect.motion import MotionGate
from edge_node.frames import U8, Detected, Detections, Frame
from shared.channel import Channel, Closed
from shared.geometry import F32

log = logging.getLogger("darner.detect")

_RESTORE_S = 60.0


Choice = Literal["look", "repeat", "skip"]
"""Run the network, take over what it saw last because nothing moved since, or do neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A frame, and what the network gets of it, if that was made already."""

    frame: Frame
    input: Input | None


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A frame behind the network: what was chosen, what came out, and the milliseconds of each step."""

    frame: Frame
    choice: Choice
    output: Output | None
    timings_ms: dict[str, float]


class _Flight:
    """Frames on their way through the network or past it.

    Args:
        chosen: The frames and what is done with each.
        looked: Those to be looked at, still in the network or behind it.
    """

    def __init__(self, chosen: list[tuple[Ready, Choice]], looked: Running | list[Looked]) -> None:
        self._chosen, self._looked = chosen, looked
        self.size = len(chosen)

    @property
    def done(self) -> bool:
        """Whether nothing is left to wait for."""
        return isinstance(self._looked, list) or self._looked.done

    def land(self) -> Iterator[Looked]:
        """All of them in their order, as soon as they are there."""
        looked = self._looked
        if not isinstance(looked, list):
            looked = _collect([ready for ready, choice in self._chosen if choice == "look"], looked)
        seen = iter(looked)
        for ready, choice in self._chosen:
            yield next(seen) if choice == "look" else Looked(ready.frame, choice, None, {})


def _collect(batch: list[Ready], running: Running) -> list[Looked]:
    outputs, timings = running.collect()
    return [
        Looked(ready.frame, "look", output, timings) for ready, output in zip(batch, outputs, strict=True)
    ]


class Detect:
    """The pipeline's stages between capture and watch: `ready`, `look` and `decode` have a thread each.

    A batch is whatever cameras have a frame when the network is free: at full load batches fill by
    themselves, and on an idle box no frame waits for another.

    Args:
        detector: Loaded and warm.
        cameras: Their settings.
        controls: How often to look, and how sure to be, by camera.
        fill_s: How long a batch may wait for further frames.
        limit: Most frames in a batch; 0: as many as the engine takes.

    Attributes:
        class_names: By class id.
        batches_run: Runs of the network, by number of frames.
        still: Frames the network did not look at because nothing moved, by camera.
    """

    def __init__(
        self,
        detector: Detector,
        cameras: Mapping[str, CameraSettings],
        controls: Controls,
        fill_s: float = 0.0,
        limit: int = 0,
    ) -> None:
        self._detector = detector
        self._controls = controls
        self._fill_s = fill_s
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
        self._flying: deque[_Flight] = deque()
        self.batches_run: Counter[int] = Counter()
        self.still: Counter[str] = Counter()

    @property
    def limit(self) -> int:
        """Most frames in a batch now: less after memory ran out, or while there is too little of it."""
        return min(self._limit, self._detector.max_batch)

    def ready(self, frame: Frame) -> Ready:
        """Prepare a frame where it was captured, so that the network's thread need not; any thread may."""
        early = frame.camera not in self._gates and self._controls[frame.camera].detect_every == 1
        return Ready(frame, self._detector.prepare(self._part(frame)) if early else None)

    def batches(self, frames: Channel[Ready]) -> Iterator[list[Ready]]:
        """Frames as they come, as many at a time as the network takes.

        An empty list asks `look` to wait for what is in the network. While something is, no smaller batch
        than that begins: what comes meanwhile makes it larger, and the network has enough to do.
        """
        with contextlib.suppress(Closed):
            while True:
                limit = self.limit
                if not self._flying:
                    yield frames.take(limit, fill_s=self._fill_s if limit > 1 else 0.0)
                elif len(frames) >= min(limit, self._flying[-1].size):
                    yield frames.take(limit)
                else:
                    yield []

    def look(self, batches: Iterable[list[Ready]]) -> Iterator[Looked]:
        """Every frame that comes, those of one camera in their order, through the network or past it.

        Where the engine goes on by itself it gets the next batch before the last one is collected.
        """
        flying = self._flying
        for batch in batches:
            if batch:
                flying.append(self._begin(batch))
            elif flying:
                yield from flying.popleft().land()
            while flying and (flying[0].done or len(flying) >= self._detector.in_flight):
                yield from flying.popleft().land()
        while flying:
            yield from flying.popleft().land()

    def decode(self, looked: Iterable[Looked]) -> Iterator[Detected]:
        """What was seen, frame by frame."""
        last: dict[str, Detections] = {}
        for item in looked:
            camera, timings = item.frame.camera, item.timings_ms
            match item.choice, item.output:
                case "look", Output() as output:
                    start = time.perf_counter()
                    last[camera] = self._moved_back(item.frame, self._detector.decode(output))
                    decode_ms = round((time.perf_counter() - start) * 1e3, 3)
                    yield Detected(item.frame, last[camera], timings | {"decode": decode_ms})
                case "repeat", _:
                    yield Detected(item.frame, last[camera], timings)
                case _:
                    yield Detected(item.frame, None, timings)

    def choose(self, frame: Frame) -> Choice:
        """What to do with a camera's next frame."""
        camera = frame.camera
        self._since[camera] += 1
        first = frame.seq == 0 or frame.restarted
        if self._since[camera] < self._controls[camera].detect_every and not first:
            return "skip"
        self._since[camera] = 0
        gate = self._gates.get(camera)
        if gate is None or gate.moved(self._part(frame), frame.monotonic_ns / 1e9) or first:
            return "look"
        self.still[camera] += 1
        return "repeat"

    def run(self, batch: list[Ready]) -> list[Looked]:
        """Frames through the network at once, at most `limit` of them.

        Raises:
            OutOfMemory: One frame alone does not fit.
        """
        if not batch:
            return []
        try:
            return _collect(batch, self._submit(batch))
        except OutOfMemory as error:
            return self._in_halves(batch, error)

    def _begin(self, batch: list[Ready]) -> _Flight:
        """Choose what to do with frames, and give those to be looked at to the network."""
        chosen = [(ready, self.choose(ready.frame)) for ready in batch]
        look = [ready for ready, choice in chosen if choice == "look"]
        try:
            return _Flight(chosen, self._submit(look) if look else [])
        except OutOfMemory as error:
            return _Flight(chosen, self._in_halves(look, error))

    def _submit(self, batch: list[Ready]) -> Running:
        inputs = [ready.input or self._detector.prepare(self._part(ready.frame)) for ready in batch]
        least = [self._controls[ready.frame.camera].confidence for ready in batch]
        running = self._detector.submit(inputs, least)
        self.batches_run[len(batch)] += 1
        self._grow()
        return running

    def _in_halves(self, batch: list[Ready], error: OutOfMemory) -> list[Looked]:
        """What did not fit as one batch, in two."""
        if len(batch) == 1:
            raise error
        half = len(batch) // 2
        self._limit, self._shrunk_at = half, time.monotonic()
        log.warning("%s; batches of at most %d from now on", error, half)
        return self.run(batch[:half]) + self.run(batch[half:])

    def _grow(self) -> None:
        """Try larger batches again a while after memory ran out: what took it may have ended."""
        if self._limit < self._most and time.monotonic() - self._shrunk_at > _RESTORE_S:
            self._limit, self._shrunk_at = self._limit + 1, time.monotonic()

    def _part(self, frame: Frame) -> U8:
        """The region of interest."""
        left, top, right, bottom = self._region(frame)
        return frame.image[top:bottom, left:right]

    def _moved_back(self, frame: Frame, detections: Detections) -> Detections:
        left, top, _, _ = self._region(frame)
        if not left and not top:
            return detections
        offset: F32 = np.array([left, top, left, top], np.float32)
        return Detections(detections.xyxy + offset, detections.score, detections.class_id)

    def _region(self, frame: Frame) -> tuple[int, int, int, int]:
        region = self._cameras[frame.camera].region
        if region is None:
            return 0, 0, frame.width, frame.height
        x1, y1, x2, y2 = region
        left, top = int(x1 * frame.width), int(y1 * frame.height)
        return left, top, max(left + 1, round(x2 * frame.width)), max(top + 1, round(y2 * frame.height))
