from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.analytics.analyse import Analytics
from edge_node.config.camera_settings import AnalyticsSettings
from shared.geometry import anchor_points
from shared.wire.messages import Crowd, EventType, ZoneDefinition
from tests.edge_node.scenes import (
    CLASSES,
    HEIGHT,
    WIDTH,
    Actor,
    Path,
    Played,
    clock,
    film,
    play,
    shaken,
    square,
    stand,
    unseen,
    walk,
)
from tests.geometry import points_in_polygon

NO_LINKS = AnalyticsSettings(link_within_s=0.0)
ACROSS = walk((0, 0.1, 0.5), (8, 0.9, 0.5))
"""Enters the square at 1.5 s and leaves it at 6.5 s."""


def zone(**options: object) -> ZoneDefinition:
    return ZoneDefinition(**({"polygon": square()} | options))  # type: ignore[arg-type]


def irregular(fps: float, seconds: float) -> list[float]:
    """A rate that changes all the time, with drops of up to three frames."""
    random = np.random.default_rng(int(fps))
    steps = random.choice([0.5, 1.0, 1.5, 3.0], size=int(2 * seconds * fps)) / fps
    return [0.0, *(t for t in np.cumsum(steps).tolist() if t <= seconds)]


TIMINGS: dict[str, Callable[[], list[float]]] = {
    "5 fps": lambda: clock(5, 15),
    "30 fps": lambda: clock(30, 15),
    "irregular": lambda: irregular(12, 15),
}


@dataclass(frozen=True)
class Case:
    reason: str
    actors: list[Actor]
    entered: int
    exited: int = 0
    lost: int = 0
    linked: int = 0
    dwells: list[float] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)


SCENES = [
    Case("crosses the zone", [Actor(1, ACROSS)], 1, 1, dwells=[5]),
    Case("stays inside", [Actor(1, stand(0.5, 0.5))], 1),
    Case(
        "is first seen inside and walks out", [Actor(1, walk((0, 0.5, 0.5), (8, 0.9, 0.5)))], 1, 1, dwells=[5]
    ),
    Case("never comes in", [Actor(1, walk((0, 0.1, 0.1), (8, 0.9, 0.1)))], 0),
    Case("vanishes inside", [Actor(1, walk((0, 0.1, 0.5), (4, 0.5, 0.5)))], 1, lost=1, dwells=[2.5]),
    Case("is missed for two seconds inside", [Actor(1, unseen(ACROSS, (3, 5)))], 1, 1, dwells=[5]),
    Case("is missed over the way out", [Actor(1, unseen(ACROSS, (6, 7)))], 1, 1, dwells=[5.5]),
    Case(
        "is missed for longer than it is held, and comes back under its id: another stay",
        [Actor(1, unseen(stand(0.5, 0.5, 0, 14), (2, 8)))],
        2,
        lost=1,
        dwells=[2],
    ),
    Case(
        "steps out for less than the hysteresis",
        [Actor(1, walk((0, 0.5, 0.5), (2, 0.74, 0.5), (2.2, 0.77, 0.5), (2.4, 0.74, 0.5), (15, 0.5, 0.5)))],
        1,
        options={"exit_after_s": 1.0},
    ),
    Case(
        "is gone from the picture while leaving: has left, is not lost",
        [Actor(1, walk((0, 0.1, 0.5), (7, 0.8, 0.5)))],
        1,
        1,
        dwells=[5],
        options={"exit_after_s": 2.0},
    ),
    Case(
        "passes too fast to count",
        [Actor(1, walk((0, 0.1, 0.5), (1, 0.9, 0.5)))],
        0,
        options={"enter_after_s": 1.0},
    ),
    Case(
        "counts late, but from the moment it came in",
        [Actor(1, ACROSS)],
        1,
        1,
        dwells=[5],
        options={"enter_after_s": 1.0},
    ),
    Case(
        "is of a class the zone ignores", [Actor(1, ACROSS, class_id=1)], 0, options={"classes": ("person",)}
    ),
    Case(
        "is of a class the zone wants", [Actor(1, ACROSS, 1)], 1, 1, dwells=[5], options={"classes": ("car",)}
    ),
    Case("is of a class the model cannot name", [Actor(1, ACROSS, 99)], 1, 1, dwells=[5]),
    Case(
        "three at once",
        [Actor(1, ACROSS), Actor(2, stand(0.4, 0.4)), Actor(3, walk((2, 0.5, 0.5), (6, 0.5, 0.5)))],
        3,
        1,
        1,
        dwells=[5, 4],
    ),
    Case("has its head inside only", [Actor(1, walk((0, 0.1, 0.8), (8, 0.9, 0.8)))], 0),
    Case(
        "has its head inside, and the head counts",
        [Actor(1, walk((0, 0.1, 0.8), (8, 0.9, 0.8)))],
        1,
        1,
        dwells=[5],
        options={"anchor": "top_center"},
    ),
    Case(
        "stands at the frame's lower edge, in a zone that ends there",
        [Actor(1, stand(0.5, 1.0))],
        1,
        options={"polygon": square(0.0, 1.0)},
    ),
    Case(
        "stands at the frame's right edge, half outside",
        [Actor(1, stand(1.01, 0.5))],
        1,
        options={"polygon": square(0.0, 1.0)},
    ),
    Case(
        "is predicted out of the zone and found inside again",
        [
            Actor(
                1,
                walk((0, 0.5, 0.5), (5, 0.5, 0.5), (6, 0.9, 0.5), (6.1, 0.5, 0.5), (15, 0.5, 0.5)),
                predicted=lambda t: 5 < t < 6.1,
            )
        ],
        1,
        options={"exit_after_s": 0.0},
    ),
    Case(
        "parked, and its id changes every three seconds",
        [Actor(i, stand(0.5, 0.5, 3 * i, 3 * i + 2.5), class_id=1) for i in range(5)],
        1,
        linked=4,
    ),
    Case(
        "waits while its id changes, then leaves: one dwell",
        [
            Actor(1, walk((0, 0.1, 0.5), (3, 0.4, 0.5))),
            Actor(2, walk((3.4, 0.44, 0.5), (8, 0.9, 0.5))),
        ],
        1,
        1,
        linked=1,
        dwells=[5],
    ),
]


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("case", SCENES, ids=lambda case: case.reason)
def test_counts_and_dwell_are_those_of_the_scene(case: Case, timing: str) -> None:
    times = TIMINGS[timing]()
    longest_step = max(np.diff(times))
    played = play(film(case.actors, times), {"z": zone(**case.options)})
    numbers = played.numbers["z"]
    counts = (numbers.entered, numbers.exited, numbers.lost, numbers.linked)
    assert counts == (case.entered, case.exited, case.lost, case.linked)
    assert numbers.occupancy == case.entered - case.exited - case.lost
    dwells = [event.dwell_s for event in played.of("zone_exited", "zone_lost")]
    assert sorted(d for d in dwells if d is not None) == pytest.approx(
        sorted(case.dwells), abs=longest_step + 1e-6
    )
    assert len(played.of("zone_entered")) == case.entered


# What a frame can show of one object: inside, outside, predicted (anywhere), missing.
Seen = Literal["i", "o", "p", "m"]


@dataclass
class Stay:
    entered_s: float
    counted_at: int
    ended_s: float | None = None
    closed_at: int | None = None
    lost: bool = False


def stays_of(times: list[float], script: list[Seen], enter: float, leave: float, lost: float) -> list[Stay]:
    """The stays of one object, by reading its frames one after the other as the documentation says it."""
    stays: list[Stay] = []
    first_in = first_out = stay = None
    reported = seen = 0.0
    for k, (t, what) in enumerate(zip(times, script, strict=True)):
        reported = reported if what == "m" else t
        seen = t if what in "io" else seen
        too_long = what == "m" and t - reported >= lost - 1e-6
        if stay is None:
            if what == "o" or too_long:
                first_in = None
            if what == "i":
                first_in = t if first_in is None else first_in
                if t - first_in >= enter - 1e-6:
                    stay, first_in, first_out = Stay(first_in, k), None, None
                    stays.append(stay)
            continue
        if what == "i":
            first_out = None
        if what == "o" and first_out is None:
            first_out = t
        if first_out is not None and t - first_out >= leave - 1e-6:
            stay.ended_s, stay.closed_at = first_out, k
            stay = None
        elif first_out is None and too_long:
            stay.ended_s, stay.closed_at, stay.lost = seen, k, True
            stay = None
    return stays


def play_scripts(times: list[float], scripts: list[list[Seen]], zone: ZoneDefinition) -> Played:
    spots = {"i": (0.5, 0.5), "o": (0.1, 0.5), "p": (0.9, 0.9), "m": None}
    actors = []
    for number, script in enumerate(scripts):
        shown = dict(zip(times, script, strict=True))
        actors.append(
            Actor(
                number,
                lambda t, shown=shown: spots[shown[t]],  # type: ignore[misc]  # default in a lambda
                predicted=lambda t, shown=shown: shown[t] == "p",  # type: ignore[misc]  # default in a lambda
            )
        )
    return play(film(actors, times, give_up_s=50.0), {"z": zone}, settings=NO_LINKS)


hysteresis = st.sampled_from([0.0, 0.3, 1.0])


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.5, 1.5]), min_size=1, max_size=25).flatmap(
        lambda steps: st.tuples(
            st.just(np.cumsum(steps).tolist()),
            st.lists(
                st.lists(st.sampled_from("iiopm"), min_size=len(steps), max_size=len(steps)),
                min_size=1,
                max_size=3,
            ),
        )
    ),
    hysteresis,
    hysteresis,
    hysteresis,
)
def test_every_sequence_of_sightings_gives_the_stays_that_reading_it_frame_by_frame_gives(
    scene: tuple[list[float], list[list[Seen]]], enter: float, leave: float, lost: float
) -> None:
    times, scripts = scene
    # A track begins with a detection; predictions before it are not a tracker's.
    scripts = [
        ["m" if "i" not in s[: k + 1] and "o" not in s[: k + 1] else x for k, x in enumerate(s)]
        for s in scripts
    ]
    definition = zone(enter_after_s=enter, exit_after_s=leave, lost_after_s=lost, loitering_s=1.0)
    played = play_scripts(times, scripts, definition)
    stays = [
        (i, stay) for i, script in enumerate(scripts) for stay in stays_of(times, script, enter, leave, lost)
    ]
    for k, report in enumerate(played.reports):
        inside = [i for i, s in stays if s.counted_at <= k and (s.closed_at is None or k < s.closed_at)]
        numbers = report.numbers["z"]
        assert numbers.occupancy == len(inside)
        assert numbers.entered == numbers.exited + numbers.lost + numbers.occupancy
        assert numbers.dwell.completed == numbers.exited + numbers.lost
    expected: dict[EventType, list[tuple[int, float | None]]] = {
        "zone_entered": [(i, s.entered_s) for i, s in stays],
        "zone_exited": [(i, s.ended_s) for i, s in stays if s.closed_at is not None and not s.lost],
        "zone_lost": [(i, s.ended_s) for i, s in stays if s.lost],
    }
    for kind, story in expected.items():
        reported = [(h.track_id, h.occurred_s) for h in played.of(kind)]
        assert sorted(reported) == sorted(story)
    for h in played.of("zone_exited", "zone_lost"):
        match = [s for i, s in stays if i == h.track_id and s.ended_s == h.occurred_s]
        assert h.dwell_s in [s.ended_s - s.entered_s for s in match if s.ended_s is not None]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([5.0, 10.0, 25.0]))
def test_random_walks_are_counted_as_a_look_at_every_frame_counts_them(seed: int, fps: float) -> None:
    random = np.random.default_rng(seed)
    times = clock(fps, 8)
    walks = np.clip(
        random.uniform(0.2, 0.8, (4, 1, 2)) + random.normal(0, 0.04, (4, len(times), 2)).cumsum(1), 0, 0.99
    )
    index = {t: k for k, t in enumerate(times)}
    hidden = random.uniform(size=(4, len(times))) < 0.2
    actors = [
        Actor(i, lambda t, i=i: None if hidden[i, index[t]] else tuple(walks[i, index[t]]))  # type: ignore[misc]  # default in a lambda
        for i in range(4)
    ]
    angles = np.sort(random.uniform(0, 2 * np.pi, 7))
    star = [
        (0.5 + r * np.cos(a), 0.5 + r * np.sin(a))
        for a, r in zip(angles, random.uniform(0.1, 0.5, 7), strict=True)
    ]
    frames = list(film(actors, times, give_up_s=50))
    played = play(frames, {"z": zone(polygon=tuple(star), exit_after_s=0.3)}, settings=NO_LINKS)
    scripts: list[list[Seen]] = [["m"] * len(times) for _ in range(4)]
    for k, (tracks, _) in enumerate(frames):
        points = anchor_points(tracks.xyxy / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float64))
        inside = points_in_polygon(np.clip(points, 0, 1 - 1e-9), np.array(star))
        for track_id, within in zip(tracks.track_id.tolist(), inside.tolist(), strict=True):
            scripts[track_id][k] = "i" if within else "o"
    stays = [s for script in scripts for s in stays_of(times, script, 0.0, 0.3, 3.0)]
    numbers = played.numbers["z"]
    assert numbers.entered == len(stays)
    assert numbers.exited == sum(s.closed_at is not None and not s.lost for s in stays)
    ended = [s.ended_s - s.entered_s for s in stays if s.ended_s is not None]
    assert numbers.dwell.average_s == pytest.approx(np.mean(ended) if ended else 0.0)
    assert numbers.dwell.max_s == pytest.approx(max(ended, default=0.0))


def test_an_exit_is_told_with_the_moment_it_happened_not_when_it_was_certain() -> None:
    path = walk((0, 0.105, 0.5), (8, 0.905, 0.5))  # inside from 1.45 s to 6.45 s
    played = play(film([Actor(1, path)], clock(10, 10)), {"z": zone(enter_after_s=1.0, exit_after_s=1.0)})
    assert played.story("zone_entered", "zone_exited") == [("zone_entered", 1, 1.5), ("zone_exited", 1, 6.5)]
    assert [k for k, report in enumerate(played.reports) if report.zones_of == [["z"]]] == list(range(25, 75))
    told = [k for k, report in enumerate(played.reports) if report.happenings]
    assert told == [0, 25, 75, 90]  # track started, entered, exited, track ended: frame numbers


@pytest.mark.parametrize(
    ("reason", "path"),
    [
        ("stands exactly on the common border", stand(0.5, 0.5)),
        ("walks along it", walk((0, 0.5, 0.3125), (4, 0.5, 0.6875))),
        ("comes from outside exactly on it", walk((0, 0.5, 0.125), (4, 0.5, 0.5))),
        ("comes through their common corner", walk((0, 0.25, 0.0), (4, 0.5, 0.25), (8, 0.75, 0.5))),
    ],
)
def test_of_two_zones_side_by_side_one_holds_whoever_is_on_their_border(reason: str, path: Path) -> None:
    left = zone(polygon=((0.25, 0.25), (0.5, 0.25), (0.5, 0.75), (0.25, 0.75)))
    right = zone(polygon=((0.5, 0.25), (0.75, 0.25), (0.75, 0.75), (0.5, 0.75)))
    actor = Actor(1, path, size=(1 / 16, 1 / 8))  # so that its foot is exactly where the path says
    numbers = play(film([actor], clock(4, 8)), {"left": left, "right": right}).numbers
    assert numbers["left"].entered + numbers["right"].entered == 1, reason


def test_jitter_on_a_zones_border_is_one_stay() -> None:
    played = play(film([Actor(1, shaken(stand(0.25, 0.5), 0.01))], clock(25, 60)), {"z": zone()})
    assert (played.numbers["z"].entered, played.numbers["z"].occupancy) == (1, 1)


def test_jitter_at_the_border_never_counts_with_a_long_enter_hysteresis() -> None:
    played = play(
        film([Actor(1, shaken(stand(0.25, 0.5), 0.01))], clock(25, 60)), {"z": zone(enter_after_s=2.0)}
    )
    assert played.numbers["z"].entered == 0


def test_overlapping_zones_count_each_on_its_own() -> None:
    zones = {"left": zone(polygon=square(0.2, 0.6)), "right": zone(polygon=square(0.4, 0.8))}
    played = play(film([Actor(7, stand(0.5, 0.5)), Actor(8, stand(0.3, 0.3))], clock(10, 1)), zones)
    assert {name: n.occupancy for name, n in played.numbers.items()} == {"left": 2, "right": 1}
    assert played.reports[-1].zones_of == [["left", "right"], ["left"]]


def test_ongoing_dwell_is_of_those_inside_and_stops_when_they_are_unseen() -> None:
    actors = [Actor(1, stand(0.4, 0.5)), Actor(2, stand(0.6, 0.5, 4, 6))]
    played = play(film(actors, clock(10, 8)), {"z": zone()})
    dwell = played.numbers["z"].dwell
    assert dwell.ongoing_max_s == pytest.approx(8)
    assert dwell.ongoing_average_s == pytest.approx(
        (8 + 2) / 2
    )  # the second one was seen for 2 s and is held


def test_completed_dwell_tells_count_average_maximum_and_ninetieth_percentile() -> None:
    lengths = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 20.0]
    actors = [Actor(i, walk((0, 0.5, 0.5), (n, 0.5, 0.5), (n + 2, 0.5, 0.1))) for i, n in enumerate(lengths)]
    dwell = play(film(actors, clock(20, 25)), {"z": zone()}).numbers["z"].dwell
    out = 0.05 + 2 * (0.25 / 0.4)  # seconds from setting off to the first frame outside
    assert dwell.completed == 10
    assert dwell.average_s == pytest.approx(6.5 + out, abs=0.05)
    assert dwell.max_s == pytest.approx(20 + out, abs=0.05)
    assert dwell.p90_s == pytest.approx(9 + out, abs=0.05)  # nearest rank: the ninth of ten


def test_the_class_of_a_stay_is_that_of_its_entry_and_the_filter_is_asked_only_then() -> None:
    times = clock(10, 10)
    frames = list(film([Actor(1, ACROSS)], times))
    for tracks, t in frames:
        tracks.class_id[:] = 1 if 3 < t < 4 or t > 6 else 0  # the detector calls it a car for a while
    numbers = play(frames, {"z": zone(classes=("person",), exit_after_s=0.0)}).numbers["z"]
    assert (numbers.entered, numbers.exited) == (1, 1)
    assert {name: (f.entered, f.exited) for name, f in numbers.by_class.items()} == {"person": (1, 1)}


def test_flows_are_told_per_class() -> None:
    actors = [Actor(1, ACROSS), Actor(2, ACROSS, 1), Actor(3, stand(0.5, 0.5), 1), Actor(4, ACROSS, 42)]
    numbers = play(film(actors, clock(10, 10)), {"z": zone()}).numbers["z"]
    flows = {name: (f.entered, f.exited) for name, f in numbers.by_class.items()}
    assert flows == {"person": (1, 1), "car": (2, 1), "42": (1, 1)}


@pytest.mark.parametrize(("fps"), [2, 10, 30])
def test_loitering_fires_once_a_stay_at_the_moment_the_limit_is_reached(fps: float) -> None:
    path = walk((0, 0.5, 0.5), (10, 0.5, 0.5), (11, 0.5, 0.1), (12, 0.5, 0.5), (20, 0.5, 0.5))
    played = play(
        film([Actor(1, path), Actor(2, ACROSS)], clock(fps, 20)),
        {"z": zone(loitering_s=6.0, exit_after_s=0.0)},
    )
    first, second = played.of("loitering")
    assert first.track_id == 1
    assert (first.occurred_s, first.dwell_s) == pytest.approx((6.0, 6.0))
    back_s = played.of("zone_entered")[-1].occurred_s
    assert second.occurred_s == pytest.approx(back_s + 6.0)
    assert played.numbers["z"].loitering == 1
    assert played.numbers["z"].loitering_ids == (second.track_id,)


def test_loitering_goes_on_over_an_id_switch_and_fires_once() -> None:
    actors = [Actor(1, stand(0.5, 0.5, 0, 4)), Actor(2, stand(0.5, 0.5, 4.5, 20))]
    played = play(film(actors, clock(10, 20)), {"z": zone(loitering_s=6.0)})
    assert played.story("loitering") == [("loitering", 2, 6.0)]


def test_a_queue_tells_its_length_and_waits_and_when_it_began_and_ended() -> None:
    actors = [
        Actor(1, walk((1, 0.5, 0.5), (5, 0.5, 0.5), (5.1, 0.5, 0.1), (6, 0.5, 0.1))),
        Actor(2, walk((2, 0.4, 0.5), (9, 0.4, 0.5), (9.1, 0.4, 0.1), (10, 0.4, 0.1))),
    ]
    played = play(film(actors, clock(10, 12)), {"q": zone(queue=True), "z": zone()})
    at_4 = played.reports[40].numbers["q"].queue
    assert at_4 is not None
    assert (at_4.length, at_4.completed) == (2, 0)
    assert (at_4.wait_average_s, at_4.wait_longest_s) == pytest.approx((2.5, 3.0))
    end = played.numbers["q"].queue
    assert end is not None
    assert (end.length, end.completed) == (0, 2)
    assert end.completed_average_s == pytest.approx((4.1 + 7.1) / 2)
    assert played.story("queue_started", "queue_ended") == [
        ("queue_started", None, 1.0),
        ("queue_ended", None, 9.1),
    ]
    assert [h.count for h in played.of("queue_started", "queue_ended")] == [1, 0]
    assert played.numbers["z"].queue is None


def test_a_crowd_starts_and_ends_only_when_it_lasts() -> None:
    actors = [
        Actor(1, stand(0.4, 0.5)),
        Actor(2, stand(0.5, 0.5, 2, 3)),  # two for a moment
        Actor(3, stand(0.6, 0.5, 10, 20)),  # two for long
        Actor(4, stand(0.45, 0.6, 20.5, 30)),  # a short gap between them
    ]
    definition = zone(crowd=Crowd(count=2, after_s=2.0), lost_after_s=0.0)
    played = play(film(actors, clock(10, 40)), {"z": definition}, settings=NO_LINKS)
    assert played.story("crowd_started", "crowd_ended") == [
        ("crowd_started", None, 10.0),
        ("crowd_ended", None, 30.1),
    ]
    assert [h.count for h in played.of("crowd_started", "crowd_ended")] == [2, 1]
    assert played.reports[118].numbers["z"].crowded is False
    assert played.reports[121].numbers["z"].crowded is True


def test_a_predicted_object_is_still_there() -> None:
    actor = Actor(1, stand(0.5, 0.5, 0, 20), predicted=lambda t: 2 < t < 18)
    played = play(film([actor], clock(10, 18)), {"z": zone(lost_after_s=1.0)})
    assert (played.numbers["z"].entered, played.numbers["z"].lost) == (1, 0)
    assert played.numbers["z"].dwell.ongoing_max_s == pytest.approx(18)
    assert played.reports[100].zones_of == [["z"]]
    assert played.reports[100].numbers["z"].dwell.ongoing_max_s == pytest.approx(2)  # as long as it was seen


def test_a_pause_of_the_camera_ends_no_stay() -> None:
    times = [*clock(10, 2), *clock(10, 2, start=60)]
    numbers = play(film([Actor(1, stand(0.5, 0.5))], times), {"z": zone()}).numbers["z"]
    assert (numbers.entered, numbers.occupancy) == (1, 1)
    assert numbers.dwell.ongoing_max_s == pytest.approx(62)


def test_a_zone_without_anybody_has_zeros() -> None:
    played = play(film([], clock(10, 1)), {"z": zone(queue=True, crowd=Crowd(count=1), loitering_s=1.0)})
    numbers = played.numbers["z"]
    assert (numbers.occupancy, numbers.entered, numbers.dwell.p90_s, numbers.by_class) == (0, 0, 0.0, {})
    assert played.happenings == []


def test_numbers_once_reported_do_not_change_afterwards() -> None:
    analytics = Analytics({"z": zone()}, {}, CLASSES, AnalyticsSettings())
    played = Played(analytics)
    played.feed(film([Actor(1, ACROSS), Actor(2, stand(0.5, 0.5, 5, 8))], clock(10, 8)))
    assert [report.numbers["z"].entered for report in played.reports[::20]] == [0, 1, 1, 2, 2]
    flows = [report.numbers["z"].by_class.get("person") for report in played.reports[::20]]
    assert [flow and flow.entered for flow in flows] == [None, 1, 1, 2, 2]


def test_a_queue_started_when_the_first_was_seen_in_it_though_that_counted_later() -> None:
    zone = ZoneDefinition(polygon=square(), queue=True, enter_after_s=1.0)
    played = play(film([Actor(1, stand(0.5, 0.5, 2.0))], clock(10, 5)), {"z": zone})
    assert played.story("queue_started") == [("queue_started", None, 2.0)]
    assert played.numbers["z"].zone == "z"
    empty = played.reports[0].numbers["z"].dwell
    assert (empty.ongoing_average_s, empty.ongoing_max_s) == (0.0, 0.0)
