"""Discovery against the published rules, on real messages, and through the life of a configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from edge_node.config.settings import EdgeConfig
from edge_node.control.inbox import Inbox
from edge_node.publish.homeassistant.announcing import HomeAssistant
from edge_node.publish.homeassistant.camera import device
from shared.errors import ConfigError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire import messages, topics
from tests.conftest import REPO, Mosquitto, wait_until

# What Home Assistant's schemas take (homeassistant/components/mqtt: schemas.py, sensor.py, binary_sensor.py,
# camera.py); a key that is not here makes it refuse or ignore the entity.
SHARED = {"availability", "availability_mode", "state_topic", "command_topic", "qos", "encoding"}
TOP = SHARED | {"device", "origin", "components"}
DEVICE = {
    "identifiers",
    "connections",
    "manufacturer",
    "model",
    "model_id",
    "name",
    "hw_version",
    "sw_version",
}
DEVICE |= {"serial_number", "suggested_area", "via_device", "configuration_url"}
ENTITY = {"platform", "name", "unique_id", "icon", "entity_category", "enabled_by_default", "object_id"}
PLATFORMS: dict[str, tuple[set[str], set[str]]] = {  # required, and allowed besides
    "sensor": ({"state_topic"}, {"value_template", "state_class", "unit_of_measurement", "device_class"}),
    "binary_sensor": ({"state_topic"}, {"value_template", "device_class", "payload_on", "payload_off"}),
    "camera": ({"topic"}, {"image_encoding"}),
}
STATE_CLASSES = {"measurement", "total", "total_increasing"}


def config(camera: dict[str, Any] | None = None, **changes: Any) -> EdgeConfig:
    polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]
    street = {
        "source": "0",
        "zones": {"all": {"polygon": polygon}, "a-count": {"polygon": polygon}},
        "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
    }
    given = {
        "node": "box",
        "cameras": {"street": street | (camera or {})},
        "homeassistant": {"enabled": True},
    }
    return convert(EdgeConfig, given | changes, where="test")


def check(payload: dict[str, Any]) -> None:
    """The published rules."""
    assert set(payload) <= TOP
    assert payload["origin"]["name"]
    assert set(payload["origin"]) <= {"name", "sw_version", "support_url"}
    assert payload["device"]["identifiers"]
    assert set(payload["device"]) <= DEVICE
    assert payload["availability_mode"] in {"all", "any", "latest"}
    for item in payload["availability"]:
        assert set(item) <= {"topic", "payload_available", "payload_not_available", "value_template"}
        assert item["topic"]
    for component in payload["components"].values():
        required, optional = PLATFORMS[component["platform"]]
        assert required | {"unique_id", "platform"} <= set(component) <= required | optional | ENTITY
        assert component.get("state_class", "measurement") in STATE_CLASSES
        assert component.get("device_class", "occupancy") == "occupancy"
    ids = [component["unique_id"] for component in payload["components"].values()]
    assert len(set(ids)) == len(ids)


def rendered(template: str, payload: bytes) -> str:
    """As Home Assistant does: its templates are sandboxed Jinja with value and value_json."""
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    return environment.from_string(template).render(value=payload.decode(), value_json=orjson.loads(payload))


def test_a_device_keeps_the_published_rules() -> None:
    settings = config()
    payload = device(settings, "street", settings.cameras["street"])
    check(payload)
    kinds = [(component["platform"], component["name"]) for component in payload["components"].values()]
    assert kinds == [
        ("sensor", "Objects"),
        ("camera", "Picture"),
        ("sensor", "all count"),
        ("binary_sensor", "all occupied"),
        ("sensor", "a-count count"),
        ("binary_sensor", "a-count occupied"),
        ("sensor", "gate in"),
        ("sensor", "gate out"),
    ]
    classes = [component.get("state_class") for component in payload["components"].values()]
    assert classes[-2:] == ["total_increasing"] * 2
    no_pictures = config({"thumbnail": {"fps": 0}})
    assert "picture" not in device(no_pictures, "street", no_pictures.cameras["street"])["components"]


NAME = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)


@given(node=NAME, cameras=st.sets(NAME, min_size=1, max_size=4), zones=st.sets(NAME, max_size=6))
def test_no_two_entities_of_any_configuration_share_an_id(
    node: str, cameras: set[str], zones: set[str]
) -> None:
    half = sorted(zones)[: len(zones) // 2]
    camera = {
        "zones": {name: {"polygon": [[0, 0], [1, 0], [1, 1]]} for name in zones - set(half)},
        "lines": {name: {"points": [[0, 0], [1, 1]]} for name in half},
    }
    settings = config(node=node, cameras={name: {"source": "0"} | camera for name in cameras})
    payloads = [device(settings, name, one) for name, one in settings.cameras.items()]
    ids = [c["unique_id"] for payload in payloads for c in payload["components"].values()]
    assert len(set(ids)) == len(ids)
    for payload in payloads:
        check(payload)


@contextmanager
def announcing(broker: Mosquitto, settings: EdgeConfig) -> Iterator[Client]:
    """A node's connection with discovery on it, as `python -m edge_node` wires it."""
    with Client(MqttSettings(url=broker.url), name="edge") as client:
        assert client.wait_connected(10)
        discovery = HomeAssistant(client, settings)
        Inbox(client, "darner/v1", settings.node, {}, discovery.handle).start()
        discovery.announce()
        yield client


def retained(broker: Mosquitto, prefix: str) -> dict[str, dict[str, Any]]:
    """What Home Assistant would find if it started now."""
    found = {}
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        reader.subscribe(f"{prefix}/#", 1)
        try:
            while True:
                received = reader.received.get(0.4)
                if received.retain and received.topic.endswith("/config"):
                    found[received.topic] = orjson.loads(received.payload)
        except TimeoutError:
            return found


def test_devices_go_with_their_cameras_zones_and_the_setting(broker: Mosquitto) -> None:
    prefix = "ha-life"
    enabled = {"enabled": True, "prefix": prefix}
    foreign = f"{prefix}/device/box/printer/config"
    with Client(MqttSettings(url=broker.url), name="other") as other:
        assert other.wait_connected(10)
        other.set_state(topics.DISCOVERY, foreign, b'{"origin": {"name": "other"}, "components": {}}')
        assert other.finish(5)
    two = {
        "street": {"source": "0", "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1]]}}},
        "yard": {"source": "1"},
    }
    with announcing(broker, config(cameras=two, homeassistant=enabled)):
        wait_until(lambda: len(retained(broker, prefix)) == 3)
    street, yard = f"{prefix}/device/box/street/config", f"{prefix}/device/box/yard/config"
    assert set(retained(broker, prefix)) == {street, yard, foreign}

    with Client(MqttSettings(url=broker.url), name="ha") as listener:
        listener.subscribe(f"{prefix}/#", 1)
        assert listener.wait_subscribed(10)
        with announcing(broker, config(cameras={"street": {"source": "0"}}, homeassistant=enabled)):
            wait_until(lambda: set(retained(broker, prefix)) == {street, foreign})
            live = []
            try:
                while True:
                    received = listener.received.get(0.3)
                    live += [received.payload] if received.topic == street and not received.retain else []
            except TimeoutError:
                pass
    removed = {"zone-all-count": {"platform": "sensor"}, "zone-all-occupied": {"platform": "binary_sensor"}}
    said = [orjson.loads(payload)["components"] for payload in live]
    # Once is enough; a subscription that met the moment of connecting is made twice and answered twice.
    assert any({name: one.get(name) for name in removed} == removed for one in said[:-1])
    assert set(said[-1]) == {"objects", "picture"}

    with announcing(broker, config(homeassistant={"enabled": False, "prefix": prefix})):
        wait_until(lambda: set(retained(broker, prefix)) == {foreign})


def test_home_assistants_start_is_answered(broker: Mosquitto) -> None:
    prefix = "ha-birth"
    settings = config(homeassistant={"enabled": True, "prefix": prefix})
    with Client(MqttSettings(url=broker.url), name="ha") as ha, announcing(broker, settings):
        wait_until(lambda: retained(broker, prefix))
        ha.subscribe(f"{prefix}/device/#", 1)
        assert ha.received.get(10).retain
        ha.publish(topics.EVENTS, f"{prefix}/status", b"online")
        assert not ha.received.get(10).retain
        ha.publish(topics.EVENTS, f"{prefix}/status", b"offline")
        with pytest.raises(TimeoutError):
            ha.received.get(0.5)


def test_a_prefix_that_cannot_stand_in_a_topic_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="prefix"):
        HomeAssistant(Client(MqttSettings(), name="x"), config(homeassistant={"prefix": "home/#"}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
OURS = st.fixed_dictionaries({"origin": st.just({"name": "Darner"}), "components": JSON})


@given(st.binary(max_size=200) | (JSON | OURS).map(lambda value: json.dumps(value).encode()))
def test_anything_found_in_our_place_is_survived(payload: bytes) -> None:
    discovery = HomeAssistant(Client(MqttSettings(), name="x"), config())
    for path in ("homeassistant/device/box/street/config", "homeassistant/status", "homeassistant/device/#"):
        discovery.handle(Received(path, payload, 1, True, {}))


def test_what_a_real_node_announces_is_there_and_its_templates_render(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "ha-real/v1"
    camera = {
        "source": str(people_video),
        "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
        "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
    }
    secret = tmp_path / "password"
    secret.write_text("hunter2-hunter2")
    mqtt = {"url": broker.url, "prefix": prefix, "username": "box", "password_file": str(secret)}
    settings = {
        "node": "box",
        "mqtt": mqtt,
        "cameras": {"street": camera},
        "homeassistant": {"enabled": True, "prefix": "ha-real/discovery"},
        "log_level": "DEBUG",
    }
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump(settings))
    last: dict[str, bytes] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_node", "--config", str(file)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )
    with Client(MqttSettings(url=broker.url), name="ha") as ha:
        ha.subscribe("ha-real/#", 1)
        path = "ha-real/discovery/device/box/street/config"
        base = f"{prefix}/box/camera/street"
        needed = {path, f"{base}/thumbnail", f"{base}/detections", f"{base}/zone/all", f"{base}/zone/gate"}
        while not needed <= set(last):
            received = ha.received.get(30)
            last[received.topic] = received.payload
    process.terminate()
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 0, said
    payload = orjson.loads(last[path])
    check(payload)
    assert [rendered(a["value_template"], last[a["topic"]]) for a in payload["availability"]] == [
        "online"
    ] * 2
    for key, component in payload["components"].items():
        if component["platform"] == "camera":
            assert last[component["topic"]].startswith(b"\xff\xd8")
            continue
        value = rendered(component["value_template"], last[component["state_topic"]])
        assert value in ("ON", "OFF") if key.endswith("occupied") else int(value) >= 0
    assert "hunter2" not in said
    assert not any(b"hunter2" in payload for payload in last.values())
    assert messages.decode(messages.NodeInfo, last[f"{prefix}/box/info"]).node == "box"
