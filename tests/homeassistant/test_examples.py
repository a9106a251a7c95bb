"""The examples for users, loaded as they would load them: the blueprints run, and the cards show values."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.conftest import REPO, wait_until
from tests.homeassistant.house.automations import told
from tests.homeassistant.house.recorder import PREFIX
from tests.homeassistant.house.site import CAMERA, NODE, SETTLES_WITHIN_S, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXAMPLES = REPO / "examples" / "homeassistant"
DASHBOARD = "dashboard.yaml"
ALERT, CROSSING = "event.demo_street_alert", "event.demo_street_path_crossing"
PICTURE, MODE = "image.demo_street_last_event", "select.demo_mode"
TOLD_S = 5.0
"""How long after a place is empty the rule of this file may still tell of it."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module", autouse=True)
def blueprints(site: Site) -> None:
    """Every blueprint, imported from its address as the blueprints' page does."""
    with served(EXAMPLES) as address:
        for file in EXAMPLES.glob("darner_*.yaml"):
            found = site.server.ask("blueprint/import", url=f"{address}/{file.name}")
            assert found["validation_errors"] is None
            saved = site.server.ask(
                "blueprint/save", domain="automation", path=f"darner/{file.name}", yaml=found["raw_data"]
            )
            assert not saved["overrides_existing"]


def use(site: Site, blueprint: str, name: str, inputs: dict[str, Any]) -> None:
    """Make an automation of a blueprint, and wait until it is at work."""
    own = f"{blueprint}-{name}"
    made = {"alias": name, "use_blueprint": {"path": f"darner/{blueprint}.yaml", "input": inputs}}
    site.server.post(f"/api/config/automation/config/{own}", made)

    def works() -> bool:
        states = site.server.states().values()
        return any(one["attributes"].get("id") == own and one["state"] == "on" for one in states)

    wait_until(works, SETTLES_WITHIN_S)


def tell(site: Site, blueprint: str, name: str, **inputs: Any) -> None:
    """Make an automation of a blueprint that tells a script of this name."""
    said = f"'of': '{name}', 'title': title, 'message': message, 'data': data"
    message = f"{{{{ {{ {said} }} | to_json }}}}"
    write = {"level": "warning", "logger": "triggered", "message": message}
    script = {"alias": name, "sequence": [{"action": "system_log.write", "data": write}]}
    site.server.post(f"/api/config/script/config/{name}", script)
    use(site, blueprint, name, {"picture": PICTURE, "notify": f"script.{name}"} | inputs)


def tell_of_crossings(site: Site, name: str, **inputs: Any) -> None:
    """Make an automation that tells of each crossing."""
    tell(site, "darner_crossing", name, crossing=CROSSING, quiet=0, **inputs)


def messages(site: Site, name: str) -> list[dict[str, Any]]:
    """What a script was told."""
    return [one for _, one in told(site.server.log) if one["of"] == name]


def test_a_crossing_is_told_with_its_picture(site: Site) -> None:
    tell_of_crossings(site, "phone")
    tell_of_crossings(site, "tablet", direction=["in"])
    tell_of_crossings(site, "dogs", labels=["dog"])
    site.scene.people()
    wait_until(lambda: messages(site, "phone") and messages(site, "tablet"), 2 * SETTLES_WITHIN_S)
    assert messages(site, "dogs") == []
    assert all(one["message"] == "Person crossed, direction in." for one in messages(site, "tablet"))
    [first, *_] = messages(site, "phone")
    assert first["message"] in {f"Person crossed, direction {way}." for way in ("in", "out")}
    picture = site.server.picture(first["data"]["image"])
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_an_alert_is_told_in_its_words_with_its_picture(site: Site) -> None:
    site.scene.people()
    site.wait_state("zone-everywhere-occupied", "on")
    rules = site.recorder.last[f"{NODE}/rules"].body
    assert rules is not None
    # The last thing that happens: no other event has a picture of its own then.
    empty = {"trigger": "occupancy", "zones": ["everywhere"], "at_most": 0, "for_s": 3}
    alone = {"name": "All gone", "when": empty, "text": "Nobody is in {zone}", "picture": "frame"}
    answer = site.ask("rules.set", version=rules["version"], rules=rules["rules"] | {"alone": alone})
    assert answer["error"] is None
    tell(site, "darner_alert", "owner", alert=ALERT, rules=["alone"])
    tell(site, "darner_alert", "guard", alert=ALERT, severities=["critical"])
    with Client(MqttSettings(url=site.broker.url), name="pictures") as reader:
        reader.subscribe(f"{PREFIX}/{NODE}/camera/{CAMERA}/snapshot/+", 1)
        assert reader.wait_subscribed(10)
        site.scene.nobody()
        wait_until(lambda: messages(site, "owner"), 2 * SETTLES_WITHIN_S)
        [said] = messages(site, "owner")
        assert (said["title"], said["message"]) == ("demo street: All gone", "Nobody is in everywhere")
        path = site.server.states()[ALERT]["attributes"]["snapshot"]
        while (picture := reader.received.get(10)).topic != path:
            pass
        assert site.server.picture(said["data"]["image"]) == picture.payload
    site.scene.people()
    wait_until(lambda: messages(site, "guard"), 2 * SETTLES_WITHIN_S)
    assert {one["message"] for one in messages(site, "guard")} == {f"Somebody is on {CAMERA}"}
    assert len(messages(site, "owner")) == 1


def test_nothing_is_told_of_a_restart(site: Site) -> None:
    tell_of_crossings(site, "watch")
    tell(site, "darner_alert", "watch", alert=ALERT)
    site.scene.nobody()
    site.wait_state("zone-everywhere-present", "off")
    time.sleep(TOLD_S)
    before = len(messages(site, "watch"))
    for restart in (site.restart_node, site.restart_broker, site.restart_server):
        restart()
        site.wait_state("zone-everywhere-occupied", "off")
    assert len(messages(site, "watch")) == before


def test_the_mode_follows_who_is_home(site: Site) -> None:
    def stand(where: dict[str, str]) -> None:
        for who, state in where.items():
            site.server.post(f"/api/states/person.{who}", {"state": state})

    def becomes(wanted: str) -> None:
        wait_until(lambda: site.server.states()[MODE]["state"] == wanted, SETTLES_WITHIN_S)

    stand({"anna": "home", "ben": "home"})
    people = ["person.anna", "person.ben"]
    use(site, "darner_mode", "mode", {"mode": MODE, "people": people, "after": {"seconds": 1}})
    stand({"anna": "work"})
    stand({"ben": "not_home"})
    becomes("away")
    stand({"ben": "unknown"})
    stand({"anna": "home"})
    becomes("home")


@contextmanager
def pages(site: Site, chromium: Browser) -> Iterator[Any]:
    """A page of a browser that is logged in."""
    tokens = {
        "access_token": site.server.token,
        "token_type": "Bearer",
        "expires_in": 10**6,
        "expires": 10**13,
        "hassUrl": site.server.url,
        "clientId": f"{site.server.url}/",
        "refresh_token": "",
    }
    context = chromium.new_context(viewport={"width": 1300, "height": 1000})
    context.add_init_script(f"localStorage.hassTokens = {json.dumps(json.dumps(tokens))}")
    try:
        yield context.new_page()
    finally:
        context.close()


def look(page: Any, name: str) -> None:
    """Keep a picture of the page where `make test-homeassistant` is told to keep what there is to see."""
    if kept := os.environ.get("HOMEASSISTANT_KEEP"):
        page.screenshot(path=str(Path(kept) / f"{name}.png"), full_page=True)


def entities_of(config: Any) -> Iterator[str]:
    """Every entity that a dashboard names."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key in ("entity", "camera_image") and isinstance(value, str):
                yield value
            elif key == "entities":
                yield from (one for one in value if isinstance(one, str))
            yield from entities_of(value)
    elif isinstance(config, list):
        for one in config:
            yield from entities_of(one)


def test_the_dashboard_shows_a_camera_without_a_complaint(site: Site, chromium: Browser) -> None:
    site.scene.people()
    config = yaml.safe_load((EXAMPLES / DASHBOARD).read_text())
    named = set(entities_of(config))
    assert len(named) >= 8
    assert named <= set(site.server.states())
    made = {"url_path": "darner-cameras", "mode": "storage", "title": "Cameras", "icon": "mdi:cctv"}
    site.server.ask("lovelace/dashboards/create", **made)
    site.server.ask(
        "lovelace/config/save", url_path="darner-cameras", config=orjson.loads(orjson.dumps(config))
    )
    with pages(site, chromium) as page:
        page.goto(f"{site.server.url}/darner-cameras/street")
        page.get_by_text("At the junction").wait_for(timeout=30_000)
        page.wait_for_timeout(3000)
        look(page, "dashboard")
        for complaint in ("Configuration error", "Entity not found", "Entity is non-numeric"):
            assert page.get_by_text(complaint).count() == 0
        device = site.server.devices()["darner.demo.street"]["id"]
        page.goto(f"{site.server.url}/config/devices/device/{device}")
        page.get_by_text("Edge node").or_(page.get_by_text("Sensors")).first.wait_for(timeout=30_000)
        page.wait_for_timeout(2000)
        look(page, "device")
