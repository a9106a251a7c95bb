"""Calendars and rules of whole nodes: planned by part, sent whole with their version, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.fleet import connect as connecting
from shared.fleet.__main__ import main
from shared.fleet.export import export
from shared.fleet.inventory import Inventory, Node
from shared.fleet.plan import plan_node
from shared.fleet.report import changes
from shared.fleet.wanted.folder import Folder
from shared.mqtt.received import Received
from shared.wire.messages import (
    CalendarDefinition,
    Condition,
    Location,
    ModeDefinition,
    RuleDefinition,
    ScheduleDefinition,
    Span,
)
from tests.conftest import REPO, Mosquitto
from tests.shared.fleet.simulated import Simulated, known, simulated

OPEN = ScheduleDefinition(spans=(Span(days=("mon",), start="08:00", end="20:00"),))
BERLIN = CalendarDefinition(
    timezone="Europe/Berlin",
    location=Location(latitude=52.5, longitude=13.4),
    modes={"home": ModeDefinition(), "away": ModeDefinition()},
    schedules={"open": OPEN},
)
WAIT = RuleDefinition(when=Condition(trigger="occupancy", zones=("till",), at_least=5, for_s=60))


def node(**changes: Any) -> Simulated:
    made = Simulated(lambda *_: None, "p", "shop-1")
    made.calendar, made.calendar_version = BERLIN, 3
    made.rules, made.rules_version = {"wait": WAIT}, 2
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def told(simulated_node: Simulated) -> Node:
    inventory = Inventory("p", ("*",))
    for received in known(simulated_node):
        inventory.take(received)
    assert inventory.broken == 0
    return inventory.get("shop-1")


def folder(path: Path, text: str) -> Folder:
    (path / "a.yaml").write_text(text)
    return Folder(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("calendar: {timezone: Europe/Berlin, day_starts: ['00:00']}", [], id="as it is"),
        pytest.param(
            "calendar: {timezone: Europe/Paris}",
            ["calendar.timezone: Europe/Berlin -> Europe/Paris"],
            id="one part, and the others stay",
        ),
        pytest.param("calendar: {modes: {home: {}, away: {}}}", [], id="the same modes"),
        pytest.param(
            "calendar: {modes: {away: {}, home: {}}}",
            ["calendar.modes: another order"],
            id="another mode is the first",
        ),
        pytest.param(
            "calendar: {schedules: {open: {spans: [{start: '09:00'}]}, night: {}}}",
            ["calendar.schedules: + night, ~ open (spans)"],
            id="schedules",
        ),
        pytest.param(
            "rules: {wait: {when: {trigger: occupancy, zones: [till], at_least: 5, for_s: 60}}}",
            [],
            id="the same rules",
        ),
        pytest.param(
            "rules: {wait: {when: {trigger: occupancy, zones: [till], at_least: 6, for_s: 60}}, x: "
            "{when: {trigger: offline}}}",
            ["rules: + x, ~ wait (when)"],
            id="rules",
        ),
        pytest.param("rules: {}", ["rules: - wait"], id="no rules"),
    ],
)
def test_what_a_node_needs_is_said_part_by_part(tmp_path: Path, text: str, said: list[str]) -> None:
    plan = plan_node(told(node()), folder(tmp_path, text))
    assert [line for step in plan.steps for line in changes(step)] == said
    assert plan.blocked is None
    versions = {"calendar": 3, "rules": 2}
    assert all(step.version == versions[step.kind] for step in plan.steps)


def test_a_node_that_knows_neither_is_left_alone(tmp_path: Path) -> None:
    older = node(capabilities=("commands",), calendar_version=0, rules_version=0)
    plan = plan_node(told(older), folder(tmp_path, "rules: {x: {when: {trigger: offline}}}"))
    assert (plan.steps, plan.blocked) == ((), "its version of Darner knows no rules")
    plan = plan_node(told(older), folder(tmp_path, "calendar: {day_starts: ['04:00']}"))
    assert plan.blocked == "its version of Darner knows no calendar"


def test_the_calendar_of_an_earlier_run_is_not_taken_for_that_of_a_node_that_starts(tmp_path: Path) -> None:
    simulated_node, inventory = node(), Inventory("p", ("*",))
    for received in known(simulated_node):
        inventory.take(received)
    simulated_node.start()
    for received in known(simulated_node):
        if not received.topic.endswith("/calendar"):
            inventory.take(received)
    wanted = folder(tmp_path, "rules: {}")
    assert "its calendar message" in (plan_node(inventory.get("shop-1"), wanted).blocked or "")
    inventory.take(Received("p/shop-1/calendar", b"", 1, True, {}))
    assert plan_node(inventory.get("shop-1"), wanted).blocked is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "rules: {x: {when: {trigger: stay, zones: [tll], for_s: 5}}}", "rule 'x': ", id="no such zone"
        ),
        pytest.param(
            "calendar: {schedules: {gone: {spans: [], exceptions: [{first: 2020-01-01, last: 2040-01-01}]}}}",
            "schedule 'gone' is not active within a year",
            id="never active",
        ),
        pytest.param(
            "zones: {a: {polygon: [[0, 0], [1, 0], [1, 1]], schedule: opn}}",
            "till: zone 'a' counts always: the calendar has no schedule 'opn'; it has open",
            id="no such schedule",
        ),
        pytest.param(
            "zones: {a: {polygon: [[0, 0], [1, 0], [1, 1]], schedule: night}}\n"
            "rules: {x: {when: {trigger: stay, zones: [a], for_s: 5}, schedule: night}}\n"
            "calendar: {schedules: {night: {}}}",
            None,
            id="what comes together fits together",
        ),
    ],
)
def test_what_has_no_effect_is_said_before_anything_is_sent(
    tmp_path: Path, text: str, says: str | None
) -> None:
    plan = plan_node(told(node()), folder(tmp_path, text))
    assert plan.steps
    assert len(plan.warnings) == (0 if says is None else 1)
    assert (says or "") in "".join(plan.warnings)


def test_a_calendar_that_nobody_could_follow_is_refused_with_what_the_node_has(tmp_path: Path) -> None:
    wanted = folder(tmp_path, "calendar: {modes: {shut: {during: closed}}}")
    with pytest.raises(ConfigError) as error:
        plan_node(told(node()), wanted)
    assert str(error.value).startswith("a.yaml: with what shop-1 has besides: calendar.modes.shut.during:")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: {x: {when: {trigger: offline}, text: '{nod} is off'}}", "nod"),
        ("cameras: till\ncalendar: {timezone: UTC}", "calendar: a calendar is that of a whole node"),
        ("cameras: till\nrules: {}", "rules: a list of rules is that of a whole node"),
        ("rules: {x: {when: {trigger: never}}}", "rules.x.when.trigger"),
        ("calendar: {day_starts: []}", "calendar.day_starts"),
        ("calendar: {schedule: {}}", "calendar.schedule: unknown key; did you mean 'schedules'"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        folder(tmp_path, text)
    assert str(error.value).startswith(("a.yaml", str(tmp_path)))
    assert says in str(error.value)


def test_what_is_exported_wants_what_is_there(tmp_path: Path) -> None:
    simulated_node = node()
    written = export([told(simulated_node)], tmp_path)
    assert [str(one.relative_to(tmp_path)) for one in written] == ["shop-1.yaml", "shop-1/till.yaml"]
    assert plan_node(told(simulated_node), Folder(tmp_path)).steps == ()
    assert "schema" not in written[0].read_text()
    simulated_node.calendar, simulated_node.rules = CalendarDefinition(), {}
    kinds = [step.kind for step in plan_node(told(simulated_node), Folder(tmp_path)).steps]
    assert kinds == ["calendar", "rules"]


def test_calendars_and_rules_are_rolled_out_and_put_back(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARNER_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(connecting, "QUIET_S", 0.1)
    wanted = str(REPO / "examples" / "fleet" / "rollout")
    options = ["--broker", broker.url, "--prefix", "fleet-wide", *"--yes --pause 0".split()]
    with simulated(broker.url, "fleet-wide", ["shop-7", "shop-8"]) as nodes:
        has = nodes["shop-8"]
        has.calendar, has.calendar_version = BERLIN, 1
        has.say(*has.wide())
        assert main(["apply", wanted, *options]) == 0, capsys.readouterr().out
        assert [one.calendar.schedules.keys() for one in nodes.values()] == [{"open", "closed"}] * 2
        assert [one.rules.keys() for one in nodes.values()] == [{"long-queue", "after-hours"}] * 2
        assert (has.calendar.timezone, has.calendar.modes) == (BERLIN.timezone, BERLIN.modes)
        assert has.asked.index("calendar.set") < has.asked.index("zones.set") < has.asked.index("rules.set")
        assert main(["plan", wanted, *options[:4]]) == 0, capsys.readouterr().out
        assert main(["rollback", wanted, *options]) == 0, capsys.readouterr().out
        assert has.calendar == BERLIN
        assert nodes["shop-7"].calendar == CalendarDefinition()
        assert [one.rules for one in nodes.values()] == [{}, {}]
