"""Whatever one node sends, the events of the others are stored, acknowledged, counted and found."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from shared.mqtt.received import Received
from shared.wire.messages import Event, Metrics, ZoneState, decode, encode
from tests.viewer_server.fake_edge import picture_of
from viewer_server.config import HistorySettings, QuotaSettings
from viewer_server.quotas import Quotas, Reached
from viewer_server.stored import feed, prune, series
from viewer_server.stored.feed import Filter
from viewer_server.stored.files import used_bytes
from viewer_server.stored.history import History
from viewer_server.stored.nodes import boots, ledger
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import SnapshotStore, TrackKey, stored

NOW = 1_795_305_630_000_000
MINUTE = 60_000_000
YEAR = 365 * 1440 * MINUTE
SMALL = QuotaSettings(nodes=4, boots=4, places=16, sessions=16)


class Viewer:
    """A history whose clocks stand still until they are moved."""

    def __init__(self, path: Path, quotas: QuotaSettings = SMALL, **settings: Any) -> None:
        self.path = path
        self.quotas = Quotas(quotas, lambda: self.now_us)
        self.now_us, self.now_s = NOW, 1000.0
        self.history = History(
            HistorySettings(path=str(path), **settings), lambda: self.now_s, self.quotas, lambda: self.now_us
        )

    def __enter__(self) -> Viewer:
        self.history.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.history.__exit__(*error)

    def send(self, *events: Event) -> dict[tuple[str, str], int]:
        """Store events; the numbers that are acknowledged, by node and boot."""
        acknowledged: dict[tuple[str, str], int] = {}
        for number, one in enumerate(events, 1):
            self.history.add(one)
            if number % 100 == 0 or number == len(events):
                self.pass_s(0.05)
                acknowledged |= {mark[:2]: mark.number for mark in self.history.commit()}
        return acknowledged

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.now_us += round(seconds * 1e6)

    def reached(self) -> dict[tuple[str, str], Reached]:
        return {(one.node, one.limit): one for one in self.quotas.reached()}

    def found(self, **wanted: Any) -> list[Event]:
        with Database(self.path).reading() as db:
            return feed.page(db, Filter(**wanted), 500)[0]

    def entered(self, node: str, zone: str, begin: int = NOW - 60 * MINUTE) -> int:
        with Database(self.path).reading() as db:
            place = series.find(db, node, "c", zone)
            return sum(series.series(db, place, begin, NOW + 60 * MINUTE, 60).entered)

    def rows(self, table: str) -> int:
        with Database(self.path).reading() as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - ours

    def bytes(self) -> int:
        with Database(self.path).reading() as db:
            return used_bytes(db)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "h.db"


def event(node: str, number: int, *, boot: str = "b", zone: str = "door", **more: Any) -> Event:
    fields: dict[str, Any] = {
        "node": node, "session": "s", "published_us": NOW, "camera": "c", "seq": number, "captured_us": NOW,
        "event_id": f"{node}-{boot}-{number}", "type": "zone_entered", "occurred_us": NOW, "zone": zone,
        "boot": boot, "number": number, "oldest": 1,
    }  # fmt: skip
    return Event(**(fields | more))


def shop(first: int, last: int, **more: Any) -> list[Event]:
    return [event("shop", number, **more) for number in range(first, last + 1)]


def inventions(count: int) -> list[Event]:
    """Events that each name a boot, a session, a camera and a zone of their own."""
    return [
        event("evil", 1, boot=f"b{n}", zone=f"z{n}", session=f"s{n}", camera=f"c{n}") for n in range(count)
    ]


def test_a_node_that_invents_names_costs_no_other_node_anything(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 5))
        viewer.send(*inventions(500))
        again = shop(1, 5, boot="c", session="s2", zone="new")
        assert viewer.send(*again) == {("shop", "c"): 5}
        assert len(viewer.found(node="shop")) == 10
        assert viewer.entered("shop", "new") == viewer.entered("shop", "door") == 5
        assert {limit for node, limit in viewer.reached() if node == "evil"} == {
            "boots",
            "places",
            "sessions",
        }
        assert all(node == "evil" for node, _ in viewer.reached())
    with Viewer(path) as viewer:  # a new start of the viewer changes nothing
        assert viewer.send(*shop(1, 5, boot="d", session="s3", zone="newer")) == {("shop", "d"): 5}
        assert viewer.entered("shop", "newer") == 5
        assert len(viewer.found(node="shop")) == 15


def test_a_node_keeps_its_newest_within_its_quotas(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*inventions(500))
        viewer.pass_s(1)
        viewer.send(event("evil", 2, boot="b499"))
        for table, most in (("marks", 4), ("places", 16 + 1), ("sessions", 16), ("gone", 0)):
            assert viewer.rows(table) <= most, table
        assert viewer.entered("evil", "door") == 1
        assert len(viewer.found(node="evil")) == 500, "events of places that gave way are still the node's"
        assert len(viewer.found(zone="z499")) == 1
        assert viewer.found(zone="z0") == []


def test_a_fleet_that_restarts_again_and_again_has_each_new_start_stored(path: Path) -> None:
    nodes = [f"n{number}" for number in range(100)]
    with Viewer(path, QuotaSettings(nodes=100)) as viewer:
        for boot in range(10):
            viewer.send(*(event(node, 1, boot=f"b{boot}") for node in nodes))
        viewer.send(*(event("n0", 1, boot=f"c{crash:03}") for crash in range(300)))
        newest = {(node, "c299" if node == "n0" else "b9"): 1 for node in nodes}
        assert viewer.reached().keys() == {("n0", "boots")}
    with Viewer(path, QuotaSettings(nodes=100)) as viewer:
        assert {mark[:2]: mark.number for mark in viewer.history.newest_marks()} == newest
        assert viewer.send(event("n7", 1, boot="d")) == {("n7", "d"): 1}
        assert viewer.rows("events") == 100 * 10 + 300 + 1


def test_a_boot_that_gave_way_goes_on_where_it_was_and_repeats_nothing(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*(event("evil", number, boot="a") for number in (1, 2, 3, 5)))
        viewer.send(*inventions(100))
        assert not viewer.history.add(event("evil", 5, boot="a"))
        assert viewer.send(event("evil", 4, boot="a")) == {("evil", "a"): 5}


def test_a_full_file_takes_from_the_node_that_has_the_most(path: Path) -> None:
    with Viewer(path, max_mb=1) as viewer:
        viewer.send(*shop(1, 200))
        viewer.send(*(event("evil", number) for number in range(1, 6001)))
        assert viewer.send(*shop(201, 400)) == {("shop", "b"): 400}
        viewer.send(*(event("evil", number) for number in range(6001, 9001)))
        assert len(viewer.found(node="shop", zone="door")) == 400
        assert viewer.entered("shop", "door") == 400
        kept = sorted(one.number or 0 for one in viewer.found(node="evil"))
        assert kept[-1] == 9000
        assert viewer.bytes() < 1.2e6
        assert ("evil", "events") in viewer.reached()
        assert ("shop", "events") not in viewer.reached()


def test_a_node_that_counts_in_every_minute_fills_its_own_share(path: Path) -> None:
    """Sums are deleted as well, so they cannot push out the events of others."""
    with Viewer(path, max_mb=1) as viewer:
        viewer.send(*shop(1, 300))
        flood = (
            event("evil", number, zone=f"z{number % 8}", session=f"s{number % 13}",
                  occurred_us=NOW - number // 8 * MINUTE)
            for number in range(1, 16_001)
        )  # fmt: skip
        viewer.send(*flood)
        viewer.send(*shop(301, 320))
        assert len(viewer.found(node="shop")) == 320
        assert viewer.entered("shop", "door") == 320
        assert viewer.bytes() < 1.2e6
        assert ("evil", "sums") in viewer.reached()


def test_what_was_stored_last_is_not_what_is_deleted_first(path: Path) -> None:
    """An old boot that is sent late has been acknowledged a moment ago."""
    with Viewer(path, max_mb=1) as viewer:
        viewer.send(*(event("shop", number, boot="b2") for number in range(1, 4001)))
        late = [event("shop", number, boot="b1") for number in range(1, 101)]
        assert viewer.send(*late) == {("shop", "b1"): 100}
        viewer.send(*(event("shop", number, boot="b2") for number in range(4001, 4101)))
        assert sum(one.boot == "b1" for one in viewer.found()) == 100


@pytest.mark.parametrize("wrong_us", [0, 1, NOW + YEAR, 2**53 - 1])
def test_events_of_a_wrong_clock_are_stored_at_their_arrival(path: Path, wrong_us: int) -> None:
    with Viewer(path) as viewer:
        events = shop(1, 10, occurred_us=wrong_us, captured_us=wrong_us, published_us=wrong_us)
        assert viewer.send(*events) == {("shop", "b"): 10}
        assert {one.occurred_us for one in viewer.found(node="shop")} == {NOW}
        assert viewer.entered("shop", "door") == 10
        reached = viewer.reached()["shop", "clock"]
        assert (reached.count, reached.allowed) == (10, 300)
        assert viewer.rows("flow") == 1


def test_times_of_other_messages_that_cannot_be_keep_no_session_for_ever(path: Path) -> None:
    with Viewer(path) as viewer:
        metrics = Metrics(
            node="evil", session="m", published_us=2**53 - 1, uptime_s=1, cameras={}, stages_ms={},
            cpu_percent=1, memory_mb=1, publish_dropped={},
        )  # fmt: skip
        viewer.history.hear(metrics)
        viewer.history.hear(
            ZoneState(
                node="evil", session="z", published_us=0, camera="c", seq=1, captured_us=2**53 - 1, zone="z",
                kind="zone",
            )
        )  # fmt: skip
        viewer.send(event("evil", 1))
        with Database(path).reading() as db:
            assert db.execute("SELECT DISTINCT first_us, last_us FROM sessions").fetchall() == [(NOW, NOW)]


def test_a_viewer_whose_own_clock_was_never_set_believes_the_nodes(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.now_us = 5_000_000
        viewer.send(*shop(1, 3))
        assert {one.occurred_us for one in viewer.found()} == {NOW}
        assert viewer.reached() == {}


@pytest.mark.parametrize("behind_us", [3600 * 1_000_000, NOW - 5_000_000])
def test_a_viewer_whose_own_clock_goes_back_deletes_no_sums(
    path: Path, monkeypatch: pytest.MonkeyPatch, behind_us: int
) -> None:
    monkeypatch.setattr(prune, "EVERY_S", -1.0)
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 3))
        viewer.now_us -= behind_us
        for number in range(4, 8):
            viewer.send(*shop(number, number))
        with Database(path).reading() as db:
            assert db.execute("SELECT sum(entered) FROM flow").fetchone() == (7,)


def test_late_events_are_stored_but_not_in_sums_that_the_next_pruning_would_delete(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "EVERY_S", -1.0)
    with Viewer(path, max_age_days=30) as viewer:
        late = NOW - 40 * 1440 * MINUTE
        assert viewer.send(*shop(1, 3, occurred_us=late)) == {("shop", "b"): 3}
        viewer.send(*shop(4, 4))
        assert len(viewer.found(node="shop")) == 4, "kept for 30 days from their arrival"
        assert viewer.rows("flow") == 1


def test_the_least_of_silent_nodes_gives_way_when_there_are_too_many(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 50))
        viewer.send(*(event(f"evil{n}", 1) for n in range(50)))
        assert viewer.rows("nodes") == 4
        assert viewer.send(event("new", 1)) == {}, "not stored, so it is not acknowledged either"
        viewer.pass_s(ledger.SILENT_S + 1)
        viewer.send(*shop(51, 52))
        assert viewer.send(event("new", 1)) == {("new", "b"): 1}
        assert viewer.entered("new", "door") == 1
        assert len(viewer.found(node="shop")) == 52
        viewer.pass_s(ledger.SILENT_S + 1)  # now all are silent: who has more stays for a day
        viewer.send(*(event(f"more{n}", 1) for n in range(50)))
        assert len(viewer.found(node="shop")) == 52
        assert viewer.rows("nodes") == 4
        viewer.pass_s(ledger.AWAY_S + 1)
        viewer.send(*(event(f"last{n}", 1) for n in range(4)))
        assert viewer.found(node="shop") == []
    assert caplog.text.count("more than 4 nodes") == 2, "once a day"


@pytest.mark.parametrize("dwell_s", [1e308, 1e300, 1e16, 9e15, 1e9])
def test_a_stay_of_any_length_leaves_whole_numbers(path: Path, dwell_s: float) -> None:
    with Viewer(path) as viewer:
        for number in range(1, 4):
            viewer.send(event("evil", number, type="zone_exited", dwell_s=dwell_s))
        viewer.send(*shop(1, 2))
        assert viewer.entered("shop", "door") == 2
        with Database(path).reading() as db:
            [(count, total_ms, kind)] = db.execute(
                "SELECT n, total_ms, typeof(total_ms) FROM stays"
            ).fetchall()
            assert (count, kind) == (3, "integer")
            assert 0 < total_ms <= 3 * 366 * 86_400_000
            place = series.find(db, "evil", "c", "door")
            assert series.stays(db, place, NOW - 60 * MINUTE, NOW + 60 * MINUTE).count == 3


def test_a_fault_while_storing_leaves_no_half_of_an_event(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 2))
        with pytest.raises((OverflowError, TypeError)):
            viewer.history.add(event("evil", 2**70))
        assert viewer.send(*shop(3, 4)) == {("shop", "b"): 4}
        assert viewer.entered("shop", "door") == 4
        assert viewer.rows("events") == 4
        assert viewer.rows("flow") == 1


def test_numbers_with_many_holes_are_waited_for_within_bounds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boots, "MAX_ABOVE", 100)
    with Viewer(path) as viewer:
        viewer.send(*shop(2, 3))
        acknowledged = viewer.send(*(event("evil", number) for number in range(3, 1003, 2)))
        assert acknowledged["evil", "b"] > 700
        assert viewer.send(*shop(1, 1)) == {("shop", "b"): 3}, "its own hole is still waited for"
        assert viewer.reached()["evil", "waiting"].count > 0


def test_all_nodes_together_wait_for_so_many_numbers_only(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boots, "MAX_ABOVE_TOTAL", 100)
    with Viewer(path) as viewer:
        viewer.send(*shop(2, 30))
        viewer.send(*(event("evil", number) for number in range(3, 503, 2)))
        assert [node for node, limit in viewer.reached() if limit == "waiting"] == ["evil"]
        assert viewer.send(*shop(1, 1)) == {("shop", "b"): 30}


def test_places_with_nothing_left_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "EVERY_S", -1.0)
    with Viewer(path, max_age_days=1) as viewer:
        viewer.send(*shop(1, 3, zone="old"))
        viewer.pass_s(2 * 86_400)
        viewer.send(*shop(4, 4, occurred_us=viewer.now_us))
        viewer.send(*shop(5, 5, occurred_us=viewer.now_us))
        with Database(path).reading() as db:
            assert db.execute("SELECT zone FROM places").fetchall() == [("door",)]


@pytest.mark.parametrize(("wanted", "nodes"), [(Filter(node="n0"), 1), (Filter(camera="c"), 200)])
def test_events_of_many_places_are_found_newest_first(path: Path, wanted: Filter, nodes: int) -> None:
    with Viewer(path, QuotaSettings(nodes=1000)) as viewer:
        sent = [
            event(f"n{number % nodes}", number, zone=f"z{number % 200}", occurred_us=NOW - number * 1000)
            for number in range(1, 301)
        ]
        viewer.send(*sent)
        with Database(path).reading() as db:
            first, more = feed.page(db, wanted, 100)
            second, _ = feed.page(db, wanted, 500, more)
        assert [one.event_id for one in first + second] == [one.event_id for one in sent]


def test_the_deadline_holds_between_statements(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 2))
    with Database(path).reading() as db:
        db.ends_s = 0.0
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            feed.page(db, Filter(node="shop"), 10)


def test_downloads_leave_the_turns_of_pages_free(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 2))
    database = Database(path)
    with database.reading(export=True), database.reading(export=True):
        with database.reading(0.1) as db:
            assert len(feed.page(db, Filter(), 10)[0]) == 2
        with pytest.raises(Exception, match="too many requests"), database.reading(0.05, export=True):
            pass


def test_sums_of_times_to_come_are_taken_out_of_an_older_file(path: Path, tmp_path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 3))
    db = sqlite3.connect(path)
    far = event("shop", 4, occurred_us=2**53 - 1, captured_us=2**53 - 1)
    db.execute("DROP TABLE nodes")
    db.execute("DROP TABLE gone")
    db.execute("INSERT INTO flow SELECT place, ?, session, 7, 0, 0, 0 FROM flow", ((2**53 - 1) // MINUTE,))
    db.execute(
        """INSERT INTO events SELECT NULL, node, boot, 4, stored_us, type, ?, ?, place, session, label, flow,
           dwell_ms FROM events WHERE number = 3""",
        (encode(far), far.occurred_us),
    )
    db.execute("UPDATE sessions SET last_us = ?", (2**53 - 1,))
    db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()
    with Viewer(path) as viewer:
        assert {one.occurred_us for one in viewer.found(node="shop")} == {NOW}
        assert viewer.entered("shop", "door") == 4
        assert viewer.rows("flow") == 1
        with Database(path).reading() as reader:
            [(last_us,)] = reader.execute("SELECT last_us FROM sessions").fetchall()
            assert last_us < 2**52
            [(events, size, sums)] = reader.execute("SELECT events, bytes, sums FROM nodes").fetchall()
            [(payload,)] = reader.execute("SELECT payload FROM events WHERE number = 4").fetchall()
        assert (events, sums) == (4, 1)
        assert size > 4 * 300
        assert decode(Event, payload).occurred_us == NOW
    assert not list(tmp_path.glob("*.damaged*"))


def test_the_newest_events_of_every_node_are_known_after_a_start(path: Path) -> None:
    with Viewer(path) as viewer:
        viewer.send(*shop(1, 10))
        viewer.send(*(event("evil", number) for number in range(1, 3001)))
    with Viewer(path) as viewer:
        recent = list(viewer.history.recent(100))
        assert sum(one.node == "shop" for one in recent) == 10
        assert len(recent) <= 200


def snapshots_of(node: str, tracks: range) -> list[tuple[dict[str, str], Received]]:
    """Pictures of 100 kB."""
    jpeg = picture_of(1)
    jpeg += bytes(100_000 - len(jpeg))
    return [
        ({"node": node, "camera": "c", "track": str(track)}, Received("", jpeg, 1, False, {"session": "s"}))
        for track in tracks
    ]


def test_pictures_of_a_node_do_not_push_out_those_of_others(path: Path) -> None:
    settings = HistorySettings(path=str(path), snapshots_mb=10)
    quotas = Quotas()
    for tracks in (range(300), range(300, 600)):  # the sizes are known after a new start
        with SnapshotStore(settings, quotas) as store:
            for ids, received in (*snapshots_of("shop", range(20)), *snapshots_of("evil", tracks)):
                store.add(ids, received)
    assert settings.snapshots_file
    with Database(settings.snapshots_file).reading() as db:
        kept = dict(db.execute("SELECT node, count(*) FROM snapshots GROUP BY node"))
        newest = stored(db, [TrackKey("evil", "c", "s", 599)])
        size = used_bytes(db)
    assert kept["shop"] == 20
    assert 50 < kept["evil"] < 150
    assert newest
    assert size < 12.5e6
    assert {one.node for one in quotas.reached()} == {"evil"}
