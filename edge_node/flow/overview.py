"""What the metrics and the watchdog see of a pipeline's stages."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from edge_node.analytics.watch import Watch
from edge_node.collect.collector import Collector
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.detect.choosing import Ready
from edge_node.detect.stages import Detect
from edge_node.flow.progress import Progress
from edge_node.frames import Detected
from edge_node.machine.vitals import Throughput
from edge_node.publish.publisher import Publisher
from shared.channel import Channel
from shared.service.watchdog import LATE_S, SLOWER, Look, Stage, held_up, taking
from shared.wire.messages import CameraMetrics, StageMetrics

log = logging.getLogger("darner.pipeline")

PATIENCE_S = 75.0
"""How long a network may take that waits for another machine, or changes to a newly built engine, seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The parts of a pipeline.

    Attributes:
        publisher: Takes the results.
        detects: The stage of each detector.
        detector_of: Number of each camera's detector.
        frames: What waits for each detector.
        detected: What waits for the trackers.
        captured: How far each camera's capture is.
        watches: Tracker and analytics, by camera.
        collector: Keeps frames that are worth labelling.
    """

    publisher: Publisher
    detects: Sequence[Detect]
    detector_of: Mapping[str, int]
    frames: Sequence[Channel[Ready]]
    detected: Channel[Detected]
    captured: Mapping[str, Progress]
    watches: Mapping[str, Watch]
    collector: Collector | None = None


class Overview:
    """Counts what a pipeline does, and looks whether its stages get on.

    Args:
        config: The node's configuration.
        live: The live settings.
        parts: What to look at.

    Attributes:
        held_back: Frames that were captured and not passed on, by camera; the capture threads count them.
        processed: Frames that were tracked, by camera; the thread that tracks counts them.
        left_out: What was left out of the messages of cameras that detect by themselves, by camera and
            reason; the threads that receive them count.
    """

    def __init__(self, config: EdgeConfig, live: LiveStore, parts: Parts) -> None:
        self._config, self._live, self._parts = config, live, parts
        self._patience_s = PATIENCE_S if config.model.backend in ("kserve", "tensorrt") else LATE_S
        self._silent: dict[str, int] = {}  # cameras whose reader does not come back, with their frames so far
        self._counted: dict[str, tuple[int, int]] = {}
        self._reported_at = time.monotonic()
        self.held_back: Counter[str] = Counter()
        self.processed: Counter[str] = Counter()
        self.left_out: dict[str, Counter[str]] = {name: Counter() for name in config.cameras}

    def stages(self) -> list[Stage]:
        """The stages, for a watchdog. The cameras are a group: a silent one must not end the others."""
        cameras = [
            Stage(f"capture {name}", partial(self._look_at_capture, name), "cameras")
            for name in self._parts.captured
        ]
        infer = [
            Stage(
                infer_name(index),
                taking(frames, self._parts.detected, partial(self._look_at_infer, index), lane=str(index)),
            )
            for index, frames in enumerate(self._parts.frames)
        ]
        outgoing = self._parts.publisher.outgoing
        return [
            *cameras,
            *infer,
            Stage("watch", self._look_at_watch),
            Stage("thumbnails", taking(self._parts.publisher.thumbnails.waiting, outgoing)),
            Stage("publish", taking(outgoing, also=self._parts.publisher.waits)),
        ]

    def hung(self) -> list[str]:
        """The stages that have work and, if the pipeline was to have ended by now, do not get on with it."""
        return [stage.name for stage in self.stages() if not stage.group and stage.probe() is not None]

    def note_silent(self, late: Mapping[str, float]) -> None:
        """Publish which cameras' readers do not come back, and which have come back with frames.

        Args:
            late: Seconds of each late stage, by name.
        """
        for name, progress in self._parts.captured.items():
            seconds = late.get(f"capture {name}")
            if seconds is not None and name not in self._silent:
                self._silent[name] = progress.frames
                source = describe(self._config.cameras[name].source)
                reason = f"camera {name}: {source} gave neither a frame nor an error for {seconds:.0f} s"
                log.warning("%s: its driver, decoder or network is stuck", reason)
                self._parts.publisher.state.camera_status(name, "reconnecting", reason)
            elif seconds is None and name in self._silent and progress.frames > self._silent.pop(name):
                log.info("camera %s gives frames again", name)
                self._parts.publisher.state.camera_status(name, "streaming")

    def _look_at_capture(self, camera: str) -> Look | None:
        progress, frames = self._parts.captured[camera], self._parts.frames[self._parts.detector_of[camera]]
        waits = self._live.halted(camera) or held_up(frames, camera)
        return None if progress.holding and waits else progress.look()

    def _look_at_infer(self, index: int, taken: int) -> Look:
        # Of a slow network nothing is known before its first batch, except how long its last trial took.
        wait_s = max(LATE_S, SLOWER * self._parts.detects[index].run_s) if taken == 0 else LATE_S
        return Look(taken, wait_s, max(wait_s, self._patience_s))

    def _look_at_watch(self) -> Look | None:
        publisher = self._parts.publisher
        if held_up(publisher.thumbnails.waiting):
            return None
        return taking(self._parts.detected, publisher.outgoing)()

    def metrics(self) -> Throughput:
        """Each camera's frames a second since the last call, and what waits and was lost at each stage."""
        frames = self._parts.frames
        batches: Counter[int] = Counter()
        for detect in self._parts.detects:
            batches.update(dict(detect.batches_run))  # a copy, because its thread goes on counting
        lost = sum(sum(dict(channel.dropped).values()) for channel in frames)
        stages = {
            "capture": StageMetrics(waiting=0, dropped=sum(dict(self.held_back).values())),
            "look": StageMetrics(waiting=sum(map(len, frames)), dropped=lost),  # the wire's word for `infer`
            "watch": StageMetrics(waiting=len(self._parts.detected), dropped=0),
        }
        runs = {str(size): batches[size] for size in sorted(batches)}
        return Throughput(cameras=self._camera_metrics(), stages=stages, batches=runs)

    def _camera_metrics(self) -> dict[str, CameraMetrics]:
        now = time.monotonic()
        elapsed, self._reported_at = max(now - self._reported_at, 1e-3), now
        result, collector = {}, self._parts.collector
        for name in self._config.cameras:
            detector = self._parts.detector_of[name]
            captured, processed = self._parts.captured[name].frames, self.processed[name]
            before = self._counted.get(name, (0, 0))
            self._counted[name] = (captured, processed)
            result[name] = CameraMetrics(
                fps_in=round((captured - before[0]) / elapsed, 2),
                fps_out=round((processed - before[1]) / elapsed, 2),
                captured=captured,
                processed=processed,
                dropped=self._parts.frames[detector].dropped[name],
                thumbnails=self._parts.publisher.thumbnails_sent[name],
                thumbnails_unwatched=self._parts.publisher.thumbnails.unwatched[name],
                still=self._parts.detects[detector].still[name],
                ignored=self._parts.watches[name].ignored | dict(+self.left_out[name]),
                looks=dict(self._parts.detects[detector].looks.get(name, {})),
                collected=None if collector is None else collector.metrics(name),
            )
        return result


def infer_name(index: int) -> str:
    """The name of a detector's stage and thread."""
    return "infer" if index == 0 else f"infer {index}"
