"""When each kind of rule fires, and when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.rules.conditions import CONFIRM_US
from shared.rules.engine import Engine
from shared.rules.scene import Scene, Times
from shared.wire.messages import Event, RuleDefinition
from tests.shared.rules.scenes import DAY, SCENE, crosses, enters, event, leaves, play, rule, times, us

H = 3600.0
STORY = list["Event | float"]


class Hours:
    """A timetable of one schedule, `night`, from 22:00 to 06:00 UTC; `away` needs the mode away besides."""

    def active(self, schedule: str, at_us: int, mode: str | None) -> bool:
        hour = at_us / 3.6e9 % 24
        return schedule not in ("night", "away") or (
            (hour >= 22 or hour < 6) if schedule == "night" else mode == "away"
        )

    def next_change(self, schedule: str, at_us: int, mode: str | None) -> int | None:  # noqa: ARG002 - the same in each
        if schedule != "night":
            return None
        hour = at_us / 3.6e9 % 24
        ahead = (22 - hour) if 6 <= hour < 22 else (6 - hour) % 24
        return round(at_us + ahead * 3.6e9)

    def schedule_start(self, schedule: str, at_us: int, mode: str | None) -> int | None:
        if schedule != "night" or not self.active(schedule, at_us, mode):
            return None
        return round(at_us - ((at_us / 3.6e9 % 24 - 22) % 24) * 3.6e9)

    def day_start(self, at_us: int) -> int:
        return at_us - at_us % 86_400_000_000

    def next_day_start(self, at_us: int) -> int:
        return self.day_start(at_us) + 86_400_000_000

    def local_time(self, at_us: int) -> str:
        return f"{int(at_us / 3.6e9) % 24:02}:{int(at_us / 6e7) % 60:02}"


class Modes(Hours):
    """The schedule `modes` is active in the modes away and shut, and `always` all the time."""

    def active(self, schedule: str, at_us: int, mode: str | None) -> bool:  # noqa: ARG002 - the same at each time
        return schedule == "always" or mode in ("away", "shut")


def crowd(count: int, at_s: float = 0.0) -> STORY:
    return [enters(at_s + number, number) for number in range(1, count + 1)]


ENTERS = rule("event", events=("zone_entered",), zones=("till",))
STAY = rule("stay", zones=("till",), for_s=60)
CROWD = rule("occupancy", zones=("till",), at_least=3, for_s=10)
EMPTY = rule("occupancy", zones=("till",), at_most=0, for_s=60)
COUNT = rule("count", events=("line_crossed",), direction="in", at_least=3, within_s=10)
BLIND = rule("problem", problems=("covered", "frozen"), for_s=5)

CASES: dict[str, tuple[RuleDefinition, STORY, list[float]]] = {
    # events
    "an event in the zone": (ENTERS, [enters(1), enters(2, 2)], [1, 2]),
    "elsewhere": (ENTERS, [enters(1, zone="door"), crosses(2)], []),
    "of another class": (replace(ENTERS, when=replace(ENTERS.when, classes=("car",))), [enters(1)], []),
    "each of several types": (
        rule("event", events=("zone_entered", "line_crossed")),
        [enters(1), crosses(2), leaves(3)],
        [1, 2],
    ),
    "only one direction": (
        rule("event", events=("line_crossed",), direction="out"),
        [crosses(1), crosses(2, direction="out")],
        [2],
    ),
    "only long stays": (
        rule("event", events=("zone_exited", "zone_entered"), dwell_s=30),
        [enters(0), leaves(20, dwell_s=20), enters(30), leaves(65, dwell_s=35)],
        [0, 30, 65],
    ),
    "no alert about alerts": (rule("event", events=("zone_entered",)), [event("alert", 1, zone="till")], []),
    # cool-downs of events
    "a cool-down": (replace(ENTERS, cooldown_s=10), [enters(n, n) for n in range(1, 30, 4)], [1, 13, 25]),
    "a cool-down per object": (
        replace(ENTERS, object_cooldown_s=60),
        [enters(1), enters(2, 2), enters(30), enters(61), enters(63, 2)],
        [1, 2, 61, 63],
    ),
    "an object under a new id": (
        replace(ENTERS, object_cooldown_s=60),
        [enters(1), event("track_linked", 5, track_id=7, linked_track_id=1), enters(30, 7)],
        [1],
    ),
    "an event out of order": (replace(ENTERS, cooldown_s=10), [enters(5), enters(4, 2)], [5]),
    "an event out of order, without a cool-down": (ENTERS, [enters(5), enters(4, 2)], [5, 4]),
    # stays
    "a stay that is long enough": (STAY, [enters(0), 100.0], [60]),
    "and one that is not": (STAY, [enters(0), leaves(59, dwell_s=59), 100.0], []),
    "once per stay": (STAY, [enters(0), 500.0, leaves(501, dwell_s=501), enters(600), 700.0], [60, 660]),
    "under a new id": (
        STAY,
        [enters(0), event("track_linked", 30, track_id=9, linked_track_id=1, zone="till"), 70.0],
        [60],
    ),
    "not again under a new id": (
        STAY,
        [enters(0), 70.0, event("track_linked", 80, track_id=9, linked_track_id=1, zone="till"), 200.0],
        [60],
    ),
    "two at a time": (STAY, [enters(0), enters(5, 2), leaves(40), 90.0], [65]),
    "a stay after a cool-down": (replace(STAY, cooldown_s=100), [enters(0), enters(5, 2), 300.0], [60, 160]),
    "one at a time after each cool-down": (
        replace(STAY, cooldown_s=100),
        [enters(0), enters(5, 2), enters(6, 3), 400.0],
        [60, 160, 260],
    ),
    "one that is over when the cool-down ends": (
        replace(STAY, cooldown_s=100),
        [enters(0), enters(5, 2), leaves(100, 2), 300.0],
        [60],
    ),
    # occupancy
    "enough for long enough": (CROWD, [*crowd(3), 60.0], [13]),
    "not for long enough": (CROWD, [*crowd(3), leaves(12), 60.0], []),
    "once until there are fewer": (
        CROWD,
        [*crowd(3), enters(20, 4), leaves(30, 4), 60.0, leaves(61), enters(70), 90.0],
        [13, 80],
    ),
    "lost ones are gone": (CROWD, [*crowd(3), leaves(8, kind="lost"), 60.0], []),
    "an object under a new id counts once": (
        CROWD,
        [*crowd(3), event("track_linked", 5, track_id=9, linked_track_id=1, zone="till"), leaves(6, 9), 60.0],
        [],
    ),
    "only one class": (
        replace(CROWD, when=replace(CROWD.when, classes=("car",))),
        [*crowd(5), *[enters(10 + n, 10 + n, label="car") for n in range(3)], 40.0],
        [22],
    ),
    "nobody": (EMPTY, [0.0, 100.0, enters(120), leaves(130), 200.0], [60, 190]),
    "each zone by itself": (
        rule("occupancy", at_least=2),
        [enters(1), enters(2, zone="door"), enters(3, 2), 10.0],
        [3],
    ),
    # counting
    "enough within the time": (COUNT, [crosses(1), crosses(4), crosses(10), 20.0], [10]),
    "too slowly": (COUNT, [crosses(1), crosses(6), crosses(12), crosses(17)], []),
    "once until there are fewer within the time": (
        COUNT,
        [*[crosses(n) for n in range(1, 9)], crosses(30), crosses(31), crosses(32)],
        [3, 32],
    ),
    "the other direction does not count": (
        COUNT,
        [crosses(1), crosses(2, direction="out"), crosses(3)],
        [],
    ),
    "after a cool-down, if there are still enough": (
        replace(COUNT, cooldown_s=100),
        [*[crosses(n) for n in range(1, 4)], *[crosses(n) for n in range(50, 120, 2)]],
        [3, 104],
    ),
    # problems
    "a problem that lasts": (BLIND, [event("problem_started", 1, problem="covered"), 20.0], [6]),
    "another problem": (BLIND, [event("problem_started", 1, problem="moved"), 20.0], []),
    "one that passes": (
        BLIND,
        [event("problem_started", 1, problem="frozen"), event("problem_ended", 4, problem="frozen"), 20.0],
        [],
    ),
    # schedules
    "off schedule": (replace(ENTERS, schedule="night"), [enters(12 * H), enters(21 * H + 3599.9)], []),
    "on schedule": (replace(ENTERS, schedule="night"), [enters(22 * H), enters(23 * H, 2)], [22 * H, 23 * H]),
    "an unknown schedule always holds": (replace(ENTERS, schedule="moon"), [enters(12 * H)], [12 * H]),
    "a stay from before the schedule counts from its beginning": (
        replace(STAY, schedule="night"),
        [enters(21.9 * H), 22 * H + 100],
        [22 * H + 60],
    ),
    "a stay that the schedule's end cuts": (
        replace(STAY, schedule="night", when=replace(STAY.when, for_s=600)),
        [enters(5.9 * H), 7 * H],
        [],
    ),
    "what happened off schedule does not count": (
        replace(COUNT, schedule="night"),
        [crosses(22 * H - 2), crosses(22 * H - 1), crosses(22 * H + 1), crosses(22 * H + 2)],
        [],
    ),
    "what is still so when the schedule begins anew is told again": (
        replace(BLIND, schedule="night"),
        [event("problem_started", 12 * H, problem="covered"), 50 * H],
        [22 * H + BLIND.when.for_s, 46 * H + BLIND.when.for_s],
    ),
    # the first
    "the first of the day": (
        replace(ENTERS, first_of="day"),
        [enters(9 * H), enters(10 * H, 2), enters(33 * H, 3), enters(34 * H, 4)],
        [9 * H, 33 * H],
    ),
    "the first of a night": (
        replace(ENTERS, first_of="schedule", schedule="night"),
        [enters(20 * H), enters(23 * H, 2), enters(25 * H, 3), enters(47 * H, 4)],
        [23 * H, 47 * H],
    ),
    "the first of a schedule that it does not have": (
        replace(ENTERS, first_of="schedule"),
        [enters(1), enters(2, 2)],
        [1, 2],
    ),
    "switched off": (replace(ENTERS, enabled=False), [enters(1)], []),
    "of another camera": (replace(ENTERS, cameras=("back",)), [enters(1)], []),
    "of this camera": (replace(ENTERS, cameras=("back", "front")), [enters(1)], [1]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_when_its_condition_is_met(case: str) -> None:
    wanted, story, expected = CASES[case]
    step_s = 5.0 if any(isinstance(one, float) and one > 1000 for one in story) else 0.5
    fired = play(Engine({"r": wanted}, SCENE, Times(timetable=Hours())), story, step_s)
    assert times(fired) == expected


def test_an_alert_carries_its_cause() -> None:
    engine = Engine({"r": replace(STAY, name="Waits", severity="critical", notify=("phone",))}, SCENE)
    [one] = play(engine, [enters(0, 7), 100.0])
    assert (one.rule, one.zone, one.track_id, one.label, one.dwell_s) == ("r", "till", 7, "person", 60)
    assert (one.alert.name, one.alert.severity, one.alert.notify) == ("Waits", "critical", ("phone",))
    assert (one.alert.trigger, one.alert.value) == ("stay", 60)
    assert one.alert.text == "Person has been in Till on Front camera for 60 s"
    assert Event(**vars(enters(0)) | one.fields()).type == "alert"


def test_without_frames_only_problems_go_on() -> None:
    engine = Engine({"stay": STAY, "blind": BLIND, "empty": EMPTY}, SCENE)
    play(engine, [enters(0), event("problem_started", 1, problem="covered")])
    assert [one.rule for one in engine.advance(us(200), seen=False)] == ["blind"]


def test_zones_of_a_rule_about_a_problem_have_no_effect() -> None:  # as its warning says
    engine = Engine({"blind": replace(BLIND, when=replace(BLIND.when, zones=("till",)))}, SCENE)
    assert times(play(engine, [event("problem_started", 1, problem="covered"), 100.0])) == [6]
    away = rule("offline", for_s=60, zones=("till",))
    node = Engine({"away": away}, Scene(node="shop"))
    assert node.offline(us(0)) == []
    assert times(node.advance(us(100))) == [60]


def test_time_without_frames_does_not_count_for_an_empty_zone() -> None:
    engine = Engine({"r": EMPTY}, SCENE)
    assert play(engine, [0.0, 30.0]) == []
    engine.resume(us(500))
    assert times(play(engine, [500.0, 600.0])) == [560]


def test_a_paused_zone_is_not_empty() -> None:
    engine = Engine({"r": EMPTY}, SCENE)
    play(engine, [0.0, 10.0])
    engine.pause({"till"}, us(10))
    assert play(engine, [11.0, 300.0]) == []
    engine.pause((), us(300))
    assert times(play(engine, [301.0, 400.0])) == [360]


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_setting_the_clock_changes_no_duration(by_s: float) -> None:
    engine = Engine({"stay": STAY, "enters": replace(ENTERS, cooldown_s=100)}, SCENE)
    assert times(play(engine, [enters(0), 30.0])) == [0]
    engine.leap(round(by_s * 1e6))
    fired = play(engine, [by_s + 31, enters(by_s + 50, 2), by_s + 80, enters(by_s + 101, 3)])
    assert [(one.rule, at) for one, at in zip(fired, times(fired), strict=True)] == [
        ("stay", by_s + 60),
        ("enters", by_s + 101),
    ]


def test_a_clock_that_was_set_back_unnoticed_silences_nothing() -> None:
    engine = Engine({"r": replace(ENTERS, cooldown_s=60, first_of="day")}, SCENE)
    assert times(play(engine, [enters(10 * H)]) + engine.feed(enters(9 * H, 2))) == [10 * H, 9 * H]


def test_a_mode_begins_a_schedule() -> None:
    times_ = Times(timetable=Hours(), mode="home")
    engine = Engine({"r": replace(STAY, schedule="away")}, SCENE, times_)
    assert play(engine, [enters(0), 100.0]) == []
    engine.change_times(replace(times_, mode="away", mode_since_us=us(100)), us(100))
    assert times(play(engine, [101.0, 200.0])) == [160]


def test_a_mode_that_comes_in_the_middle_of_a_schedule_begins_it() -> None:
    hours = Hours()
    hours.active = lambda _schedule, _at_us, mode: mode == "away"  # type: ignore[method-assign,assignment]
    times_ = Times(timetable=hours, mode="home")
    engine = Engine({"r": replace(STAY, schedule="night")}, SCENE, times_)
    assert play(engine, [enters(22 * H + 600), 22 * H + 900]) == []
    begins = us(22 * H + 1000)
    engine.change_times(replace(times_, mode="away", mode_since_us=begins), begins)
    assert times(play(engine, [22 * H + 1001, 22 * H + 1200])) == [22 * H + 1060]


def test_what_is_so_counts_for_a_new_rule_from_its_beginning() -> None:
    engine = Engine({}, SCENE)
    play(engine, [*crowd(3), 100.0])
    engine.redefine({"stay": STAY, "crowd": CROWD, "other": replace(STAY, schedule="moon")}, SCENE)
    fired = play(engine, [100.5, 200.0])
    assert sorted({(one.rule, at) for one, at in zip(fired, times(fired), strict=True)}) == [
        ("crowd", 110),
        ("other", 160),
        ("stay", 160),
    ]


@pytest.mark.parametrize(("schedule", "again"), [("modes", [310]), ("always", [])])
def test_a_schedule_goes_on_from_one_of_its_modes_to_another(schedule: str, again: list[float]) -> None:
    first = Times(timetable=Modes(), mode="away", mode_since_us=us(0))
    engine = Engine({"r": replace(ENTERS, schedule=schedule, first_of="schedule")}, SCENE, first)
    assert times(play(engine, [enters(10)])) == [10]
    engine.change_times(replace(first, mode="shut", mode_since_us=us(100)), us(100))
    assert play(engine, [enters(110, 2)]) == []
    engine.change_times(replace(first, mode="home", mode_since_us=us(200)), us(200))
    engine.change_times(replace(first, mode="away", mode_since_us=us(300)), us(300))
    assert times(play(engine, [enters(310, 3)])) == again


def test_an_alert_says_how_many_there_were_until_somebody_left() -> None:
    engine = Engine({"r": CROWD}, SCENE)
    play(engine, crowd(3))
    [one] = engine.feed(leaves(13.05, 1))  # between two frames
    assert (times([one]), one.count) == ([13], 3)


def test_a_problem_that_lasts_counts_for_a_new_rule_from_its_beginning() -> None:
    engine = Engine({}, SCENE)
    play(engine, [event("problem_started", 10, problem="covered"), 100.0])
    engine.redefine({"blind": BLIND}, SCENE)
    assert times(play(engine, [100.5, 200.0])) == [105]


def test_a_rule_that_only_gets_other_words_goes_on() -> None:
    engine = Engine({"r": CROWD}, SCENE)
    play(engine, [*crowd(3), 30.0])
    engine.redefine({"r": replace(CROWD, text="{count} in {zone}", severity="info")}, SCENE)
    assert play(engine, [31.0, 100.0]) == []  # it has told of this crowd
    [again] = play(engine, [leaves(101), enters(102), 120.0])
    assert again.alert.text == "3 in Till"


def restarted(engine: Engine, rules: dict[str, RuleDefinition]) -> Engine:
    return Engine(rules, SCENE, saved=engine.state())


RESTARTS: dict[str, tuple[RuleDefinition, STORY, STORY, list[float]]] = {
    "a cool-down goes on": (replace(ENTERS, cooldown_s=60), [enters(1)], [enters(30), enters(62, 2)], [62]),
    "the first of the day was before": (replace(ENTERS, first_of="day"), [enters(1)], [enters(30)], []),
    "a count goes on": (COUNT, [crosses(1), crosses(2)], [crosses(5)], [5]),
    "a count is told of once": (COUNT, [crosses(1), crosses(2), crosses(3)], [crosses(5)], []),
    "a crowd that is still there": (CROWD, [*crowd(3), 30.0], [*crowd(3, 40), 100.0], []),
    "a crowd that comes much later": (CROWD, [*crowd(3), 30.0], [40.0, *crowd(3, 400), 500.0], [413]),
    "a zone that is still empty": (EMPTY, [0.0, 100.0], [110.0, 300.0], []),
    "a problem that is still there": (
        BLIND,
        [event("problem_started", 1, problem="covered"), 30.0],
        [40.0, event("problem_started", 50, problem="covered"), 100.0],
        [],
    ),
    "a problem that begins anew": (
        BLIND,
        [event("problem_started", 1, problem="covered"), 30.0],
        [
            event("problem_started", 50, problem="covered"),
            event("problem_ended", 60, problem="covered"),
            event("problem_started", 70, problem="covered"),
            100.0,
        ],
        [75],
    ),
}


@pytest.mark.parametrize("case", RESTARTS)
def test_a_restart_repeats_nothing_and_swallows_nothing(case: str) -> None:
    wanted, before, after, expected = RESTARTS[case]
    engine = Engine({"r": wanted}, SCENE)
    play(engine, before)
    assert times(play(restarted(engine, {"r": wanted}), after)) == expected


def test_two_restarts_in_a_row_swallow_no_count() -> None:
    engine = Engine({"r": COUNT}, SCENE)
    play(engine, [crosses(1), crosses(2), crosses(3)])
    engine = restarted(engine, {"r": COUNT})
    play(engine, [crosses(30)])
    assert times(play(restarted(engine, {"r": COUNT}), [crosses(31), crosses(32)])) == [32]


def test_another_condition_remembers_nothing() -> None:
    engine = Engine({"r": replace(ENTERS, first_of="day")}, SCENE)
    play(engine, [enters(1)])
    other = {"r": replace(ENTERS, first_of="day", when=replace(ENTERS.when, zones=("till", "door")))}
    assert times(play(restarted(engine, other), [enters(2)])) == [2]


def test_state_of_conditions_that_never_came_back_is_dropped() -> None:
    engine = Engine({"r": CROWD}, SCENE)
    play(engine, [*crowd(3), 30.0])
    after = restarted(engine, {"r": CROWD})
    after.advance(us(40))
    assert after.state().rules["r"].told == ("till",)
    after.advance(us(41) + CONFIRM_US)
    after.feed(crosses(41 + CONFIRM_US / 1e6))
    assert after.state().rules["r"].told == ()


def test_a_node_that_is_offline_for_long_enough() -> None:
    engine = Engine({"r": rule("offline", for_s=60), "other": ENTERS}, Scene(node="shop", node_name="Shop"))
    assert engine.offline(us(0)) == []
    assert engine.advance(us(30)) == []
    assert engine.online(us(50)) == []
    engine.offline(us(100))
    assert engine.deadline == us(160)
    [one] = engine.advance(us(170))
    assert (times([one]), one.alert.text) == ([160], "Shop is offline")
    assert engine.advance(us(1000)) == []


def test_nothing_is_due_between_events() -> None:
    engine = Engine({"stay": STAY, "enters": ENTERS}, SCENE)
    play(engine, [enters(0)])
    assert engine.deadline == us(60)
    assert engine.deadline > DAY * 1e6
