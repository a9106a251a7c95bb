"""Limits meet: the largest thing that may be sent is read, and one more is refused before it is sent."""

from __future__ import annotations

import base64
import dataclasses
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Frame
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import limits
from shared.errors import ConfigError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire import messages, topics
from shared.wire.messages import Request, ZoneDefinition
from shared.wire.picture_names import properties as named
from shared.wire.picture_names import read_name
from shared.wire.topics import check_id, check_prefix
from tests.conftest import MosquittoProcess
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES
from tests.viewer_server import wire
from viewer_server.config import HistorySettings
from viewer_server.live.state import State
from viewer_server.stored.snapshots import SnapshotStore

HEAD: dict[str, Any] = {"node": "n" * limits.ID_LENGTH, "session": "s", "published_us": limits.WHOLE}
Square = tuple[tuple[float, float], ...]
SQUARE: Square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
LARGEST = limits.PICTURE_SIDE


def noise(width: int, height: int, now_s: float = 0.0) -> Analysed:
    """A picture that no JPEG makes small, with an object that fills most of it, which leaves a zone."""
    item = analysed(objects=1)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    box = np.array([[10, 10, width - 10, height - 10]], np.float32)
    happening = Happening(type="zone_exited", occurred_s=now_s, track_id=0, class_id=0)
    return dataclasses.replace(
        item,
        frame=Frame("c", 0, item.frame.captured_ns, 0, pixels),
        tracks=dataclasses.replace(item.tracks, xyxy=box),
        report=dataclasses.replace(item.report, happenings=[happening]),
        now_s=now_s,
    )


class Sender:
    """A publisher whose pictures are as large as the configuration allows."""

    def __init__(self, stack: ExitStack, url: str, folder: Path) -> None:
        camera = {
            "source": "0",
            "thumbnail": {"fps": 60, "width": LARGEST, "quality": 100},
            "snapshot": {"side": limits.SNAPSHOT_SIDE, "quality": 100},
        }
        given = {"node": "n", "mqtt": {"url": url}, "cameras": {"c": camera}}
        given["outbox"] = {"path": str(folder / "outbox.db")}
        config = convert(EdgeConfig, given, where="test")
        self.client = stack.enter_context(Client(config.mqtt, name="edge"))
        outbox = stack.enter_context(Outbox(self.client, config.outbox, "n", config.mqtt.prefix, "s1"))
        snapshots = stack.enter_context(SnapshotSender(self.client))
        composer = Composer("n", "s1", CLASSES)
        self.publisher = Publisher(self.client, outbox, snapshots, config, LiveStore(config), composer)

    def thumbnail(self, item: Analysed) -> Received:
        """The one that a frame makes, as the broker would hand it over."""
        outgoing = self.publisher.outgoing
        self.publisher.publish_all([item])
        self.publisher.encode_next()
        sent = {(one := outgoing.get()).topic: one for _ in range(len(outgoing))}[topics.THUMBNAIL]
        assert isinstance(sent.content, bytes)
        return Received(sent.path, sent.content, 0, False, sent.user_properties or {})


@pytest.mark.parametrize(("width", "height"), [(3840, 2160), (1000, 5000), (LARGEST, LARGEST)])
def test_the_largest_thumbnail_of_a_node_is_shown(
    tmp_path: Path, width: int, height: int, caplog: pytest.LogCaptureFixture
) -> None:
    state = State("darner/v1")
    state.apply(wire.status())
    state.apply(wire.camera())
    caplog.set_level(logging.WARNING)
    with ExitStack() as stack:
        sender = Sender(stack, "mqtt://127.0.0.1:9", tmp_path)
        for now_s in (0.0, 1.0):
            received = sender.thumbnail(noise(width, height, now_s))
            assert limits.PAYLOAD_BYTES // 8 < len(received.payload) <= limits.PAYLOAD_BYTES
            state.apply(received)  # which would refuse it
    said = [record.getMessage() for record in caplog.records]
    mine = [one for one in said if "thumbnails are larger than a message may be" in one]
    assert len(mine) == 1, "said once"
    assert "cameras.c.thumbnail.width" in mine[0]


def test_pictures_are_made_to_fit_a_broker_that_takes_less(tmp_path: Path) -> None:
    broker = MosquittoProcess(tmp_path, extra="max_packet_size 50000")
    broker.start()
    try:
        with ExitStack() as stack:
            sender = Sender(stack, broker.url, tmp_path)
            assert sender.client.wait_connected(30)
            assert 10_000 < len(sender.thumbnail(noise(1280, 720)).payload) < 50_000
    finally:
        broker.kill()


def test_the_largest_snapshot_of_a_node_is_stored(tmp_path: Path, own_broker: Any) -> None:
    settings = HistorySettings(path=str(tmp_path / "h.db"))
    with ExitStack() as stack:
        reader = stack.enter_context(Client(MqttSettings(url=own_broker.url), name="reader"))
        store = stack.enter_context(SnapshotStore(settings))
        reader.subscribe("darner/v1/n/camera/c/snapshot/+", 1)
        assert reader.wait_subscribed(30)
        sender = Sender(stack, own_broker.url, tmp_path)
        assert sender.client.wait_connected(30)
        sender.publisher.publish_all([noise(1020, 1020)])
        received = reader.received.get(30)
        assert limits.SNAPSHOT_BYTES // 4 < len(received.payload) <= limits.SNAPSHOT_BYTES
        store.add({"node": "n", "camera": "c", "track": "0"}, received)
        name = read_name(received.payload)
        assert name is not None
        assert named(name) == received.user_properties
        bare = dataclasses.replace(received, user_properties={})
        store.add({"node": "n", "camera": "c", "track": "0"}, bare)  # which would refuse it without a session


def zones_of(count: int, corners: int = 3, name: str = "z") -> dict[str, ZoneDefinition]:
    polygon = tuple((index / corners, 1 / (index + 3)) for index in range(corners))
    return {f"{name}{index}": ZoneDefinition(polygon=polygon) for index in range(count)}


def test_as_many_zones_as_a_camera_may_have_are_read_and_more_are_refused(tmp_path: Path) -> None:
    def saved(corners: int, classes: int) -> bytes:
        named = tuple(f"{index:0128}" for index in range(classes))
        zones = {
            name: dataclasses.replace(zone, classes=named)
            for name, zone in zones_of(limits.ZONES, corners).items()
        }
        store = DefinitionStore(tmp_path / "z.json", {"c": CameraSettings(source=0)})
        definitions = store.save("c", zones, {}, store["c"].version)
        message = messages.Zones(**HEAD, camera="c" * limits.ID_LENGTH, **vars_of(definitions))
        return messages.encode(message)

    payload = saved(limits.CORNERS, 0)
    assert len(payload) > limits.PAYLOAD_BYTES // 2
    assert len(messages.decode(messages.Zones, payload).zones) == limits.ZONES
    with pytest.raises(ConfigError, match="message has room for 900000: use fewer"):
        saved(limits.CORNERS, 20)
    too_many = CameraSettings(
        source=0, zones={"z": dataclasses.replace(zones_of(1)["z0"], classes=("x" * 10**6,))}
    )
    with pytest.raises(ConfigError, match="camera c: its zones, lines, masks and filters take"):
        DefinitionStore(None, {"c": too_many})


def vars_of(definitions: Any) -> dict[str, Any]:
    return {name: getattr(definitions, name) for name in ("version", "zones", "lines")}


def test_the_largest_manifest_is_read() -> None:
    text = "\U0001f600" * limits.TEXT_LENGTH  # four bytes each
    name = "\U0001f600" * limits.NAME_LENGTH
    info = messages.CameraInfo(
        camera="c" * limits.ID_LENGTH, name=name, source=text, zones=1, lines=1, decoder_reason="r" * 64
    )
    each = limits.CLASSES_BYTES // limits.CLASSES - 3
    model = messages.ModelInfo(
        name=text, classes=("x" * each,) * limits.CLASSES, input_width=1, input_height=1, layout="l"
    )
    whole = messages.NodeInfo(
        **HEAD, name=name, version="1", cameras=(info,) * limits.CAMERAS, model=model, backend="b",
        device=text, tracker="t", capabilities=(),
    )  # fmt: skip
    payload = messages.encode(whole)
    assert len(payload) > limits.PAYLOAD_BYTES // 2
    assert len(messages.decode(messages.NodeInfo, payload).cameras) == limits.CAMERAS


def test_the_largest_heatmap_and_picture_fit_an_answer() -> None:
    row = [9_999_999.99] * limits.HEATMAP_SIDE
    answer = messages.Response(**HEAD, command="heatmap", result={"seconds": [row] * limits.HEATMAP_SIDE})
    messages.decode(messages.Response, messages.encode(answer))
    picture = base64.b64encode(bytes(limits.UPLOAD_BYTES)).decode()
    request = {"image_base64": picture, "transaction": "t" * 64, "confidence": 0.123456789}
    messages.decode(Request, orjson.dumps(request))


def test_topics_below_the_longest_prefix_fit_the_fields_that_name_them() -> None:
    prefix = "/".join(["p" * 63] * 4)
    assert len(prefix) == limits.PREFIX_LENGTH - 1
    assert check_prefix(prefix)
    longest = "x" * limits.ID_LENGTH
    for row in topics.TABLE:
        ids = {name: "a" * 64 if name == "command" else longest for name in row_ids(row)}
        assert len(row.path(prefix, **ids)) <= min(limits.TEXT_LENGTH, limits.TOPIC_LENGTH)
    with pytest.raises(ConfigError, match="at most 256 are possible"):
        check_prefix(prefix + "/pp")


def row_ids(row: topics.Topic) -> list[str]:
    return [level[1:-1] for level in row.pattern.split("/") if level.startswith("{")]


ZONE = {"polygon": SQUARE}
CAMERA: dict[str, Any] = {"source": "0"}


def configured(**camera: Any) -> object:
    return convert(EdgeConfig, {"node": "n", "cameras": {"c": CAMERA | camera}}, where="test")


def requested(**fields: Any) -> object:
    return messages.decode(Request, orjson.dumps(fields))


def answered(value: Any) -> object:
    return messages.decode(
        messages.Response, messages.encode(messages.Response(**HEAD, command="x", result=value))
    )


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"deep": value}


def crowd(count: int) -> dict[str, Any]:
    return {"z": ZONE | {"crowd": {"count": count}}}


BOUNDS: dict[str, tuple[Callable[[int], object], int]] = {
    "characters of a name": (lambda n: check_id("node", "n" * n), limits.ID_LENGTH),
    "cameras": (
        lambda n: convert(
            EdgeConfig, {"node": "n", "cameras": {f"c{i}": CAMERA for i in range(n)}}, where="x"
        ),
        limits.CAMERAS,
    ),
    "zones": (lambda n: configured(zones={f"z{i}": ZONE for i in range(n)}), limits.ZONES),
    "zones of a request": (lambda n: requested(zones={f"z{i}": ZONE for i in range(n)}), limits.ZONES),
    "lines": (
        lambda n: configured(lines={f"l{i}": {"points": SQUARE[:2]} for i in range(n)}),
        limits.ZONES,
    ),
    "corners": (
        lambda n: configured(zones={"z": {"polygon": [(0.5, i / n) for i in range(n)]}}),
        limits.CORNERS,
    ),
    "classes of a zone": (
        lambda n: configured(zones={"z": ZONE | {"classes": ["x"] * n}}),
        limits.NAMED_CLASSES,
    ),
    "characters of a class": (
        lambda n: configured(zones={"z": ZONE | {"classes": ["x" * n]}}),
        limits.LABEL_LENGTH,
    ),
    "a crowd": (lambda n: configured(zones=crowd(n)), limits.WHOLE),
    "a crowd of a request": (lambda n: requested(zones=crowd(n)), limits.WHOLE),
    "seconds": (lambda n: configured(zones={"z": ZONE | {"loitering_s": n}}), int(limits.SECONDS)),
    "a thumbnail's width": (lambda n: configured(thumbnail={"width": n}), limits.PICTURE_SIDE),
    "a snapshot's side": (lambda n: configured(snapshot={"side": n}), limits.SNAPSHOT_SIDE),
    "cells of a heatmap": (lambda n: configured(analytics={"heatmap_columns": n}), limits.HEATMAP_SIDE),
    "objects of a picture": (
        lambda n: convert(EdgeConfig, {"node": "n", "model": {"max_detections": n}}, where="x"),
        limits.DETECTIONS,
    ),
    "bytes of a bundle": (
        lambda n: convert(EdgeConfig, {"node": "n", "bundle": {"max_bytes": n}}, where="x"),
        limits.PAYLOAD_BYTES,
    ),
    "fields of an answer": (lambda n: answered({f"f{i}": 1 for i in range(n)}), limits.RESULT_FIELDS),
    "a whole number of an answer": (lambda n: answered({"f": n}), limits.WHOLE),
    "levels of an answer": (lambda n: answered(nested(n - 1)), limits.NESTING),
    "bytes of a message": (
        lambda n: messages.decode(Request, b'{"x":"' + b"x" * (n - 8) + b'"}'),
        limits.PAYLOAD_BYTES,
    ),
}


@pytest.mark.parametrize(("use", "most"), BOUNDS.values(), ids=BOUNDS.keys())
def test_the_most_is_taken_and_one_more_is_refused_with_a_sentence(
    use: Callable[[int], object], most: int
) -> None:
    use(most)
    with pytest.raises((ConfigError, MessageError, ValueError)) as caught:
        use(most + 1)
    assert 10 < len(str(caught.value)) < 300
