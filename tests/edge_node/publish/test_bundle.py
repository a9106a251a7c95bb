"""The bundle: everything about a frame in one message, never in anybody's way."""

from __future__ import annotations

import base64
import threading
import time

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.config.settings import EdgeConfig
from edge_node.publish.bundle import Bundles
from edge_node.publish.compose import Composer
from shared.errors import ConfigError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire import messages, topics
from tests.conftest import Mosquitto, wait_until
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

COMPOSER = Composer("box", "s", CLASSES)


def config(**bundle: object) -> EdgeConfig:
    given = {"node": "box", "cameras": {"street": {"source": "0"}}, "bundle": {"enabled": True} | bundle}
    return convert(EdgeConfig, given, where="test")


def test_picture_and_objects_of_one_frame_arrive_together(broker: Mosquitto) -> None:
    settings = config(topic="test/bundle")
    with (
        Client(MqttSettings(url=broker.url), name="reader") as reader,
        Client(MqttSettings(url=broker.url), name="edge") as client,
        Bundles(client, settings, COMPOSER) as bundles,
    ):
        reader.subscribe("test/bundle")
        assert reader.wait_subscribed(30)
        assert client.wait_connected(30)
        bundles.offer(analysed(seq=7))
        received = reader.received.get(30)
    assert (received.qos, received.retain) == (0, False)
    plain = orjson.loads(received.payload)  # as a consumer reads it that knows none of our types
    assert plain["frame_id"] == "box-street-s-7"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(plain["image_base64"]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (360, 640, 3)
    assert [one["label"] for one in plain["prediction"]] == ["person", "person"]
    assert messages.decode(messages.Bundle, received.payload).seq == 7


def test_off_unless_enabled_and_never_faster_than_asked() -> None:
    client = Client(MqttSettings(), name="x")
    off = Bundles(client, config(enabled=False), COMPOSER)
    off.offer(analysed())
    assert len(off.outgoing) == 0
    slow = Bundles(client, config(fps=0.11), COMPOSER)  # frames are 10 s apart
    for seq in range(4):
        slow.offer(analysed(seq=seq))
    assert slow.outgoing.get().frame.seq == 3  # the newest wins
    assert sum(slow.outgoing.dropped.values()) == 3


@pytest.mark.timing
def test_a_stuck_connection_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(MqttSettings(), name="x")
    stuck = threading.Event()
    monkeypatch.setattr(client, "publish", lambda *_: stuck.wait(60))
    with Bundles(client, config(), COMPOSER) as bundles:
        items = [analysed(seq=seq) for seq in range(20)]
        began = time.monotonic()
        for item in items:
            bundles.offer(item)
        assert time.monotonic() - began < 0.2
        assert len(bundles.outgoing) <= 1
        stuck.set()


def test_a_picture_that_is_too_large_becomes_smaller_and_at_last_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(MqttSettings(), name="x")
    payload = Bundles(client, config(max_bytes=20_000, width=1280), COMPOSER).encode(analysed(noise=True))
    assert payload is not None
    assert len(payload) <= 20_000
    assert Bundles(client, config(max_bytes=10_000), COMPOSER).encode(analysed(objects=200)) is None
    assert client.dropped == {"bundle": 1}
    assert "into 10000 bytes; raise bundle.max_bytes" in caplog.text


def test_a_fault_costs_one_frame_and_not_the_node(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(MqttSettings(), name="x")
    sent: list[object] = []
    monkeypatch.setattr(client, "publish", lambda *given: sent.append(given[0]))
    with Bundles(client, config(), COMPOSER) as bundles:
        monkeypatch.setattr(bundles, "encode", lambda item: 1 / 0 if item.frame.seq == 0 else b"x")
        bundles.offer(analysed(seq=0))
        wait_until(lambda: "left out" in caplog.text)
        bundles.offer(analysed(seq=1))
        wait_until(lambda: sent == [topics.BUNDLE])


def test_a_topic_with_wildcards_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="level '#'"):
        Bundles(Client(MqttSettings(), name="x"), config(topic="all/#"), COMPOSER)


@given(st.binary(max_size=300))
def test_a_reader_survives_any_bytes(payload: bytes) -> None:
    with pytest.raises(MessageError):
        messages.decode(messages.Bundle, payload)
