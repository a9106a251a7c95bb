"""Who is in the picture: one slot per object, kept when the tracker gives the object a new id.

Zones, lines and speeds keep their state in arrays indexed by slot. When a track is lost and another appears
where and when it could have gone, the new id takes over the old one's slot, and with it every stay, every
half crossed line and every speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.analytics.happenings import TICK_S, Happening, wire_box
from edge_node.frames import Tracks
from shared.geometry import F64, Bool, iou

# An object slower than so many of its sizes per second stands; boxes that overlap so much are in one place.
_STANDING = 0.25
_SAME_PLACE = 0.5

Index = npt.NDArray[np.intp]

_OBJECT = np.dtype(
    [
        ("track_id", np.int64),
        ("class_id", np.int32),
        ("in_use", np.bool_),
        ("ended", np.bool_),  # the tracker gave the id up
        ("born_s", np.float64),
        ("seen_s", np.float64),  # last supported by a detection
        ("reported_s", np.float64),  # last reported by the tracker, predicted or not
        ("box", np.float64, (4,)),  # fractions of the frame, as seen last
        ("velocity", np.float64, (2,)),  # of the box centre, frame heights per second
    ]
)


@dataclass(frozen=True, kw_only=True)
class LinkGates:
    """When a new track is the continuation of a lost one; see `AnalyticsSettings`."""

    within_s: float
    distance: float
    size_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The M rows of a frame that a detection supports.

    Attributes:
        rows: ``(M,)``, rows in Tracks.
        slots: ``(M,)``, their slots.
        class_id: ``(M,)``.
        previous_s: ``(M,)``, when each was seen before; now for those never seen before.
        now_s: When.
    """

    rows: Index
    slots: Index
    class_id: npt.NDArray[np.int32]
    previous_s: F64
    now_s: float


@dataclass(frozen=True, slots=True)
class Link:
    """Two ids, one object."""

    slot: int
    old: int
    new: int


class Roster:
    """The objects of one camera.

    Args:
        gates: When two ids are one object.

    Attributes:
        objects: Structured array ``(C,)``, one row per slot; C only grows, to the most ever alive at once.
    """

    def __init__(self, gates: LinkGates) -> None:
        self._gates = gates
        self.objects = np.zeros(16, _OBJECT)
        self._slot_of: dict[int, int] = {}
        # Ids whose slot went to another id, until the tracker gives them up.
        self._replaced: dict[int, np.void] = {}

    def admit(
        self, tracks: Tracks, boxes: F64, held: Bool, now_s: float, aspect: float
    ) -> tuple[Index, list[Link], list[Happening]]:
        """Give every track of a frame a slot.

        Args:
            tracks: The frame's tracks.
            boxes: Their boxes in fractions of the frame, ``(N, 4)``.
            held: ``(C,)``, slots with a stay that is not closed yet.
            now_s: The frame's time.
            aspect: The frame's width over its height.

        Returns:
            Slots ``(N,)``, the links made, and the track_started events.
        """
        ids = tracks.track_id.tolist()
        links: list[Link] = []
        started: list[Happening] = []
        unknown = [row for row, track_id in enumerate(ids) if track_id not in self._slot_of]
        if unknown:
            new = [row for row in unknown if ids[row] not in self._replaced]
            present = [
                self._slot_of[i] for i in np.asarray(ids)[~tracks.predicted].tolist() if i in self._slot_of
            ]
            linked = self._match(tracks, boxes, new, present, held, now_s, aspect)
            for row in unknown:
                link = self._place(ids[row], linked.get(row), now_s - float(tracks.age_s[row]), now_s)
                links += [link] if link else []
            # A lost track may still be reported as predicted when another id takes its place.
            for track_id in ids:
                if track_id not in self._slot_of:
                    self._place(track_id, None, now_s, now_s)
            started = [
                Happening(
                    type="track_started",
                    occurred_s=now_s - float(tracks.age_s[row]),
                    track_id=ids[row],
                    class_id=int(tracks.class_id[row]),
                    box=wire_box(boxes[row]),
                )
                for row in new
            ]
        slots = np.fromiter((self._slot_of[i] for i in ids), np.intp, len(ids))
        return slots, links, started

    def see(self, tracks: Tracks, boxes: F64, slots: Index, now_s: float, height: int) -> Sighting:
        """Note where everybody is now.

        Args:
            tracks: The frame's tracks.
            boxes: Their boxes in fractions of the frame, ``(N, 4)``.
            slots: As `admit` gave them.
            now_s: The frame's time.
            height: Of the frame, pixels.
        """
        objects = self.objects
        rows = np.flatnonzero(~tracks.predicted)
        seen = slots[rows]
        sighting = Sighting(rows, seen, tracks.class_id[rows], objects["seen_s"][seen], now_s)
        objects["reported_s"][slots] = now_s
        objects["seen_s"][seen] = now_s
        objects["box"][seen] = boxes[rows]
        objects["class_id"][seen] = sighting.class_id
        objects["velocity"][seen] = tracks.velocity[rows] / height
        return sighting

    def end(self, track_ids: list[int]) -> list[Happening]:
        """The tracker gave these ids up; unknown ones are ignored."""
        events = []
        for track_id in track_ids:
            slot = self._slot_of.pop(track_id, None)
            if slot is not None:
                self.objects["ended"][slot] = True
                record = self.objects[slot]
            elif track_id in self._replaced:
                record = self._replaced.pop(track_id)
            else:
                continue
            events.append(_ended(record))
        return events

    def release(self, busy: Bool, now_s: float) -> Index:
        """Free the slots of ended tracks that nothing waits for; returns them.

        Args:
            busy: ``(C,)``, slots with a stay that is not closed yet.
            now_s: The time.
        """
        objects = self.objects
        stale = now_s - objects["seen_s"] > self._gates.within_s + TICK_S
        freed = np.flatnonzero(objects["in_use"] & objects["ended"] & stale & ~busy)
        objects[freed] = np.zeros((), _OBJECT)
        return freed

    def clear(self) -> list[Happening]:
        """End every track at once."""
        events = self.end([*self._slot_of, *self._replaced])
        self.objects[:] = np.zeros((), _OBJECT)
        return events

    def _place(self, track_id: int, linked: int | None, born_s: float, now_s: float) -> Link | None:
        """Put an id into the slot of the track it continues, or into a free one."""
        link = None
        if linked is None:
            slot = self._free_slot()
            self.objects["born_s"][slot] = born_s
            self.objects["seen_s"][slot] = self.objects["reported_s"][slot] = now_s
            if track_id in self._replaced:
                self.objects[slot] = self._replaced.pop(track_id)
        else:
            slot, old = linked, int(self.objects["track_id"][linked])
            if self._slot_of.pop(old, None) is not None:
                self._replaced[old] = self.objects[slot].copy()
            self.objects["born_s"][slot] = born_s
            link = Link(slot, old, track_id)
        self.objects["track_id"][slot] = track_id
        self.objects["in_use"][slot], self.objects["ended"][slot] = True, False
        self._slot_of[track_id] = slot
        return link

    def _free_slot(self) -> int:
        """A slot that is not in use; there are twice as many when all are."""
        free = np.flatnonzero(~self.objects["in_use"])
        if len(free) == 0:
            free = np.array([len(self.objects)])
            self.objects = np.concatenate((self.objects, np.zeros(len(self.objects), _OBJECT)))
        return int(free[0])

    def _match(
        self,
        tracks: Tracks,
        boxes: F64,
        new: list[int],
        present: list[int],
        held: Bool,
        now_s: float,
        aspect: float,
    ) -> dict[int, int]:
        """Which rows continue which lost slots: nearest pair first, each at most once."""
        objects, gates = self.objects, self._gates
        waiting = objects["in_use"] & (now_s - objects["seen_s"] <= gates.within_s + TICK_S)
        waiting[: len(held)] |= held
        waiting[present] = False
        lost = np.flatnonzero(waiting)
        if len(lost) == 0 or len(new) == 0 or gates.within_s == 0:
            return {}
        rows = np.asarray(new)
        born_s = now_s - tracks.age_s[rows].astype(np.float64)
        before = objects[lost]
        cost = _misfit(boxes[rows], before, now_s, aspect, gates)
        cost[tracks.class_id[rows, None] != before["class_id"]] = np.inf
        # Two boxes seen at the same moment are two objects; 1 ms covers the age's 32 bits.
        cost[born_s[:, None] < before["seen_s"] - 1e-3] = np.inf
        pairs: dict[int, int] = {}
        while np.isfinite(least := cost.min()):
            i, j = np.argwhere(cost == least)[0]
            pairs[int(rows[i])] = int(lost[j])
            cost[i, :] = cost[:, j] = np.inf
        return pairs


def _ended(record: np.void) -> Happening:
    seen_s = float(record["seen_s"])
    return Happening(
        type="track_ended",
        occurred_s=seen_s,
        track_id=int(record["track_id"]),
        class_id=int(record["class_id"]),
        dwell_s=max(0.0, seen_s - float(record["born_s"])),
        box=wire_box(record["box"]),
    )


def _misfit(boxes: F64, lost: npt.NDArray[np.void], now_s: float, aspect: float, gates: LinkGates) -> F64:
    """How far each new box is from where each lost track may have gone, 0..1; infinite beyond the gates.

    A lost track may have stopped or gone on: it is looked for along the way from where it was seen last to
    where its velocity would have taken it. Beyond `within_s`, only one that stood still is, and in its place.

    Args:
        boxes: New boxes, fractions of the frame, ``(N, 4)``.
        lost: Rows of `Roster.objects`, ``(M,)``.
        now_s: The time.
        aspect: The frame's width over its height; distances are in frame heights.
        gates: The limits.

    Returns:
        ``(N, M)``.
    """
    unit = np.array([aspect, 1.0])

    def centre_and_size(xyxy: F64) -> tuple[F64, F64]:
        low, high = xyxy[:, :2] * unit, xyxy[:, 2:] * unit
        return (low + high) / 2, np.asarray(np.sqrt(np.prod(np.maximum(high - low, 1e-6), axis=1)))

    at, size = centre_and_size(boxes)
    last, last_size = centre_and_size(lost["box"])
    gap_s = now_s - lost["seen_s"]
    way = lost["velocity"] * np.minimum(gap_s, gates.within_s)[:, None]
    length2 = np.maximum((way**2).sum(axis=1), 1e-12)
    offset = at[:, None] - last
    along = np.clip((offset * way).sum(axis=2) / length2, 0.0, 1.0)
    distance = np.linalg.norm(offset - along[..., None] * way, axis=2)
    larger, smaller = np.maximum(size[:, None], last_size), np.minimum(size[:, None], last_size)
    cost: F64 = distance / np.maximum(gates.distance * larger, 1e-9)
    end = (last + way) / unit
    left_the_frame = ((end < 0) | (end > 1)).any(axis=1)
    stood = np.linalg.norm(lost["velocity"], axis=1) < _STANDING * last_size
    gone = (gap_s > gates.within_s + TICK_S) & ~(stood & (iou(boxes, lost["box"]) >= _SAME_PLACE))
    cost[(cost > 1) | (larger > gates.size_ratio * smaller) | left_the_frame | gone] = np.inf
    return cost
