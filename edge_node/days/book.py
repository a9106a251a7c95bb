"""Counts the events of each zone and line since the day began.

One rule holds whatever happens: `entered` and `exited` are the numbers of events of that zone or line that
occurred at `since_us` or later. An event that occurred before and became certain after it belongs to the day
that is over.

The day begins at the local times of the calendar's `day_starts`. Source: the parameter ResetTime of the rule
tt:LineCounting in ONVIF's Analytics Service Specification, "time or times of the day when the counter should
be reset", in local time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from edge_node.config.saved.definitions import Definitions
from edge_node.outbox.day_rows import DayRow
from shared.wire.messages import DayCounters, Event, Flow, LineDefinition, ZoneDefinition, counting

MINUTE_US = 60_000_000
"""Days begin at whole minutes, so that it is enough to look once a minute."""
SET_US = 1_577_836_800_000_000
"""A clock that shows a time before 2020 was not set yet, on a machine without a battery for it."""
BACK_US = 3600 * 1_000_000
"""With a clock that is set back to before the day began, by up to so much, the day goes on."""

DayStart = Callable[[int], int]
"""Gives when the day of a time began, both in microseconds UTC: `Timetable.day_start`."""


@dataclass
class _Place:
    """What one zone or line has counted.

    Attributes:
        kind: Which definition it counts by; another one begins at zero.
        counters: As they are published; replaced and never changed.
        latest_us: When the latest event occurred that was counted.
    """

    kind: str
    counters: DayCounters
    latest_us: int = 0

    def begin(self, since_us: int) -> None:
        self.counters = DayCounters(since_us=since_us)

    def add(self, event: Event) -> bool:
        """Count an event, if it is one that counts and of this day."""
        way = _way(event)
        if way is None or event.occurred_us < self.counters.since_us:
            return False
        entered, exited = way
        known, label = self.counters, event.label or ""
        old = known.by_class.get(label, Flow())
        flow = Flow(entered=old.entered + entered, exited=old.exited + exited)
        self.counters = DayCounters(
            since_us=known.since_us,
            entered=known.entered + entered,
            exited=known.exited + exited,
            by_class={**known.by_class, label: flow},
        )
        self.latest_us = max(self.latest_us, event.occurred_us)
        return True

    def row(self, camera: str, name: str) -> DayRow:
        flows = {label: (flow.entered, flow.exited) for label, flow in self.counters.by_class.items()}
        return DayRow(camera, name, self.kind, self.counters.since_us, self.latest_us, orjson.dumps(flows))


class CameraDays:
    """The counters of the day of one camera's zones and lines. Any thread may call all of it.

    Args:
        camera: The camera's name.
        day_start: Says when a day began.
    """

    def __init__(self, camera: str, day_start: DayStart) -> None:
        self._camera, self._day_start = camera, day_start
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._minute: int | None = None
        self._unkept: dict[str, None] = {}  # names of those that have changed since they were last kept

    def of(self, place: str) -> DayCounters | None:
        """The counters of a zone or line; None: it is not defined."""
        known = self._places.get(place)
        return None if known is None else known.counters

    def use(self, day_start: DayStart) -> None:
        """Have days begin at other times, from the next frame on."""
        with self._lock:
            self._day_start, self._minute = day_start, None

    def define(
        self, definitions: Definitions, at_us: int, kept: Mapping[str, DayRow] | None = None
    ) -> list[DayRow]:
        """Count for these zones and lines. One that is new or counts differently now begins at zero.

        Args:
            definitions: Those of the camera.
            at_us: When they are used first.
            kept: What an earlier run has kept, by zone or line.

        Returns:
            What is to be kept now.
        """
        kinds = {
            name: _kind(one)
            for known in (counting(definitions.zones), counting(definitions.lines))
            for name, one in known.items()
        }
        with self._lock:
            before = {name: _restored(row) for name, row in (kept or {}).items()} or self._places
            places = {}
            for name, kind in kinds.items():
                known = before.get(name)
                new = known is None or known.kind != kind
                places[name] = _Place(kind, DayCounters(since_us=at_us)) if known is None or new else known
            gone = [DayRow.forgotten(self._camera, name) for name in before.keys() - places.keys()]
            self._places = places
            if at_us >= SET_US:
                self._turn(at_us)
            self._unkept.update(dict.fromkeys(places))
            return gone + self._rows()

    def turn(self, at_us: int) -> None:
        """Begin the counters at zero that a new day has reached by this time."""
        if at_us // MINUTE_US != self._minute and at_us >= SET_US:
            with self._lock:
                self._turn(at_us)

    def count(self, events: Sequence[Event], at_us: int) -> list[DayRow]:
        """Count the events of a frame.

        Args:
            events: As they are published; seldom any.
            at_us: When the frame was captured.

        Returns:
            What is to be kept together with these events.
        """
        self.turn(at_us)
        if not (events or self._unkept):
            return []
        with self._lock:
            for event in events:
                place = self._places.get(event.zone or "")
                if place is not None and place.add(event):
                    self._unkept[event.zone or ""] = None
            return self._rows()

    def _turn(self, at_us: int) -> None:
        self._minute = at_us // MINUTE_US
        start_us = self._day_start(at_us)
        for name, place in self._places.items():
            since_us = place.counters.since_us
            if place.latest_us > at_us + BACK_US:  # that was counted while the clock was wrong
                place.latest_us = at_us
            if since_us < start_us:
                # Events that were counted after this start are of a day that began at another time.
                place.begin(start_us if place.latest_us < start_us else max(at_us, place.latest_us + 1))
            elif since_us - at_us > BACK_US:
                place.begin(at_us)
            if place.counters.since_us != since_us:
                self._unkept[name] = None

    def _rows(self) -> list[DayRow]:
        """What has changed since the last call."""
        unkept, self._unkept = self._unkept, {}
        return [self._places[name].row(self._camera, name) for name in unkept if name in self._places]


NO_DAYS = CameraDays("", int)
"""Of a camera whose counters of the day nobody counts."""


class DayBook:
    """The counters of the day of all cameras.

    Args:
        definitions: Zones and lines to begin with, by camera.
        day_start: Says when a day began.
        kept: What an earlier run has kept.
        at_us: Now, microseconds UTC.

    Attributes:
        cameras: By camera.
        rows: What is to be kept of the beginning.
    """

    def __init__(
        self, definitions: Mapping[str, Definitions], day_start: DayStart, kept: Iterable[DayRow], at_us: int
    ) -> None:
        self.cameras = {name: CameraDays(name, day_start) for name in definitions}
        by_camera: dict[str, dict[str, DayRow]] = {}
        for row in kept:
            by_camera.setdefault(row.camera, {})[row.place] = row
        self.rows = [
            row
            for name, one in self.cameras.items()
            for row in one.define(definitions[name], at_us, by_camera.get(name))
        ]
        gone = (row for name, rows in by_camera.items() if name not in definitions for row in rows.values())
        self.rows += [DayRow.forgotten(row.camera, row.place) for row in gone]

    def use(self, day_start: DayStart) -> None:
        """Have days begin at other times, from the next frame on. Any thread may call this."""
        for one in self.cameras.values():
            one.use(day_start)


def _way(event: Event) -> tuple[int, int] | None:
    """How many an event lets in and out; None: it is not one that counts."""
    if event.type == "zone_entered" or (event.type == "line_crossed" and event.direction == "in"):
        return 1, 0
    if event.type in ("zone_exited", "line_crossed"):
        return 0, 1
    return None


def _kind(definition: ZoneDefinition | LineDefinition) -> str:
    """What identifies a definition, also for a later version that knows more settings."""
    said = {
        one.name: getattr(definition, one.name)
        for one in dataclasses.fields(definition)
        if getattr(definition, one.name) != one.default
    }
    return hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _restored(row: DayRow) -> _Place:
    flows = {
        label: Flow(entered=entered, exited=exited)
        for label, (entered, exited) in orjson.loads(row.flows).items()
    }
    counters = DayCounters(
        since_us=row.since_us,
        entered=sum(flow.entered for flow in flows.values()),
        exited=sum(flow.exited for flow in flows.values()),
        by_class=flows,
    )
    return _Place(row.kind, counters, row.latest_us)
