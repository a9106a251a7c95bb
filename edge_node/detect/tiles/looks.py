"""Where the network looks in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_node.frames import Looked
from edge_node.pictures import Box
from shared.geometry import F32

Why = Literal["whole", "grid", "track", "motion", "sweep"]
"""What a part of a frame is looked at for."""

LEAST = 16.0
"""Side of an object in the network's input, pixels, from which on the network is expected to find it; an
object's side is the square root of its box's area. Measured with the built-in model on COCO: of people with
sides from 12 to 16 it finds 46 %, from 16 to 20 63 %, from 32 on 93 %."""
CLEAR = 28.0
"""Side of an object in the network's input, pixels, that is worth aiming at: larger ones are hardly found
more often."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Parts of a frame whose detections together are those of the frame.

    Attributes:
        boxes: The parts, in pixels of the frame.
        least: f32 ``(K,)``: side of the smallest object that is expected to be found in each, in pixels.
        whole: Which of them is the whole picture, or the whole region of interest; None: none is.
        area: The whole picture or region.
    """

    boxes: tuple[Box, ...]
    least: F32
    whole: int | None
    area: Box

    @property
    def xyxy(self) -> F32:
        """The parts as ``(K, 4)``."""
        return np.array(self.boxes, np.float32).reshape(-1, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The parts of a frame that go through the network, each by itself.

    Attributes:
        layout: All parts. Those that do not go through the network keep what was found there before.
        places: Which of them go through the network.
        why: What each of these is for.
        everywhere: Whether the layout covers the frame, so that what is not found is not there.
    """

    layout: Layout
    places: tuple[int, ...]
    why: tuple[Why, ...]
    everywhere: bool

    def __len__(self) -> int:
        return len(self.places)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The parts that go through the network."""
        return tuple(self.layout.boxes[place] for place in self.places)

    @property
    def xyxy(self) -> F32:
        """All parts of the layout as ``(K, 4)``, pixels of the frame."""
        return self.layout.xyxy

    @property
    def least(self) -> F32:
        """What is expected to be found in each; see `Layout`."""
        return self.layout.least

    @property
    def looked(self) -> Looked | None:
        """What the tracker is told."""
        return None if self.everywhere else Looked(self.layout.xyxy, self.layout.least)
