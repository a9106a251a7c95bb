"""Cameras are added, changed and removed over MQTT while a real node runs."""

from __future__ import annotations

import stat
from pathlib import Path

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.conftest import Mosquitto
from tests.integration.test_file_to_mqtt import config, edge, listening
from tests.integration.test_reload import Node, running

WORD = "swordfish-77"


def test_cameras_are_added_changed_and_removed_without_losing_an_event(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-cameras/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings |= {"zones_file": str(tmp_path / "zones.json"), "remote_cameras": "any"}
    settings["outbox"] = {"path": str(tmp_path / "outbox.db")}
    with running(broker, tmp_path, settings, prefix) as node:
        heard = node.heard
        before = heard.of(topics.CAMERAS)[-1]
        assert (before.version, before.cameras["street"].origin) == (0, "configuration")

        away = {"source": f"http://admin:{WORD}@127.0.0.1:1/cam"}
        yard = {"source": str(people_video), "name": "Hof"}
        added = node.ask("cameras.set", version=0, cameras={"yard": yard, "away": away})
        assert added.result == {"version": 1, "restarts": True}
        heard.listen_until(
            lambda: {one.camera for one in heard.of(topics.INFO)[-1].cameras} == {"street", "yard", "away"}
        )
        assert heard.of(topics.INFO)[-1].session != before.session
        assert node.process.poll() is None, "the process stays"
        heard.listen_until(lambda: heard.of(topics.DETECTIONS)[-1].camera == "yard")
        heard.listen_until(lambda: heard.of(topics.CAMERAS)[-1].session == heard.of(topics.INFO)[-1].session)
        shown = heard.of(topics.CAMERAS)[-1].cameras
        assert (shown["away"].source, shown["away"].login) == ("http://127.0.0.1:1/cam", True)

        stale = node.ask("cameras.set", version=0, cameras={"yard": None})
        assert (stale.code, "somebody else saved first" in (stale.error or "")) == ("conflict", True)
        fixed = node.ask("cameras.set", version=1, cameras={"street": None})
        assert (fixed.code, "remove it there" in (fixed.error or "")) == ("invalid", True)

        renamed = yard | {"source": shown["yard"].source, "name": "Backyard", "detect_every": 2}
        assert node.ask("cameras.set", version=1, cameras={"yard": renamed}).result == {
            "version": 2,
            "restarts": False,
        }
        heard.listen_until(lambda: "Backyard" in {one.name for one in heard.of(topics.INFO)[-1].cameras})

        assert node.ask("cameras.set", version=2, cameras={"yard": None, "away": None}).result["restarts"]
        heard.listen_until(lambda: [one.camera for one in heard.of(topics.INFO)[-1].cameras] == ["street"])
        assert node.ask("cameras.set", version=3, cameras={"late": away}).result["restarts"]
        node.process.terminate()  # somebody stops the node while it is about to start again
        assert node.process.wait(30) == 0
        heard.listen_until(lambda: heard.of(topics.STATUS)[-1].status == "offline")
    boots: dict[str, list[int]] = {}
    for event in heard.of(topics.EVENTS):
        boots.setdefault(event.boot, []).append(event.number)
    assert len(boots) >= 2
    assert all(sorted(set(numbers)) == list(range(1, max(numbers) + 1)) for numbers in boots.values())
    requests = (topics.REQUEST,)
    assert not any(WORD.encode() in seen[2].payload for seen in heard.seen if seen[0] not in requests)
    assert stat.S_IMODE((tmp_path / "cameras-box.json").stat().st_mode) == 0o600


def test_a_node_without_cameras_says_so_and_gets_its_first_one(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-first-camera/v1"
    settings = config(broker.url, people_video, prefix)
    settings |= {"cameras": {}, "zones_file": str(tmp_path / "zones.json"), "remote_cameras": "any"}
    settings["outbox"] = {"path": str(tmp_path / "outbox.db")}
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, settings) as process,
        Client(MqttSettings(url=broker.url), name="asker") as asker,
    ):
        node = Node(process, heard, asker, tmp_path / "edge.yaml", prefix)
        heard.listen_until(lambda: heard.of(topics.STATUS)[-1:] != [])
        first = heard.of(topics.STATUS)[-1]
        assert (first.status, "waits for its first camera" in (first.reason or "")) == ("online", True)
        assert heard.of(topics.CAMERAS)[-1].cameras == {}
        yard = {"source": str(people_video)}
        assert node.ask("cameras.set", version=0, cameras={"yard": yard}).result["restarts"]
        heard.listen_until(lambda: heard.names()["detections"] >= 1)
        assert heard.of(topics.STATUS)[-1].reason is None
