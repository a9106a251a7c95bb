"""The device of the node: its entities, by the published rules and on real messages."""

from __future__ import annotations

import json

from edge_node.publish.homeassistant.node import node_device
from shared.wire import messages
from shared.wire.messages import ModeDefinition
from tests.edge_node.publish.homeassistant.rules import check, config, example, rendered

MODES = {"home": ModeDefinition(name="Zuhause"), "away": ModeDefinition()}
PAYLOAD = node_device(config(), MODES, thermometer=True)
COMPONENTS = PAYLOAD["components"]


def state(key: str, said: bytes) -> str:
    return rendered(COMPONENTS[key]["value_template"], said)


def test_the_node_is_a_device_by_which_its_cameras_are_connected() -> None:
    check(PAYLOAD)
    assert [(one["platform"], one["name"]) for one in COMPONENTS.values()] == [
        ("binary_sensor", "Status"),
        ("sensor", "Reason"),
        ("sensor", "Version"),
        ("sensor", "Model"),
        ("sensor", "Engine"),
        ("select", "Mode"),
        ("sensor", "Temperature"),
        ("sensor", "Events waiting"),
        ("sensor", "CPU"),
        ("sensor", "Memory"),
        ("sensor", "Latency"),
        ("sensor", "Frames waiting"),
        ("button", "Reload configuration"),
    ]
    assert PAYLOAD["device"]["identifiers"] == ["darner.box"]
    named = node_device(
        config(node_name="Laden", homeassistant={"viewer_url": "http://viewer:8080"}), {}, thermometer=False
    )
    check(named)
    assert (named["device"]["name"], named["device"]["configuration_url"]) == ("Laden", "http://viewer:8080")
    assert {"temperature", "mode"} & named["components"].keys() == set()


def test_what_a_node_says_of_itself_is_shown_also_while_it_is_offline() -> None:
    away = example("status", status="offline", reason="the connection to the broker was lost")
    assert (state("online", example("status")), state("online", away)) == ("ON", "OFF")
    assert (state("reason", example("status")), state("reason", away)) == (
        "none",
        "the connection to the broker was lost",
    )
    assert COMPONENTS["online"]["availability"] == COMPONENTS["reason"]["availability"] == []
    info = example("info")
    assert state("version", example("status")) == json.loads(info)["version"]
    assert state("model", info) == json.loads(info)["model"]["name"]
    assert state("engine", info) == json.loads(info)["backend"]
    for key, field in (("model", "layout"), ("engine", "device")):
        assert field in json.loads(rendered(COMPONENTS[key]["json_attributes_template"], info))


def test_metrics_of_a_real_node_are_numbers_and_what_is_missing_is_unknown() -> None:
    said = example("metrics")
    for key in ("backlog", "cpu", "memory", "latency", "frames_waiting"):
        assert float(state(key, said)) >= 0, key
    assert state("temperature", said) == "None"  # how Home Assistant writes that it is not known
    gpu = {"temperature_c": 61.6}
    warm = example("metrics", temperatures_c={"cpu": 48.2}, gpus=[gpu, {"temperature_c": None}])
    assert float(state("temperature", warm)) == 62
    idle = example("metrics", stages_ms={}, stages={}, outbox=None)
    assert {state(key, idle) for key in ("latency", "frames_waiting", "backlog")} == {"None"}


def test_the_mode_is_shown_with_what_comes_next_and_can_be_chosen() -> None:
    mode = COMPONENTS["mode"]
    said = {"mode": "home", "since_us": 0, "by_hand": True}
    said |= {"next_mode": "away", "next_change_us": 3_600_000_000}
    assert state("mode", json.dumps(said).encode()) == "home"
    assert state("mode", json.dumps(said | {"mode": "closed"}).encode()) == "", "its option has not come yet"
    assert mode["options"] == ["home", "away"], "automations name them, so a new name must not change them"
    about = json.loads(rendered(mode["json_attributes_template"], json.dumps(said).encode()))
    assert about == {
        "since": "1970-01-01T00:00:00+00:00",
        "by_hand": True,
        "next_mode": "away",
        "next_change": "1970-01-01T01:00:00+00:00",
    }
    nothing = json.dumps(said | {"next_mode": None, "next_change_us": None}).encode()
    assert json.loads(rendered(mode["json_attributes_template"], nothing))["next_change"] is None
    assert mode["command_topic"] == "darner/v1/box/request/mode.set"
    request = messages.decode(messages.Request, rendered(mode["command_template"], value="away").encode())
    assert request.mode == "away"


def test_the_button_asks_for_a_reload() -> None:
    button = COMPONENTS["reload"]
    assert button["command_topic"] == "darner/v1/box/request/reload"
    messages.decode(messages.Request, button["payload_press"].encode())
