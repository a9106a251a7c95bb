"""What is done with each frame: which parts of it go through the network, or why none does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.sources import is_read_fast
from edge_node.detect.detector import Detector
from edge_node.detect.in_and_out import Input
from edge_node.detect.motion import MotionGate
from edge_node.detect.tiles.budget import UNHURRIED, Budget
from edge_node.detect.tiles.looks import Looks
from edge_node.detect.tiles.tiling import Tiling, grid_layout
from edge_node.frames import Detections, Frame, Tracks
from edge_node.pictures import Box

Choice = Literal["infer", "repeat", "skip"]
"""Run the network, repeat its last detections because nothing moved since, or do neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request for what is in a picture of no camera.

    Attributes:
        confidence: Lowest score that counts, 0..1.
        answer: Gets the detections, and the milliseconds of each step.
    """

    confidence: float
    answer: Future[tuple[Detections, dict[str, float]]] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A frame for the network.

    Attributes:
        frame: As captured.
        inputs: The prepared parts of the picture; None if the network's thread has to prepare them.
        cost: How many pictures it is expected to be for the network.
        asked: Who asked for it, if it is no camera's.
        since_ns: When it was ready, on the monotonic clock, nanoseconds.
    """

    frame: Frame
    inputs: tuple[Input, ...] | None
    cost: int = 1
    asked: Asked | None = None
    since_ns: int = field(default_factory=time.monotonic_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A frame, and what is done with it.

    Attributes:
        ready: The frame.
        choice: What is done.
        boxes: The parts that go through the network, in pixels of the frame.
        looks: What the parts are, where the camera has tiles.
    """

    ready: Ready
    choice: Choice
    boxes: tuple[Box, ...] = ()
    looks: Looks | None = None


class Choosing:
    """Chooses for every frame of the cameras of one detector.

    Args:
        detector: Says what its input for a picture is, and how fast it was when it was loaded.
        cameras: Settings by camera.
        live: How often the network runs and at which tiles, by camera.
        lag: How many frames later a frame's tracks are used to choose where to look; 0: as soon as they are
            known.

    Attributes:
        still: Frames that did not go through the network because nothing moved, by camera.
        looks: Parts of frames that were chosen, by camera and what they were for; of cameras with tiles.
        budget: How much the network can do.
    """

    def __init__(
        self, detector: Detector, cameras: Mapping[str, CameraSettings], live: LiveStore, lag: int
    ) -> None:
        self._detector, self._cameras, self._live, self.lag = detector, cameras, live, lag
        self._gates = {
            name: MotionGate(settings.motion_gate)
            for name, settings in cameras.items()
            if settings.motion_gate
        }
        self._since: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()
        self._followed: Counter[str] = Counter()
        self._tilings: dict[str, Tiling] = {}
        self.still: Counter[str] = Counter()
        self.looks: dict[str, Counter[str]] = {}
        self.budget = Budget(detector.run_s)

    def ready(self, frame: Frame) -> Ready:
        """Prepare a frame in the thread that captured it, so that the network's thread need not."""
        camera = frame.camera
        tiles = self._live.tiles(camera)
        self.budget.came(camera, frame.monotonic_ns)
        early = camera not in self._gates and self._live[camera].detect_every == 1
        if tiles is None:
            return Ready(frame, (self._prepared(frame, self.area(frame)),) if early else None)
        if not tiles.fixed:
            return Ready(frame, None, self._runs(camera))
        boxes = grid_layout(tiles, frame, self.area(frame), self._detector.target).boxes
        inputs = tuple(self._prepared(frame, box) for box in boxes) if early else None
        return Ready(frame, inputs, len(boxes))

    def choose(self, ready: Ready) -> Chosen:
        """Choose what to do with a camera's next frame; call it once for each frame, in their order."""
        frame = ready.frame
        if ready.asked is not None:
            return Chosen(ready, "infer", ((0, 0, frame.width, frame.height),))
        camera = frame.camera
        self._since[camera] += 1
        number, self._chosen[camera] = self._chosen[camera], self._chosen[camera] + 1
        first = frame.seq == 0 or frame.restarted
        if self._since[camera] < self._live[camera].detect_every and not first:
            return Chosen(ready, "skip")
        self._since[camera] = 0
        tiles = self._live.tiles(camera)
        area = self.area(frame)
        if tiles is None:
            self._tilings.pop(camera, None)
            gate = self._gates.get(camera)
            if gate is None or gate.moved(frame.cut(area), frame.monotonic_ns / 1e9) or first:
                return Chosen(ready, "infer", (area,))
            self.still[camera] += 1
            return Chosen(ready, "repeat")
        tiling = self._tilings.get(camera)
        if tiling is None or tiling.settings is not tiles:
            tiling = Tiling(tiles, self._cameras[camera].motion_gate, self._detector.target, self.lag)
            self._tilings[camera] = tiling
            first = True
        looks = tiling.looks(frame, number, area, self._runs(camera), afresh=first)
        if not looks:
            self.still[camera] += 1
            return Chosen(ready, "repeat")
        self.looks.setdefault(camera, Counter()).update(looks.why)
        return Chosen(ready, "infer", looks.boxes, looks)

    def follow(
        self, frame: Frame, tracks: Tracks, parts: Sequence[Detections], ignored: Detections | None = None
    ) -> None:
        """Take the tracks after a camera's next frame, what each look showed and what of it was ignored."""
        number, self._followed[frame.camera] = self._followed[frame.camera], self._followed[frame.camera] + 1
        tiling = self._tilings.get(frame.camera)
        if tiling is not None:
            tiling.follow(frame, number, tracks, parts, ignored)

    def inputs(self, chosen: Chosen) -> Sequence[Input]:
        """The parts of a chosen frame for the network."""
        prepared, frame = chosen.ready.inputs, chosen.ready.frame
        if prepared is not None and len(prepared) == len(chosen.boxes):
            return prepared
        return [self._prepared(frame, box) for box in chosen.boxes]

    def area(self, frame: Frame) -> Box:
        """The picture, or its region of interest, in pixels."""
        return frame.area(self._cameras[frame.camera].region)

    def _prepared(self, frame: Frame, box: Box) -> Input:
        return self._detector.prepare(frame.cut(box))

    def _runs(self, camera: str) -> int:
        """Most looks at a frame of a camera whose tiles are no grid."""
        tiles = self._live.tiles(camera)
        assert tiles is not None  # noqa: S101 - the caller has looked
        if tiles.runs is not None:
            return tiles.runs
        if is_read_fast(self._cameras[camera]):
            return UNHURRIED
        every, fixed = {}, {}
        for name in self._cameras:
            every[name], other = self._live[name].detect_every, self._live.tiles(name)
            if other is None:
                fixed[name] = 1
            elif other.fixed or other.runs:
                fixed[name] = other.runs or other.pictures
        return self.budget.runs(every, fixed)
