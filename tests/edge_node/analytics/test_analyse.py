from __future__ import annotations

import ast
import dataclasses
import pickle
import time
import tracemalloc
from pathlib import Path as FilePath
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge_node.analytics.analyse
from edge_node.analytics.analyse import Analytics, Report
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.frames import Tracks
from shared.errors import ConfigError
from shared.wire.messages import Crowd, LineDefinition, ZoneDefinition
from tests.edge_node.scenes import (
    CLASSES,
    HEIGHT,
    WIDTH,
    Actor,
    Film,
    Played,
    between,
    clock,
    film,
    frame_of,
    play,
    square,
    stand,
    unseen,
    walk,
)

ZONE = ZoneDefinition(polygon=square())
LINE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))
ACROSS = walk((0, 0.105, 0.5), (8, 0.905, 0.5))
FULL = ZoneDefinition(
    polygon=square(0.0, 1.0), queue=True, crowd=Crowd(count=3, after_s=1.0), loitering_s=4.0
)


def crowd_of(seed: int, seconds: float = 20.0, fps: float = 10.0) -> list[tuple[Tracks, float]]:
    """People who come, wander, are missed, change their ids and go."""
    random = np.random.default_rng(seed)
    actors, next_id = [], 0
    for _ in range(8):
        start, stops = random.uniform(0, seconds / 2), random.uniform(0.05, 0.95, (4, 2))
        path = walk(*((start + 3.0 * k, float(x), float(y)) for k, (x, y) in enumerate(stops)))
        gap, switch = np.sort(random.uniform(start, start + 9, 2))
        class_id = int(random.integers(3))
        blinking = unseen(path, (gap, gap + random.uniform(0, 4)))
        actors.append(Actor(next_id, between(blinking, -1, switch), class_id))
        actors.append(Actor(next_id + 1, between(path, switch + 0.3, 99), class_id))
        next_id += 2
    return list(film(actors, clock(fps, seconds)))


def watched(**settings: Any) -> Played:
    """Analytics with a bit of everything, nothing shown yet."""
    zones = {
        "full": FULL,
        "square": ZONE,
        "star": ZoneDefinition(polygon=((0.1, 0.9), (0.5, 0.1), (0.9, 0.9), (0.5, 0.5))),
    }
    lines = {"l": LINE, "slant": LineDefinition(points=((0.1, 0.2), (0.9, 0.7)), classes=("person",))}
    return Played(Analytics(zones, lines, CLASSES, AnalyticsSettings(**settings)))


def same(a: Report, b: Report) -> bool:
    speeds = (a.speed_m_s is None) == (b.speed_m_s is None)
    return speeds and (a.happenings, a.numbers, a.zones_of, a.main_track_id) == (
        b.happenings,
        b.numbers,
        b.zones_of,
        b.main_track_id,
    )


# ---- a camera that reconnects, a file that loops ----


def test_a_restart_closes_stays_and_tracks_and_keeps_the_counts() -> None:
    zones = {
        "z": ZoneDefinition(polygon=square(), queue=True, crowd=Crowd(count=2, after_s=0.0), exit_after_s=5.0)
    }
    leaves = walk((0, 0.5, 0.5), (3, 0.5, 0.5), (4, 0.5, 0.1))
    played = play(film([Actor(1, stand(0.5, 0.6)), Actor(2, leaves)], clock(10, 4)), zones, {"l": LINE})
    closed = played.analytics.restart()
    left_s = 3.7
    assert [(h.type, h.track_id, round(h.occurred_s, 3)) for h in closed] == [
        ("zone_lost", 1, 4.0),
        ("zone_exited", 2, left_s),  # it was seen outside already
        ("queue_ended", None, 4.0),
        ("crowd_ended", None, 4.0),
        ("track_ended", 1, 4.0),
        ("track_ended", 2, 4.0),
    ]
    assert [h.count for h in closed if h.track_id is None] == [0, 0]
    late = frame_of([], [1, 2], 100.0)  # the tracker tells of them again
    played.add(played.analytics.update(late, 100.0, WIDTH, HEIGHT))
    numbers = played.numbers["z"]
    assert played.reports[-1].happenings == []
    assert (numbers.entered, numbers.exited, numbers.lost, numbers.occupancy) == (2, 1, 1, 0)
    assert (numbers.crowded, numbers.dwell.completed) == (False, 2)


@pytest.mark.parametrize("media_time_goes_on", [True, False])
def test_every_pass_of_a_looped_file_counts_the_same_and_the_jump_counts_nothing(
    media_time_goes_on: bool,
) -> None:
    played = Played(Analytics({"z": ZONE}, {"l": LINE}, CLASSES, AnalyticsSettings()))
    for lap in range(3):
        start = 10.0 * lap if media_time_goes_on else 0.0
        if lap:
            played.happenings += played.analytics.restart()
        actors = [
            Actor(10 * lap + 1, lambda t, s=start: ACROSS(t - s)),  # type: ignore[misc]  # default in a lambda
            Actor(10 * lap + 2, stand(0.6, 0.6)),
        ]
        played.feed(film(actors, clock(10, 9.9, start)))
    numbers = played.numbers
    assert (numbers["z"].entered, numbers["z"].exited, numbers["z"].lost) == (6, 3, 2)
    assert (numbers["l"].entered, numbers["l"].exited, numbers["z"].linked) == (3, 0, 0)
    assert len(played.of("track_started")) == 6
    assert [h.dwell_s for h in played.of("zone_exited")] == [pytest.approx(5.0)] * 3


def test_a_restart_or_new_zones_before_the_first_frame_are_fine() -> None:
    analytics = watched().analytics
    assert analytics.restart() == analytics.redefine({"z": ZONE}, {"l": LINE}) == analytics.restart() == []
    assert Played(analytics).feed(film([Actor(1, stand(0.5, 0.5))], [2.0])).numbers["z"].occupancy == 1


def test_a_clock_that_steps_back_stands_still() -> None:
    times = [0.0, 1.0, 0.4, 2.0]
    frames = [
        (tracks, t)
        for (tracks, _), t in zip(film([Actor(1, stand(0.5, 0.5))], clock(1, 3)), times, strict=True)
    ]
    played = play(frames, {"z": ZONE})
    assert [r.numbers["z"].dwell.ongoing_max_s for r in played.reports] == [0.0, 1.0, 1.0, 2.0]


# ---- new definitions at run time ----


def test_what_is_defined_alike_keeps_its_state_and_the_rest_begins_anew() -> None:
    zones = {"kept": ZONE, "changed": ZONE, "gone": dataclasses.replace(ZONE, queue=True)}
    played = play(film([Actor(1, stand(0.5, 0.5, 0, 5))], clock(10, 5)), zones, {"l": LINE})
    events = played.analytics.redefine(
        {"new": ZONE, "changed": dataclasses.replace(ZONE, exit_after_s=1.0), "kept": ZONE}, {"l": LINE}
    )
    assert [(h.type, h.zone, h.occurred_s) for h in events] == [
        ("zone_lost", "changed", 5.0),
        ("zone_lost", "gone", 5.0),
        ("queue_ended", "gone", 5.0),
    ]
    played.feed(film([Actor(1, stand(0.5, 0.5))], [5.1, 5.2]))
    assert list(played.numbers) == ["new", "changed", "kept", "l"]
    assert {n: played.numbers[n].dwell.ongoing_max_s for n in ("new", "changed", "kept")} == {
        "new": pytest.approx(0.1),
        "changed": pytest.approx(0.1),
        "kept": pytest.approx(5.2),
    }
    assert played.reports[-1].zones_of == [["new", "changed", "kept"]]


def test_another_name_for_people_counts_nothing_anew() -> None:
    path = walk((0, 0.1, 0.5), (4, 0.9, 0.5))
    frames = list(film([Actor(1, path)], clock(10, 4)))
    played = play(frames[:20], {"z": ZONE}, {"l": LINE})
    before = played.numbers["z"].entered
    renamed = {"z": dataclasses.replace(ZONE, name="Hof")}, {"l": dataclasses.replace(LINE, name="Tür")}
    assert played.analytics.redefine(*renamed) == []
    played.feed(frames[20:])
    assert (played.numbers["z"].entered, played.numbers["l"].entered) == (before, 1)
    assert before == 1


def test_a_line_defined_alike_counts_a_crossing_that_began_before() -> None:
    path = walk((0, 0.1, 0.5), (4, 0.9, 0.5))
    frames = list(film([Actor(1, path)], clock(10, 4)))
    played = play(frames[:20], lines={"l": LINE, "m": LINE})
    played.analytics.redefine({}, {"m": dataclasses.replace(LINE, band=0.02), "l": LINE})
    played.feed(frames[20:])
    assert (played.numbers["l"].entered, played.numbers["m"].entered) == (1, 0)


def test_a_name_for_both_a_zone_and_a_line_is_refused() -> None:
    with pytest.raises(ConfigError, match="'gate' names a zone and a line"):
        Analytics({"gate": ZONE}, {"gate": LINE}, CLASSES, AnalyticsSettings())
    played = play(film([Actor(1, stand(0.5, 0.5))], clock(10, 1)), {"z": ZONE})
    with pytest.raises(ConfigError):
        played.analytics.redefine({"gate": ZONE}, {"gate": LINE})
    assert list(played.feed(film([], [2.0])).numbers) == ["z"]


def test_what_cannot_work_counts_nothing_and_breaks_nothing() -> None:
    flat = ZoneDefinition(polygon=((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)))
    dot = LineDefinition(points=((0.5, 0.5), (0.5, 0.5)))
    unknown = ZoneDefinition(polygon=square(), classes=("unicorn",))
    played = play(film([Actor(1, ACROSS)], clock(10, 8)), {"flat": flat, "unknown": unknown}, {"dot": dot})
    assert {n.entered for n in played.numbers.values()} == {0}


# ---- what holds for every scene ----


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_came_in_has_gone_out_or_is_lost_or_inside_at_every_frame(seed: int) -> None:
    played = watched().feed(crowd_of(seed))
    counts = {name: [0, 0, 0, 0] for name in played.numbers}
    kinds = ["zone_entered", "zone_exited", "zone_lost", "line_crossed"]
    for report, (tracks, _) in zip(played.reports, crowd_of(seed), strict=True):
        assert len(report.zones_of) == len(tracks)
        for h in report.happenings:
            if h.zone and h.type in kinds:
                counts[h.zone][kinds.index(h.type)] += 1
        for name, n in report.numbers.items():
            assert sum(f.entered for f in n.by_class.values()) == n.entered
            assert sum(f.exited for f in n.by_class.values()) == n.exited
            entered, exited, lost, crossed = counts[name]
            if n.kind == "line":
                assert n.entered + n.exited == crossed
                continue
            assert (n.entered, n.exited, n.lost) == (entered, exited, lost)
            assert n.entered == n.exited + n.lost + n.occupancy
            assert n.occupancy >= sum(name in zones for zones in report.zones_of)
            assert n.dwell.completed == n.exited + n.lost


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([-3600.0, 1e3, 86_400.0, 1e7]))
def test_the_time_of_day_does_not_matter(seed: int, shift: float) -> None:
    frames = crowd_of(seed)
    now, later = watched().feed(frames), watched().feed((tracks, t + shift) for tracks, t in frames)

    def told(played: Played, shift: float) -> list[Any]:
        return [
            (
                h.type,
                h.track_id,
                h.zone,
                h.direction,
                h.count,
                h.linked_track_id,
                pytest.approx(h.occurred_s - shift, abs=1e-5),
            )
            for h in played.happenings
        ]

    assert [one[:6] for one in told(now, 0.0)] == [one[:6] for one in told(later, shift)]
    assert [h.occurred_s + shift for h in now.happenings] == pytest.approx(
        [h.occurred_s for h in later.happenings], abs=1e-5
    )
    assert {n: (z.entered, z.exited) for n, z in now.numbers.items()} == {
        n: (z.entered, z.exited) for n, z in later.numbers.items()
    }


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_in_a_frame_does_not_matter(seed: int) -> None:
    frames, random = crowd_of(seed), np.random.default_rng(seed)

    def shuffled(tracks: Tracks) -> Tracks:
        order = random.permutation(len(tracks))
        rows = {
            f.name: getattr(tracks, f.name)[order] for f in dataclasses.fields(tracks) if f.name != "ended"
        }
        return Tracks(**rows, ended=tracks.ended)

    a, b = watched().feed(frames), watched().feed((shuffled(tracks), t) for tracks, t in frames)
    for one, other in zip(a.reports, b.reports, strict=True):
        assert {n: (z.entered, z.exited, z.lost, z.occupancy) for n, z in one.numbers.items()} == {
            n: (z.entered, z.exited, z.lost, z.occupancy) for n, z in other.numbers.items()
        }
        key = lambda h: (h.type, h.track_id or -1, h.zone or "", h.occurred_s)  # noqa: E731 - used once
        assert sorted(map(key, one.happenings)) == sorted(map(key, other.happenings))


@pytest.mark.parametrize("fps", [6.0, 12.0, 25.0])
def test_the_same_scene_gives_the_same_counts_at_every_frame_rate(fps: float) -> None:
    actors = [
        Actor(1, ACROSS),
        Actor(2, walk((1, 0.9, 0.6), (9, 0.1, 0.6))),
        Actor(3, unseen(walk((2, 0.5, 0.05), (12, 0.5, 0.95)), (6, 8)), 1),
        Actor(4, walk((0, 0.3, 0.3), (6, 0.3, 0.3))),
        Actor(5, walk((6.5, 0.3, 0.3), (10, 0.3, 0.3), (11, 0.05, 0.3))),
    ]
    numbers = play(film(actors, clock(fps, 16)), {"z": ZONE}, {"l": LINE}).numbers
    z, line = numbers["z"], numbers["l"]
    assert (z.entered, z.exited, z.lost, z.linked, z.occupancy) == (4, 4, 0, 1, 0)
    assert (line.entered, line.exited) == (1, 1)
    # Stays: 5 s, 5 s, 5.56 s and 10.2 s.
    assert z.dwell.average_s == pytest.approx((5 + 5 + 5.556 + 10.2) / 4, abs=1 / fps)


def test_the_same_frames_give_the_same_reports_whatever_the_processing_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = crowd_of(7)
    once = watched().feed(frames)
    slow = watched()
    for k, (tracks, t) in enumerate(frames):
        if k % 40 == 0:
            time.sleep(0.01)
        slow.feed([(tracks, t)])
    for clock_name in (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "sleep",
    ):
        monkeypatch.setattr(time, clock_name, lambda *_: pytest.fail("analytics looked at a clock"))
    blind = watched().feed(frames)
    monkeypatch.undo()
    assert all(
        same(a, b) and same(a, c) for a, b, c in zip(once.reports, slow.reports, blind.reports, strict=True)
    )


def test_analytics_imports_no_clock_no_chance_and_no_input_or_output() -> None:
    folder = FilePath(edge_node.analytics.analyse.__file__).parent
    pending, seen, imported = ["edge_node.analytics.analyse"], set[str](), set[str]()
    while pending:
        module = pending.pop()
        seen.add(module)
        tree = ast.parse((folder / f"{module.rpartition('.')[2]}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        pending = [
            m
            for m in imported
            if m.startswith("edge_node.analytics.") and m.count(".") == 2 and m not in seen
        ]
    assert {
        "edge_node.analytics.zones",
        "edge_node.analytics.lines",
        "edge_node.analytics.roster",
        "edge_node.analytics.tally",
    } <= seen
    forbidden = {
        "time",
        "datetime",
        "random",
        "threading",
        "asyncio",
        "os",
        "socket",
        "sqlite3",
        "shared.mqtt.client",
    }
    assert not imported & forbidden
    assert not {"shared.wire.messages.now_us", "shared.wire.messages.time"} & imported


# ---- bounds ----


def day_of_traffic(seconds: float, dt: float) -> Film:
    """Ids without end: each object crosses the picture or vanishes in its middle, ended soon or later."""
    random = np.random.default_rng(1)
    alive: dict[int, tuple[Actor, float, float, float]] = {}
    ending: list[tuple[float, int]] = []
    next_id = 0
    for k in range(int(seconds / dt)):
        t = k * dt
        if len(alive) < 12:
            next_id += 1
            actor = Actor(next_id, walk((0, 0, 0), (1, 1, 1)), int(random.integers(3)))
            alive[next_id] = (actor, t, float(random.uniform()), float(random.uniform(30, 400)))
        rows = []
        for track_id, (actor, born, height, life) in list(alive.items()):
            share = (t - born) / life
            if share > 1:
                del alive[track_id]
                ending.append((t + float(random.uniform(0, 30)), track_id))
            elif random.uniform() > 0.1:
                rows.append((actor, (share, height), born, (1 / life, 0.0)))
        over = [track_id for at, track_id in ending if at <= t]
        ending = [(at, track_id) for at, track_id in ending if at > t]
        yield frame_of(rows, over, t), t


@pytest.mark.long
def test_a_day_of_traffic_leaves_no_state_behind() -> None:
    played = watched()
    sizes, starts, ends = [], 0, 0
    frames = 86_400 // 30
    try:
        for k, (tracks, t) in enumerate(day_of_traffic(86_400, 30.0)):
            report = played.analytics.update(tracks, t, WIDTH, HEIGHT)
            starts += sum(h.type == "track_started" for h in report.happenings)
            ends += sum(h.type == "track_ended" for h in report.happenings)
            if (k + 1) % (frames // 12) == 0:  # every two hours
                sizes.append(len(pickle.dumps(played.analytics)))
            if k == frames - frames // 8:
                tracemalloc.start()  # the last three hours only: it is slow
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert starts > 2500
    assert starts - ends < 30
    # The windows of completed stays fill up during the first hours; nothing else grows.
    assert sizes[-1] < sizes[6] * 1.05
    assert grown < 100_000
    empty = played.analytics.update(Tracks.empty(), 86_500.0, WIDTH, HEIGHT)
    assert {n.occupancy for n in empty.numbers.values()} == {0}


def test_a_thousand_at_once_are_counted_and_their_slots_used_again() -> None:
    played = watched()
    actor = Actor(0, ACROSS)
    random = np.random.default_rng(2)
    sizes = []
    for lap in range(3):
        ids = range(1000 * lap, 1000 * lap + 1000)
        rows = [
            (dataclasses.replace(actor, track_id=i), (float(x), float(y)), 100.0 * lap, (0.0, 0.0))
            for i, (x, y) in zip(ids, random.uniform(0.3, 0.7, (1000, 2)), strict=True)
        ]
        played.feed([(frame_of(rows, [], 100.0 * lap), 100.0 * lap)])
        assert played.numbers["square"].occupancy == 1000
        played.feed([(frame_of([], list(ids), 100.0 * lap + t), 100.0 * lap + t) for t in (10.0, 20.0)])
        assert played.numbers["square"].occupancy == 0
        sizes.append(len(pickle.dumps(played.analytics)))
    assert sizes[2] < 1.05 * sizes[1]


# ---- the rest of a report ----


def test_empty_frames_give_empty_reports_on_every_axis() -> None:
    for played in (watched(), Played(Analytics({}, {}, (), AnalyticsSettings()))):
        report = played.analytics.update(Tracks.empty(), 0.0, WIDTH, HEIGHT)
        assert (report.happenings, report.zones_of, report.main_track_id, report.speed_m_s) == (
            [],
            [],
            None,
            None,
        )
    somebody = frame_of([(Actor(1, ACROSS), (0.5, 0.5), 0.0, (0.0, 0.0))], [], 0.0)
    assert Analytics({}, {}, (), AnalyticsSettings()).update(somebody, 0.0, WIDTH, HEIGHT).zones_of == [[]]


def test_the_main_subject_keeps_its_role_under_a_new_id() -> None:
    actors = [
        Actor(1, stand(0.5, 0.5, 0, 2), size=(0.1, 0.30)),
        Actor(2, stand(0.5, 0.5, 2.5, 6), size=(0.1, 0.30)),
        Actor(3, stand(0.2, 0.9), size=(0.1, 0.31)),
    ]
    played = play(film([actors[0], actors[1]], clock(10, 1)))
    played.feed(film(actors, clock(10, 4, 1.1)))
    mains = [report.main_track_id for report in played.reports]
    assert mains[0] == 1
    assert mains[25] == mains[-1] == 2


def test_settings_can_be_read_from_a_configuration() -> None:
    square_metres = [[0, 0], [4, 0], [4, 4], [0, 4]]
    raw = {
        "link_within_s": 1,
        "main_classes": ["person"],
        "ground": {"image": square(), "metres": square_metres},
    }
    assert msgspec.convert(raw, AnalyticsSettings).ground is not None
    with pytest.raises(msgspec.ValidationError, match="main_ratio"):
        msgspec.convert({"main_ratio": 0.5}, AnalyticsSettings)
