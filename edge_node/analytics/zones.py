"""Stays in zones: one state machine for each zone and object. All of them step at once.

    outside  -- seen inside ------------------------> entering
    entering -- seen inside, enter_after_s later ---> inside     zone_entered
    entering -- seen outside -----------------------> outside
    inside   -- seen outside -----------------------> leaving
    inside   -- not reported for lost_after_s ------> outside    zone_lost
    leaving  -- seen inside ------------------------> inside
    leaving  -- exit_after_s later -----------------> outside    zone_exited

A stay counts once its state is "inside". It lasts from the first sighting inside to the first sighting
outside; the delays only postpone when this is certain. An ongoing stay has lasted until the object was last
seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_node.analytics.happenings import TICK_S, Happening, wire_box
from edge_node.analytics.levels import Crowding, SomebodyThere
from edge_node.analytics.paused import Paused
from edge_node.analytics.roster import Index, Link, Sighting
from edge_node.analytics.tally import Flows, Tally, allowed_classes
from shared.geometry import F64, Anchor, Bool, Polygons
from shared.wire.messages import ZoneDefinition, ZoneNumbers, counting

_OUTSIDE, _ENTERING, _INSIDE, _LEAVING = range(4)
_STAY = np.dtype(
    [
        ("phase", np.int8),
        ("since_s", np.float64),  # entering: when first seen inside; leaving: when first seen outside
        ("entered_s", np.float64),
        ("class_id", np.int32),  # class of the object at entry
        ("loitered", np.bool_),  # whether the stay was reported as loitering
    ]
)
Objects = npt.NDArray[np.void]


class ZoneStays:
    """Stays in the zones of one camera.

    Args:
        definitions: The zones, by name.
        class_names: Names by class id.
        before: The stays until now. A zone with the same name and definition keeps counts and stays.
    """

    def __init__(
        self,
        definitions: Mapping[str, ZoneDefinition],
        class_names: Sequence[str],
        before: ZoneStays | None = None,
    ) -> None:
        zones = list(definitions.values())
        self._definitions = counting(definitions)  # another name or schedule counts nothing anew
        self.names = list(definitions)
        self.anchors: list[Anchor] = [zone.anchor for zone in zones]
        self._polygons = Polygons([np.asarray(zone.polygon) for zone in zones])
        self._allowed = allowed_classes([zone.classes for zone in zones], class_names)

        def column(values: list[float]) -> F64:
            return np.array(values, np.float64).reshape(-1, 1) - TICK_S

        self._enter_after = column([zone.enter_after_s for zone in zones])
        self._exit_after = column([zone.exit_after_s for zone in zones])
        self._lost_after = column([zone.lost_after_s for zone in zones])
        self._loitering = column([zone.loitering_s or np.inf for zone in zones])
        self._tallies = [
            Tally(
                name,
                Flows(class_names),
                Crowding(zone.crowd) if zone.crowd else None,
                zone.queue,
                SomebodyThere(zone.presence) if zone.presence else None,
            )
            for name, zone in definitions.items()
        ]
        self._stays = np.zeros((len(zones), 0), _STAY)
        self._off: Bool | None = None  # the zones that are paused; None: no zone is
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: ZoneStays) -> None:
        self._stays = np.zeros((len(self.names), before._stays.shape[1]), _STAY)
        for z, (name, definition) in enumerate(self._definitions.items()):
            if before._definitions.get(name) == definition:
                old = before.names.index(name)
                self._stays[z] = before._stays[old]
                self._tallies[z] = before._tallies[old]

    def update(
        self, sighting: Sighting, points: F64, objects: Objects, links: Sequence[Link]
    ) -> list[Happening]:
        """Step every state machine by one frame.

        Args:
            sighting: The objects that were seen.
            points: Their anchors for each zone, fractions of the frame, ``(Z, M, 2)``.
            objects: `Roster.objects`, updated by this sighting.
            links: Objects whose track id changed in this frame.

        Returns:
            The events of this frame.
        """
        now_s = sighting.now_s
        room = len(objects) - self._stays.shape[1]
        if room:
            self._stays = np.concatenate((self._stays, np.zeros((len(self.names), room), _STAY)), axis=1)
        events = self._report_links(links, objects, now_s)
        if not self.names:
            return events
        began = self._see(sighting, points)
        events += [self._enter(z, slot, objects) for z, slot in began]
        events += self._loiter(objects)
        stays, late = self._stays, now_s - self._stays["since_s"] >= self._exit_after
        exits = (stays["phase"] == _LEAVING) & late
        missing = (objects["reported_s"] < now_s) & (now_s - objects["reported_s"] >= self._lost_after)
        held = (stays["phase"] == _ENTERING) | (stays["phase"] == _INSIDE)
        closed, ended_s = self._close(exits | (held & missing), objects)
        return events + closed + self._levels(now_s, ended_s)

    def pause(self, paused: Paused, objects: Objects, last_s: float) -> list[Happening]:
        """Have exactly these zones count nothing, from now on.

        Args:
            paused: Which, and why.
            objects: `Roster.objects`.
            last_s: The last frame's time.

        Returns:
            The events of the stays that this closes, as `interrupt` closes them.
        """
        begins = np.zeros(len(self.names), np.bool_)
        for z, tally in enumerate(self._tallies):
            before, tally.paused = tally.paused, paused.why(tally.name)
            begins[z] = tally.paused is not None and before is None
        off = np.array([tally.paused is not None for tally in self._tallies], np.bool_)
        self._off = off if off.any() else None
        return self._end(begins, objects, last_s, goes_on=False) if begins.any() else []

    def busy(self) -> Bool:
        """Mask ``(C,)`` of the slots with a stay in any zone."""
        return np.asarray((self._stays["phase"] != _OUTSIDE).any(axis=0))

    def interrupt(self, objects: Objects, last_s: float, keep: ZoneStays | None = None) -> list[Happening]:
        """Close every stay at once, except those that `keep` took over.

        A stay counts as exited if its object was last seen outside, else as lost.
        """
        kept = [] if keep is None else keep._tallies
        dropped = np.array([not any(tally is one for one in kept) for tally in self._tallies], np.bool_)
        return self._end(dropped, objects, last_s, goes_on=keep is None)

    def _end(self, zones: Bool, objects: Objects, last_s: float, *, goes_on: bool) -> list[Happening]:
        """Close every stay in these zones `(Z,)`, and what such stays make."""
        objects = objects[: self._stays.shape[1]]  # later slots have no stay yet
        events, ended_s = self._close((self._stays["phase"] != _OUTSIDE) & zones[:, None], objects)
        for z in np.flatnonzero(zones):
            events += self._tallies[z].interrupt(last_s, ended_s.get(int(z), last_s), goes_on=goes_on)
        return events

    def dismiss(self, slots: Sequence[int], objects: Objects) -> list[Happening]:
        """Close the stays of these objects at once, as `interrupt` does; the zones go on."""
        room = self._stays.shape[1]
        ending = np.zeros(self._stays.shape, np.bool_)
        ending[:, [slot for slot in slots if slot < room]] = True
        events, _ = self._close(ending & (self._stays["phase"] != _OUTSIDE), objects[:room])
        return events

    def zones_of(self, slots: Index) -> list[list[str]]:
        """For each slot, the names of the zones it is inside."""
        found: list[list[str]] = [[] for _ in slots]
        if not self.names:
            return found
        z, i = np.nonzero(self._stays["phase"][:, slots] >= _INSIDE)
        for zone, row in zip(z.tolist(), i.tolist(), strict=True):
            found[row].append(self.names[zone])
        return found

    def numbers(self, objects: Objects) -> dict[str, ZoneNumbers]:
        """Numbers of every zone as of the last update."""
        if not self.names:
            return {}
        inside = self._stays["phase"] >= _INSIDE
        dwell = np.where(inside, self._dwell(objects), 0.0)
        columns = (inside.sum(axis=1), dwell.sum(axis=1), dwell.max(axis=1, initial=0.0))
        rows = zip(self._tallies, *(column.tolist() for column in columns), strict=True)
        loitering = self._loitering_ids(inside, dwell, objects)
        return {tally.name: tally.numbers(*row, loitering.get(z, ())) for z, (tally, *row) in enumerate(rows)}

    def _loitering_ids(self, inside: Bool, dwell: F64, objects: Objects) -> dict[int, list[int]]:
        """Track ids of the objects that loiter, longest stay first, for each zone that has any."""
        found: dict[int, list[int]] = {}
        z, slots = np.nonzero(inside & self._stays["loitered"])
        for i in np.argsort(-dwell[z, slots], kind="stable").tolist():
            found.setdefault(int(z[i]), []).append(int(objects["track_id"][slots[i]]))
        return found

    def _dwell(self, objects: Objects) -> F64:
        """Seconds that each stay has lasted, ``(Z, C)``; meaningless where there is no stay."""
        stays = self._stays
        until = np.where(stays["phase"] == _LEAVING, stays["since_s"], objects["seen_s"])
        return np.asarray(until - stays["entered_s"])

    def _see(self, sighting: Sighting, points: F64) -> list[tuple[int, int]]:
        """Step the phases by what was seen; return zone and slot of the stays that begin to count."""
        slots, now_s = sighting.slots, sighting.now_s
        inside = self._polygons.contain(points)
        column = np.minimum(sighting.class_id, self._allowed.shape[1] - 1)
        welcome = inside & self._allowed[:, column]
        if self._off is not None:
            welcome[self._off] = False
        stays = self._stays[:, slots]
        phase, since = stays["phase"], stays["since_s"]
        begins = (phase == _OUTSIDE) & welcome
        leaves = (phase == _INSIDE) & ~inside
        phase[(phase == _ENTERING) & ~welcome] = _OUTSIDE
        phase[(phase == _LEAVING) & inside] = _INSIDE
        phase[begins] = _ENTERING
        phase[leaves] = _LEAVING
        since[begins | leaves] = now_s
        counts = (phase == _ENTERING) & (now_s - since >= self._enter_after)
        phase[counts] = _INSIDE
        stays["entered_s"][counts] = since[counts]
        z, i = np.nonzero(counts)
        stays["class_id"][z, i] = sighting.class_id[i]
        self._stays[:, slots] = stays
        return list(zip(z.tolist(), slots[i].tolist(), strict=True))

    def _enter(self, z: int, slot: int, objects: Objects) -> Happening:
        stay = self._stays[z, slot]
        self._tallies[z].flows.add(int(stay["class_id"]), "in")
        return self._event("zone_entered", z, slot, objects, float(stay["entered_s"]), 0.0)

    def _loiter(self, objects: Objects) -> list[Happening]:
        stays = self._stays
        over = (stays["phase"] >= _INSIDE) & ~stays["loitered"] & (self._dwell(objects) >= self._loitering)
        events = []
        for z, slot in np.argwhere(over).tolist():
            stays["loitered"][z, slot] = True
            limit_s = float(self._loitering[z, 0]) + TICK_S
            occurred_s = float(stays["entered_s"][z, slot]) + limit_s
            events.append(self._event("loitering", z, slot, objects, occurred_s, limit_s))
        return events

    def _close(self, ending: Bool, objects: Objects) -> tuple[list[Happening], dict[int, float]]:
        """End the stays in the mask ``(Z, C)``; return the events, and each zone's latest end of a stay."""
        events: list[Happening] = []
        ended_s: dict[int, float] = {}
        dwell = self._dwell(objects)
        for z, slot in np.argwhere(ending).tolist():
            stay = self._stays[z, slot]
            phase = int(stay["phase"])
            if phase != _ENTERING:
                lost, dwell_s = phase == _INSIDE, float(dwell[z, slot])
                at_s = float(objects["seen_s"][slot] if lost else stay["since_s"])
                ended_s[z] = max(at_s, ended_s.get(z, at_s))
                self._tallies[z].close(int(stay["class_id"]), dwell_s, lost=lost)
                kind: Literal["zone_lost", "zone_exited"] = "zone_lost" if lost else "zone_exited"
                events.append(self._event(kind, z, slot, objects, at_s, dwell_s))
            self._stays[z, slot] = np.zeros((), _STAY)
        return events, ended_s

    def _levels(self, now_s: float, ended_s: dict[int, float]) -> list[Happening]:
        inside = self._stays["phase"] >= _INSIDE
        occupancy = inside.sum(axis=1).tolist()
        events: list[Happening] = []
        for z, tally in enumerate(self._tallies):
            if tally.queue or tally.crowding is not None or tally.presence is not None:
                began_s = float(self._stays["entered_s"][z].min(initial=now_s, where=inside[z]))
                events += tally.levels(occupancy[z], now_s, began_s, ended_s.get(z, now_s))
        return events

    def _report_links(self, links: Sequence[Link], objects: Objects, now_s: float) -> list[Happening]:
        """Report each link once for every stay that the new id takes over, or once if there is none."""
        events = []
        for link in links:
            carried = np.flatnonzero(self._stays["phase"][:, link.slot] >= _INSIDE).tolist()
            for z in carried or [None]:
                if z is not None:
                    self._tallies[z].linked += 1
                events.append(
                    Happening(
                        type="track_linked",
                        occurred_s=now_s,
                        track_id=link.new,
                        class_id=int(objects["class_id"][link.slot]),
                        zone=None if z is None else self.names[z],
                        linked_track_id=link.old,
                        dwell_s=None if z is None else float(self._dwell(objects)[z, link.slot]),
                        box=wire_box(objects["box"][link.slot]),
                    )
                )
        return events

    def _event(
        self,
        kind: Literal["zone_entered", "zone_exited", "zone_lost", "loitering"],
        z: int,
        slot: int,
        objects: Objects,
        occurred_s: float,
        dwell_s: float,
    ) -> Happening:
        return Happening(
            type=kind,
            occurred_s=occurred_s,
            track_id=int(objects["track_id"][slot]),
            class_id=int(self._stays["class_id"][z, slot]),
            zone=self.names[z],
            dwell_s=dwell_s,
            box=wire_box(objects["box"][slot]),
        )
