"""What the rules of a camera are given: its clock, its gaps, its pauses; and what they say meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge_node.frames import Frame
from edge_node.rules.alerts import Alerts
from edge_node.rules.desk import RuleDesk
from edge_node.rules.memory import Memory
from edge_node.rules.store import RuleStore
from shared.rules.scene import Firing
from shared.wire.messages import Event, Request, RuleDefinition, ZoneDefinition
from tests.shared.rules.scenes import DAY, SCENE, enters, event, rule, times, us
from tests.shared.rules.test_problems import Camera

STAY = rule("stay", zones=("till",), for_s=60)
EMPTY = rule("occupancy", zones=("till",), at_most=0, for_s=60)
BLIND = rule("problem", for_s=5)
PICTURE = np.zeros((4, 4, 3), np.uint8)


class Street:
    """A camera whose wall clock, clock for durations and frames the test moves."""

    def __init__(self, **rules: RuleDefinition) -> None:
        self.wall_s = self.now_s = 0.0
        self.alerts = Alerts(
            rules, lambda _: SCENE, ["front"], wall_us=lambda: us(self.wall_s), clock=lambda: self.now_s
        )

    def frame(self, at_s: float, *events: Event, wall_s: float | None = None, **fields: Any) -> list[Firing]:
        """One frame at a time of the clock for durations."""
        paused = fields.pop("paused", ())
        self.wall_s, self.now_s = at_s if wall_s is None else wall_s, at_s
        frame = Frame("front", 0, us(self.wall_s) * 1000, round(at_s * 1e9), PICTURE, **fields)
        return self.alerts.frame(frame, events, lambda: paused)


def test_frames_make_time_go_on() -> None:
    street = Street(r=STAY)
    assert street.frame(0, enters(0)) == []
    assert street.frame(59) == []
    assert times(street.frame(60.5)) == [60]


def test_a_clock_that_is_set_changes_no_stay() -> None:
    street = Street(r=STAY)
    street.frame(0, enters(0))
    assert street.frame(30, wall_s=3630) == []
    assert times(street.frame(61, wall_s=3661)) == [3660]


def test_a_film_has_its_own_time() -> None:
    street = Street(r=STAY)
    street.frame(0, enters(0), clock="media")
    # Ten times as fast as the world: 60 s of the film are 6 s of the wall clock.
    assert street.frame(59, wall_s=5.9, clock="media") == []
    [one] = street.frame(61, wall_s=6.1, clock="media")
    assert one.dwell_s == 60
    assert times([one]) == [5.1]  # a second of the film before the frame


def test_nobody_is_reported_while_the_camera_gives_no_frames() -> None:
    street = Street(stay=STAY, empty=EMPTY)
    street.frame(0, enters(0))
    street.wall_s = street.now_s = 500
    assert list(street.alerts.unseen()) == []
    lost = event("zone_lost", 0.5, track_id=1, zone="till", dwell_s=0.5)
    assert street.frame(501, lost, restarted=True) == []
    assert times(street.frame(562)) == [561]


def test_a_problem_goes_on_without_frames() -> None:
    street = Street(r=BLIND)
    street.frame(0)
    assert street.alerts.happened(event("problem_started", 0, problem="low_rate")) == []
    street.wall_s = street.now_s = 6
    assert [(camera, times([one])) for camera, one in street.alerts.unseen()] == [("front", [5])]
    assert list(street.alerts.unseen()) == []


def test_a_zone_that_pauses_is_not_empty() -> None:
    street = Street(r=replace(EMPTY, when=replace(EMPTY.when, for_s=0)))
    assert times(street.frame(0, enters(0))) == [0]  # before anybody came
    left = event("zone_lost", 10, track_id=1, zone="till", dwell_s=10)
    assert street.frame(10, left, paused=("till",)) == []
    assert street.frame(500, paused=("till",)) == []
    assert times(street.frame(600)) == [600]


def test_the_desk_tells_what_has_changed_and_nothing_twice() -> None:
    said: list[dict[str, Any]] = []
    announced: list[Any] = []
    zones: dict[str, ZoneDefinition] = {}
    store, alerts = RuleStore(None, {}), Alerts({}, lambda _: SCENE, ["front"])
    desk = RuleDesk(
        store,
        alerts,
        Memory(None),
        lambda: {"front": Camera(zones)},
        ["person"],
        said.append,
        announced.append,
    )
    desk.tell()
    assert said == []
    answer = desk.set(Request(rules={"r": STAY}, version=0), None)
    assert answer == {"version": 1, "warnings": ["rule 'r': can never fire: 'till' is on no camera"]}
    assert (said[-1]["version"], list(said[-1]["problems"])) == (1, ["r"])
    assert announced == [{"r": STAY}]
    desk.tell()
    assert len(said) == 1
    zones["till"] = ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)))
    desk.tell()
    assert (said[-1]["version"], said[-1]["problems"], len(said)) == (1, {}, 2)
    desk.know_schedules(["night"], ["night"])
    assert len(said) == 2, "no rule names a schedule"
    assert desk.configure({}) == []
    assert store.current.version == 1, "the configuration has not changed"
    assert DAY > 0
