"""Frames of all cameras to detections: batches, and which frames the network need not look at."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np

from edge_node.backends.backend import OutOfMemory
from edge_node.config import CameraSettings
from edge_node.detector import Detector
from edge_node.frames import U8, Detected, Detections, Frame
from edge_node.live import Controls
from edge_node.motion import MotionGate
from shared.channel import Channel, Closed
from shared.geometry import F32

log = logging.getLogger("darner.detect")

_RESTORE_S = 60.0


class Detect:
    """The pipeline's stage between capture and watch; runs in one thread.

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
        limit: Most frames in a batch now: less after memory ran out.
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
        self._most = min(limit or detector.max_batch, detector.max_batch)
        self.limit = self._most
        self.class_names = detector.class_names
        self._shrunk_at = 0.0
        self._cameras = cameras
        self._gates = {
            name: MotionGate(settings.motion_gate)
            for name, settings in cameras.items()
            if settings.motion_gate
        }
        self._since: Counter[str] = Counter()
        self._last: dict[str, Detections] = {}
        self.batches_run: Counter[int] = Counter()
        self.still: Counter[str] = Counter()

    def batches(self, frames: Channel[Frame]) -> Iterator[list[Frame]]:
        """Frames as they come, as many at a time as the network takes."""
        with contextlib.suppress(Closed):
            while True:
                yield frames.take(self.limit, fill_s=self._fill_s if self.limit > 1 else 0.0)

    def __call__(self, batches: Iterable[list[Frame]]) -> Iterator[Detected]:
        """Every frame that comes; those of one camera in their order."""
        for batch in batches:
            chosen = [(frame, self._choose(frame)) for frame in batch]
            looked = iter(self._look([frame for frame, choice in chosen if choice == "look"]))
            for frame, choice in chosen:
                match choice:
                    case "look":
                        yield next(looked)
                    case "repeat":
                        yield Detected(frame, self._last[frame.camera], {})
                    case "skip":
                        yield Detected(frame, None, {})

    def _choose(self, frame: Frame) -> Literal["look", "repeat", "skip"]:
        """Run the network on a frame, repeat what it saw last because nothing moved since, or do neither."""
        camera = frame.camera
        self._since[camera] += 1
        first = frame.seq == 0 or frame.restarted
        if self._since[camera] < self._controls[camera].detect_every and not first:
            return "skip"
        self._since[camera] = 0
        gate = self._gates.get(camera)
        if gate is None or gate.moved(self._part(frame), frame.monotonic_ns / 1e9) or first:
            return "look"
        if camera not in self._last:  # it is looked at in this very batch
            return "look"
        self.still[camera] += 1
        return "repeat"

    def _look(self, frames: list[Frame]) -> list[Detected]:
        if not frames:
            return []
        images = [self._part(frame) for frame in frames]
        least = [self._controls[frame.camera].confidence for frame in frames]
        try:
            found, timings = self._detector.detect_batch(images, least)
        except OutOfMemory as error:
            if len(frames) == 1:
                raise
            half = len(frames) // 2
            self.limit, self._shrunk_at = half, time.monotonic()
            log.warning("%s; batches of at most %d from now on", error, half)
            return self._look(frames[:half]) + self._look(frames[half:])
        self.batches_run[len(frames)] += 1
        self._grow()
        results = []
        for frame, detections in zip(frames, found, strict=True):
            moved = self._moved_back(frame, detections)
            if frame.camera in self._gates:
                self._last[frame.camera] = moved
            results.append(Detected(frame, moved, timings))
        return results

    def _grow(self) -> None:
        """Try larger batches again a while after memory ran out: what took it may have ended."""
        if self.limit < self._most and time.monotonic() - self._shrunk_at > _RESTORE_S:
            self.limit, self._shrunk_at = self.limit + 1, time.monotonic()

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
