"""Discovery against the published rules, on real messages, and through the life of a configuration."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_node.config.settings import EdgeConfig
from edge_node.control.inbox import Inbox
from edge_node.publish.homeassistant.announcing import MEETS_S, HomeAssistant
from shared.errors import ConfigError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import Condition, ModeDefinition, RuleDefinition
from tests.conftest import REPO, Mosquitto, MosquittoProcess, wait_until
from tests.edge_node.publish.homeassistant.rules import (
    EVERY_RULE,
    PLATFORMS,
    check,
    config,
    present,
    rendered,
)


@dataclass
class Announcing:
    """A node's connection with discovery on it."""

    client: Client
    discovery: HomeAssistant


@contextmanager
def announcing(
    broker: Mosquitto | MosquittoProcess,
    settings: EdgeConfig,
    clock: Callable[[], float] = time.monotonic,
    quiet_s: float = 0.0,
) -> Iterator[Announcing]:
    """Discovery as `python -m edge_node` wires it."""
    with Client(MqttSettings(url=broker.url), name="edge") as client:
        assert client.wait_connected(30)
        discovery = HomeAssistant(client, settings, clock=clock, quiet_s=quiet_s)
        Inbox(client, "darner/v1", settings.node, {}, discovery.handle).start()
        discovery.announce()
        yield Announcing(client, discovery)


class Found:
    """What Home Assistant would find if it started now: the devices below a prefix."""

    def __init__(self, reader: Client, prefix: str) -> None:
        self._reader, self._found = reader, dict[str, dict[str, Any]]()
        reader.subscribe(f"{prefix}/device/#", 1)

    def now(self) -> dict[str, dict[str, Any]]:
        try:
            while True:
                received = self._reader.received.get(0.01)
                if received.payload:
                    self._found[received.topic] = orjson.loads(received.payload)
                else:
                    self._found.pop(received.topic, None)
        except TimeoutError:
            return dict(self._found)


@contextmanager
def reading(broker: Mosquitto | MosquittoProcess, prefix: str) -> Iterator[Found]:
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        yield Found(reader, prefix)


def test_devices_go_with_their_cameras_zones_and_the_setting(broker: Mosquitto) -> None:
    prefix = "ha-life"
    enabled = {"enabled": True, "prefix": prefix}
    foreign = f"{prefix}/device/box/printer/config"
    box, street, yard = (f"{prefix}/device/box{one}/config" for one in ("", "/street", "/yard"))
    with Client(MqttSettings(url=broker.url), name="other") as other:
        assert other.wait_connected(30)
        other.set_state(topics.DISCOVERY, foreign, b'{"origin": {"name": "other"}, "components": {}}')
        assert other.finish(30)
    two = {
        "street": {"source": "0", "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1]]}}},
        "yard": {"source": "1"},
    }
    with reading(broker, prefix) as ha, announcing(broker, config(cameras=two, homeassistant=enabled)):
        wait_until(lambda: set(ha.now()) == {box, street, yard, foreign})

    now = [0.0]
    one = config(cameras={"street": {"source": "0"}}, homeassistant=enabled)
    with reading(broker, prefix) as ha, announcing(broker, one, lambda: now[0]) as node:
        # A Home Assistant that is there loses them now. One that is down has to meet them first.
        wait_until(lambda: {street, yard} <= set(ha.now()) and not whole(ha.now()[yard]))
        wait_until(lambda: "zone-all-count" not in whole(ha.now()[street]))
        found = ha.now()
        assert found[street]["components"]["zone-all-count"] == {"platform": "sensor"}
        assert found[street]["components"]["zone-all-event"] == {"platform": "event"}
        assert found[street]["components"]["zone-all-on_entered"] == {"platform": "device_automation"}
        assert found[yard]["components"]["objects"] == {"platform": "sensor"}

        node.client.publish(topics.EVENTS, f"{prefix}/status", b"online")
        wait_until(lambda: whole(ha.now()[yard]))
        found = ha.now()
        met = found[street]["components"]["zone-all-count"]
        assert met["unique_id"] == "darner.box.street.zone-all-count"
        assert found[yard]["device"] == {"identifiers": ["darner.box.yard"]}
        for device in (found[street], found[yard]):
            for gone in device["components"].values():
                required = PLATFORMS.get(gone["platform"], (set(), set()))[0]
                assert required <= set(gone), "Home Assistant would refuse it"

        node.discovery.attend()
        assert whole(ha.now()[yard]), "it has had no time to meet them"
        now[0] += MEETS_S
        node.discovery.attend()
        wait_until(lambda: not whole(ha.now()[yard]) and "zone-all-count" not in whole(ha.now()[street]))
        assert ha.now()[street]["components"]["zone-all-count"] == {"platform": "sensor"}
        assert ha.now()[yard]["components"]["objects"] == {"platform": "sensor"}, "it is cleared too soon"
        now[0] += MEETS_S
        node.discovery.attend()
        wait_until(lambda: "zone-all-count" not in ha.now()[street]["components"])
        wait_until(lambda: set(ha.now()) == {box, street, foreign})

        node.discovery.update(config(homeassistant={"enabled": False, "prefix": prefix}))
        wait_until(lambda: not whole(ha.now()[box]))
        wait_until(lambda: not whole(ha.now()[street]))


def whole(device: dict[str, Any]) -> set[str]:
    return set(present(device)["components"])


def test_nothing_is_published_where_discovery_is_off(broker: Mosquitto) -> None:
    prefix = "ha-off"
    off = config(homeassistant={"enabled": False, "prefix": prefix})
    with reading(broker, prefix) as ha, announcing(broker, off) as node:
        node.discovery.update(replace(off, node_name="Laden"))
        node.client.publish(topics.EVENTS, f"{prefix}/device/last", b"{}")
        wait_until(ha.now)
        assert set(ha.now()) == {f"{prefix}/device/last"}


def test_a_zone_that_comes_back_is_no_longer_let_go(broker: Mosquitto) -> None:
    prefix = "ha-back"
    enabled = {"enabled": True, "prefix": prefix}
    street = f"{prefix}/device/box/street/config"
    with reading(broker, prefix) as ha, announcing(broker, config(homeassistant=enabled)) as node:
        wait_until(lambda: street in ha.now())
        node.discovery.update(config({"zones": {}}, homeassistant=enabled))
        wait_until(lambda: "zone-all-count" not in whole(ha.now()[street]))
        node.discovery.update(config(homeassistant=enabled))
        wait_until(lambda: "zone-all-count" in whole(ha.now()[street]))
        everything = ha.now()[street]
        assert whole(everything) == set(everything["components"])
        node.discovery.update(config(node_name="Laden", homeassistant=enabled))
        wait_until(lambda: ha.now()[street]["device"]["name"] == "Laden street")


def test_modes_and_rules_come_and_go_with_their_entities(broker: Mosquitto) -> None:
    prefix = "ha-rules"
    box, street = (f"{prefix}/device/box{one}/config" for one in ("", "/street"))
    settings = config(homeassistant={"enabled": True, "prefix": prefix})
    stay = RuleDefinition(when=Condition(trigger="stay", for_s=60))
    with reading(broker, prefix) as ha, announcing(broker, settings) as node:
        wait_until(lambda: {box, street} <= set(ha.now()))
        node.discovery.set_modes({"home": ModeDefinition(), "away": ModeDefinition()})
        node.discovery.set_rules({"till": stay})
        wait_until(lambda: {"alert", "rule-till-on_alert"} <= whole(ha.now()[street]))
        assert ha.now()[box]["components"]["mode"]["options"] == ["home", "away"]
        # Zones that are drawn later change neither.
        node.discovery.update(config({"zones": {}}, homeassistant={"enabled": True, "prefix": prefix}))
        wait_until(lambda: "zone-all-count" not in whole(ha.now()[street]))
        assert "alert" in whole(ha.now()[street])
        node.discovery.set_modes({})
        node.discovery.set_rules({})
        wait_until(lambda: not {"alert", "rule-till-on_alert"} & whole(ha.now()[street]))
        assert ha.now()[box]["components"]["mode"] == {"platform": "select"}
        # One that was down when it went has to meet it first.
        node.client.publish(topics.EVENTS, f"{prefix}/status", b"online")
        wait_until(lambda: "mode" in whole(ha.now()[box]))
        met = ha.now()[box]["components"]["mode"]
        assert PLATFORMS["select"][0] <= set(met), "Home Assistant would refuse it"


def test_what_changes_soon_waits_because_home_assistant_would_skip_it(broker: Mosquitto) -> None:
    prefix, now = "ha-soon", [0.0]
    box = f"{prefix}/device/box/config"
    settings = config(homeassistant={"enabled": True, "prefix": prefix})
    with reading(broker, prefix) as ha, announcing(broker, settings, lambda: now[0], 3.0) as node:
        wait_until(lambda: box in ha.now())
        now[0] += 2.9
        node.discovery.set_modes({"home": ModeDefinition()})
        node.discovery.attend()
        node.client.publish(topics.EVENTS, f"{prefix}/device/mark", b"{}")
        wait_until(lambda: f"{prefix}/device/mark" in ha.now())
        assert "mode" not in whole(ha.now()[box])
        node.discovery.set_modes({"away": ModeDefinition()})
        now[0] += 0.2
        node.discovery.attend()
        wait_until(lambda: "mode" in whole(ha.now()[box]))
        assert ha.now()[box]["components"]["mode"]["options"] == ["away"]


def test_what_goes_soon_goes_before_its_topic_is_cleared(broker: Mosquitto) -> None:
    prefix, now = "ha-cleared", [0.0]
    street = f"{prefix}/device/box/street/config"
    settings = {"enabled": True, "prefix": prefix}
    with (
        reading(broker, prefix) as ha,
        announcing(broker, config(homeassistant=settings), lambda: now[0], 3.0) as node,
    ):
        wait_until(lambda: "zone-all-count" in whole(ha.now().get(street, {"components": {}})))
        node.discovery.update(config({"zones": {}}, homeassistant=settings))
        wait_until(lambda: "zone-all-count" not in whole(ha.now()[street]))
        # Home Assistant may have skipped that, so it comes once more.
        node.client.publish(topics.EVENTS, street, b"{}")
        wait_until(lambda: ha.now()[street] == {})
        now[0] += 3.1
        node.discovery.attend()
        wait_until(lambda: ha.now()[street] != {})


def test_the_mode_is_said_again_once_home_assistant_has_its_options(broker: Mosquitto) -> None:
    now, said = [0.0], []
    settings = config(homeassistant={"enabled": True, "prefix": "ha-mode"})
    with Client(MqttSettings(url=broker.url), name="edge") as client:
        discovery = HomeAssistant(
            client, settings, clock=lambda: now[0], say_mode=lambda: said.append(now[0])
        )
        discovery.announce()
        for at, modes in ((10.0, ("home", "away")), (11.0, ("open", "closed")), (30.0, ("open", "closed"))):
            now[0] = at
            discovery.set_modes(dict.fromkeys(modes, ModeDefinition()))
            for _ in range(8):
                discovery.attend()
                now[0] += 1
    # The second comes too soon after the first to be announced before 13.0.
    assert said == [13.0, 16.0]


def test_home_assistants_start_is_answered(broker: Mosquitto) -> None:
    prefix = "ha-birth"
    settings = config(homeassistant={"enabled": True, "prefix": prefix})
    with Client(MqttSettings(url=broker.url), name="ha") as ha, announcing(broker, settings):
        with reading(broker, prefix) as found:
            wait_until(lambda: len(found.now()) == 2)
        ha.subscribe(f"{prefix}/device/#", 1)
        assert [ha.received.get(30).retain for _ in range(2)] == [True, True]
        ha.publish(topics.EVENTS, f"{prefix}/status", b"online")
        answers = [ha.received.get(30) for _ in range(2)]
        assert [one.retain for one in answers] == [False, False]
        # A camera names the node as the device that it is connected by, so that one must be there first.
        assert [one.topic.removeprefix(f"{prefix}/device/") for one in answers] == [
            "box/config",
            "box/street/config",
        ]
        ha.publish(topics.EVENTS, f"{prefix}/status", b"offline")
        with pytest.raises(TimeoutError):
            ha.received.get(0.5)


def test_a_broker_that_takes_small_messages_only_gets_what_fits(tmp_path: Path) -> None:
    many = {f"zone-{i}": EVERY_RULE for i in range(20)}
    settings = config({"zones": many, "lines": {}}, homeassistant={"enabled": True, "prefix": "ha-small"})
    small = MosquittoProcess(tmp_path, extra="max_packet_size 40000")
    small.start()
    try:
        with announcing(small, settings), reading(small, "ha-small") as ha:
            street = "ha-small/device/box/street/config"
            wait_until(lambda: street in ha.now())
            components = ha.now()[street]["components"]
            assert 30_000 < len(orjson.dumps(components)) < 40_000
            assert {"objects", "status", "paused", "zone-zone-0-count"} <= set(components)
    finally:
        small.kill()


def test_a_prefix_that_cannot_stand_in_a_topic_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"homeassistant\.prefix: level '#'"):
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
        own = "ha-real/discovery/device/box/config"
        of_camera = ("thumbnail", "count", "settings", "status", "health", "zone/all", "zone/gate")
        needed = {path, own, f"{prefix}/box/info", *(f"{base}/{one}" for one in of_camera)}
        while not needed <= set(last):
            received = ha.received.get(30)
            last[received.topic] = received.payload
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert orjson.loads(last[own])["device"]["identifiers"] == ["darner.box"]
    for device in (orjson.loads(last[path]), orjson.loads(last[own])):
        check(device)
        for key, component in device["components"].items():
            if "value_template" not in component or component.get("qos") == 0:  # metrics come after 5 s
                continue
            topic = component.get("state_topic", component.get("topic"))
            if topic.endswith("/events") and topic not in last:
                continue
            value = rendered(component["value_template"], last[topic])
            assert value or topic.endswith("/events"), key
    assert last[f"{base}/thumbnail"].startswith(b"\xff\xd8")
    assert "hunter2" not in said
    assert not any(b"hunter2" in payload for payload in last.values())
    assert messages.decode(messages.NodeInfo, last[f"{prefix}/box/info"]).node == "box"
