"""What a node that is no more has left goes from a real broker, and nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from edge_node import __main__
from edge_node.control import forget
from edge_node.publish.homeassistant.components import ORIGIN
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import messages, topics
from tests.conftest import Mosquitto, free_port

COUNT = {"platform": "sensor", "unique_id": "darner.old.front.objects"}
DEVICE = orjson.dumps({"origin": {"name": ORIGIN}, "components": {"objects": COUNT}})
OFFLINE = messages.encode(
    messages.NodeStatus(node="old", session="s", published_us=1, status="offline", version="1")
)
OURS = {
    "x/v1/old/status": OFFLINE,
    "x/v1/old/camera/front/status": b"{}",
    "x/v1/old/camera/front/zone/porch": b"{}",
    "x/v1/old/of_a_later_version": b"{}",
    "x/v1/old/ack/viewer": b"{}",
    "old/onvif-ej/RuleEngine/CountAggregation/Counter/front/z": b"{}",
    "ha/device/old/config": DEVICE,
    "ha/device/old/front/config": DEVICE,
}
OTHERS = {
    "x/v1/older/status": b"{}",
    "x/v1/new/camera/old/status": b"{}",
    "ha/device/old/theirs/config": b'{"origin": {"name": "another program"}, "components": {}}',
    "ha/device/new/config": DEVICE,
}


def run(broker: Mosquitto, *arguments: str, node: str = "old") -> int:
    keys = ["--set", "mqtt.prefix=x/v1", "--set", "homeassistant.prefix=ha"]
    return __main__.main(["forget", node, "--mqtt-url", broker.url, *keys, *arguments])


def retained(broker: Mosquitto) -> set[str]:
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        for topic_filter in ("x/#", "ha/#", "old/#"):
            reader.subscribe(topic_filter, 1)
        assert reader.wait_subscribed(30)
        found = set()
        while True:
            try:
                found.add(reader.received.get(0.1).topic)
            except TimeoutError:
                return found


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """This broker hands out what it retains at once."""
    monkeypatch.setattr(forget, "QUIET_S", 0.1)


@pytest.fixture
def left(broker: Mosquitto) -> Iterator[Mosquitto]:
    """A broker with what a node left, and with what others said."""
    with Client(MqttSettings(url=broker.url), name="earlier") as client:
        for path, payload in {**OURS, **OTHERS}.items():
            client.set_state(topics.INFO, path, payload)
        assert client.wait_subscribed(30)
        assert client.finish(30)
        yield broker
        for path in {**OURS, **OTHERS}:
            client.set_state(topics.INFO, path, b"")
        assert client.finish(30)


@contextmanager
def answering(broker: Mosquitto) -> Iterator[None]:
    """A node of this name that runs."""
    online = messages.NodeStatus(node="old", session="t", published_us=1, status="online", version="1")
    with Client(MqttSettings(url=broker.url), name="running") as client:
        client.subscribe("x/v1/old/request/ping", 1)
        client.set_state(topics.STATUS, "x/v1/old/status", messages.encode(online))
        assert client.wait_subscribed(30)
        assert client.finish(30)

        def answer() -> None:
            client.received.get(30)
            said = messages.Response(node="old", session="t", published_us=1, command="ping")
            client.publish(topics.RESPONSE, "x/v1/old/response/ping", messages.encode(said))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        thread.join(30)


def test_what_a_node_left_is_listed_and_cleared_with_its_devices(
    left: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(left, "--yes") == 0
    said = capsys.readouterr().out
    assert f"retains {len(OURS)} topics of node old" in said
    assert "ha/device/old/front/config  (a device of Home Assistant)" in said
    assert "x/v1/old/camera/front/...  (2 topics)" in said
    assert f"Cleared {len(OURS)} topics." in said
    assert retained(left) == OTHERS.keys()
    assert run(left) == 0
    assert "retains nothing of a node 'old'" in capsys.readouterr().out


def test_home_assistant_is_told_to_remove_a_device_before_its_topic_is_cleared(left: Mosquitto) -> None:
    path = "ha/device/old/front/config"
    with Client(MqttSettings(url=left.url), name="home-assistant") as home:
        home.subscribe(path, 1)
        assert home.received.get(30).payload == DEVICE
        assert run(left, "--yes") == 0
        farewell, cleared = (home.received.get(30).payload for _ in range(2))
    assert orjson.loads(farewell)["device"] == {"identifiers": ["darner.old.front"]}
    assert orjson.loads(farewell)["components"] == {"objects": {"platform": "sensor"}}
    assert cleared == b""


def test_nothing_is_cleared_before_somebody_has_agreed(
    left: Mosquitto, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(left) == 2
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert run(left) == 0
    assert "Nothing was cleared." in capsys.readouterr().out
    assert retained(left) == OURS.keys() | OTHERS.keys()


def test_a_node_that_runs_is_not_forgotten(left: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(left):
        assert run(left, "--yes") != 0
    assert "node 'old' is running: stop it first, or add --force" in capsys.readouterr().err
    assert retained(left) >= OURS.keys()
    assert run(left, "--yes", "--force") == 0
    assert retained(left) == OTHERS.keys()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["a/b"], "NODE 'a/b'", id="no name of a node"),
        pytest.param(["#"], "NODE '#'", id="a wildcard"),
        pytest.param(["n", "--set", "mqtt.urll=x"], "mqtt.urll", id="no such key"),
        pytest.param(
            ["n", "--mqtt-url", "mqtt://a", "--set", "mqtt.url=mqtt://b"], "leave out one", id="two brokers"
        ),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert forget.main(arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_a_broker_that_is_away_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.mqtt.command_line.CONNECT_WITHIN_S", 0.2)
    assert forget.main(["n", "--yes", "--mqtt-url", f"mqtt://127.0.0.1:{free_port()}"]) != 0
    assert "no broker answers at" in capsys.readouterr().err
