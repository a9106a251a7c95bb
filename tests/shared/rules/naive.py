"""What the documentation says of one rule, worked out from a whole story at once: slow, unlike the engine.

Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.rules.conditions import CONFIRM_US
from shared.wire.messages import Event, RuleDefinition

Interval = tuple[int, int]
Told = tuple[int, str | None, int | None]
"""Time, place and track of an alert."""
FOREVER = 1 << 60


@dataclass(frozen=True)
class Step:
    """One thing that happens.

    It is an event, a frame without any, time without frames (`blind`), the frame after that (`gap`), a
    restart, other zones that are paused, or another mode.
    """

    kind: str
    at_us: int
    event: Event | None = None
    zones: frozenset[str] = frozenset()
    mode: str = ""


@dataclass(eq=False)
class Lasting:
    """A condition that is met for a while: about what, in which run, and while frames were seen."""

    about: str
    run: int
    seen: list[list[int]]
    thing: int = 0
    tracks: list[tuple[int, int]] = field(default_factory=list)
    told: set[Interval] = field(default_factory=set)  # in which spans of the schedule
    open: bool = True

    def track(self, at_us: int) -> int | None:
        """The track that it is about at a moment."""
        return next((track for since, track in reversed(self.tracks) if since <= at_us), None)


class Naive:
    """One rule on one camera.

    Args:
        rule: What it says.
        story: All that happens, in order; no two steps at one moment.
        active: When its schedule is active, in order and apart.
        day_start: When the day of a moment began.
        zones: The camera's zones.
    """

    def __init__(
        self,
        rule: RuleDefinition,
        story: Sequence[Step],
        active: Sequence[Interval],
        day_start: Callable[[int], int],
        zones: Sequence[str],
    ) -> None:
        self.rule, self.when, self.story, self.active = rule, rule.when, story, active
        self.day_start, self.zones = day_start, [one for one in zones if self._place(one)]
        self.cooldown, self.own = round(rule.cooldown_s * 1e6), round(rule.object_cooldown_s * 1e6)
        self.last: int | None = None
        self.known: dict[str, set[Interval]] = {}  # what a run has been told of by the one before, and when
        self.things: dict[tuple[int, int], int] = {}  # when each object was told of, by run and object
        self.first_ids: dict[tuple[int, int], int] = {}  # by run and track: under which id it came

    def alerts(self, found: Sequence[Told]) -> list[Told]:
        """The alerts; of several that may come at one moment, the one that was `found`."""
        moments = self.when.trigger in ("event", "count")
        return list(self._moments() if moments else self._lasting(found))

    def _place(self, zone: str | None) -> bool:
        return not self.when.zones or zone in self.when.zones

    def _span(self, at_us: int) -> Interval | None:
        return next((one for one in self.active if one[0] <= at_us < one[1]), None)

    def _first(self, at_us: int, span: Interval) -> bool:
        of = self.rule.first_of
        if of is None or self.last is None or (of == "schedule" and self.rule.schedule is None):
            return True
        return self.last < (self.day_start(at_us) if of == "day" else span[0])

    def _runs(self) -> Iterator[tuple[int, Step]]:
        run = 0
        for step in self.story:
            run += step.kind == "restart"
            event = step.event
            if event and event.type == "track_linked" and event.track_id and event.linked_track_id:
                old = run, event.linked_track_id
                self.first_ids[run, event.track_id] = self.first_ids.get(old, event.linked_track_id)
            yield run, step

    def _moments(self) -> Iterator[Told]:
        within, least = round((self.when.within_s or 0) * 1e6), self.when.at_least or 1
        counted: list[int] = []
        told = False
        for run, step in self._runs():
            at, one = step.at_us, step.event
            span = self._span(at)
            if one is None or span is None or not self._wanted(one):
                continue
            if self.when.trigger == "count":
                before = sum(at - within <= other for other in counted)
                told, counted = told and before >= least, [*counted, at]
                if told or before + 1 < least:
                    continue
            thing = run, self.first_ids.get((run, one.track_id or 0), one.track_id or 0)
            free = max(-FOREVER if self.last is None else self.last + self.cooldown, at)
            if self.own:
                free = max(free, self.things.get(thing, -FOREVER) + self.own)
            if free > at or not self._first(at, span):
                continue
            told, self.last, self.things[thing] = True, at, at
            yield at, one.zone, one.track_id

    def _wanted(self, one: Event) -> bool:
        when, stays = self.when, one.type in ("zone_exited", "zone_lost")
        return (
            one.type in when.events
            and self._place(one.zone)
            and (not when.classes or one.label in when.classes)
            and (one.type != "line_crossed" or when.direction in (None, one.direction))
            and (not stays or (one.dwell_s or 0) >= (when.dwell_s or 0))
        )

    def _lasting(self, found: Sequence[Told]) -> Iterator[Told]:
        conditions, starts = self._conditions()
        number = 0
        for run, (start, stop) in enumerate(starts):
            mine = [one for one in conditions if one.run == run]
            if run and self.when.trigger != "stay":
                self._remember(conditions, run, start, starts[run - 1])
            while True:
                due = [(self._due(one), one) for one in mine]
                at = min((when for when, _ in due), default=FOREVER)
                if at >= stop + 1:
                    break
                wanted = found[number] if number < len(found) else None
                ready = [one for when, one in due if when == at]
                pick = next((one for one in ready if self._told(one, at) == wanted), ready[0])
                span = self._span(at)
                pick.told |= {span} if span else set()
                if span and self._first(at, span):
                    number, self.last, self.things[run, pick.thing] = number + 1, at, at
                    yield self._told(pick, at)

    def _told(self, one: Lasting, at_us: int) -> Told:
        return at_us, None if self.when.trigger == "problem" else one.about, one.track(at_us)

    def _due(self, one: Lasting) -> int:
        """When a condition leads to an alert; FOREVER: never."""
        lasts, free = round(self.when.for_s * 1e6), -FOREVER
        if self.last is not None:
            free = self.last + self.cooldown
        if self.when.trigger == "stay" and self.own:
            free = max(free, self.things.get((one.run, one.thing), -FOREVER) + self.own)
        for since, until in (span for span in self.active if span not in one.told):
            for begin, end in one.seen:
                at = max(max(begin, since) + lasts, free)
                if at < until and at <= end:
                    return at
        return FOREVER

    def _remember(self, conditions: list[Lasting], run: int, start: int, before: Interval) -> None:
        """What was told of before a restart is not news if it is found again within two minutes."""
        earlier = [one for one in conditions if one.run == run - 1]
        told = {one.about: one.told for one in earlier if one.told and one.open}
        if before[1] <= before[0] + CONFIRM_US:  # what the run before had not found again yet
            found = {one.about for one in earlier}
            told |= {about: spans for about, spans in self.known.items() if about not in found}
        self.known = told
        for about, spans in told.items():
            first = next((one for one in conditions if one.run == run and one.about == about), None)
            if first and first.seen[0][0] <= start + CONFIRM_US:
                first.told |= spans

    def _conditions(self) -> tuple[list[Lasting], list[Interval]]:
        """All conditions, and from when until when frames were seen in each run."""
        found: list[Lasting] = []
        current: dict[tuple[str, int], Lasting] = {}
        stays: dict[tuple[str, int], tuple[int, str | None]] = {}  # place and track: object and class
        problems: set[str] = set()
        runs: list[list[int]] = [[]]
        paused: frozenset[str] = frozenset()
        unseen = self.when.trigger == "problem"
        last = 0
        for run, step in self._runs():
            at, one = step.at_us, step.event
            if step.kind == "restart":
                runs.append([])
                current, stays, problems, paused = {}, {}, set(), frozenset()
                continue
            runs[run] = [*runs[run][:1], at]
            if one and one.zone and one.track_id:
                key = one.zone, one.track_id
                if one.type == "zone_entered":
                    stays[key] = self.first_ids.get((run, one.track_id), one.track_id), one.label
                elif one.type in ("zone_exited", "zone_lost"):
                    stays.pop(key, None)
                elif one.type == "track_linked" and (one.zone, one.linked_track_id or 0) in stays:
                    stays[key] = stays.pop((one.zone, one.linked_track_id or 0))
            if one and one.problem:
                (problems.add if one.type == "problem_started" else problems.discard)(one.problem)
            paused = step.zones if step.kind == "pause" else paused
            met = self._met(stays, problems, paused)
            blind = step.kind == "blind" or (one is not None and one.problem is not None)
            for about in [about for about in current if about not in met]:
                gone = current.pop(about)
                gone.open, gone.seen[-1][1] = False, at
            for about, track in met.items():
                if about not in current:
                    current[about] = Lasting(about[0], run, [[at, at]], about[1])
                    found.append(current[about])
                elif step.kind == "gap" and self.when.trigger == "occupancy":
                    current[about].seen[-1][1] = last
                    current[about].seen.append([at, at])
                if track:
                    current[about].tracks.append((at, track))
            for lasting in [] if blind and not unseen else current.values():
                lasting.seen[-1][1] = at
            last = last if blind else at
        return found, [(run[0], run[-1]) if run else (0, 0) for run in runs]

    def _met(
        self, stays: dict[tuple[str, int], tuple[int, str | None]], problems: set[str], paused: frozenset[str]
    ) -> dict[tuple[str, int], int]:
        """What meets the condition now: a place or problem and an object, with the object's track."""
        when = self.when
        mine = {key: one for key, one in stays.items() if not when.classes or one[1] in when.classes}
        if when.trigger == "problem":
            return {(one, 0): 0 for one in problems if not when.problems or one in when.problems}
        if when.trigger == "stay":
            return {(zone, mine[zone, track][0]): track for zone, track in mine if self._place(zone)}
        low, high = when.at_least or 0, FOREVER if when.at_most is None else when.at_most
        counts = {zone: sum(one == zone for one, _ in mine) for zone in self.zones}
        return {(z, 0): 0 for z, count in counts.items() if low <= count <= high and z not in paused}
