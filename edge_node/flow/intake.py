"""What the threads of the cameras do with each frame: to the network, past it, or no further."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import partial

from edge_node.backends.cuda.video.nvdec import decoder_for
from edge_node.capture.camera import capture
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import has_pictures
from edge_node.detect.choosing import Ready
from edge_node.detect.stages import Detect
from edge_node.flow.overview import Overview
from edge_node.flow.progress import Progress
from edge_node.frames import Detected
from edge_node.health.monitor import HealthMonitor
from edge_node.inbound.receive import receive
from edge_node.pace import Pace
from edge_node.publish.state.node import NodeState
from shared.channel import Channel
from shared.wire import topics

log = logging.getLogger("darner.pipeline")

Lane = tuple[Detect, Channel[Ready]]
"""A detector, and the channel that leads to it."""


class Intake:
    """Takes the frames of the cameras in. Each camera's frames belong to a thread of its own.

    Args:
        config: The node's configuration.
        live: The live settings.
        stop: Set by anybody to end the run.
        captured: How far each camera's thread is; it is noted there.
        lanes: The way to the network, by camera.
        detected: Takes what cameras have detected themselves.
        overview: Counts the frames that go no further.
        state: Tells everybody how a camera is.
        health: Judges the cameras' pictures; None: nobody does.
    """

    def __init__(
        self,
        config: EdgeConfig,
        live: LiveStore,
        stop: threading.Event,
        captured: Mapping[str, Progress],
        lanes: Mapping[str, Lane],
        detected: Channel[Detected],
        overview: Overview,
        state: NodeState,
        health: HealthMonitor | None,
    ) -> None:
        self._config, self._live, self._stop = config, live, stop
        self._captured, self._lanes, self._detected = captured, lanes, detected
        self._overview, self._state, self._health = overview, state, health
        self._paces = {
            name: Pace(settings.max_fps) for name, settings in config.cameras.items() if settings.max_fps
        }
        self._paused: set[str] = set()

    def run(self, camera: str) -> None:
        """Take a camera's frames in, until its source or the run ends."""
        if has_pictures(self._config.cameras[camera].source):
            self._read(camera)
        else:
            self._receive(camera)

    def _read(self, camera: str) -> None:
        """Give the network the frames of a camera."""
        settings, progress = self._config.cameras[camera], self._captured[camera]
        detect, frames = self._lanes[camera]
        for frame in capture(
            camera,
            settings,
            progress,
            partial(self._state.camera_status, camera),
            lender=lambda: detect.pictures,
            gpu=lambda: decoder_for(detect.pictures),
        ):
            progress.took()
            if self._health is not None:
                rests = self._live[camera].paused or self._live.resting(camera)
                self._health.offer(frame, looks=not rests)
            if frame.seq == 0:
                log.info("camera %s: %dx%d", camera, frame.width, frame.height)
            pace = self._paces.get(camera)
            if pace is not None and not pace.ready(frame.monotonic_ns / 1e9):
                self._overview.held_back[camera] += 1
            elif self._may_go_on(camera, recorded=frame.clock == "media"):
                put = frames.put if frame.clock == "media" else frames.put_newest
                put(detect.ready(frame), camera)
            else:
                self._overview.held_back[camera] += 1
            progress.passed_on()

    def _receive(self, camera: str) -> None:
        """Give the trackers what a camera has detected itself, past the network."""
        config, pace, progress = self._config, self._paces.get(camera), self._captured[camera]
        for detected in receive(
            camera,
            config.cameras[camera],
            progress,
            partial(self._state.camera_status, camera),
            config.mqtt,
            topics.DETECTIONS.path(config.mqtt.prefix, node=config.node, camera=camera),
            self._lanes[camera][0].class_names,
            self._overview.left_out[camera],
            lambda: self._live[camera].confidence,
        ):
            progress.took()
            frame = detected.frame
            # What ends everything must not be left out.
            due = pace is None or frame.restarted or pace.ready(frame.monotonic_ns / 1e9)
            if due and self._may_go_on(camera, recorded=False):
                self._detected.put(detected, f"{camera} given")
            else:
                self._overview.held_back[camera] += 1
            progress.passed_on()

    def _may_go_on(self, camera: str, *, recorded: bool) -> bool:
        """Whether to analyse a frame. In a pause, a film waits, and live frames are dropped."""
        if self._live.halted(camera):
            self._say_paused(camera)
            if not recorded:
                return False
            while self._live.halted(camera) and not self._stop.wait(0.1):
                self._say_paused(camera)
        if camera in self._paused:
            self._paused.discard(camera)
            self._state.camera_status(camera, "streaming")
        return True

    def _say_paused(self, camera: str) -> None:
        schedule = self._live.resting(camera)
        reason = f"off schedule {schedule}" if schedule and not self._live[camera].paused else None
        self._state.camera_status(camera, "paused", reason)
        self._paused.add(camera)
