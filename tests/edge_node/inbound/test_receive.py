"""Nodes whose cameras detect by themselves, on a real broker: counts, outages, silence and floods."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.flow.pipeline import Pipeline
from edge_node.frames import Detections, Frame
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.errors import SourceError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.conftest import Mosquitto, MosquittoProcess, wait_until
from tests.edge_node.flow.test_pipeline import StandInDetector
from tests.edge_node.inbound import messages as said

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 25, 30
ZONES = {"middle": ZoneDefinition(polygon=((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)), exit_after_s=0.0)}
LINES = {"door": LineDefinition(points=((0.5, 0.0), (0.5, 1.0)))}


class Walkers(StandInDetector):
    """Sees three people: one crosses the picture, one comes back from the line, one stays in the zone."""

    def sees(self, frame: Frame) -> Detections:
        share = frame.seq / FRAMES
        there = 0.05 + 0.9 * share
        back = 0.35 + 0.5 * (1 - abs(2 * share - 1))
        boxes = [
            (x * WIDTH - 20, y, x * WIDTH + 20, y + 80) for x, y in ((there, 40), (back, 180), (0.4, 330))
        ]
        return Detections(np.array(boxes, np.float32), np.full(3, 0.9, np.float32), np.zeros(3, np.int32))


class Node(NamedTuple):
    """A pipeline whose results go to a broker."""

    pipeline: Pipeline
    publisher: Publisher
    stop: threading.Event
    statuses: list[tuple[str, str | None]]

    @property
    def numbers(self) -> dict[str, Any]:
        newest = self.publisher.newest("yard")
        return {} if newest is None else newest.report.numbers

    @property
    def ids(self) -> list[int] | None:
        newest = self.publisher.newest("yard")
        return None if newest is None else newest.tracks.track_id.tolist()

    def counted(self) -> list[tuple[object, ...]]:
        """What of the numbers does not depend on when the last frame was taken."""
        return [
            (name, one.occupancy, one.entered, one.exited, one.dwell.completed)
            for name, one in sorted(self.numbers.items())
        ]


@contextlib.contextmanager
def node(broker: str, name: str, source: str, detector: StandInDetector, **more: Any) -> Iterator[Node]:
    """A node with one camera, until the block ends."""
    cameras = {"yard": CameraSettings(source=source, zones=ZONES, lines=LINES, **more)}
    config = EdgeConfig(node=name, cameras=cameras, mqtt=MqttSettings(url=broker, prefix=f"test/{name}"))
    stop, live, statuses = threading.Event(), LiveStore(config), list[tuple[str, str | None]]()
    with Client(config.mqtt, name=name) as client:
        assert client.wait_connected(30)
        outbox = Outbox(client, config.outbox, name, config.mqtt.prefix, "s")
        composer = Composer(name, "s", detector.class_names)
        publisher = Publisher(client, outbox, SnapshotSender(client), config, live, composer)
        said_so = publisher.state.camera_status

        def note(camera: str, status: messages.CameraState, reason: str | None = None) -> None:
            statuses.append((status, reason))
            said_so(camera, status, reason)

        publisher.state.camera_status = note  # type: ignore[method-assign]  # also listened to
        definitions = DefinitionStore(None, cameras)
        pipeline = Pipeline(config, [detector], publisher, live, definitions, stop)  # type: ignore[list-item]  # a stand-in
        pipeline.start()
        try:
            yield Node(pipeline, publisher, stop, statuses)
        finally:
            stop.set()
            assert pipeline.join(30) == []


@pytest.fixture
def walk(tmp_path: Path) -> str:
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for _ in range(FRAMES):
        writer.write(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    writer.release()
    return str(path)


def test_a_recording_of_a_run_is_counted_as_the_run_was(broker: Mosquitto, walk: str) -> None:
    recorded: list[Received] = []
    listener = Client(MqttSettings(url=broker.url), name="listener", sink=recorded.append)
    path = "test/gate/gate/camera/yard/detections"
    with listener:
        listener.subscribe(path, 1)
        assert listener.wait_subscribed(30)
        with node(broker.url, "gate", walk, Walkers(), pace="fast") as original:
            assert original.pipeline.done.wait(30)
            expected = original.counted()
        wait_until(lambda: len(recorded) == FRAMES)
        listener.unsubscribe(path)
        assert {row[0]: row[2:4] for row in expected} == {"door": (1, 2), "middle": (4, 2)}
        film = [as_filmed(message) for message in recorded[:FRAMES]]
        with node(broker.url, "copy", f"mqtt:///{path}?format=darner", StandInDetector()) as copy:
            processed = copy.pipeline.overview.processed
            # Nobody else can say when the node has subscribed. What it gets twice, it leaves out.
            wait_until(lambda: listener.republish(film[0]) and processed["yard"])
            for number, message in enumerate(film[1:], 2):  # one by one: only the newest of a camera waits
                assert listener.republish(message)
                wait_until(lambda: processed["yard"] == number)  # noqa: B023 - used inside its turn
            assert copy.counted() == expected
            assert ("streaming", None) in copy.statuses


def as_filmed(message: Received) -> Received:
    """A message with the time that its frame has in the film, which was read faster."""
    content = json.loads(message.payload)
    content["captured_us"] = 1_772_960_419_000_000 + content["seq"] * 1_000_000 // FPS
    return dataclasses.replace(message, payload=json.dumps(content).encode())


def test_an_outage_ends_what_was_seen_and_says_why_until_the_messages_are_back(
    own_broker: MosquittoProcess,
) -> None:
    source = f"mqtt://127.0.0.1:{own_broker.port}/scene?format=axis"
    with (
        Client(MqttSettings(url=own_broker.url), name="camera") as camera,
        node(own_broker.url, "copy", source, StandInDetector(), stall_s=0.5) as copy,
    ):
        assert camera.wait_connected(30)

        def occupancy() -> int:
            now = f"{np.datetime64(time.time_ns() // 1000, 'us')}Z"
            payload = said.axis(now, said.observed(left=0.4, right=0.6))
            camera.republish(Received("scene", payload, 0, False, {}))
            return copy.numbers["middle"].occupancy if copy.numbers else 0

        wait_until(occupancy)
        wait_until(lambda: copy.statuses and copy.statuses[-1][0] == "reconnecting")  # nobody tells any more
        assert "no message that can be read has come for 0.5 s" in str(copy.statuses[-1][1])
        wait_until(lambda: copy.numbers["middle"].occupancy == 0)
        wait_until(lambda: occupancy() and copy.statuses[-1][0] == "streaming")
        own_broker.kill()
        wait_until(lambda: copy.statuses[-1][0] == "reconnecting")
        assert "there is no connection to its broker" in str(copy.statuses[-1][1])
        wait_until(lambda: copy.numbers["middle"].occupancy == 0)
        own_broker.start()
        wait_until(lambda: occupancy() and copy.statuses[-1][0] == "streaming")
        assert {status for status, _ in copy.statuses} == {"reconnecting", "streaming"}
        assert +copy.pipeline.overview.left_out["yard"] == {}


def test_what_is_old_or_too_much_is_left_out_and_counted(broker: Mosquitto) -> None:
    path = "test/flood/scene"
    with Client(MqttSettings(url=broker.url), name="camera") as camera:
        assert camera.wait_connected(30)
        camera.republish(Received(path, said.axis("2026-01-01T00:00:00Z"), 1, True, {}))
        assert camera.flush(30)
        with node(broker.url, "flood", f"mqtt:///{path}?format=axis&quiet=yes", StandInDetector()) as copy:
            counts, overview = copy.pipeline.overview.left_out["yard"], copy.pipeline.overview
            wait_until(lambda: counts["retained"] == 1)
            wait_until(
                lambda: overview.processed["yard"]
            )  # silence is a frame, where it means that nobody is there
            wait_until(lambda: copy.publisher.newest("yard") is not None)
            assert copy.publisher.newest("yard").tracks.track_id.tolist() == []  # type: ignore[union-attr]  # there is one
            for number in range(400):
                moment = f"2026-01-01T00:00:{number // 10:02}.{number % 10}Z"
                camera.republish(Received(path, said.axis(moment, said.observed()), 1, False, {}))
            assert camera.flush(30)
            wait_until(lambda: copy.publisher.newest("yard").tracks.track_id.tolist() == [1])  # type: ignore[union-attr]  # as above
            wait_until(
                lambda: overview.processed["yard"] + counts["overrun"] + overview.held_back["yard"] > 400
            )
        camera.republish(Received(path, b"", 1, True, {}))


def test_a_camera_that_would_read_what_it_writes_is_refused(broker: Mosquitto) -> None:
    source = "mqtt:///test/loop/loop/camera/yard/detections?format=darner"
    with node(broker.url, "loop", source, StandInDetector()) as copy:
        wait_until(lambda: copy.pipeline.error is not None)
        assert isinstance(copy.pipeline.error, SourceError)
        assert "is what this camera itself publishes; name another topic" in str(copy.pipeline.error)
