"""Alerts of nodes that are gone: one of each rule and outage, also over restarts of the viewer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.rules.scene import Times
from shared.schedules.timetable import Timetable
from shared.wire.messages import CalendarDefinition, ModeDefinition, ScheduleDefinition
from tests.viewer_server.wire import COMMON, received, status
from viewer_server.live.hub import Hub
from viewer_server.live.state import State
from viewer_server.notify.alert import KeptAlert
from viewer_server.notify.offline import SETTLES_US, Offline
from viewer_server.notify.store import AlertStore
from viewer_server.targets import NotifySettings

MINUTE = 60_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    with AlertStore(tmp_path / "alerts.db", NotifySettings()) as opened:
        yield opened


class Watched:
    """A viewer that looks each second, on a clock of its own; `restart` forgets what is not in the file."""

    def __init__(self, store: AlertStore, **rule: Any) -> None:
        self.store, self.now_us, self.connected = store, 1_000 * MINUTE, True
        when = {"trigger": "offline", "for_s": 60.0}
        rules = {"gone": {"when": when} | rule, "other": {"when": {"trigger": "occupancy", "at_least": 1}}}
        self.retained = {
            "rules": received("n/rules", COMMON | {"schema": "darner.rules/1", "version": 1, "rules": rules}),
            "status": status(),
        }
        self.alerts: list[KeptAlert] = []
        self.times = Times()
        self.restart()

    def restart(self) -> None:
        self.hub = Hub(State("darner/v1"), 1, {})
        self.offline = Offline(self.hub, lambda: self.connected, lambda _: ("Shop", self.times))
        for message in self.retained.values():
            self.hub.handle(message)
        self.wait(SETTLES_US)

    def say(self, word: str, **more: Any) -> None:
        self.retained["status"] = status(status=word, **more)
        self.hub.handle(self.retained["status"])

    def wait(self, us: int) -> None:
        for _ in range(us // 1_000_000):
            self.now_us += 1_000_000
            self.alerts += self.offline.look(self.now_us, self.store.outage, self.store.end_outage)


def test_an_outage_makes_one_alert_after_the_time_of_its_rule(store: AlertStore) -> None:
    watched = Watched(store)
    watched.say("offline")
    watched.wait(59_000_000)
    assert watched.alerts == []
    watched.wait(10 * MINUTE)
    [alert] = watched.alerts
    assert (alert.rule, alert.node, alert.camera, alert.trigger) == ("gone", "n", None, "offline")
    assert "Shop" in alert.text
    watched.say("online")
    watched.wait(MINUTE)
    watched.say("offline")
    watched.wait(2 * MINUTE)
    assert len({one.event_id for one in watched.alerts}) == 2


def test_a_restart_neither_repeats_nor_swallows_an_alert(store: AlertStore) -> None:
    watched = Watched(store)
    watched.say("offline")
    watched.wait(40_000_000)
    watched.restart()  # in the middle of the minute, which does not begin anew
    watched.wait(20_000_000)
    [first] = watched.alerts
    watched.restart()
    watched.wait(2 * MINUTE)
    assert {one.event_id for one in watched.alerts} == {first.event_id}


def test_a_later_outage_goes_by_the_mode_of_its_time(store: AlertStore) -> None:
    watched = Watched(store, schedule="nobody")
    calendar = CalendarDefinition(
        timezone="UTC",
        modes={"home": ModeDefinition(), "away": ModeDefinition()},
        schedules={"nobody": ScheduleDefinition(modes=("away",))},
    )
    for mode, alerts in [("home", 0), ("away", 1)]:
        watched.times = Times(timetable=Timetable(calendar), mode=mode)
        watched.say("offline")
        watched.wait(2 * MINUTE)
        assert len(watched.alerts) == alerts
        watched.say("online")
        watched.wait(MINUTE)


@pytest.mark.parametrize(
    "rule",
    [{"enabled": False}, {"when": {"trigger": "problem"}}],
    ids=["switched off", "about something else"],
)
def test_other_rules_are_left_alone(store: AlertStore, rule: dict[str, Any]) -> None:
    watched = Watched(store, **rule)
    watched.say("offline")
    watched.wait(5 * MINUTE)
    assert watched.alerts == []


def test_a_node_that_comes_back_in_time_and_a_lost_broker_make_no_alert(store: AlertStore) -> None:
    watched = Watched(store)
    watched.say("offline")
    watched.wait(50_000_000)
    watched.say("online")
    watched.wait(2 * MINUTE)
    watched.connected = False
    watched.hub.handle(status(status="offline"))  # the last word before the viewer lost the broker
    watched.wait(5 * MINUTE)
    watched.hub.handle(status())
    watched.connected = True
    watched.wait(2 * MINUTE)
    assert watched.alerts == []
