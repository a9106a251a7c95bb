"""examples/fleet: the services, the viewers' settings and haproxy's servers belong together."""

from __future__ import annotations

import re
from typing import Any

import yaml

from shared import settings
from tests.conftest import REPO
from viewer_server.config import ViewerConfig

FLEET = REPO / "examples/fleet"
LIVE, ARCHIVE = ("live1", "live2"), "archive"


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FLEET / "compose.yaml").read_text())["services"]
    return found


def test_each_viewer_has_the_settings_that_its_part_needs() -> None:
    for name in (*LIVE, ARCHIVE):
        service = services()[name]
        config = settings.load(ViewerConfig, file=None, environment=service["environment"], overrides=[])
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        assert (config.history.file is None) == (name in LIVE)
        assert {config.http.key_file, config.http.password_file, "/var/lib/darner"} == mounted
        assert config.mqtt.shown == "mqtt://broker:1883"


def test_haproxy_asks_the_viewers_by_the_names_of_their_services() -> None:
    servers = re.findall(r"^ +server (\w+) (\w+):8080", (FLEET / "haproxy.cfg").read_text(), re.MULTILINE)
    assert all(name == host for name, host in servers)
    assert {host for _, host in servers} == {*LIVE, ARCHIVE}
    assert {*LIVE, ARCHIVE} <= services().keys()
    assert services()["haproxy"]["ports"] == ["127.0.0.1:${HTTP_PORT:-8080}:8080"]
