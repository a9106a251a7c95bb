"""A node's retained messages on a real broker: published when they change, cleared when they are gone."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_node.config.definitions import Definitions, DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Frame
from edge_node.pictures import Decoding
from edge_node.publish.compose import Composer
from edge_node.publish.state import ORIGIN_REFRESH_S, ZONE_REFRESH_S, NodeState
from shared import limits
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire import messages, topics
from shared.wire.messages import Dwell, ZoneNumbers
from tests.conftest import Mosquitto
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

ZONE = {"polygon": [[0, 0], [1, 0], [1, 1]]}
MODEL = messages.ModelInfo(name="m", classes=CLASSES, input_width=416, input_height=416, layout="nanodet")
NUMBERS = ZoneNumbers(zone="all", kind="zone", occupancy=1, dwell=Dwell(completed=0, ongoing_max_s=1.0))


class Said:
    """A node's state on its way to a broker, and what a subscriber sees of it."""

    def __init__(self, broker: Mosquitto, name: str) -> None:
        given = {"node": "box", "cameras": {"street": {"source": "0", "zones": {"all": ZONE, "left": ZONE}}}}
        self.config = convert(EdgeConfig, given | {"mqtt": {"prefix": f"state-{name}/v1"}}, where="test")
        self.now_s = 100.0
        self.client = Client(MqttSettings(url=broker.url), name="edge")
        self.reader = Client(MqttSettings(url=broker.url), name="reader")
        composer = Composer("box", "s", CLASSES)
        self.state = NodeState(self.client, self.config, composer, lambda: self.now_s)

    def announce(self) -> None:
        definitions = DefinitionStore(None, self.config.cameras)
        self.state.announce(MODEL, "a backend", "cpu", "bytetrack", definitions, {"street": ()})

    def since(self) -> list[tuple[str, bytes]]:
        """Row and payload of everything said since the last call."""
        self.state.node_status("offline")
        seen: list[tuple[str, bytes]] = []
        while True:
            received = self.reader.received.get(10)
            found = topics.match(self.config.mqtt.prefix, received.topic)
            assert found is not None
            if found[0] is topics.STATUS and b'"offline"' in received.payload:
                return seen
            seen.append((found[0].name, received.payload))


@contextmanager
def saying(broker: Mosquitto, name: str) -> Iterator[Said]:
    said = Said(broker, name)
    with said.client, said.reader:
        assert said.client.wait_connected(10)
        said.reader.subscribe(f"{said.config.mqtt.prefix}/#", 1)
        assert said.reader.wait_subscribed(10)
        said.since()
        yield said


def frame(reader: str = "r") -> Frame:
    return dataclasses.replace(analysed().frame, reader=reader)


def names(said: list[tuple[str, bytes]]) -> list[str]:
    return [name for name, _ in said]


def test_an_announcement_says_who_runs_here_and_what_every_camera_has(broker: Mosquitto) -> None:
    with saying(broker, "announce") as said:
        said.announce()
        seen = dict(said.since())
    assert set(seen) == {"status", "info", "zones", "suspects", "camera_status"}
    info = messages.decode(messages.NodeInfo, seen["info"])
    assert (info.model, info.backend, info.device, info.tracker) == (MODEL, "a backend", "cpu", "bytetrack")
    assert [(camera.camera, camera.zones, camera.lines) for camera in info.cameras] == [("street", 2, 0)]
    assert messages.decode(messages.Zones, seen["zones"]).zones.keys() == {"all", "left"}


def test_an_engine_that_takes_over_is_said_once(broker: Mosquitto) -> None:
    with saying(broker, "engine") as said:
        said.state.runs_with(MODEL, "another", "cpu")
        assert said.since() == [], "the node has not announced itself yet"
        said.announce()
        said.since()
        for backend in ("a backend", "tensorrt 10.3", "tensorrt 10.3"):
            said.state.runs_with(MODEL, backend, "a GPU" if backend.startswith("tensorrt") else "cpu")
        ((name, payload),) = said.since()
    info = messages.decode(messages.NodeInfo, payload)
    assert (name, info.backend, info.device) == ("info", "tensorrt 10.3", "a GPU")


def test_a_new_name_for_people_is_said_once(broker: Mosquitto) -> None:
    with saying(broker, "names") as said:
        said.announce()
        said.since()
        street = dataclasses.replace(said.config.cameras["street"], name="Die Straße")
        renamed = dataclasses.replace(said.config, node_name="Laden", cameras={"street": street})
        said.state.rename(renamed)
        said.state.rename(renamed)
        [(row, payload)] = said.since()
        info = messages.decode(messages.NodeInfo, payload)
        assert (row, info.name, info.cameras[0].name) == ("info", "Laden", "Die Straße")


def test_a_cameras_status_is_said_once_until_it_changes(broker: Mosquitto) -> None:
    with saying(broker, "camera") as said:
        for status in ("streaming", "streaming", "paused", "streaming"):
            said.state.camera_status("street", status)
        said.state.camera_status("street", "reconnecting", "rtsp://me:pw@cam/1 " + "x" * 600)
        seen = [messages.decode(messages.CameraStatus, payload) for _, payload in said.since()]
    assert [one.status for one in seen] == ["streaming", "paused", "streaming", "reconnecting"]
    shown = "rtsp://cam/1 "
    assert seen[-1].reason == shown + "x" * (511 - len(shown)) + "…"


def test_two_statuses_of_a_camera_leave_in_the_order_in_which_they_were_taken(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saying(broker, "order") as said:
        set_state, others = said.client.set_state, list[threading.Thread]()

        def held_up(topic: topics.Topic, path: str, payload: bytes) -> object:
            if not others:  # while the first is on its way, another thread says the second
                others.append(threading.Thread(target=said.state.camera_status, args=("street", "streaming")))
                others[0].start()
                others[0].join(0.1)
            return set_state(topic, path, payload)

        monkeypatch.setattr(said.client, "set_state", held_up)
        said.state.camera_status("street", "reconnecting")
        others[0].join(5)
        seen = [messages.decode(messages.CameraStatus, payload).status for _, payload in said.since()]
    assert seen[-1] == "streaming", "which is what the node believes"


def test_numbers_are_said_when_they_change_and_durations_once_a_second(broker: Mosquitto) -> None:
    longer = dataclasses.replace(NUMBERS, dwell=Dwell(completed=0, ongoing_max_s=2.0))
    with saying(broker, "numbers") as said:
        said.state.zone(NUMBERS, frame())
        said.state.zone(NUMBERS, frame())
        assert names(said.since()) == ["zone"]
        said.now_s += ZONE_REFRESH_S / 2
        said.state.zone(longer, frame())
        assert names(said.since()) == [], "only time has passed"
        said.state.zone(longer, frame(), at_once=True)
        assert names(said.since()) == ["zone"], "at the end nothing is held back"
        said.state.zone(dataclasses.replace(longer, occupancy=2), frame())
        assert names(said.since()) == ["zone"], "a person more is news at once"
        said.now_s += ZONE_REFRESH_S
        said.state.zone(dataclasses.replace(NUMBERS, occupancy=2), frame())
        assert names(said.since()) == ["zone"]


def test_a_zone_that_is_gone_has_its_numbers_cleared(broker: Mosquitto) -> None:
    with saying(broker, "gone") as said:
        said.announce()
        for name in ("all", "left"):
            said.state.zone(dataclasses.replace(NUMBERS, zone=name), frame())
        said.since()
        zones = said.config.cameras["street"].zones
        said.state.define("street", Definitions(version=2, zones={"all": zones["all"]}, lines={}))
        seen = said.since()
        assert names(seen) == ["zones", "info", "zone"]
        assert seen[-1][1] == b"", "an empty retained message deletes what the broker kept"
        said.state.define("street", Definitions(version=3, zones={"all": zones["all"]}, lines={}))
        assert names(said.since()) == ["zones"], "as many as before are no other manifest"


def test_another_clock_or_reader_is_another_manifest_at_most_once_a_second(broker: Mosquitto) -> None:
    with saying(broker, "origin") as said:
        said.state.origin(frame("early"))
        assert names(said.since()) == [], "the node has not announced itself yet"
        said.announce()
        said.since()
        said.now_s += ORIGIN_REFRESH_S
        for reader in ("a", "a", "b"):
            said.state.origin(frame(reader))
        seen = said.since()
        assert names(seen) == ["info"]
        about = messages.decode(messages.NodeInfo, seen[0][1]).cameras[0]
        assert (about.reader, about.decoder, about.decoder_reason) == ("a", "cpu", None)
        said.now_s += ORIGIN_REFRESH_S
        said.state.origin(dataclasses.replace(frame("b"), decoding=Decoding("cpu", "x" * 2000)))
        seen = said.since()
        assert names(seen) == ["info"]
        why = messages.decode(messages.NodeInfo, seen[0][1]).cameras[0].decoder_reason
        assert why == limits.clipped("x" * 2000)


def test_a_node_that_leaves_its_name_to_another_takes_its_state_back(broker: Mosquitto) -> None:
    with saying(broker, "withdraw") as said:
        said.announce()
        said.since()
        said.state.withdraw()
        seen: list[tuple[str, bytes]] = []
        while len(seen) < 5:
            received = said.reader.received.get(10)
            seen.append((received.topic.rpartition("/")[2], received.payload))
    assert {name for name, payload in seen if not payload} >= {"info", "zones"}


def test_trouble_that_is_said_too_late_does_not_bring_a_node_back_online(broker: Mosquitto) -> None:
    with saying(broker, "trouble") as said:
        said.announce()
        said.state.trouble("infer has stood still")
        statuses = [payload for name, payload in said.since() if name == "status"]
        assert [messages.decode(messages.NodeStatus, one).reason for one in statuses] == [
            None,
            "infer has stood still",
        ]
        said.state.trouble(None)
        assert said.since() == []


def test_what_is_wrong_with_one_part_stays_said_while_another_is_well_again(broker: Mosquitto) -> None:
    with saying(broker, "troubles") as said:
        said.announce()
        said.since()
        said.state.node_status("online")
        said.state.trouble("a stage is late")
        said.state.trouble("the file is damaged", "model")
        said.state.trouble(None)
        said.state.trouble(None, "model")
        reasons = [messages.decode(messages.NodeStatus, body).reason for name, body in said.since()]
    assert reasons[-4:] == [
        "a stage is late", "a stage is late; the file is damaged", "the file is damaged", None,
    ]  # fmt: skip
