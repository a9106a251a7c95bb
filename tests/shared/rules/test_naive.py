"""Random stories with random rules: the engine makes the alerts that a naive reading of the docs expects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import orjson
import pytest

from shared import typed
from shared.rules.engine import Engine
from shared.rules.scene import Firing, Times
from shared.rules.state import State
from shared.schedules.timetable import Timetable
from shared.wire.messages import CalendarDefinition, RuleDefinition
from tests.shared.rules.naive import Interval, Naive, Step, Told
from tests.shared.rules.scenes import DAY, SCENE, event, rule, us

HOURS = 3
SEEDS = 25
ZONES = tuple(SCENE.zones)
PLACES = {*SCENE.zones, *SCENE.lines}
PROBLEMS = ("covered", "moved", "frozen")


class Story:
    """Makes what happens on a camera in three hours."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.steps, self.tracks = dice, list[Step](), 0
        self.inside: dict[tuple[str, int], tuple[float, str]] = {}
        self.problems: set[str] = set()
        self.renamed: set[int] = set()
        self.at = dice.uniform(0, 5)
        self._add("frame")
        while self.at < HOURS * 3600:
            self._one()

    def _add(self, kind: str, **fields: Any) -> None:
        self.steps.append(Step(kind, us(self.at), **fields))

    def _happens(self, kind: str, **fields: Any) -> None:
        self._add("event", event=event(kind, self.at, **fields))
        self.at += self.dice.uniform(0.001, 0.1)

    def _one(self) -> None:
        dice, (_, act) = self.dice, (0, self.dice.random())
        self.at += dice.uniform(0.01, 9)
        if act < 0.4:
            self._add("frame")
        elif act < 0.55:
            self.tracks += 1
            self._enter(dice.choice(ZONES), self.tracks)
        elif act < 0.6 and self.inside:
            self._enter(dice.choice(ZONES), dice.choice(list(self.inside))[1])
        elif act < 0.75 and self.inside:
            self._leave(dice.choice(list(self.inside)), dice.choice(["exited", "lost"]))
        elif act < 0.8 and self.inside:
            self._link(dice.choice(list(self.inside))[1])
        elif act < 0.9:
            track = dice.choice([one for one in range(self.tracks + 1) if one not in self.renamed])
            way, label = dice.choice(["in", "out"]), dice.choice(["person", "car"])
            self._happens("line_crossed", track_id=track, zone="gate", direction=way, label=label)
        elif act < 0.93:
            problem = dice.choice(PROBLEMS)
            self._happens(f"problem_{'ended' if problem in self.problems else 'started'}", problem=problem)
            self.problems ^= {problem}
        elif act < 0.95:
            self._add("pause", zones=frozenset(dice.sample(ZONES, dice.randint(0, 2))))
        elif act < 0.97:
            self._add("frame")
            self.at += 1e-6
            self._add("mode", mode=dice.choice(["home", "away", "shut"]))
            self.at += 1e-6
            self._add("frame")
        elif act < 0.99:
            self._gap()
        elif dice.random() < 0.5:
            self._add("restart")
            self.inside, self.problems = {}, set()
            self.at += 1
            self._add("frame")

    def _enter(self, zone: str, track: int) -> None:
        if (zone, track) not in self.inside:
            label = next((one for (_, other), (_, one) in self.inside.items() if other == track), None)
            label = label or self.dice.choice(["person", "car"])
            self.inside[zone, track] = self.at, label
            self._happens("zone_entered", track_id=track, zone=zone, dwell_s=0.0, label=label)

    def _leave(self, key: tuple[str, int], how: str) -> None:
        began, label = self.inside.pop(key)
        dwell_s = self.at - began
        self._happens(f"zone_{how}", track_id=key[1], zone=key[0], dwell_s=dwell_s, label=label)

    def _link(self, old: int) -> None:
        self.tracks += 1
        self.renamed.add(old)
        for zone in [zone for zone, track in self.inside if track == old]:
            self.inside[zone, self.tracks] = self.inside.pop((zone, old))
            link = event("track_linked", self.at, track_id=self.tracks, linked_track_id=old, zone=zone)
            self._add("event", event=link)
            self.at += 1e-6

    def _gap(self) -> None:
        for key in list(self.inside):
            self._leave(key, "lost")
        for _ in range(self.dice.randint(0, 5)):
            self.at += self.dice.uniform(1, 60)
            self._add("blind")
        self.at += 1
        self._add("gap")


def some(dice: random.Random, *values: Any) -> Any:
    return dice.choice(values)


def a_rule(dice: random.Random) -> RuleDefinition:
    trigger = some(dice, "event", "stay", "occupancy", "count", "problem")
    moments = trigger in ("event", "count")
    places = some(dice, (), ("till",), ("till", "door"), ("gate", "till"))
    own: dict[str, Any] = {
        "schedule": some(dice, None, "s", "s"),
        "first_of": some(dice, None, None, None, "day", "schedule"),
        "cooldown_s": some(dice, 0.0, 0.0, 60.0, 400.0),
        "object_cooldown_s": some(dice, 0.0, 0.0, 90.0) if trigger in ("event", "stay") else 0.0,
        "classes": some(dice, (), (), ("person",)) if trigger != "problem" else (),
        "zones": places if trigger != "problem" else (),
        "for_s": 0.0 if moments else some(dice, 0.0, 5.0, 40.0, 200.0),
    }
    if moments:
        kinds = ["zone_entered", "zone_exited", "zone_lost", "line_crossed"]
        own["events"] = tuple(dice.sample(kinds, dice.randint(1, 3)))
        own |= {"direction": some(dice, None, "in"), "dwell_s": some(dice, None, 30.0)}
    if trigger == "count":
        own |= {"at_least": dice.randint(1, 5), "within_s": some(dice, 10.0, 60.0, 300.0)}
    if trigger == "occupancy":
        own |= some(dice, {"at_least": 2}, {"at_least": 4}, {"at_most": 0}, {"at_least": 1, "at_most": 2})
    if trigger == "problem":
        own["problems"] = some(dice, (), ("covered",), ("covered", "moved"))
    return rule(trigger, **own)


def a_calendar(dice: random.Random) -> tuple[Timetable, list[Interval], list[str], Callable[[int], int]]:
    """A timetable, the spans of its schedule, its modes, and when days begin."""
    marks = sorted(dice.sample(range(HOURS * 60), dice.choice([0, 2, 4, 8])))
    spans = list(zip(marks[::2], marks[1::2], strict=True))
    modes = dice.choice([[], [], ["away"]])
    starts = sorted(dice.sample(range(HOURS * 60), dice.randint(1, 3)))
    said_spans = [{"start": clock(begin), "end": clock(end)} for begin, end in spans]
    said: dict[str, Any] = {
        "timezone": "UTC",
        "day_starts": [clock(one) for one in starts],
        "schedules": {"s": {"modes": modes, "spans": said_spans}},
        "modes": {"home": {}, "away": {}, "shut": {}},
    }

    def day_start(at_us: int) -> int:
        begins = [us(60 * one + 86_400 * day) for one in starts for day in (-1, 0)]
        return max(one for one in begins if one <= at_us)

    on = [(us(60 * a), us(60 * b)) for a, b in spans] or [(us(-86_400), us(2 * 86_400))]
    return Timetable(typed.convert(said, CalendarDefinition)), on, modes, day_start


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def held(steps: list[Step], on: list[Interval], modes: list[str]) -> list[Interval]:
    """When the schedule is active, over changes of the mode."""
    if not modes:
        return on
    changes = [(one.at_us, one.mode) for one in steps if one.kind == "mode"]
    moments = [(0, "home"), *changes, (us(1e6), "home")]
    fits: list[list[int]] = []
    for (begin, mode), (end, _) in pairwise(moments):
        if mode in modes and fits and fits[-1][1] == begin:
            fits[-1][1] = end
        elif mode in modes:
            fits.append([begin, end])
    both = [(max(a, c), min(b, d)) for a, b in on for c, d in fits]
    return sorted(one for one in both if one[0] < one[1])


def played(rules: dict[str, RuleDefinition], steps: list[Step], timetable: Timetable) -> Iterator[Firing]:
    times = Times(timetable=timetable, mode="home")
    engine = Engine(rules, SCENE, times)
    for step in steps:
        if step.event is not None:
            yield from engine.feed(step.event)
            yield from engine.advance(step.at_us, seen=step.event.problem is None)
        elif step.kind == "pause":
            yield from engine.pause(step.zones, step.at_us)
            yield from engine.advance(step.at_us)
        elif step.kind == "mode":
            since = times.mode_since_us if times.mode == step.mode else step.at_us
            times = Times(timetable=timetable, mode=step.mode, mode_since_us=since)
            engine.change_times(times, step.at_us)
        elif step.kind == "restart":
            kept = typed.convert(orjson.loads(orjson.dumps(engine.state())), State)
            engine = Engine(rules, SCENE, times, saved=kept)
        else:
            if step.kind == "gap":
                engine.resume(step.at_us)
            yield from engine.advance(step.at_us, seen=step.kind != "blind")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_alerts_are_those_of_a_naive_reading(seed: int) -> None:
    dice = random.Random(seed)
    steps = Story(dice).steps
    timetable, on, modes, day_start = a_calendar(dice)
    rules = {f"r{number}": a_rule(dice) for number in range(8)}
    found: dict[str, list[Told]] = {name: [] for name in rules}
    for one in played(rules, steps, timetable):
        found[one.rule].append((one.occurred_us, one.zone, one.track_id))
    for name, wanted in rules.items():
        always = [(us(-86_400), us(2 * 86_400))]
        active = always if wanted.schedule is None else held(steps, on, modes)
        expected = Naive(wanted, steps, active, day_start, ZONES).alerts(found[name])
        assert readable(found[name]) == readable(expected), (name, wanted)


def readable(alerts: list[Told]) -> list[tuple[float, str | None]]:
    return [(round(at / 1e6 - DAY, 6), zone) for at, zone, _ in sorted(alerts, key=lambda one: one[0])]
