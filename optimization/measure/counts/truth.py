"""What happened, by the whole way of each object: what an all-knowing observer counts.

This shares no code with the node's analytics, which sees one frame after the other and knows no future. An
object's way is where its anchor was from its first to its last box, straight through short gaps.

- A line is crossed by an object that is on one side of it, goes through it between its ends, and leaves the
  line's band on the other side, or ends its way there.
- A zone is entered by an object that is inside for the zone's `enter_after_s`, also if its way begins there.
  It is exited by an object that is then outside for the zone's `exit_after_s`, or ends its way there. A way
  that ends inside is not exited.
- A zone's occupancy is the number of objects between entry and exit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_node.frames import I64
from optimization.measure.counts.shapes import Shapes
from optimization.measure.mot import Boxes
from shared.geometry import F64, Bool, Polygons, anchor_points, side_of_line
from shared.wire.messages import LineDefinition, ZoneDefinition

GAP_S = 2.0
"""Somebody whom the truth does not show for longer has left, and begins a new way."""
_EDGE = 1 - 1e-9
_TICK_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One object from its first to its last box.

    Attributes:
        first: Number of its first frame.
        boxes: A box for each frame from there on, fractions of the frame, ``(K, 4)``.
    """

    first: int
    boxes: F64


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What happened, or what was counted.

    Attributes:
        flows: For each line or zone, how often it was crossed "in" (or entered) and "out" (or exited).
        occupancy: For each zone, the number of objects inside in each frame, ``(F,)``.
    """

    flows: Mapping[str, tuple[int, int]]
    occupancy: Mapping[str, I64]


def ways(frames: Sequence[Boxes], frame_rate: float, size: tuple[int, int]) -> list[Way]:
    """Follow every object of the ground truth.

    Args:
        frames: True identities and boxes of each frame, pixels.
        frame_rate: Frames per second.
        size: Width and height of the frame, pixels.
    """
    numbers: dict[int, list[int]] = {}
    seen: dict[int, list[F64]] = {}
    for number, (ids, boxes) in enumerate(frames):
        for one, box in zip(ids.tolist(), boxes, strict=True):
            numbers.setdefault(one, []).append(number)
            seen.setdefault(one, []).append(box)
    return [
        way
        for one, at in numbers.items()
        for way in _pieces(np.array(at), np.array(seen[one]) / (*size, *size), GAP_S * frame_rate)
    ]


def _pieces(at: I64, boxes: F64, longest_gap: float) -> Iterator[Way]:
    ends = [0, *(np.flatnonzero(np.diff(at) > longest_gap) + 1).tolist(), len(at)]
    for a, b in pairwise(ends):
        every = np.arange(at[a], at[b - 1] + 1)
        filled = np.stack([np.interp(every, at[a:b], boxes[a:b, side]) for side in range(4)], axis=1)
        yield Way(int(at[a]), filled)


def count(
    found: Sequence[Way], frames: int, frame_rate: float, size: tuple[int, int], shapes: Shapes
) -> Counts:
    """Count what objects did.

    Args:
        found: Their ways.
        frames: Number of frames.
        frame_rate: Frames per second.
        size: Width and height of the frame, pixels.
        shapes: Lines and zones. Their class filters are not looked at.
    """
    unit = np.array([size[0] / size[1], 1.0])
    flows, occupancy = {}, {}
    for name, line in shapes.lines.items():
        inward = [way for one in found for way in crossings(one, line, unit)]
        flows[name] = (inward.count(True), inward.count(False))
    for name, zone in shapes.zones.items():
        polygon = Polygons([np.asarray(zone.polygon)])
        inside = np.zeros(frames, np.int64)
        entered = exited = 0
        for one in found:
            for begin, end, left in stays(one, zone, polygon, frame_rate):
                inside[one.first + begin : one.first + end] += 1
                entered, exited = entered + 1, exited + left
        flows[name], occupancy[name] = (entered, exited), inside
    return Counts(flows, occupancy)


def crossings(way: Way, line: LineDefinition, unit: F64) -> list[bool]:
    """The crossings of one object, in their order: whether each went "in".

    Args:
        way: The object's way.
        line: The line.
        unit: Width and height of the frame, frame heights, ``(2,)``.
    """
    spots, ends = _spots(way, line.anchor) * unit, np.asarray(line.points) * unit
    distance = side_of_line(spots, ends)
    known = [0, *np.flatnonzero(np.abs(distance) > line.band).tolist(), len(spots) - 1]
    through = _through(spots, distance, ends)
    found = []
    for a, b in pairwise(known):
        net, before, after = int(through[a:b].sum()), distance[a] >= 0, distance[b] >= 0
        if before != after and net and (net > 0) == after:
            found.append(bool(after))
    return found


def _through(spots: F64, distance: F64, ends: F64) -> I64:
    """For each step of a way ``(K - 1,)``: 1 or -1 where it goes through the line, "in" or "out", else 0."""
    side = distance >= 0
    step = spots[1:] - spots[:-1]
    reach = ends[None] - spots[:-1, None]
    turn = step[:, None, 0] * reach[..., 1] - step[:, None, 1] * reach[..., 0]
    hit = (side[1:] != side[:-1]) & (turn[:, 0] * turn[:, 1] <= 0)
    return np.where(hit, np.where(side[1:], 1, -1), 0)


def stays(
    way: Way, zone: ZoneDefinition, polygon: Polygons, frame_rate: float
) -> list[tuple[int, int, bool]]:
    """The stays of one object: first frame inside, first frame outside or one after the last, and if it left.

    Args:
        way: The object's way; frames count from its first.
        zone: The zone.
        polygon: The zone's polygon.
        frame_rate: Frames per second.
    """
    inside = polygon.contain(_spots(way, zone.anchor)[None])[0]
    found: list[tuple[int, int, bool]] = []
    last = len(inside)
    for begin, end in _runs(inside):
        again = bool(found) and (begin - found[-1][1]) / frame_rate < zone.exit_after_s - _TICK_S
        if again:
            found[-1] = (found[-1][0], end, end < last)
        elif (end - 1 - begin) / frame_rate >= zone.enter_after_s - _TICK_S:
            found.append((begin, end, end < last))
    return found


def _runs(mask: Bool) -> list[tuple[int, int]]:
    """Where a mask is true without a break: first index, and one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _spots(way: Way, anchor: str) -> F64:
    return np.clip(anchor_points(way.boxes, anchor), 0.0, _EDGE)  # type: ignore[arg-type]
