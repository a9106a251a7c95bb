"""What one picture shows to the search for suspects: what was found, and where something has moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_node.frames import Detections, Frame, Looked, Tracks
from edge_node.ignore import looks
from edge_node.pictures import U8
from shared.geometry import F32, F64, Bool, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture that is looked at.

    Attributes:
        frame: The frame that it is of.
        found: The detections with the best scores, in pixels of the frame.
        tracks: The frame's tracks, in pixels of the frame.
        looked: Where the network looked; None: at the whole frame.
        picture: The frame as `looks.shrink` makes it.
        changes: What has changed since the sample before, as `looks.changes` says; None: not known.
        dt: Seconds since the sample before.
    """

    frame: Frame
    found: Detections
    tracks: Tracks
    looked: Looked | None
    picture: U8
    changes: F64 | None
    dt: float

    @property
    def at_us(self) -> int:
        """When it was captured, microseconds since 1970 UTC."""
        return self.frame.captured_ns // 1000

    @property
    def boxes(self) -> F64:
        """The boxes of what was found ``(N, 4)``, fractions of the frame."""
        return self.fractions(self.found.xyxy)

    def fractions(self, xyxy: Floats) -> F64:
        """Boxes ``(N, 4)`` in pixels, as fractions of the frame."""
        return np.asarray(xyxy / np.array([self.frame.width, self.frame.height] * 2, np.float64))

    def looks(self, boxes: F64) -> tuple[F32, Bool | None]:
        """How each box looks now, and whether something has moved in it; None: not known.

        Args:
            boxes: ``(N, 4)``, fractions of the frame.
        """
        now = looks.looks(self.picture, boxes)
        return now, None if self.changes is None else looks.moved(self.changes, boxes)

    def looked_at(self, boxes: F64) -> Bool:
        """In which boxes ``(N, 4)``, fractions of the frame, the network would have found something."""
        if self.looked is None:
            return np.ones(len(boxes), np.bool_)
        pixels = boxes * ([self.frame.width, self.frame.height] * 2)
        inside = (pixels[:, None, :2] >= self.looked.xyxy[None, :, :2]).all(axis=2)
        inside &= (pixels[:, None, 2:] <= self.looked.xyxy[None, :, 2:]).all(axis=2)
        sides = np.sqrt((pixels[:, 2] - pixels[:, 0]) * (pixels[:, 3] - pixels[:, 1]))
        return np.asarray((inside & (sides[:, None] >= self.looked.least[None])).any(axis=1))
