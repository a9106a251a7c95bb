"""Modes, alerts, pauses and counters of the day in Home Assistant."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.conftest import wait_until
from tests.homeassistant.house.automations import device_triggers, told
from tests.homeassistant.house.site import CAMERA, DEVICE, NODE, SETTLES_WITHIN_S, Site

MODE = f"darner.{NODE}.mode"


def entity(site: Site, unique_id: str) -> dict[str, Any]:
    """The state of an entity, with its attributes."""
    name = site.server.entities()[unique_id]["entity_id"]
    found: dict[str, Any] = site.server.states()[name]
    return found


def mode(site: Site) -> str:
    """What Home Assistant says the mode is."""
    return str(entity(site, MODE)["state"])


def choose(site: Site, option: str) -> None:
    """Choose a mode, as on the device's page."""
    name = site.server.entities()[MODE]["entity_id"]
    site.server.service("select.select_option", entity_id=name, option=option)
    wait_until(lambda: mode(site) == option, SETTLES_WITHIN_S)


def test_a_mode_that_is_chosen_pauses_what_is_off_schedule_in_it(site: Site) -> None:
    wait_until(lambda: MODE in site.server.entities() and mode(site) == "home", SETTLES_WITHIN_S)
    assert entity(site, MODE)["attributes"]["options"] == ["home", "away"]
    site.scene.people()
    site.wait_state("zone-pavement-occupied", "on")
    wait_until(lambda: int(site.state("zone-pavement-entered_today")) > 0, SETTLES_WITHIN_S)
    entered = site.state("zone-pavement-entered")
    choose(site, "away")
    assert entity(site, MODE)["attributes"]["by_hand"] is True
    site.wait_state("zone-pavement-status", "schedule")
    for key in ("count", "occupied", "queue", "longest_wait"):
        site.wait_state(f"zone-pavement-{key}", "unavailable")
    assert int(site.state("zone-pavement-entered")) >= int(entered)
    assert site.state("zone-everywhere-count").isdigit()
    choose(site, "home")
    site.wait_state("zone-pavement-status", "counting")
    site.wait_state("zone-pavement-count", lambda state: state.isdigit())
    answer = site.ask("mode.set", mode="away")
    assert answer["error"] is None
    wait_until(lambda: mode(site) == "away", SETTLES_WITHIN_S)
    choose(site, "home")


def test_an_alert_fires_its_trigger_and_its_entity_with_its_words(site: Site) -> None:
    site.scene.nobody()
    site.wait_state("zone-everywhere-present", "off")
    wait_until(lambda: "alert comes" in device_triggers(site.server, DEVICE), SETTLES_WITHIN_S)
    message = "{{ {'of': 'alert', 'text': trigger.payload_json.alert.text} | to_json }}"
    action = {"level": "warning", "logger": "triggered", "message": message}
    site.server.post(
        "/api/config/automation/config/lab-alert",
        {
            "alias": "alert",
            "triggers": [device_triggers(site.server, DEVICE)["alert comes"]],
            "actions": [{"action": "system_log.write", "data": action}],
        },
    )
    began = time.time()
    site.scene.people()
    site.wait_state("zone-everywhere-present", "on")

    def runs() -> list[dict[str, Any]]:
        return [one for at, one in told(site.server.log) if one["of"] == "alert" and at >= began]

    wait_until(lambda: bool(runs()), SETTLES_WITHIN_S)
    assert runs() == [{"of": "alert", "text": f"Somebody is on {CAMERA}"}]
    last = entity(site, f"{DEVICE}.alert")["attributes"]
    assert (last["event_type"], last["rule"]) == ("critical", "comes")
    said = [one.body for one in site.recorder.since(began, "/alert") if one.body]
    assert [one["event_id"] for one in said] == [last["event_id"]]


def test_a_calendar_with_other_modes_is_shown_with_the_one_that_holds(site: Site) -> None:
    calendar = site.recorder.last[f"{NODE}/calendar"].body
    assert calendar is not None
    calendar = {key: calendar[key] for key in ("version", "timezone", "location", "day_starts")}
    version = calendar.pop("version")
    others = {"modes": {"open": {}, "closed": {}}, "schedules": {"indoors": {"modes": ["open"]}}}
    assert site.ask("calendar.set", version=version, calendar=calendar | others)["error"] is None
    wait_until(lambda: mode(site) == "open", SETTLES_WITHIN_S)
    assert entity(site, MODE)["attributes"]["options"] == ["open", "closed"]
    choose(site, "closed")
    choose(site, "open")


def test_rules_and_modes_that_go_take_their_entities_along(site: Site) -> None:
    rules = site.recorder.last[f"{NODE}/rules"].body
    calendar = site.recorder.last[f"{NODE}/calendar"].body
    assert rules is not None and calendar is not None
    assert site.ask("rules.set", version=rules["version"], rules={})["error"] is None
    bare = {key: calendar[key] for key in ("timezone", "location", "day_starts")}
    answer = site.ask("calendar.set", version=calendar["version"], calendar=bare)
    assert answer["error"] is None, json.dumps(answer)
    gone = {MODE, f"{DEVICE}.alert"}
    wait_until(lambda: not gone & site.server.entities().keys(), SETTLES_WITHIN_S)
    wait_until(lambda: "alert comes" not in device_triggers(site.server, DEVICE), SETTLES_WITHIN_S)


def test_counters_of_the_day_survive_the_node(site: Site) -> None:
    before = int(site.state("zone-everywhere-entered_today"))
    assert before > 0
    site.scene.nobody()
    site.wait_nobody()
    before = int(site.state("zone-everywhere-entered_today"))
    site.node.kill()
    site.node.start()
    site.wait_state("zone-everywhere-count", "0")
    assert site.state("zone-everywhere-entered") == "0"
    assert int(site.state("zone-everywhere-entered_today")) == before


def test_home_assistant_has_nothing_to_complain_about(site: Site) -> None:
    assert site.server.complaints() == []
