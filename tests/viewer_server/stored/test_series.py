"""Counts and occupancy over time, compared with a scene whose truth is known moment by moment."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import sqlite3
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shared.wire.messages import Event, EventType, PauseReason, ZoneState, encode
from viewer_server.config import HistorySettings
from viewer_server.quotas import Quotas
from viewer_server.stored import rollup, series
from viewer_server.stored.history import History
from viewer_server.stored.nodes.places import Places
from viewer_server.stored.nodes.times import MINUTE_US
from viewer_server.stored.reading import Database, Unavailable
from viewer_server.stored.rollup import BINS, bin_begins_s, bin_of
from viewer_server.stored.schema import SCHEMA

T0 = 1_751_328_000_000_000  # a whole hour
HOUR = 3_600_000_000


@dataclass
class Scene:
    """Stays in one zone during one run of the node."""

    session: str
    stays: list[tuple[int, int, bool]]  # entered, left, lost; microseconds
    camera: str = "c"

    def events(self) -> list[Event]:
        made = []
        for entered, left, lost in self.stays:
            made.append(self.event("zone_entered", entered, 0.0))
            made.append(self.event("zone_lost" if lost else "zone_exited", left, (left - entered) / 1e6))
        return made

    def event(self, kind: EventType, at_us: int, dwell_s: float | None = None, **more: Any) -> Event:
        return event(kind, at_us, session=self.session, camera=self.camera, dwell_s=dwell_s, **more)

    def inside(self, at_us: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        entered, left = (np.sort([stay[side] for stay in self.stays]) for side in (0, 1))
        return np.searchsorted(entered, at_us, "right") - np.searchsorted(left, at_us, "right")


_numbers = itertools.count(1)


def event(kind: EventType, at_us: int, *, session: str = "s", camera: str = "c", **more: Any) -> Event:
    number = next(_numbers)
    fields: dict[str, Any] = {
        "node": "n", "session": session, "published_us": at_us, "camera": camera, "seq": 1,
        "captured_us": at_us, "event_id": f"n-b-{number}", "type": kind, "occurred_us": at_us, "zone": "z",
        "label": "person", "boot": "b", "number": number, "oldest": 1,
    }  # fmt: skip
    return Event(**(fields | more))


def numbers(session: str, at_us: int, occupancy: int) -> ZoneState:
    return ZoneState(
        node="n", session=session, published_us=at_us, camera="c", seq=1, captured_us=at_us, zone="z",
        kind="zone", occupancy=occupancy,
    )  # fmt: skip


def random_scene(session: str, begin: int, end: int, count: int, seed: int) -> Scene:
    source = random.Random(seed)
    stays = []
    for _ in range(count):
        entered = source.randrange(begin, end)
        left = min(end, entered + int(source.lognormvariate(4, 1.2) * 1e6))
        stays.append((entered, left, source.random() < 0.2))
    return Scene(session, stays)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "h.db"


def stored(path: Path, *events: Event, states: tuple[ZoneState, ...] = ()) -> Database:
    now_us = T0 + 200 * HOUR
    with History(HistorySettings(path=str(path)), wall_us=lambda: now_us) as history:
        for one in events:
            history.add(one)
        for state in states:
            history.hear(state)
    return Database(path)


def read(database: Database, begin: int, end: int, step_s: int, zone: str = "z") -> series.Series:
    with database.reading() as db:
        return series.series(db, series.find(db, "n", "c", zone), begin, end, step_s)


@pytest.mark.parametrize(
    ("hours", "step_s"),
    [(1, 10), (1, 60), (2, 600), (6, 60), (6, 3600), (30, 1800)],  # read from events, and from sums
)
def test_counts_and_occupancy_are_those_of_the_scene_whatever_the_order_of_events(
    path: Path, hours: int, step_s: int
) -> None:
    end = T0 + hours * HOUR
    scene = random_scene("s", T0, end, 60 * hours, seed=step_s)
    events = scene.events()
    mixed = events + random.Random(1).sample(events, len(events) // 3)  # some come twice
    random.Random(2).shuffle(mixed)
    found = read(stored(path, *mixed), T0, end, step_s)
    step = step_s * 1_000_000
    assert found.start_us == list(range(T0, end, step))
    for index, start in enumerate(found.start_us):
        within = [one for one in events if start <= one.occurred_us < start + step]
        kinds = [one.type for one in within]
        assert found.entered[index] == kinds.count("zone_entered")
        assert found.exited[index] == kinds.count("zone_exited")
        assert found.lost[index] == kinds.count("zone_lost")
    alive = (min(one.occurred_us for one in events), max(one.occurred_us for one in events))
    for start, mean in zip(found.start_us, found.occupancy_mean, strict=True):
        moments = np.arange(max(start, alive[0]), min(start + step, alive[1]), step / 500)
        if len(moments) > 100:
            truth = float(scene.inside(moments).mean())
            assert mean == pytest.approx(truth, abs=0.05 + 0.03 * truth)


def test_a_range_that_begins_in_the_middle_knows_who_was_inside(path: Path) -> None:
    scene = Scene("s", [(T0, T0 + 5 * HOUR, False), (T0 + HOUR, T0 + 3 * HOUR, False)])
    database = stored(path, *scene.events())
    assert (
        read(database, T0 + 2 * HOUR + 30_000_000, T0 + 2 * HOUR + 90_000_000, 10).occupancy_mean == [2.0] * 6
    )
    assert read(database, T0 + 2 * HOUR, T0 + 6 * HOUR, 3600).occupancy_mean == [2.0, 1.0, 1.0, None]


def test_a_node_that_died_with_people_inside_leaves_none_behind(path: Path) -> None:
    died = Scene("first", []).event("zone_entered", T0 + 10 * MINUTE_US)
    again = Scene("second", [(T0 + 40 * MINUTE_US, T0 + 50 * MINUTE_US, False)])
    found = read(stored(path, died, *again.events()), T0, T0 + HOUR, 600)
    assert found.occupancy_mean == [None, None, None, None, 1.0, None]
    assert found.entered == [0, 1, 0, 0, 1, 0]


def test_a_viewer_that_missed_the_beginning_learns_the_difference_from_the_zones_numbers(path: Path) -> None:
    scene = Scene("s", [])
    left = [scene.event("zone_exited", T0 + minute * MINUTE_US, 100.0) for minute in (1, 5)]
    database = stored(path, *left, states=(numbers("s", T0 + 9 * MINUTE_US, 1),))
    assert read(database, T0 + MINUTE_US, T0 + 9 * MINUTE_US, 60).occupancy_mean == [
        2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0,
    ]  # fmt: skip
    late = scene.event("zone_entered", T0 + 3 * MINUTE_US)  # an event that was still on its way
    database = stored(path, late, states=(numbers("s", T0 + 9 * MINUTE_US, 1),))
    assert read(database, T0 + MINUTE_US, T0 + 9 * MINUTE_US, 60).occupancy_mean == [
        1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0,
    ]  # fmt: skip


def test_the_zeros_of_a_camera_that_has_ended_take_nobody_away_before_its_end(path: Path) -> None:
    inside = Scene("s", []).event("zone_entered", T0 + MINUTE_US)
    end = T0 + 4 * MINUTE_US
    farewell = dataclasses.replace(numbers("s", end, 0), watched=False)
    database = stored(path, inside, states=(numbers("s", end, 1), farewell))
    assert read(database, T0 + MINUTE_US, end, 60).occupancy_mean == [1.0, 1.0, 1.0]


def test_old_retained_numbers_change_nothing(path: Path) -> None:
    scene = Scene("s", [(T0, T0 + 5 * MINUTE_US, False)])
    database = stored(path, *scene.events())
    stored(path, states=(numbers("s", T0 + MINUTE_US, 1),))  # of before the exit that is stored
    assert read(database, T0, T0 + 5 * MINUTE_US, 60).occupancy_mean == [1.0] * 5


def test_numbers_that_a_standby_broker_still_retains_change_nothing(path: Path) -> None:
    scene = Scene("s", [(T0, T0 + 3 * MINUTE_US, False)])
    before, after = numbers("s", T0 + MINUTE_US, 1), numbers("s", T0 + 4 * MINUTE_US, 0)
    database = stored(path, *scene.events(), states=(before, after, before))
    assert read(database, T0, T0 + 4 * MINUTE_US, 60).occupancy_mean == [1.0, 1.0, 1.0, 0.0]


def test_with_many_nodes_the_zones_of_each_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "MAX_STANDINGS", 2)
    asked: list[str] = []
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        sums = rollup.Rollup(db, Places(db, Quotas()), nodes=1)
        told = [dataclasses.replace(numbers("s", T0, 1), zone=f"z{number}") for number in range(5)]
        for state in told:
            sums.told(state, T0)
        db.set_trace_callback(asked.append)
        for state in told:
            sums.told(state, T0 + MINUTE_US)
    assert asked == []


def test_a_pause_is_no_zero_and_says_why(path: Path) -> None:
    scene = Scene("s", [(T0, T0 + 2 * MINUTE_US, True)])
    later = scene.event("zone_entered", T0 + 6 * MINUTE_US)
    told: list[tuple[float, PauseReason | None]] = [
        (2.0, "moved"),
        (3.5, "moved"),
        (4.0, "schedule"),
        (5.5, None),
        (7.0, None),
    ]
    states = [
        dataclasses.replace(numbers("s", int(T0 + at * MINUTE_US), int(at >= 7)), paused=why)
        for at, why in told
    ]
    database = stored(
        path, *scene.events(), later, states=(*states, states[0])
    )  # a standby broker repeats one
    found = read(database, T0, T0 + 7 * MINUTE_US, 60)
    assert found.occupancy_mean == [1.0, 1.0, None, None, None, 0.0, 1.0]
    assert found.paused_s == [0, 0, 60, 60, 60, 30, 0]
    assert [(one.from_us, one.to_us, one.reason) for one in found.pauses] == [
        (T0 + 2 * MINUTE_US, T0 + 4 * MINUTE_US, "moved"),
        (T0 + 4 * MINUTE_US, T0 + 5 * MINUTE_US + MINUTE_US // 2, "schedule"),
    ]
    assert sum(read(database, T0, T0 + 7 * MINUTE_US, 420).paused_s) == 210


def test_a_pause_is_there_while_a_clock_that_was_set_back_catches_up(path: Path) -> None:
    told: list[tuple[int, PauseReason | None]] = [
        (58, "schedule"),
        (60, None),
        (5, "schedule"),
        (8, None),
        (9, "moved"),
    ]
    states = (
        dataclasses.replace(numbers("s", T0 + at * MINUTE_US, 0), seq=seq, paused=why)
        for seq, (at, why) in enumerate(told)
    )
    found = read(stored(path, states=tuple(states)), T0, T0 + 10 * MINUTE_US, 600)
    assert [(one.to_us - one.from_us) / MINUTE_US for one in found.pauses] == [3, 1]


def test_a_pause_without_an_end_lasts_as_long_as_its_session_is_heard(path: Path) -> None:
    before = dataclasses.replace(numbers("first", T0, 0), paused="schedule")
    heard = dataclasses.replace(before, captured_us=T0 + 2 * MINUTE_US)
    after = numbers("second", T0 + 4 * MINUTE_US, 0)
    found = read(stored(path, states=(before, heard, after)), T0, T0 + 6 * MINUTE_US, 60)
    assert found.paused_s == [60, 60, 0, 0, 0, 0]


def test_problems_of_the_camera_are_marked_beside_what_it_counted(path: Path) -> None:
    about: dict[str, Any] = {"zone": None, "label": None, "problem": "low_rate"}
    events = [
        event("zone_entered", T0),
        event("problem_started", T0 + MINUTE_US, **about),
        event("problem_ended", T0 + 2 * MINUTE_US, **about),
        event("problem_ended", T0 + 3 * MINUTE_US, **about),  # of one that began before the history
    ]
    found = read(stored(path, *events), T0, T0 + 3 * MINUTE_US, 60)
    assert (found.entered, found.paused_s, found.pauses) == ([1, 0, 0], [0, 0, 0], [])
    [problem] = found.problems
    assert (problem.from_us, problem.to_us, problem.reason) == (
        T0 + MINUTE_US,
        T0 + 2 * MINUTE_US,
        "low_rate",
    )


def test_pauses_age_with_the_sums(path: Path) -> None:
    states = [
        dataclasses.replace(numbers("s", T0 + n * MINUTE_US, 0), paused="schedule" if n % 2 else None)
        for n in range(9)
    ]
    now_us = T0 + 10 * MINUTE_US
    clock = iter(float(s) for s in range(0, 100_000, 100))
    with History(
        HistorySettings(path=str(path), max_age_days=1), lambda: next(clock), wall_us=lambda: now_us
    ) as history:
        for state in states:
            history.hear(state)
        history.commit()
        with Database(path).reading() as db:
            assert db.execute("SELECT count(*) FROM pauses").fetchone() == (4,)
        now_us += 48 * HOUR
        for _ in range(4):
            history.hear(numbers("later", now_us, 0))
            history.commit()
        with Database(path).reading() as db:
            assert db.execute("SELECT count(*), (SELECT sum(sums) FROM nodes) FROM pauses").fetchone() == (
                0,
                0,
            )


def test_an_alert_about_a_line_does_not_make_it_a_zone(path: Path) -> None:
    database = stored(path, event("alert", T0, direction="in"), event("line_crossed", T0, direction="in"))
    with database.reading() as db:
        assert [place.kind for place in series.places(db)] == ["line"]
    assert read(database, T0, T0 + MINUTE_US, 60).entered == [1]


def test_a_line_counts_and_is_never_occupied(path: Path) -> None:
    crossings = [event("line_crossed", T0 + second * 1_000_000, direction=way)
                 for second, way in ((5, "in"), (6, "in"), (70, "out"))]  # fmt: skip
    found = read(stored(path, *crossings), T0, T0 + 2 * MINUTE_US, 60)
    assert (found.entered, found.exited, found.occupancy_mean) == ([2, 0], [0, 1], [None, None])


def test_steps_can_begin_at_local_midnight(path: Path) -> None:
    database = stored(path, event("zone_entered", T0))
    with database.reading() as db:
        found = series.series(
            db, series.find(db, "n", "c", "z"), T0, T0 + 24 * HOUR, 86_400, zero_us=5 * HOUR + HOUR // 2
        )
    assert (found.start_us[0] - 5 * HOUR - HOUR // 2) % (24 * HOUR) == 0
    assert sum(found.entered) == 1


@pytest.mark.parametrize("hours", [0.5, 1, 40])
def test_quantiles_of_stays_are_within_their_bins(path: Path, hours: float) -> None:
    begin, end = T0 + HOUR // 3, T0 + HOUR // 3 + int(hours * HOUR)  # no whole hours
    events = random_scene("s", T0, T0 + 42 * HOUR, 1500, seed=7).events()
    truth = [one.dwell_s for one in events
             if one.type != "zone_entered" and begin <= one.occurred_us < end and one.dwell_s]  # fmt: skip
    with stored(path, *events).reading() as db:
        found = series.stays(db, series.find(db, "n", "c", "z"), begin, end)
    assert found.count == len(truth) == sum(b.count for b in found.bins)
    assert found.mean_s == pytest.approx(np.mean(truth), rel=0.01)
    for quantile, value in ((0.5, found.p50_s), (0.9, found.p90_s)):
        assert value == pytest.approx(np.quantile(truth, quantile, method="inverted_cdf"), rel=0.046)


def test_bins_meet_and_hold_everything() -> None:
    for index in range(1, BINS - 1):
        assert bin_of(bin_begins_s(index) * 1.0001) == index
    assert (bin_of(0), bin_of(1e12)) == (0, BINS - 1)


@pytest.mark.parametrize("step_s", [60, 600, 5400])
@pytest.mark.parametrize("zone", ["z", "gate"])
def test_a_range_read_in_many_stretches_has_the_same_numbers(
    path: Path, monkeypatch: pytest.MonkeyPatch, step_s: int, zone: str
) -> None:
    runs = [
        ("a", T0 + 7, T0 + HOUR),
        ("b", T0 + HOUR + 99, T0 + 3 * HOUR),
        ("c", T0 + 2 * HOUR, T0 + 5 * HOUR),
    ]
    events = [one for name, begin, end in runs for one in random_scene(name, begin, end, 90, seed=1).events()]
    events += [event("line_crossed", T0 + 2 * HOUR, zone="gate", direction="in") for _ in range(3)]
    database = stored(path, *events, states=(numbers("b", T0 + 2 * HOUR, 40),))
    for begin, end in ((T0 - HOUR, T0 + 6 * HOUR), (T0 + 90 * MINUTE_US, T0 + 3 * HOUR)):
        whole = read(database, begin, end, step_s, zone)
        with monkeypatch.context() as small:
            small.setattr(series, "CELLS_AT_ONCE", 7)
            assert read(database, begin, end, step_s, zone) == whole
        assert sum(whole.entered) > 0


def test_the_longest_range_takes_little_memory(path: Path) -> None:
    days = 400
    scene = random_scene("s", T0, T0 + days * 24 * HOUR, 2000, seed=1)
    database = stored(path, *scene.events())
    tracemalloc.start()
    try:
        whole = read(database, T0, T0 + days * 24 * HOUR, days * 86_400)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert sum(whole.entered) == 2000


@pytest.mark.parametrize(
    ("hours", "points", "step_s"),
    [(0.25, 300, 10), (1, 60, 60), (24, 300, 300), (720, 300, 10_800), (720, 2, 1_296_000)],
)
def test_the_step_is_round_and_makes_few_enough_points(hours: float, points: int, step_s: int) -> None:
    assert series.step_for(T0, T0 + int(hours * HOUR), points) == step_s
    assert hours * 3600 / step_s <= points


def test_nothing_is_known_of_a_place_nobody_spoke_of(path: Path) -> None:
    found = read(stored(path), T0, T0 + HOUR, 600, "nowhere")
    assert found.entered == [0] * 6
    assert found.occupancy_mean == [None] * 6


def test_a_query_that_takes_too_long_ends(path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(Unavailable, match="took longer"), stored(path).reading(0.2) as db:
        db.execute(endless).fetchall()
    with pytest.raises(Unavailable, match="keeps no history"), Database(None).reading():
        pass


V1 = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL,
    stored_us INTEGER NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (node, boot, number)
);
CREATE TABLE marks (
    node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL, updated_us INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;
PRAGMA user_version = 1
"""
"""As the first version of the viewer wrote it."""


def test_a_history_of_the_first_version_is_taken_along(path: Path, tmp_path: Path) -> None:
    scene = random_scene("s", T0, T0 + HOUR, 50, seed=3)
    events = scene.events()
    old = sqlite3.connect(path)
    old.executescript(V1)
    for one in events:
        row = (one.node, one.boot, one.number, one.occurred_us, one.type, encode(one))
        old.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
    old.execute("INSERT INTO events VALUES (NULL, 'n', 'a', 1, 0, 'x', '{}')")  # what nobody can read
    old.execute("INSERT INTO marks VALUES ('n', 'b', ?, 1)", (events[-1].number,))
    old.commit()
    old.close()
    database = stored(path, events[5])  # comes again, and is known
    found = read(database, T0, T0 + HOUR, 60)
    new = read(stored(tmp_path / "new.db", *events), T0, T0 + HOUR, 60)
    assert found == new
    assert sum(found.entered) > 40
    with database.reading() as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (len(events) + 1,)
        assert db.execute("SELECT number FROM marks").fetchone() == (events[-1].number,)
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
    assert not list(tmp_path.glob("*.damaged*"))
