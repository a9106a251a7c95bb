"""Line crossings: an object has crossed when it went through the line and left the band on the far side.

Every sighting adds the motion since the previous sighting. Motions that cross the line between its two ends
are summed with their sign; motions around an end do not count. The sum is read when the object is outside the
band. If the object is on the side that it came from, nothing happened. If it is on the other side and the sum
points there, it has crossed once. So jitter, standing on the line and turning back within the band never
count. An object that jumps over band and line in one frame always counts.

A detector misses the edges of a box by a share of its size, so a box can shake across line and band. Beyond
the band, an object is believed to be on the other side once it is a tenth of its box's height away from the
line, or once nothing has contradicted for 0.3 s. That an object is out of sight contradicts nothing.

An object that appears inside the band comes from the side on which it is first seen a quarter of the band
away from the line. One that appears nearer stands on the line, as far as anybody can tell.

A motion through the very end of a line, or one that ends on a line, is decided as if all motions were a hair
further to the left, and a hair of that higher. So an object that passes through an end that two lines share
is counted by exactly one of them, and by the same one when it returns the same way. Source: Edelsbrunner and
Muecke, "Simulation of Simplicity", 1990.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.analytics.happenings import TICK_S, Happening, wire_box
from edge_node.analytics.paused import NOTHING, Paused
from edge_node.analytics.roster import Index, Sighting
from edge_node.analytics.tally import Flows, allowed_classes
from edge_node.analytics.zones import Objects
from shared.geometry import F64, HAIR, Anchor, Bool
from shared.wire.messages import LineDefinition, ZoneNumbers, counting

_MOTION = np.dtype(
    [
        ("distance", np.float64),  # from the line at the last sighting, frame heights, "in" is positive
        ("inward", np.bool_),  # whether it was on the "in" side then
        ("x", np.float64),  # where it was then, fractions of the frame
        ("y", np.float64),
        ("side", np.int8),  # side that the object comes from: -1 or 1; 0: not known yet
        ("outside", np.int8),  # side on which it was outside the band then; 0: it was inside
        ("beyond_s", np.float64),  # since when it is outside on the other side; -inf: certainly
        ("through", np.int32),  # motions through the line since then, "in" minus "out"
        ("crossed_s", np.float64),  # time of the last motion through the line
    ]
)


_CLEAR = 0.1
"""An object that is this many heights of its box from the line is on that side, however its box shakes."""
_SETTLED_S = 0.3
"""So long after it left the band, an object that is nearer is believed to be on the other side, too."""
_SURE = 0.25
"""An object that is first seen further from the line than this share of the band comes from that side."""


class LineCrossings:
    """Crossings of the lines of one camera.

    Args:
        definitions: The lines, by name.
        class_names: Names by class id.
        before: The crossings until now. A line with the same name and definition keeps counts and motions.
    """

    def __init__(
        self,
        definitions: Mapping[str, LineDefinition],
        class_names: Sequence[str],
        before: LineCrossings | None = None,
    ) -> None:
        lines = list(definitions.values())
        self._definitions = counting(definitions)  # another name or schedule counts nothing anew
        self.names = list(definitions)
        self.anchors: list[Anchor] = [line.anchor for line in lines]
        self._points = np.array([line.points for line in lines], np.float64).reshape(-1, 2, 2)
        way = self._points[:, 1] - self._points[:, 0]
        shifted = (way[:, 1] > 0) | ((way[:, 1] == 0) & (way[:, 0] < 0))
        # Beyond this distance a point is on the "in" side. A point on the line counts as on the shifted side.
        self._edge = np.where(shifted, -HAIR, HAIR)[:, None]
        self._bands = np.array([line.band for line in lines], np.float64)
        self._allowed = allowed_classes([line.classes for line in lines], class_names)
        self._flows = [Flows(class_names) for _ in lines]
        self._numbers: list[ZoneNumbers | None] = [None] * len(lines)
        self._motions = np.zeros((len(lines), 0), _MOTION)
        self._paused = NOTHING
        self._off: Bool | None = None  # the lines that are paused; None: no line is
        self._aspect = 0.0
        self._waiting = before is not None  # whether any object may be beyond a line, and not believed there
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: LineCrossings) -> None:
        self._motions = np.zeros((len(self.names), before._motions.shape[1]), _MOTION)
        self._measure(before._aspect)
        for i, (name, definition) in enumerate(self._definitions.items()):
            if before._definitions.get(name) == definition:
                old = before.names.index(name)
                self._motions[i], self._flows[i] = before._motions[old], before._flows[old]

    def _measure(self, aspect: float) -> None:
        """Prepare to measure distances, in frame heights so that a band is equally wide in all directions."""
        self._aspect = aspect
        start, end = self._points[:, 0] * (aspect, 1.0), self._points[:, 1] * (aspect, 1.0)
        way = end - start
        length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
        # Rotated by a quarter turn, the way points to the right of an object that follows it (y points down).
        right = np.stack((-way[:, 1], way[:, 0]), axis=1) / length
        corners = np.array([(0.0, 0.0), (aspect, 0.0), (0.0, 1.0), (aspect, 1.0)])
        room = (corners[None] - start[:, None]) @ right[:, :, None]
        # Where the frame ends within two bands of the line, the band takes half of the space that is left.
        self._room = (
            room.max(axis=(1, 2), initial=0.0)[:, None] / 2,
            room.min(axis=(1, 2), initial=0.0)[:, None] / 2,
        )
        self._far = np.minimum(self._bands[:, None], self._room[0])
        self._near = np.maximum(-self._bands[:, None], self._room[1])
        self._across = _affine(right, start, aspect)

    def update(self, sighting: Sighting, points: F64, objects: Objects, aspect: float) -> list[Happening]:
        """Add one frame's motion.

        Args:
            sighting: The objects that were seen.
            points: Their anchors for each line, fractions of the frame, ``(L, M, 2)``.
            objects: `Roster.objects`, updated by this sighting.
            aspect: The frame's width over its height.

        Returns:
            The crossings.
        """
        if aspect != self._aspect:
            self._measure(aspect)
        room = len(objects) - self._motions.shape[1]
        if room:
            self._motions = np.concatenate(
                (self._motions, np.zeros((len(self.names), room), _MOTION)), axis=1
            )
        if not self.names:
            return []
        # Before this sighting is looked at, so that the rate of the frames makes no difference.
        events = self._settle(objects, sighting.now_s - _SETTLED_S + TICK_S)
        distance = points[..., 0] * self._across[0] + points[..., 1] * self._across[1] + self._across[2]
        motion = self._motions[:, sighting.slots]
        inward = distance > self._edge
        self._add_piece(motion, inward, distance, points, sighting)
        outside = (distance > self._far).astype(np.int8) - (distance < self._near)
        beyond = motion["side"] * outside < 0
        if beyond.any():
            motion["beyond_s"][beyond & (motion["side"] * motion["outside"] >= 0)] = sighting.now_s
            motion["beyond_s"][beyond & self._clear(distance, objects["box"][sighting.slots])] = -np.inf
            self._waiting = True
        motion["outside"] = outside
        motion["through"][motion["side"] * outside > 0] = 0
        new = motion["side"] == 0
        if new.any():
            sure = (distance > self._far * _SURE).astype(np.int8) - (distance < self._near * _SURE)
            motion["side"][new] = sure[new]
            motion["through"][new] = 0
        motion["distance"], motion["inward"] = distance, inward
        motion["x"], motion["y"] = points[..., 0], points[..., 1]
        self._motions[:, sighting.slots] = motion
        if self._off is not None:
            self._motions[self._off] = np.zeros((), _MOTION)
        return events + self._settle(objects, -np.inf)

    def interrupt(self, objects: Objects) -> list[Happening]:
        """Count the objects that are outside the band on the other side, because no more will be known."""
        return self._settle(objects, np.inf)

    def pause(self, paused: Paused, objects: Objects) -> list[Happening]:
        """Have exactly these lines count nothing, from now on.

        A line that pauses counts those who are outside its band on the other side, as `interrupt` does, and
        forgets everybody: who crosses it meanwhile has not crossed it when it counts again.

        Returns:
            The crossings.
        """
        self._paused, self._numbers = paused, [None] * len(self.names)
        off = np.array([paused.why(name) is not None for name in self.names], np.bool_)
        begins = off if self._off is None else off & ~self._off
        self._off = off if off.any() else None
        if not begins.any():
            return []
        events = self._settle(objects, np.inf, begins)
        self._motions[begins] = np.zeros((), _MOTION)
        return events

    def _clear(self, distance: F64, boxes: F64) -> Bool:
        """Which distances ``(L, M)`` are so large that no shaking of the boxes ``(M, 4)`` explains them."""
        margin = _CLEAR * (boxes[:, 3] - boxes[:, 1])
        return np.asarray(
            (distance > np.minimum(margin, self._room[0])) | (distance < np.maximum(-margin, self._room[1]))
        )

    def _settle(self, objects: Objects, until_s: float, lines: Bool | None = None) -> list[Happening]:
        """Bring those to the other side who are outside there since `until_s` or before; return crossings.

        Args:
            objects: `Roster.objects`.
            until_s: Seconds on the clock of the frames.
            lines: Mask ``(L,)`` of the lines at which this is done; None: at all.
        """
        if not self._waiting:
            return []
        motions = self._motions
        events: list[Happening] = []
        beyond = motions["side"] * motions["outside"] < 0
        settled = beyond & (motions["beyond_s"] <= until_s)
        if lines is not None:
            settled &= lines[:, None]
        self._waiting = bool((beyond & ~settled).any())
        for line, slot in np.argwhere(settled).tolist():
            motion, class_id = motions[line, slot], int(objects["class_id"][slot])
            allowed = self._allowed[line, min(class_id, self._allowed.shape[1] - 1)]
            if motion["through"] * motion["outside"] > 0 and allowed:
                inward = bool(motion["outside"] > 0)
                events.append(self._cross(line, slot, objects, inward, float(motion["crossed_s"])))
        motions["side"][settled] = motions["outside"][settled]
        motions["through"][settled] = 0
        return events

    def forget(self, slots: Index | slice) -> None:
        """Forget the objects in these slots, which are free now."""
        self._motions[:, slots] = np.zeros((), _MOTION)

    def numbers(self) -> dict[str, ZoneNumbers]:
        """Every line's crossings so far."""
        for i, (name, flows, numbers) in enumerate(zip(self.names, self._flows, self._numbers, strict=True)):
            if numbers is None or numbers.by_class is not flows.by_class:
                self._numbers[i] = ZoneNumbers(
                    zone=name,
                    kind="line",
                    entered=flows.total.entered,
                    exited=flows.total.exited,
                    by_class=flows.by_class,
                    paused=self._paused.why(name),
                )
        return dict(zip(self.names, self._numbers, strict=True))  # type: ignore[arg-type]  # none is None now

    def _add_piece(
        self, motion: Objects, inward: Bool, distance: F64, points: F64, sighting: Sighting
    ) -> None:
        """Record which motions since the last sighting crossed a line between its ends, and when.

        Motions do not count while the side that the object comes from is unknown. The first motion does not
        count either, because it begins at zeros.
        """
        switched = (motion["inward"] != inward) & (motion["side"] != 0)
        if not switched.any():
            return
        before = np.stack((motion["x"], motion["y"]), axis=-1)
        way = points - before
        shifted = (way[..., 1] < 0) | ((way[..., 1] == 0) & (way[..., 0] > 0))
        first, last = (_is_right(_turn(way, self._points[:, None, end] - before), shifted) for end in (0, 1))
        hit = switched & (first != last)
        motion["through"][hit] += np.where(inward, 1, -1)[hit]
        run = motion["distance"] - distance
        share = np.divide(motion["distance"], run, out=np.zeros_like(run), where=switched & (run != 0))
        when = sighting.previous_s + share * (sighting.now_s - sighting.previous_s)
        motion["crossed_s"][hit] = when[hit]

    def _cross(self, line: int, slot: int, objects: Objects, inward: bool, occurred_s: float) -> Happening:
        class_id = int(objects["class_id"][slot])
        self._flows[line].add(class_id, "in" if inward else "out")
        return Happening(
            type="line_crossed",
            occurred_s=float(occurred_s),
            track_id=int(objects["track_id"][slot]),
            class_id=class_id,
            zone=self.names[line],
            direction="in" if inward else "out",
            box=wire_box(objects["box"][slot]),
        )


def _affine(axis: F64, origin: F64, aspect: float) -> F64:
    """Coefficients ``(3, L, 1)`` that measure points, in fractions of the frame, along axes ``(L, 2)``."""
    coefficients = np.stack((axis[:, 0] * aspect, axis[:, 1], -(axis * origin).sum(axis=1)))
    return np.asarray(coefficients[..., None])


def _turn(way: F64, reach: F64) -> F64:
    """Cross product of vectors ``(..., 2)``: positive when the second points to the right of the first."""
    return np.asarray(way[..., 0] * reach[..., 1] - way[..., 1] * reach[..., 0])


def _is_right(turn: F64, by_a_hair: Bool) -> Bool:
    """Which turns go to the right; those that go nowhere are decided by `by_a_hair`."""
    return np.asarray(np.where(np.abs(turn) < HAIR, by_a_hair, turn > 0))
