"""The examples for users, loaded as they would load them: the blueprint runs, and the cards show values."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml

from tests.conftest import REPO, wait_until
from tests.homeassistant.house.automations import told
from tests.homeassistant.house.site import SETTLES_WITHIN_S, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXAMPLES = REPO / "examples" / "homeassistant"
BLUEPRINT, DASHBOARD = "darner_crossing.yaml", "dashboard.yaml"
CROSSING, PICTURE = "event.demo_street_path_crossing", "image.demo_street_last_event"


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


@pytest.fixture(scope="module")
def blueprint(site: Site) -> str:
    """The path of the blueprint, imported from its address as the blueprints' page does."""
    with served(EXAMPLES) as address:
        found = site.server.ask("blueprint/import", url=f"{address}/{BLUEPRINT}")
    assert found["validation_errors"] is None
    path = f"darner/{BLUEPRINT}"
    saved = site.server.ask("blueprint/save", domain="automation", path=path, yaml=found["raw_data"])
    assert not saved["overrides_existing"]
    return path


def tell(site: Site, blueprint: str, name: str, **inputs: Any) -> None:
    """Make an automation of the blueprint that tells a script of this name."""
    said = f"'of': '{name}', 'title': title, 'message': message, 'data': data"
    message = f"{{{{ {{ {said} }} | to_json }}}}"
    write = {"level": "warning", "logger": "triggered", "message": message}
    script = {"alias": name, "sequence": [{"action": "system_log.write", "data": write}]}
    site.server.post(f"/api/config/script/config/{name}", script)
    given = {"crossing": CROSSING, "picture": PICTURE, "notify": f"script.{name}", "quiet": 0} | inputs
    use = {"alias": name, "use_blueprint": {"path": blueprint, "input": given}}
    site.server.post(f"/api/config/automation/config/{name}", use)


def messages(site: Site, name: str) -> list[dict[str, Any]]:
    """What a script was told."""
    return [one for _, one in told(site.server.log) if one["of"] == name]


def test_the_blueprint_tells_of_a_crossing_with_its_picture(site: Site, blueprint: str) -> None:
    tell(site, blueprint, "phone")
    tell(site, blueprint, "tablet", direction=["in"])
    tell(site, blueprint, "dogs", labels=["dog"])
    site.scene.people()
    wait_until(lambda: messages(site, "phone") and messages(site, "tablet"), 2 * SETTLES_WITHIN_S)
    assert messages(site, "dogs") == []
    assert all(one["message"] == "Person crossed, direction in." for one in messages(site, "tablet"))
    [first, *_] = messages(site, "phone")
    assert first["message"] in {f"Person crossed, direction {way}." for way in ("in", "out")}
    picture = site.server.picture(first["data"]["image"])
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_the_blueprint_says_nothing_of_a_restart(site: Site, blueprint: str) -> None:
    tell(site, blueprint, "watch")
    site.scene.nobody()
    site.wait_state("zone-everywhere-occupied", "off")
    before = len(messages(site, "watch"))
    for restart in (site.restart_node, site.restart_broker, site.restart_server):
        restart()
        site.wait_state("zone-everywhere-occupied", "off")
    assert len(messages(site, "watch")) == before


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
