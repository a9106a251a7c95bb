"""Which objects are in the picture: each has a slot, and keeps it when the tracker gives it a new id.

Zones, lines and speeds keep their state in arrays indexed by slot. `linking` decides which new track
continues a lost one. The new id then takes over the slot, with every stay, half-crossed line and speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.analytics.happenings import TICK_S, Happening, wire_box
from edge_node.analytics.linking import LinkGates, continuations
from edge_node.frames import Tracks
from shared.geometry import F64, Bool

Index = npt.NDArray[np.intp]

_OBJECT = np.dtype(
    [
        ("track_id", np.int64),
        ("class_id", np.int32),
        ("in_use", np.bool_),
        ("ended", np.bool_),  # the tracker gave up the id
        ("born_s", np.float64),
        ("seen_s", np.float64),  # when a detection last supported it
        ("reported_s", np.float64),  # when the tracker last reported it, seen or predicted
        ("box", np.float64, (4,)),  # where it was last seen, fractions of the frame
        ("velocity", np.float64, (2,)),  # of the box centre, frame heights per second
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The M tracks of a frame that a detection supports.

    Attributes:
        rows: Their rows in the frame's `Tracks`, ``(M,)``.
        slots: Their slots, ``(M,)``.
        class_id: Their classes, ``(M,)``.
        previous_s: When each was last seen before this frame, ``(M,)``; `now_s` if this is the first time.
        now_s: Time of the frame.
    """

    rows: Index
    slots: Index
    class_id: npt.NDArray[np.int32]
    previous_s: F64
    now_s: float


@dataclass(frozen=True, slots=True)
class Link:
    """An object whose track id changed from `old` to `new`."""

    slot: int
    old: int
    new: int


class Roster:
    """The objects of one camera.

    Args:
        gates: How near a new track must be to continue a lost one.

    Attributes:
        objects: Structured array ``(C,)``, one row per slot. C never shrinks.
    """

    def __init__(self, gates: LinkGates) -> None:
        self._gates = gates
        self.objects = np.zeros(16, _OBJECT)
        self._slot_of: dict[int, int] = {}
        # The records of ids whose slot another id took over, until the tracker gives these ids up.
        self._replaced: dict[int, np.void] = {}

    def admit(
        self, tracks: Tracks, boxes: F64, busy: Callable[[], Bool], now_s: float, aspect: float
    ) -> tuple[Index, list[Link], list[Happening]]:
        """Give every track of a frame a slot.

        Args:
            tracks: The frame's tracks.
            boxes: Their boxes in fractions of the frame, ``(N, 4)``.
            busy: Gives the mask ``(C,)`` of the slots with an open stay.
            now_s: The frame's time.
            aspect: The frame's width over its height.

        Returns:
            The tracks' slots ``(N,)``, the new links, and the track_started events.
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
            lost = self._waiting(busy(), present, now_s)
            linked = continuations(tracks, boxes, new, self.objects, lost, now_s, aspect, self._gates)
            for row in unknown:
                link = self._place(ids[row], linked.get(row), now_s - float(tracks.age_s[row]), now_s)
                links += [link] if link else []
            # A lost track may still be reported as predicted after another id took its slot.
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
        return np.array([self._slot_of[i] for i in ids], np.intp), links, started

    def see(self, tracks: Tracks, boxes: F64, slots: Index, now_s: float, height: int) -> Sighting:
        """Record where each object is now.

        Args:
            tracks: The frame's tracks.
            boxes: Their boxes in fractions of the frame, ``(N, 4)``.
            slots: What `admit` returned for them.
            now_s: The frame's time.
            height: Height of the frame, pixels.
        """
        objects = self.objects
        rows = (~tracks.predicted).nonzero()[0]
        seen = slots[rows]
        sighting = Sighting(rows, seen, tracks.class_id[rows], objects["seen_s"][seen], now_s)
        objects["reported_s"][slots] = now_s
        objects["seen_s"][seen] = now_s
        objects["box"][seen] = boxes[rows]
        objects["class_id"][seen] = sighting.class_id
        objects["velocity"][seen] = tracks.velocity[rows] / height
        return sighting

    def end(self, track_ids: list[int]) -> list[Happening]:
        """End the tracks that the tracker gave up; unknown ids are ignored."""
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

    def slots_of(self, track_ids: Sequence[int]) -> list[int]:
        """The slots of those tracks that have one."""
        return [self._slot_of[one] for one in track_ids if one in self._slot_of]

    def release(self, busy: Callable[[], Bool], now_s: float) -> Index:
        """Free the slots of ended tracks that no new track can continue.

        Args:
            busy: Gives the mask ``(C,)`` of the slots with an open stay.
            now_s: The frame's time.

        Returns:
            The slots that were freed.
        """
        objects = self.objects
        ended: Index = (objects["in_use"] & objects["ended"]).nonzero()[0]
        if not len(ended):
            return ended
        stale = now_s - objects["seen_s"][ended] > self._gates.within_s + TICK_S
        if not stale.any():
            return ended[:0]
        freed = ended[stale & ~busy()[ended]]
        objects[freed] = np.zeros((), _OBJECT)
        return freed

    def clear(self) -> list[Happening]:
        """End every track at once."""
        events = self.end([*self._slot_of, *self._replaced])
        self.objects[:] = np.zeros((), _OBJECT)
        return events

    def _place(self, track_id: int, linked: int | None, born_s: float, now_s: float) -> Link | None:
        """Put an id into the slot `linked` of the track that it continues, or into a free slot."""
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
        """A slot that is not in use; doubles the slots when all are."""
        free = np.flatnonzero(~self.objects["in_use"])
        if len(free) == 0:
            free = np.array([len(self.objects)])
            self.objects = np.concatenate((self.objects, np.zeros(len(self.objects), _OBJECT)))
        return int(free[0])

    def _waiting(self, held: Bool, present: list[int], now_s: float) -> Index:
        """Slots whose object a new track may continue: seen lately or held by a zone, and not present."""
        objects = self.objects
        waiting = objects["in_use"] & (now_s - objects["seen_s"] <= self._gates.within_s + TICK_S)
        waiting[: len(held)] |= held
        waiting[present] = False
        return np.flatnonzero(waiting)


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
