"""Two nodes with one name, on a real broker: exactly one of them stays, and what it says stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_node.control import identity
from edge_node.control.commands import Commands
from edge_node.control.identity import NameGuard, check_name
from edge_node.control.inbox import Inbox
from edge_node.publish.compose import Composer
from shared.errors import BrokerError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from tests.conftest import REPO, Mosquitto, wait_until

NODE = "twin"


def status_message(node: str, session: str, status: Literal["online", "offline"]) -> bytes:
    return messages.encode(Composer(node, session, ()).status(status))


class Node:
    """What of an edge node matters here."""

    def __init__(self, mqtt: MqttSettings, session: str) -> None:
        self.errors: list[BrokerError] = []
        self.session = session
        self.client = Client(
            mqtt,
            name="node",
            will=(topics.STATUS.path(mqtt.prefix, node=NODE), status_message(NODE, session, "offline")),
        )
        self.guard = NameGuard(self.client, mqtt.prefix, NODE, session, self.errors.append)
        self.guard.subscribe()
        handlers = {"ping": self.guard.watched(lambda *_: {"cameras": ["street"]})}
        self.commands = Commands(self.client, mqtt.prefix, NODE, session, handlers)
        watched = dict.fromkeys((topics.STATUS, topics.RESPONSE), self.guard.handle)
        self.inbox = Inbox(self.client, mqtt.prefix, NODE, {topics.REQUEST: self.commands.accept, **watched})
        self.path = topics.STATUS.path(mqtt.prefix, node=NODE)

    def __enter__(self) -> Node:
        self.client.__enter__()
        self.commands.__enter__()
        assert self.client.wait_subscribed(30)
        self.inbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.commands.__exit__(None, None, None)
        self.client.__exit__(None, None, None)

    def online(self) -> None:
        self.client.set_state(topics.STATUS, self.path, status_message(NODE, self.session, "online"))


def mqtt(broker: Mosquitto, name: str, version: str = "5") -> MqttSettings:
    return MqttSettings(url=broker.url, prefix=f"twin-{name}/v1", version=version)  # type: ignore[arg-type]  # one of two


def retained(settings: MqttSettings) -> messages.NodeStatus:
    with Client(settings, name="reader") as reader:
        reader.subscribe(topics.STATUS.path(settings.prefix, node=NODE), 1)
        return messages.decode(messages.NodeStatus, reader.received.get(30).payload)


def holder(settings: MqttSettings) -> str:
    """The session of the retained status; "" while it cannot be read, as before garbage is put right."""
    try:
        return retained(settings).session
    except MessageError:
        return ""


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_taken_name_is_refused_and_the_holder_hears_of_it(
    broker: Mosquitto, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    where = mqtt(broker, f"taken{version.replace('.', '')}", version)
    with Node(where, "6a-first") as first:
        first.online()
        assert first.client.finish(30)
        with pytest.raises(
            BrokerError, match=r"named 'twin' .*session 6a-first, watching street.*--set node="
        ):
            check_name(where, NODE, "6b-second")
        wait_until(lambda: "wants to start as 'twin' (6b-second)" in caplog.text)
        assert holder(where) == "6a-first"
        assert not first.errors


def checked_s(where: MqttSettings, within_s: float) -> float:
    """Seconds that a check of the name takes; beside busy programs, that of the first in time of three."""
    for _ in range(3):
        began = time.monotonic()
        check_name(where, NODE, "6b-x")
        if (took_s := time.monotonic() - began) < within_s:
            break
    return took_s


@pytest.mark.timing
def test_a_free_name_costs_no_time_and_a_dead_holder_two_seconds(broker: Mosquitto) -> None:
    where = mqtt(broker, "free")
    assert checked_s(where, within_s=1) < 1
    with Client(where, name="crashed") as crashed:
        path = topics.STATUS.path(where.prefix, node=NODE)
        assert crashed.wait_connected(30)
        crashed.set_state(topics.STATUS, path, status_message(NODE, "6a-dead", "online"))
        assert crashed.finish(30)
    assert 1 < checked_s(where, within_s=4) < 4


def test_a_broker_that_is_not_there_is_no_obstacle() -> None:
    began = time.monotonic()
    check_name(MqttSettings(url="mqtt://127.0.0.1:1"), NODE, "s")
    assert time.monotonic() - began < 20


def test_of_two_that_start_together_the_later_session_yields(broker: Mosquitto) -> None:
    where = mqtt(broker, "race")
    with Node(where, "6b-later") as later, Node(where, "6a-earlier") as earlier:
        check_name(where, NODE, "6c-neither")  # both are connected and silent: the race's window
        later.online()
        earlier.online()
        wait_until(lambda: later.errors)
        assert "session 6a-earlier" in str(later.errors[0])
        assert later.guard.yielded
        later.client.clear_state(where.prefix)
        later.online()  # stands for its last words: anything that is not the earlier one's
        assert later.client.finish(30)
        assert holder(where) == "6b-later"

        def mended() -> bool:
            earlier.guard.mend()  # as the node does, several times a second
            return holder(where) == "6a-earlier"

        wait_until(mended)
        assert not earlier.errors


def test_a_replayed_status_and_a_predecessors_will_are_put_right_and_stop_nobody(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "MEND_EVERY_S", 0.0)
    where = mqtt(broker, "replay")
    with Node(where, "6b-running") as node, Client(where, name="replay") as replay:
        node.online()
        assert replay.wait_connected(30)
        for payload in (
            status_message(NODE, "5a-recorded", "online"),
            status_message(NODE, "5a-recorded", "offline"),
            status_message(NODE, "6b-running", "offline"),  # its own will, published late
            b"",
            b"garbage",
        ):
            replay.set_state(topics.STATUS, node.path, payload)
            assert replay.finish(30)
            wait_until(lambda: node.guard.overwritten)
            node.guard.mend()
            wait_until(lambda: holder(where) == "6b-running" and retained(where).status == "online")
        assert not node.errors
        assert not node.guard.yielded


def test_garbage_does_not_make_a_node_send_everything_again(broker: Mosquitto) -> None:
    where = mqtt(broker, "garbled")
    zone = topics.ZONE.path(where.prefix, node=NODE, camera="c", zone="z")
    with Node(where, "6b-running") as node, Client(where, name="vandal") as vandal:
        node.client.set_state(topics.ZONE, zone, b"{}")
        node.online()
        assert node.client.finish(30)
        vandal.subscribe(zone, 1)
        vandal.received.get(30)
        vandal.set_state(topics.STATUS, node.path, b"garbage")
        wait_until(lambda: node.guard.overwritten)
        node.guard.mend()
        wait_until(lambda: holder(where) == "6b-running")
        assert len(vandal.received) == 0


@given(
    st.sampled_from(["status", "response/ping", "request/ping", "elsewhere"]),
    st.binary(max_size=300),
    st.booleans(),
)
def test_garbage_under_our_name_stops_nobody(level: str, payload: bytes, retain: bool) -> None:
    errors: list[BrokerError] = []
    guard = NameGuard(Client(MqttSettings(), name="x"), "darner/v1", NODE, "s", errors.append)
    guard.handle(Received(f"darner/v1/{NODE}/{level}", payload, 1, retain, {}))
    assert not errors


@contextmanager
def edge(tmp_path: Path, video: Path, url: str, prefix: str) -> Iterator[subprocess.Popen[str]]:
    file = tmp_path / "edge.yaml"
    camera = {"source": str(video), "loop": True, "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}
    config = {
        "node": NODE,
        "mqtt": {"url": url, "prefix": prefix},
        "model": {"input_size": 256},  # starts sooner
        "cameras": {"street": camera},
    }
    file.write_text(yaml.safe_dump(config))
    words = [sys.executable, "-m", "edge_node", "--config", str(file)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=REPO)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_of_two_real_nodes_started_together_one_ends_with_an_error_and_one_goes_on(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "twin-real/v1"
    with ExitStack() as stack:
        both = [stack.enter_context(edge(tmp_path, people_video, broker.url, prefix)) for _ in range(2)]
        wait_until(lambda: any(one.poll() is not None for one in both), 30)
        time.sleep(1.5)
        (ended,) = [one for one in both if one.poll() is not None]
        (running,) = [one for one in both if one.poll() is None]
        assert ended.returncode == 1
        assert ended.stderr is not None
        said = ended.stderr.read()
        assert f"another edge node named '{NODE}' runs on this broker" in said
        assert "Traceback" not in said
        where = MqttSettings(url=broker.url, prefix=prefix)
        # The one that goes on may still be starting when the other one finds the name taken.
        wait_until(lambda: holder(where) and retained(where).status == "online", 30)
        missing = {
            "status",
            "info",
            "cameras",
            "camera/street/status",
            "camera/street/zones",
            "camera/street/zone/all",
        }
        with Client(where, name="reader") as reader:
            reader.subscribe(f"{prefix}/#")
            deadline = time.monotonic() + 20
            while missing and time.monotonic() < deadline:
                with suppress(TimeoutError):
                    missing.discard(reader.received.get(1).topic.removeprefix(f"{prefix}/{NODE}/"))
        assert not missing
        third = stack.enter_context(edge(tmp_path, people_video, broker.url, prefix))
        assert third.wait(40) == 1  # one that comes later finds the name taken
        session = holder(where)
        os.kill(running.pid, signal.SIGKILL)
        fourth = stack.enter_context(edge(tmp_path, people_video, broker.url, prefix))
        wait_until(lambda: (now := retained(where)).status == "online" and now.session != session, 40)
        assert fourth.poll() is None
