"""What has been through the network, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_node.detect.choosing import Asked, Choice, Chosen
from edge_node.detect.in_and_out import Output
from edge_node.detect.tiles.looks import Looks
from edge_node.frames import Detected, Detections, Frame, Looked
from edge_node.pictures import Box

Picture = tuple[Output, dict[str, float]]
"""The network's output for one picture, and the milliseconds of each step of the run that it was in."""


@dataclass(frozen=True, slots=True, eq=False)
class Inferred:
    """A frame that has been through the network or past it.

    Attributes:
        frame: As captured.
        choice: What was done with the frame.
        outputs: The network's output for each part of the frame; none if the frame went past the network.
        timings_ms: Milliseconds of each step, of all runs that the frame was in.
        boxes: The parts, in pixels of the frame.
        looks: What the parts are, where the camera has tiles.
        asked: Who asked for it, if it is no camera's.
    """

    frame: Frame
    choice: Choice
    outputs: Sequence[Output]
    timings_ms: dict[str, float]
    boxes: tuple[Box, ...] = ()
    looks: Looks | None = None
    asked: Asked | None = None


@dataclass(slots=True, eq=False)
class Last:
    """What was found in a camera's last frame that went through the network.

    Attributes:
        detections: In the whole frame.
        looked: Where the network looked.
        parts: In each part of the layout.
        looks: The layout, where the camera has tiles.
    """

    detections: Detections
    looked: Looked | None = None
    parts: Sequence[Detections] = ()
    looks: Looks | None = None

    def of(self, frame: Frame, timings_ms: dict[str, float]) -> Detected:
        """The same of a frame."""
        return Detected(frame, self.detections, timings_ms, self.looked, self.parts, self.looks)


def inferred(chosen: Chosen, pictures: Sequence[Picture]) -> Inferred:
    """A chosen frame with the outputs for its parts; the times of all runs that they were in are added."""
    frame, outputs = chosen.ready.frame, [output for output, _ in pictures]
    if len(pictures) == 1:
        return Inferred(
            frame, chosen.choice, outputs, pictures[0][1], chosen.boxes, chosen.looks, chosen.ready.asked
        )
    runs = {id(timings): timings for _, timings in pictures}
    timings_ms: dict[str, float] = {}
    for timings in runs.values():
        timings_ms = {
            step: round(timings_ms.get(step, 0.0) + milliseconds, 3) for step, milliseconds in timings.items()
        }
    return Inferred(frame, chosen.choice, outputs, timings_ms, chosen.boxes, chosen.looks)
