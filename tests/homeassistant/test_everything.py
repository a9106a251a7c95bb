"""All that a node announces: each entity has a state that is right, and each control does what it says."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.homeassistant.house.account import compare, reasons
from tests.homeassistant.house.automations import device_triggers, install, triggered
from tests.homeassistant.house.site import CAMERA, DEVICE, NODE, SETTLES_WITHIN_S, ZONES, Site

SAME_MOMENT_S = 0.05
"""Time in which what is sent together may arrive here."""
SETTINGS = f"{NODE}/camera/{CAMERA}/settings"


@pytest.fixture(scope="module", autouse=True)
def all_enabled(site: Site) -> None:
    """Switch on the entities that are off until somebody wants them."""
    for entity in site.server.entities().values():
        if entity["disabled_by"] is not None:
            name = entity["entity_id"]
            site.server.ask("config/entity_registry/update", entity_id=name, disabled_by=None)
    site.restart_server()
    site.scene.people()


def test_every_component_is_an_entity_with_a_state(site: Site) -> None:
    wanted = site.announced()
    assert len(wanted) >= 31
    assert wanted.keys() == site.server.entities().keys()

    def stateless() -> list[str]:
        entities, states = site.server.entities(), site.server.states()
        found = {one: states.get(entities[one]["entity_id"], {"state": "absent"})["state"] for one in wanted}
        # A button and an event have no state before the first time; nothing is wrong, so there is no reason.
        quiet = {one for one in wanted if one.endswith((".reload", ".reason", "-event", ".alert"))}
        return [
            f"{one}: {state}"
            for one, state in found.items()
            if state in ("absent", "unavailable") or (state == "unknown" and one not in quiet)
        ]

    deadline = time.monotonic() + SETTLES_WITHIN_S
    while (missing := stateless()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert missing == []


def test_the_camera_is_connected_by_the_node(site: Site) -> None:
    devices = site.server.devices()
    assert devices[DEVICE]["via_device_id"] == devices[f"darner.{NODE}"]["id"]
    assert devices[DEVICE]["name"] == f"{NODE} {CAMERA}"


def settings(site: Site) -> dict[str, Any]:
    """What the node says of its live settings."""
    body = site.recorder.last[SETTINGS].body
    assert body is not None
    return body


def entity(site: Site, key: str) -> str:
    """The entity id of one of the camera's entities."""
    name: str = site.server.entities()[f"{DEVICE}.{key}"]["entity_id"]
    return name


def test_the_switch_pauses_and_a_paused_camera_keeps_its_values(site: Site) -> None:
    site.server.service("switch.turn_on", entity_id=entity(site, "paused"))
    site.wait_state("paused", "on")
    site.wait_state("status", "paused")
    assert settings(site)["paused"] is True
    assert site.state("zone-everywhere-count").isdigit()
    site.server.service("switch.turn_off", entity_id=entity(site, "paused"))
    site.wait_state("status", "streaming")
    site.wait_state("paused", "off")
    assert settings(site)["paused"] is False


@pytest.mark.parametrize(
    ("key", "value"), [("confidence", 0.35), ("detect_every", 3), ("thumbnail_fps", 2.5)]
)
def test_a_number_changes_the_node_and_says_what_others_set(site: Site, key: str, value: float) -> None:
    before = settings(site)[key]
    site.server.service("number.set_value", entity_id=entity(site, key), value=value)
    wait_until(lambda: settings(site)[key] == value)
    assert site.ask("set", camera=CAMERA, **{key: before})["error"] is None
    wait_until(lambda: float(site.state(key)) == before)


def test_the_button_reloads_the_configuration(site: Site) -> None:
    began = time.time()
    button = site.server.entities()[f"darner.{NODE}.reload"]["entity_id"]
    site.server.service("button.press", entity_id=button)
    wait_until(lambda: site.recorder.since(began, "/response/reload"))
    [answer] = [one.body for one in site.recorder.since(began, "/response/reload")]
    assert answer is not None
    assert answer["error"] is None


def test_each_event_and_trigger_runs_once(site: Site) -> None:
    offered = {"crossed in path", "crossed out path", "entered junction", "loitering junction"}
    # Home Assistant offers them some time after it has started.
    wait_until(lambda: offered <= device_triggers(site.server, DEVICE).keys(), SETTLES_WITHIN_S)
    waiting = install(site.server, DEVICE)
    assert {f"{DEVICE}.zone-{zone}-event" for zone in ZONES} | {f"{DEVICE}.line-path-event"} <= waiting
    assert offered <= waiting
    site.scene.nobody()
    site.wait_state("zone-everywhere-occupied", "off")
    time.sleep(1)
    began = time.time()
    site.scene.people()
    wait_until(lambda: len(triggered(site.server.log, began)) > 60, 2 * SETTLES_WITHIN_S)
    site.scene.nobody()
    site.wait_state("zone-everywhere-occupied", "off")
    time.sleep(2)
    said, runs = site.recorder.since(began, "/events"), triggered(site.server.log, began)
    for of in waiting - {one for one in waiting if one.endswith(("occupied", "-present"))}:
        wanted = reasons(of, said)
        verdict = compare([one.at for one in runs if one.of == of], wanted)
        assert not verdict.false, of
        # The state of an event entity is a time, so two events in one millisecond are one change of it. A run
        # that is missing shifts the matching: what counts as lost may be a later event.
        together = sum(later - earlier < SAME_MOMENT_S for earlier, later in itertools.pairwise(wanted))
        assert len(verdict.lost) <= (together if of.endswith(("-event", ".alert")) else 0), of
    assert {"zone_entered", "line_crossed"} <= {one.body["type"] for one in said if one.body}


def test_the_image_of_the_last_event_is_a_picture(site: Site) -> None:
    picture = site.server.picture(f"/api/image_proxy/{entity(site, 'last_event')}")
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_home_assistant_has_nothing_to_complain_about(site: Site) -> None:
    assert site.server.complaints() == []
