"""Rules over HTTP: saved by asking their node, and tried over a history whose truth is known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.rules.scene import Scene, Times
from shared.wire.messages import Condition, RuleDefinition, encode, now_us
from tests.browser.lived import HOUR_US, Past
from tests.conftest import Mosquitto, wait_until
from tests.viewer_server.api.rules_edge import RulesEdge
from tests.viewer_server.api.test_asked import post
from tests.viewer_server.process import ViewerProcess
from viewer_server.api.rules import replay
from viewer_server.api.rules.replay import Found, Trial
from viewer_server.stored.reading import Database, Unavailable

PREFIX = "rules-api/v1"
STAY = RuleDefinition(when=Condition(trigger="stay", zones=("square",), for_s=30.0))
SCENE = Scene(node="test", camera="yard", zones={"square": "Till"}, lines={"gate": "Door"})


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    with Past(tmp_path_factory.mktemp("past") / "h.db") as made:
        made.days(1, per_hour=40)
        for event in made.events:
            if event.type == "zone_entered":
                made.snapshot(event.track_id or 0)
    return made


@pytest.fixture(scope="module")
def edge(broker: Mosquitto) -> Iterator[RulesEdge]:
    node = RulesEdge(broker.url, prefix=PREFIX)
    with node:
        node.begin({"till": STAY}, {"till": ("can never fire: nobody comes",)}, name="Shop")
        yield node


@pytest.fixture(scope="module")
def viewer(
    broker: Mosquitto, edge: RulesEdge, past: Past, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    keys = f"mqtt.prefix={PREFIX}", f"history.path={past.path}"
    with ViewerProcess(broker.url, tmp_path_factory.mktemp("v"), *keys) as process:
        process.wait(cameras=len(edge.rules))
        wait_until(
            lambda: shown(process)["rules"] is not None and shown(process)["cameras"][0]["places"] != []
        )
        yield process


def shown(viewer: ViewerProcess) -> dict[str, Any]:
    [node] = json.loads(viewer.get("/api/v1/rules"))["nodes"]
    return dict(node)


def plain(rule: RuleDefinition) -> dict[str, Any]:
    return dict(json.loads(encode(rule)))


def test_what_rules_can_be_about_is_told_by_name(viewer: ViewerProcess) -> None:
    node = shown(viewer)
    assert (node["name"], node["online"], node["can"], node["classes"]) == ("Shop", True, True, ["person"])
    assert [(place["zone"], place["name"], place["kind"]) for place in node["cameras"][0]["places"]] == [
        ("square", "Till", "zone"),
        ("gate", "Door", "line"),
    ]
    assert node["schedules"] == [{"schedule": "night", "name": "Night"}]
    assert node["rules"]["problems"] == {"till": ["can never fire: nobody comes"]}


def test_the_first_to_save_rules_wins(viewer: ViewerProcess, edge: RulesEdge) -> None:
    body = {"version": edge.saved, "rules": {"till": plain(STAY), "other": plain(STAY)}}
    assert post(viewer, body, "/api/v1/rules/test") == (200, {"version": edge.saved, "warnings": []})
    assert set(edge.rules) == {"till", "other"}
    assert post(viewer, body, "/api/v1/rules/test")[0] == 409


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, []),
        (
            {"when": {"trigger": "stay", "zones": ["gone"], "for_s": 1}},
            ["can never fire: 'gone' is on no camera"],
        ),
        ({"notify": ["pager"]}, ["names the target pager, which this viewer does not have"]),
        ({"schedule": "noon"}, ["always holds: the calendar has no schedule 'noon'"]),
    ],
    ids=["nothing", "a zone that is not there", "a target that is not there", "a schedule that is not there"],
)
def test_what_is_wrong_with_a_rule_is_said_before_it_is_saved(
    viewer: ViewerProcess, change: dict[str, Any], says: list[str]
) -> None:
    body = {"id": "till", "rule": plain(STAY) | change}
    assert post(viewer, body, "/api/v1/rules/test/check") == (200, {"problems": says})


@pytest.mark.parametrize(
    ("path", "change", "status", "says"),
    [
        ("test/check", {"text": "{zone.__class__}"}, 422, "there is no field"),
        ("test/check", {"cooldown_s": "1"}, 422, "Expected"),
        ("nobody/check", {}, 404, "announced itself"),
        ("test/replay", {"when": {"trigger": "offline"}}, 422, "when a node was offline"),
    ],
)
def test_a_rule_that_cannot_be_tried_is_refused_in_words(
    viewer: ViewerProcess, path: str, change: dict[str, Any], status: int, says: str
) -> None:
    body = {"id": "till", "rule": plain(STAY) | change, "from_us": 1, "to_us": 2}
    code, answer = post(viewer, body, f"/api/v1/rules/{path}")
    assert (code, says in answer["detail"]) == (status, True), answer


def long_stays(past: Past, seconds: float, since_us: int) -> list[int]:
    """When stays of the history became that long, by its entries and exits alone."""
    left = {one.track_id: one for one in past.events if one.type in ("zone_exited", "zone_lost")}
    entered = [one for one in past.events if one.type == "zone_entered"]
    lasting = [one.occurred_us for one in entered if (left[one.track_id].dwell_s or 0) >= seconds]
    return [at for us in lasting if (at := us + int(seconds * 1e6)) >= since_us]


def test_a_trial_shows_every_alert_with_its_picture_and_what_was_held_back(
    viewer: ViewerProcess, past: Past
) -> None:
    to_us = now_us()
    since_us = to_us - 20 * HOUR_US
    truth = long_stays(past, 30, since_us)
    body = {"id": "till", "rule": plain(STAY), "from_us": since_us, "to_us": to_us}
    code, found = post(viewer, body, "/api/v1/rules/test/replay")
    assert (code, found["total"], found["held_back"]) == (200, len(truth), 0)
    assert [hit["occurred_us"] for hit in found["hits"]] == sorted(truth, reverse=True)[:200]
    newest = found["hits"][0]
    assert (newest["zone_name"], newest["label"], newest["value"]) == ("Till", "person", 30)
    assert newest["text"] == "Person has been in Till on yard for 30 s"
    assert viewer.get(newest["picture_url"]).startswith(b"\xff\xd8")

    body["rule"] = plain(replace(STAY, first_of="day"))
    _, found = post(viewer, body, "/api/v1/rules/test/replay")
    firsts: dict[date, int] = {}  # by the node's days, also of those that began before the range
    for us in long_stays(past, 30, 0):
        day = datetime.fromtimestamp(us / 1e6, ZoneInfo("Europe/Berlin")).date()
        firsts[day] = min(us, firsts.get(day, us))
    wanted = sorted((us for us in firsts.values() if us >= since_us), reverse=True)
    assert [hit["occurred_us"] for hit in found["hits"]] == wanted
    assert found["held_back"] == len(truth) - len(wanted)


def trial(rule: RuleDefinition, *, session: str = "past") -> Trial:
    now = now_us()
    return Trial(
        id="r",
        rule=rule,
        scenes={"yard": SCENE},
        times=Times(),
        from_us=now - HOUR_US,
        to_us=now,
        live={"yard": session},
    )


def tried(folder: Path, rule: RuleDefinition, *happened: dict[str, Any], session: str = "past") -> Found:
    """A trial over these events; `ago` says how many seconds ago each was."""
    now = now_us()
    with Past(folder / "h.db") as past:
        for one in happened:
            fields: dict[str, Any] = {"track_id": 1, "zone": "square"} | one
            past.event(fields.pop("type"), now - fields.pop("ago") * 1_000_000, **fields)
    return replay.run(Database(folder / "h.db"), trial(rule, session=session))


ENTERED: dict[str, Any] = {"type": "zone_entered", "ago": 600}


@pytest.mark.parametrize(
    ("happened", "session", "total"),
    [
        ([ENTERED], "past", 1),
        ([ENTERED], "later", 0),
        ([ENTERED, {"type": "line_crossed", "ago": 580, "zone": "gate"}], "later", 0),
        ([ENTERED, {"type": "line_crossed", "ago": 560, "zone": "gate"}], "later", 1),
        ([ENTERED, {"type": "line_crossed", "ago": 300, "zone": "gate", "session": "next"}], "next", 0),
        ([ENTERED, {"type": "zone_entered", "ago": 300, "track_id": 2, "session": "next"}], "next", 1),
        ([ENTERED, {"type": "zone_exited", "ago": 575}], "past", 0),
        ([{**ENTERED, "ago": 4000}], "past", 0),
    ],
    ids=[
        "somebody is still there",
        "the camera is watched no more",
        "it was watched for too short a time",
        "it was watched for long enough",
        "the rule does not look at what the next run sends",
        "a crash ends stays that nobody saw end",
        "a short stay",
        "an alert before the range",
    ],
)
def test_time_goes_on_only_where_somebody_watches(
    tmp_path: Path, happened: list[dict[str, Any]], session: str, total: int
) -> None:
    assert tried(tmp_path, STAY, *happened, session=session).total == total


@dataclass(frozen=True)
class Began:
    """A timetable whose schedule, and whose day, began at a moment."""

    at_us: int

    def active(self, schedule: str, at_us: int, mode: str | None) -> bool:  # noqa: ARG002 - its protocol
        return at_us >= self.at_us

    def next_change(self, schedule: str, at_us: int, mode: str | None) -> int | None:  # noqa: ARG002
        return self.at_us if at_us < self.at_us else None

    def schedule_start(self, schedule: str, at_us: int, mode: str | None) -> int | None:  # noqa: ARG002
        return self.at_us

    def day_start(self, at_us: int) -> int:  # noqa: ARG002
        return self.at_us

    def next_day_start(self, at_us: int) -> int:
        return self.at_us + at_us + 1

    def local_time(self, at_us: int) -> str:
        return str(at_us)


CROSSES = RuleDefinition(when=Condition(trigger="event", events=("line_crossed",)))


@pytest.mark.parametrize(
    "rule",
    [
        replace(CROSSES, cooldown_s=10_800.0),
        replace(CROSSES, object_cooldown_s=10_800.0),
        replace(CROSSES, first_of="schedule", schedule="night"),
        replace(CROSSES, first_of="day"),
    ],
    ids=["cool-down", "cool-down of the object", "first of the schedule", "first of the day"],
)
def test_what_was_told_before_the_range_holds_back_what_is_in_it(
    tmp_path: Path, rule: RuleDefinition
) -> None:
    now = now_us()
    with Past(tmp_path / "h.db") as past:
        for ago_s in (9000, 1800):
            past.event("line_crossed", now - ago_s * 1_000_000, track_id=1, zone="gate", direction="in")
    times = Times(timetable=Began(now - 3 * HOUR_US) if rule.first_of else None)
    found = replay.run(Database(tmp_path / "h.db"), replace(trial(rule), times=times))
    assert (found.total, found.unheld) == (0, 1)


EMPTY = RuleDefinition(when=Condition(trigger="occupancy", zones=("square",), at_most=0, for_s=120.0))


@pytest.mark.parametrize(
    ("paused_s", "total"),
    [((), 1), ((590, 0), 0), ((590, 300), 1), ((590, 100), 0)],
    ids=["never", "to the end", "for half of it", "until too late"],
)
def test_a_paused_zone_is_not_taken_for_an_empty_one(
    tmp_path: Path, paused_s: tuple[int, ...], total: int
) -> None:
    now = now_us()
    with Past(tmp_path / "h.db") as past:
        past.event("zone_entered", now - 900_000_000, track_id=1, zone="square")
        past.event("zone_exited", now - 600_000_000, track_id=1, zone="square")
    with closing(sqlite3.connect(tmp_path / "h.db")) as db, db:
        [(place,)] = db.execute("SELECT id FROM places WHERE zone = 'square'").fetchall()
        for begun, ended in [paused_s] if paused_s else []:
            span = now - begun * 1_000_000, now - ended * 1_000_000
            db.execute("INSERT INTO pauses VALUES (?, ?, 1, 'covered', ?)", (place, *span))
    assert replay.run(Database(tmp_path / "h.db"), trial(EMPTY)).total == total


def test_too_many_events_leave_out_the_oldest_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "LEAST_EVENTS", 3)
    monkeypatch.setattr(replay, "MAX_EVENTS", 3)
    rule = RuleDefinition(when=Condition(trigger="event", events=("zone_entered",)))
    found = tried(
        tmp_path, rule, *({"type": "zone_entered", "ago": 60 * n, "track_id": n} for n in range(9, 0, -1))
    )
    assert found.total == 2, "the first one of those that are left says where they begin"
    assert found.since_us is not None


def test_time_that_is_up_ends_a_trial_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "DEADLINE_S", -1.0)
    rule = RuleDefinition(when=Condition(trigger="event", events=("zone_entered",)))
    found = tried(tmp_path, rule, *({"type": "zone_entered", "ago": 1, "track_id": n} for n in range(600)))
    assert found.events < 600
    assert found.until_us is not None
    with pytest.raises(Unavailable, match="has gone"):
        replay.run(Database(tmp_path / "h.db"), trial(rule), has_gone=iter([False, True]).__next__)
