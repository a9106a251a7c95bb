"""Which picture an alert has, and when it is sent."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_node.config.settings import EdgeConfig
from edge_node.frames import Frame
from edge_node.publish.compose import Composer
from edge_node.publish.frame_pictures import WAITING
from edge_node.publish.jpeg import Fitting
from edge_node.publish.snapshots import FRAMES, Snapshots
from shared.mqtt.client import Client
from shared.pictures import read_jpeg_header
from shared.settings import convert
from shared.wire.picture_names import read_name
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

PICTURE = np.full((1080, 1920, 3), 90, np.uint8)


class Sender:
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.offered: list[tuple[str, bytes]] = []

    def offer(self, path: str, payload: bytes, _properties: dict[str, str]) -> None:
        self.offered.append((path, payload))


def pictures(**snapshot: Any) -> tuple[Snapshots, Sender]:
    camera = {"source": "0", "snapshot": snapshot}
    config = convert(EdgeConfig, {"node": "box", "cameras": {"street": camera}}, where="test")
    sender: Any = Sender()
    client = Client(config.mqtt, name="edge")
    composer = Composer("box", "s", CLASSES)
    return Snapshots(client, sender, config, composer, Fitting(client)), sender


def frame(seq: int = 7) -> Frame:
    return Frame("street", seq, 10**18, 0, PICTURE)


def test_a_whole_frame_is_made_once_small_enough_and_with_its_name() -> None:
    best, _ = pictures()
    found = best.of_frame(frame())
    assert found is not None
    topic, make = found
    assert best.of_frame(frame()) == (topic, None)
    assert topic.endswith(f"/snapshot/{FRAMES + 7}")
    assert callable(make)
    payload = make()
    assert payload is not None
    header, name = read_jpeg_header(payload), read_name(payload)
    assert header is not None
    assert (header.width, header.height) == (960, 540)
    assert name is not None
    assert (name.seq, name.session) == (7, "s")


def test_a_camera_without_snapshots_gives_no_frame_either() -> None:
    best, _ = pictures(enabled=False)
    assert best.of_frame(frame()) is None


def test_too_many_frames_at_once_are_left_out_instead_of_held() -> None:
    best, _ = pictures()
    found = [best.of_frame(frame(seq)) for seq in range(WAITING + 2)]
    assert [one is not None for one in found] == [True] * WAITING + [False] * 2
    found.clear()
    assert best.of_frame(frame(9)) is not None


def test_an_alert_has_the_picture_of_its_object_that_was_sent_before() -> None:
    best, sender = pictures()
    assert best.of_object(1, "street") is None
    shown = analysed(2)
    best.update(shown.frame, shown.tracks)
    topic = best.send_best(1, "street")
    assert best.send_best(1, "street") == topic, "it was sent"
    assert len(sender.offered) == 1
    assert [best.of_object(1, "street")] == sender.offered
