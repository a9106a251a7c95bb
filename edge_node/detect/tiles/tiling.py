"""Which parts of a camera's frames go through the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_node.backends.preprocess import InputFormat
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.motion import MotionGate
from edge_node.detect.tiles.grid import grid
from edge_node.detect.tiles.interest import Followed
from edge_node.detect.tiles.looks import LEAST, Layout, Looks, Why
from edge_node.detect.tiles.plan import Plan, View
from edge_node.frames import Detections, Frame, Tracks
from edge_node.pictures import Box

Target = Callable[[int, int], InputFormat]
"""The network's input for a picture of a width and a height."""

_KEPT = 16
"""Most frames whose tracks wait to be used."""


class Tiling:
    """The tiles of one camera, by one version of its settings.

    Args:
        settings: The tiles.
        gate: `motion_gate` of the camera.
        target: Gives the network's input for a picture.
        lag: How many frames later a frame's tracks are used; 0: as soon as they are known.

    Attributes:
        settings: As given.
    """

    def __init__(self, settings: TileSettings, gate: float, target: Target, lag: int = 0) -> None:
        self.settings = settings
        self._target, self._lag = target, lag
        self._gate = gate
        self._gates: list[MotionGate] = []
        self._layout: Layout | None = None
        self._plan = Plan(settings, gate)
        self._used = 0
        # Written by the thread that follows, read by the one that looks: it is replaced, never changed.
        self._known: tuple[tuple[int, Followed], ...] = ()

    def looks(self, frame: Frame, number: int, area: Box, runs: int, *, afresh: bool) -> Looks:
        """The looks at a camera's next frame.

        Args:
            frame: The frame.
            number: How many frames of the camera came before it.
            area: The picture or the region of interest.
            runs: Most looks that the tiling may choose; a fixed grid takes as many as it has tiles.
            afresh: Whether earlier frames say nothing about this one.
        """
        if self.settings.fixed:
            return self._of_grid(frame, area, afresh=afresh)
        left, top, right, bottom = area
        target = self._target(right - left, bottom - top)
        now_s = frame.monotonic_ns / 1e9
        until = number - self._lag if self._lag else number
        news = tuple(known for at, known in self._known if self._used <= at <= until)
        self._used = max([self._used, *(at + 1 for at, _ in self._known if at <= until)])
        size = (target.width, target.height)
        followed = tuple(known.moved(-left, -top) for known in news)
        crops = self._plan.choose(View(frame.cut(area), size, now_s, runs, followed, afresh))
        boxes = tuple(frame.aligned(_moved(crop.box, left, top)) for crop in crops)
        whole = boxes.index(area) if area in boxes else None
        layout = Layout(boxes, np.array([crop.least for crop in crops], np.float32), whole, area)
        return Looks(layout, tuple(range(len(crops))), tuple(crop.why for crop in crops), everywhere=False)

    def follow(
        self,
        frame: Frame,
        number: int,
        tracks: Tracks,
        parts: Sequence[Detections],
        ignored: Detections | None = None,
    ) -> None:
        """Take the tracks after a frame, what each look showed, and what of it was ignored."""
        if not self.settings.fixed:
            known = (number, Followed.of(frame.monotonic_ns / 1e9, tracks, parts, ignored))
            self._known = (*self._known, known)[-_KEPT:]

    def _of_grid(self, frame: Frame, area: Box, *, afresh: bool) -> Looks:
        """A grid's tiles; with `motion_gate` those in which something moved."""
        layout = grid_layout(self.settings, frame, area, self._target)
        every = range(len(layout.boxes))
        places = list(every)
        if self._gate:
            if afresh or self._layout is None or layout.boxes != self._layout.boxes:
                self._gates = [MotionGate(self._gate) for _ in every]
            now_s = frame.monotonic_ns / 1e9
            parts = (frame.cut(box) for box in layout.boxes)
            places = [at for at, part in enumerate(parts) if self._gates[at].moved(part, now_s)]
        self._layout = layout
        why: tuple[Why, ...] = tuple("whole" if place == layout.whole else "grid" for place in places)
        return Looks(layout, tuple(places), why, everywhere=True)


def grid_layout(settings: TileSettings, frame: Frame, area: Box, target: Target) -> Layout:
    """The tiles of a fixed grid, and behind them the whole if it is wanted."""
    boxes = tuple(map(frame.aligned, grid(area, settings.across, settings.down, settings.shared)))
    whole = len(boxes) if settings.with_whole else None
    if whole is not None:
        boxes = (*boxes, area)
    sizes = [(right - left, bottom - top) for left, top, right, bottom in boxes]
    inputs = [target(*size) for size in sizes]
    shrinks = [
        max(size[0] / one.width, size[1] / one.height) for size, one in zip(sizes, inputs, strict=True)
    ]
    return Layout(boxes, np.array(shrinks, np.float32) * np.float32(LEAST), whole, area)


def _moved(box: Box, right: int, down: int) -> Box:
    x1, y1, x2, y2 = box
    return x1 + right, y1 + down, x2 + right, y2 + down
