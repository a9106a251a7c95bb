"""Threads and channels around the stages: capture, detect, watch, publish."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from functools import partial

from edge_node.analytics.paused import Paused
from edge_node.analytics.watch import IDLE_S, Analysed, Watch, update_all
from edge_node.collect.collector import Collector
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import are_read_fast, has_pictures
from edge_node.detect.choosing import Ready
from edge_node.detect.stages import NOBODY, Detect
from edge_node.flow.intake import Intake
from edge_node.flow.overview import Overview, Parts, infer_name
from edge_node.flow.progress import Progress
from edge_node.frames import Detected, Detections
from edge_node.health.monitor import HealthMonitor
from edge_node.ignore.suspects import SuspectHunt
from edge_node.monitoring.meter import Meter
from edge_node.pictures import U8
from edge_node.publish.publisher import Publisher
from shared.channel import Channel, Closed

log = logging.getLogger("darner.pipeline")

_AHEAD = 4
"""Frames of a file that may wait between two stages, so that a pause in one does not stop the next."""
_LOOK_S = 0.5
"""How often a thread that waits for an answer checks that the network's thread still runs, seconds."""


class Pipeline:
    """One run of an edge node. The first error of any stage ends it.

    Args:
        config: The node's configuration.
        detects: The stage of each detector, loaded and warm. The cameras are shared out among them.
        publisher: Takes the results; it need not be connected.
        live: The live settings.
        definitions: The zones and lines to begin with.
        stop: Set by anybody to end the run: capture stops, and the later stages finish what they have.
        hunts: What looks for static false positives, by camera.
        collector: Keeps frames that are worth labelling; None: nobody does.
        meter: Counts for Prometheus; None: nobody reads it.
        health: Judges the cameras' pictures; None: nobody does.

    Attributes:
        detects: As given.
        watches: Tracker and analytics, by camera.
        overview: What metrics and watchdog see of the stages.
        without_pictures: The cameras whose detections come over MQTT.
        done: Set when everything was published.
        error: The first error of any stage.
    """

    def __init__(
        self,
        config: EdgeConfig,
        detects: Sequence[Detect],
        publisher: Publisher,
        live: LiveStore,
        definitions: DefinitionStore,
        stop: threading.Event,
        hunts: Mapping[str, SuspectHunt] | None = None,
        collector: Collector | None = None,
        meter: Meter | None = None,
        health: HealthMonitor | None = None,
    ) -> None:
        self._config = config
        self._publisher = publisher
        self._stop = stop
        self._collector, self._meter = collector, meter
        self.detects = detects
        self._detector_of = {name: index % len(detects) for index, name in enumerate(config.cameras)}
        # A lane per camera, for its newest frame. If every source is a file that is read as fast as possible,
        # a lane is deeper: it can fill a batch, and bridge a pause such as the start of a file's next pass.
        hurried = are_read_fast(config.cameras)
        weights = {name: settings.priority for name, settings in config.cameras.items()}
        self._frames: list[Channel[Ready]] = [
            Channel(detect.limit + _AHEAD if hurried else 1, weights, cost=_cost) for detect in detects
        ]
        self._inferring = len(detects)
        # Room for a batch of different cameras, whose frames are tracked together.
        together = min(len(config.cameras), max(detect.limit for detect in detects))
        self._detected: Channel[Detected] = Channel(depth=max(_AHEAD if hurried else 2, together))
        names, hunts = detects[0].class_names, hunts or {}
        self.watches = {
            name: Watch(settings.analytics, definitions[name], config.tracker, names, hunts.get(name))
            for name, settings in config.cameras.items()
        }
        captured = {name: Progress(settings, stop) for name, settings in config.cameras.items()}
        self._captured = captured
        parts = Parts(
            publisher,
            detects,
            self._detector_of,
            self._frames,
            self._detected,
            captured,
            self.watches,
            collector,
        )
        self.overview = Overview(config, live, parts)
        lanes = {name: (detects[at], self._frames[at]) for name, at in self._detector_of.items()}
        self._intake = Intake(
            config, live, stop, captured, lanes, self._detected, self.overview, publisher.state, health
        )
        self.without_pictures = {
            name for name, settings in config.cameras.items() if not has_pictures(settings.source)
        }
        self._streaming = len(config.cameras)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.done = threading.Event()
        self.error: BaseException | None = None

    def start(self) -> None:
        """Start a thread for every stage."""
        for name in self._config.cameras:
            self._spawn(f"capture {name}", partial(self._capture, name), daemon=True)
        if not self._config.cameras:
            self._spawn("no camera", self._wait_for_stop, daemon=True)
        for index in range(len(self.detects)):
            self._spawn(infer_name(index), partial(self._infer, index))
        self._spawn("watch", self._watch)
        self._spawn("thumbnails", self._publisher.encode)
        self._spawn("publish", self._publish)

    def paused(self, camera: str) -> Paused:
        """Which zones and lines of a camera count nothing now."""
        return self.watches[camera].pauses.now

    def join(self, timeout: float) -> list[str]:
        """Wait for the stages to end; return the names of those that still run after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def detect(self, image: U8, confidence: float) -> tuple[Detections, dict[str, float]]:
        """The objects in a picture of no camera, which takes its turn in the cameras' batches.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            confidence: Lowest score that counts, 0..1.

        Returns:
            Detections in pixels of the picture, best first; and the milliseconds of each step.
        """
        index = min(range(len(self.detects)), key=lambda at: len(self._frames[at]))
        detect, name = self.detects[index], infer_name(index)
        if self._runs(name):
            ready = detect.ask(image, confidence)
            assert ready.asked is not None  # noqa: S101 - `ask` sets it
            answer = ready.asked.answer
            with contextlib.suppress(Closed):  # all films are over
                self._frames[index].put(ready, NOBODY)
                while self._runs(name) and not answer.done():
                    wait([answer], _LOOK_S)
                if answer.done():
                    return answer.result()
        return detect.find(image, confidence)

    def _runs(self, name: str) -> bool:
        return any(thread.name == name and thread.is_alive() for thread in self._threads)

    @property
    def healthy(self) -> bool:
        """Whether all stages after capture are alive; a camera's own capture may have ended."""
        return self.error is None and all(thread.is_alive() for thread in self._threads if not thread.daemon)

    def _spawn(self, name: str, work: Callable[[], None], *, daemon: bool = False) -> None:
        # Capture threads are daemons: one that hangs in a driver must not keep the process alive.
        thread = threading.Thread(target=self._guard, args=(name, work), name=name, daemon=daemon)
        self._threads.append(thread)
        thread.start()

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Closed:
            pass  # a later stage has ended
        except BaseException as error:
            with self._lock:
                if self.error is None:
                    self.error = error
                    log.debug("stage %s failed", name, exc_info=True)
            self._stop.set()
            for frames in self._frames:
                frames.close()
            self._detected.close()
            self._publisher.thumbnails.waiting.close()
            self._publisher.outgoing.close()

    def _capture(self, camera: str) -> None:
        try:
            self._intake.run(camera)
        finally:
            self._captured[camera].ended = True
            if not self._stop.is_set():
                self._publisher.source_ended(camera)
            with self._lock:
                self._streaming -= 1
                last = self._streaming == 0
            if last:
                self._end_frames()

    def _wait_for_stop(self) -> None:
        """Stand in for the cameras of a node that has none: no frames come, and the end is the stop's."""
        self._stop.wait()
        self._end_frames()

    def _end_frames(self) -> None:
        for channel in self._frames:
            channel.close()

    def _infer(self, index: int) -> None:
        detect, lane = self.detects[index], str(index)
        for detected in detect.detect(self._frames[index]):
            if detected:
                self._detected.put_all(detected, lane)
        with self._lock:
            self._inferring -= 1
            last = self._inferring == 0
        if last:
            self._detected.close()

    def _watch(self) -> None:
        with contextlib.suppress(Closed):
            while True:
                with contextlib.suppress(TimeoutError):
                    self._follow(self._detected.take(math.inf, IDLE_S))
                self._conclude(one.close() for one in self.watches.values())
        self._conclude(one.finish() for one in self.watches.values())
        self._publisher.thumbnails.waiting.close()  # when these are encoded, `outgoing` is closed

    def _follow(self, waiting: Sequence[Detected]) -> None:
        """Track and analyse these frames, and hand on what is known of them."""
        analysed = update_all(waiting, self.watches)
        for detected, item in zip(waiting, analysed, strict=True):
            camera = item.frame.camera
            self._detect_of(camera).follow(detected, item.tracks, item.dropped)
            self.overview.processed[camera] += 1
        self._publisher.publish_all(analysed)
        if self._meter is not None:
            self._meter.note(analysed)
        if self._collector is not None:
            self._collector.offer(waiting, analysed)

    def _conclude(self, found: Iterable[Analysed | None]) -> None:
        """Hand on what became certain about cameras without a further frame."""
        for last in found:
            if last is not None:
                self._publisher.conclude(last)
                if self._meter is not None:
                    self._meter.happened(last.frame.camera, last.report.happenings)

    def _detect_of(self, camera: str) -> Detect:
        return self.detects[self._detector_of[camera]]

    def _publish(self) -> None:
        self._publisher.send()
        self.done.set()


def _cost(ready: Ready) -> int:
    """What a frame costs the network, so that a camera with tiles takes no more than its share."""
    return ready.cost
