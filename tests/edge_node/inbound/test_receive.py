"""Nodes whose cameras detect by themselves, on a real broker: counts, outages, silence and floods."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import DefinitionStore
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Detections, Frame
from edge_node.outbox.outbox import Outbox
from edge_node.pipeline import Pipeline
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.conftest import Mosquitto, wait_until
from tests.edge_node.test_pipeline import StandInDetector

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 50, 60
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
        assert client.wait_connected(10)
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
            assert pipeline.join(5) == []


@pytest.fixture
def walk(tmp_path: Path) -> str:
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for _ in range(FRAMES):
        writer.write(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    writer.release()
    return str(path)


def test_a_recording_of_a_run_is_counted_as_the_run_was(broker: Mosquitto, walk: str) -> None:
    recorded: list[tuple[float, Received]] = []
    listener = Client(
        MqttSettings(url=broker.url),
        name="listener",
        sink=lambda one: recorded.append((time.monotonic(), one)),
    )
    path = "test/gate/gate/camera/yard/detections"
    with listener:
        listener.subscribe(path, 1)
        assert listener.wait_subscribed(10)
        with node(broker.url, "gate", walk, Walkers()) as original:
            assert original.pipeline.done.wait(20)
            expected = original.counted()
        wait_until(lambda: len(recorded) == FRAMES)
        listener.unsubscribe(path)
        assert {row[0]: row[2:4] for row in expected} == {"door": (1, 2), "middle": (4, 2)}
        source = f"mqtt:///{path}?format=darner"
        with node(broker.url, "copy", source, StandInDetector()) as copy:
            wait_until(lambda: copy.pipeline.overview.left_out["yard"]["overrun"] == 0)
            time.sleep(0.3)  # nothing says on this side that the other one has subscribed
            begun = time.monotonic()
            for at, message in recorded[:FRAMES]:
                time.sleep(max(0.0, at - recorded[0][0] - (time.monotonic() - begun)))
                assert listener.republish(message)
            wait_until(lambda: copy.pipeline.overview.processed["yard"] == FRAMES)
            assert copy.counted() == expected
            assert ("streaming", None) in copy.statuses
