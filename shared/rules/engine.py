"""The rules of one camera: events and time go in, alerts come out.

An engine looks at nothing but the events on the wire and the times in them, so a viewer that gives it stored
events gets the alerts that the node would have made. An event reaches only the rules about its type and
place, and between events an engine compares one number. Nothing is asked of frames.

What was so before a rule began to hold, because of its schedule or because somebody has just saved it,
counts from when it began to hold. An alert that a cool-down holds back comes when the cool-down ends, if its
condition is still met; one about something that happens in a moment does not come.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from shared.rules.conditions import Conditions
from shared.rules.holding import Holding
from shared.rules.inside import Inside
from shared.rules.places import Places
from shared.rules.rule import ITSELF, Key, Rule
from shared.rules.saying import Saying
from shared.rules.scene import Firing, Scene, Times
from shared.rules.state import State
from shared.wire.messages import Event, RuleDefinition


class Engine:
    """Watches one camera by the rules about it; or, for a scene without a camera, a node.

    It is for one thread at a time. Times are microseconds since 1970 UTC.

    Args:
        rules: All rules of the node, by identifier.
        scene: What it watches.
        times: The calendar and the mode.
        saved: What an earlier run remembered.

    Attributes:
        deadline: Before this, `advance` has nothing to do.
        looks_at_levels: Whether a rule looks at occupancies, for which it matters which zones are paused.
    """

    def __init__(
        self,
        rules: Mapping[str, RuleDefinition],
        scene: Scene,
        times: Times | None = None,
        saved: State | None = None,
    ) -> None:
        self._scene, self._holding, self._inside = scene, Holding(times or Times()), Inside()
        self._conditions = Conditions(self._holding, Saying(scene, self._holding), self._count)
        self._problems: dict[str, Event] = {}
        self._paused: frozenset[str] = frozenset()
        self._now_us: int | None = None
        states = saved.rules if saved else {}
        self._rules = {
            name: Rule(name, rule, saved=states.get(name)) for name, rule in self._mine(rules).items()
        }
        self._places = Places(self._rules.values())
        self.deadline = -math.inf
        self.looks_at_levels = self._any_level()

    @property
    def changes(self) -> int:
        """Grows whenever `state` changes."""
        return self._conditions.changes

    @property
    def forgotten(self) -> int:
        """How many stays and objects there was no room for."""
        return self._inside.forgotten + sum(rule.forgotten for rule in self._rules.values())

    def feed(self, event: Event) -> list[Firing]:
        """Take one event, in the order in which the node has sent them.

        Returns:
            The alerts that it causes.
        """
        at_us = event.occurred_us
        self._note(at_us)
        kind, zone, track = event.type, event.zone, event.track_id
        if at_us >= self.deadline:  # what was due before comes before
            self._conditions.advance(at_us, seen=event.problem is None)
        if kind == "zone_entered" and zone is not None and track is not None:
            self._enter(zone, track, event)
        elif kind in ("zone_exited", "zone_lost") and zone is not None and track is not None:
            self._leave(zone, track, at_us)
        elif kind == "track_linked" and track is not None and event.linked_track_id is not None:
            self._follow(zone, event.linked_track_id, track)
        elif kind == "problem_started" and event.problem is not None:
            self._problems[event.problem] = event
            self._suffer(event.problem, at_us, event)
        elif kind == "problem_ended" and event.problem is not None:
            self._problems.pop(event.problem, None)
            self._end_all((event.problem, 0), at_us)
        for rule in self._places[zone].moments.get(kind, ()):
            if rule.quiet_from_us <= at_us < rule.quiet_until_us:
                continue  # most events of most rules end here
            if rule.wants_event(event):
                self._conditions.happened(rule, event)
        return self._taken()

    def advance(self, now_us: int, *, seen: bool = True) -> list[Firing]:
        """Let time go on.

        Args:
            now_us: Time of the newest frame, or of the next event.
            seen: False: without frames. Then nobody knows who is in a zone, and only rules about problems and
                offline nodes go on.

        Returns:
            The alerts that have become due.
        """
        if now_us < self.deadline:
            self._now_us = now_us
            return []
        self._note(now_us)
        self._conditions.advance(now_us, seen=seen)
        return self._taken()

    def offline(self, at_us: int) -> list[Firing]:
        """Note that the node is offline since a moment."""
        self._note(at_us)
        for rule in self._rules.values():  # a scene without a camera has no others
            self._conditions.begin(rule, ITSELF, at_us, None)
        return self._taken()

    def online(self, at_us: int) -> list[Firing]:
        """Note that the node is back since a moment."""
        self._note(at_us)
        self._end_all(ITSELF, at_us)
        return self._taken()

    def resume(self, at_us: int) -> None:
        """Note that the frames before this moment were missing: what was so before need not have gone on."""
        for rule in self._rules.values():
            if rule.when.trigger == "occupancy":
                self._conditions.begin_again(rule, at_us)
        self._set_deadline()

    def pause(self, zones: Collection[str], at_us: int) -> list[Firing]:
        """Leave zones alone that count nothing now, instead of taking them for empty."""
        if not zones and not self._paused:
            return []
        paused = frozenset(zones)
        changed, self._paused = self._paused ^ paused, paused
        for zone in changed:
            self._level(zone, at_us)
        return self._taken()

    def leap(self, by_us: int) -> None:
        """Note that the clock was set, by so much: what has lasted a while goes on."""
        for rule in self._rules.values():
            rule.shift(by_us)
        self._conditions.shift(by_us)
        self._now_us = None if self._now_us is None else self._now_us + by_us
        self._set_deadline()

    def change_times(self, times: Times, at_us: int | None = None) -> None:
        """Use another calendar or mode from a moment on; None: from the newest moment that it knows."""
        at_us = self._now_us or 0 if at_us is None else at_us
        named = [rule.definition.schedule for rule in self._rules.values() if rule.definition.schedule]
        self._holding.change(times, named, at_us)
        for rule in self._rules.values():
            self._conditions.arm_all(rule, at_us)
        self._set_deadline()

    def redefine(self, rules: Mapping[str, RuleDefinition], scene: Scene, at_us: int | None = None) -> None:
        """Use other rules, zones and names from a moment on; None: from the newest moment that it knows.

        A rule whose condition stays the same goes on as it was. For a new one, what is so already counts from
        this moment.
        """
        at_us = self._now_us or 0 if at_us is None else at_us
        self._scene, self._conditions.saying = scene, Saying(scene, self._holding)
        self._inside.keep(scene.zones)
        before, self._rules = self._rules, {}
        for name, definition in self._mine(rules).items():
            old = before.get(name)
            if old is not None and old.redefined(definition):
                self._rules[name] = before.pop(name)
            else:
                self._rules[name] = Rule(name, definition, at_us)
        self._places = Places(self._rules.values())
        for gone in before.values():
            self._conditions.call_off(gone)
        for rule in self._rules.values():
            if rule.when.trigger in ("stay", "occupancy"):
                for key in [key for key in rule.begun if key[0] not in scene.zones]:
                    self._conditions.drop(rule, key)
            self._conditions.arm_all(rule, at_us)  # its cool-down may be another one
        if self._now_us is not None:
            self._take_in(at_us)
        self._conditions.changes += 1
        self.looks_at_levels = self._any_level()
        self._set_deadline()

    def state(self) -> State:
        """What to remember over a restart."""
        confirming = self._now_us is None or self._conditions.confirming(self._now_us)
        states = {
            name: rule.state(rule.restored if confirming else set()) for name, rule in self._rules.items()
        }
        return State(rules={name: one for name, one in states.items() if one.worth_keeping})

    def _any_level(self) -> bool:
        return any(rule.when.trigger == "occupancy" for rule in self._rules.values())

    def _mine(self, rules: Mapping[str, RuleDefinition]) -> dict[str, RuleDefinition]:
        """The rules that this engine watches by."""
        camera = self._scene.camera
        return {
            name: rule
            for name, rule in rules.items()
            if rule.enabled
            and (rule.when.trigger == "offline") == (camera is None)
            and (camera is None or not rule.cameras or camera in rule.cameras)
        }

    def _note(self, at_us: int) -> None:
        """Note the time; the first one begins the watch."""
        if self._now_us is None:
            self._now_us = at_us
            self._conditions.start(at_us)
            self._take_in(at_us)
        elif at_us > self._now_us:
            self._now_us = at_us

    def _take_in(self, at_us: int) -> None:
        """Have the rules look at what is so already."""
        for zone in self._scene.zones:
            self._level(zone, at_us)
        for key, event in self._inside.stays():
            for rule in self._places[key[0]].stays:
                if rule.wants_class(event.label):
                    self._conditions.begin(rule, key, min(event.occurred_us, at_us), event)
        for problem, event in self._problems.items():
            self._suffer(problem, min(event.occurred_us, at_us), event)

    def _suffer(self, problem: str, at_us: int, event: Event) -> None:
        for rule in self._rules.values():
            if rule.when.trigger == "problem" and problem in (rule.when.problems or (problem,)):
                self._conditions.begin(rule, (problem, 0), at_us, event)

    def _enter(self, zone: str, track: int, event: Event) -> None:
        at_us = event.occurred_us
        forgotten = self._inside.enter(zone, track, event)
        if forgotten is not None:
            for rule in self._places[forgotten[0]].stays:
                self._conditions.end(rule, forgotten, at_us)
        for rule in self._places[zone].stays:
            if rule.wants_class(event.label):
                self._conditions.begin(rule, (zone, track), at_us, event)
        self._level(zone, at_us)

    def _leave(self, zone: str, track: int, at_us: int) -> None:
        self._inside.leave(zone, track)
        key = zone, track
        for rule in self._places[zone].stays:
            self._conditions.end(rule, key, at_us)
        self._level(zone, at_us)

    def _follow(self, zone: str | None, old: int, new: int) -> None:
        """Let another track go on as an object."""
        for rule in self._rules.values():
            rule.follow(old, new)
        if zone is not None:
            self._inside.follow(zone, old, new)
            for rule in self._places[zone].stays:
                self._conditions.follow(rule, zone, old, new)

    def _level(self, zone: str, at_us: int) -> None:
        """Look at a zone's occupancy, which may have changed."""
        place = self._places[zone]
        if not place.levels:
            return
        key, total, paused = place.level, self._inside.totals[zone], zone in self._paused
        for rule in place.levels:
            count = self._count(rule, zone) if rule.classes else total
            if (rule.low <= count <= rule.high and not paused) == (key in rule.begun):
                continue
            if key in rule.begun:
                self._conditions.end(rule, key, at_us)
            else:
                self._conditions.begin(rule, key, at_us, None)

    def _end_all(self, key: Key, at_us: int) -> None:
        """Note that a problem, or being offline, is over."""
        for rule in self._rules.values():
            if rule.unseen:
                self._conditions.end(rule, key, at_us)

    def _count(self, rule: Rule, zone: str) -> int:
        inside = self._inside
        return inside.of_classes(zone, rule.classes) if rule.classes else inside.totals[zone]

    def _taken(self) -> list[Firing]:
        self._set_deadline()
        return self._conditions.taken()

    def _set_deadline(self) -> None:
        self.deadline = -math.inf if self._now_us is None else self._conditions.next
