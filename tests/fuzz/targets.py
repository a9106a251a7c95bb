"""A function for each reader of bytes from strangers. It raises when the reader breaks a promise."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import orjson

from edge_node.analytics.analyse import Analytics
from edge_node.backends.interface import ModelFile
from edge_node.batch.jobs import names
from edge_node.config.camera_settings import AnalyticsSettings, CameraSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.commands import Commands
from edge_node.control.image import to_pixels
from edge_node.discover import markup, multicast
from edge_node.frames import Tracks
from edge_node.inbound import axis, darner, onvif
from edge_node.inbound.frigate import Board
from shared import collected, settings
from shared.definitions.problems import problems
from shared.errors import ConfigError, ConflictError, MessageError, SourceError
from shared.mqtt.link.reading import Malformed, Reading, read_publish
from shared.mqtt.received import Received
from shared.pictures import read_header, refusal
from shared.replay import recording
from shared.secrets.redact import redact, redact_address
from shared.wire import messages, topics
from shared.wire.picture_names import read_name, with_name, without_name
from tests.fuzz.telling import alerting, calendars
from viewer_server.config import ViewerConfig
from viewer_server.live.updates import content, websocket_frame
from viewer_server.stored.feed import Position

Target = Callable[[bytes], None]

KINDS: tuple[type[Any], ...] = (
    messages.NodeStatus,
    messages.NodeInfo,
    messages.Cameras,
    messages.Metrics,
    messages.CameraStatus,
    messages.DetectionsMessage,
    messages.Event,
    messages.Track,
    messages.Zones,
    messages.ZoneState,
    messages.Suspects,
    messages.CountState,
    messages.SettingsState,
    messages.Request,
    messages.Response,
    messages.Ack,
    messages.Interest,
    messages.Calendar,
    messages.ModeState,
    messages.Rules,
    messages.Health,
)
"""Every type of message; the first byte of an input chooses one, so new ones stand at the end."""
PREFIX = "darner/v1"
COMMANDS = ("ping", "detect", "set", "zones.set", "calendar.set", "mode.set", "rules.set", "suspects.dismiss")
SMALL = 1_000_000
"""Pixels of the largest picture that is decoded, so that a fuzzer stays fast."""


def decode(data: bytes) -> None:
    """A message that can be read can be written again, and stays the same."""
    if not data:
        return
    kind = KINDS[data[0] % len(KINDS)]
    try:
        message = messages.decode(kind, data[1:])
    except MessageError:
        return
    again = messages.encode(message)
    assert messages.decode(kind, again) == message
    assert messages.encode(messages.decode(kind, again)) == again


def pictures(data: bytes) -> None:
    """A header has the size that a decoder finds, and every refusal has a reason."""
    with contextlib.suppress(MessageError):
        name = read_name(data)
        assert name is None or read_name(with_name(without_name(data), name)) == name
    header = read_header(data)
    assert (header is None or header.pixels > header.max_pixels) == (refusal(data) is not None)
    if header is None or header.pixels > SMALL:
        return
    image = None
    with contextlib.suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is not None:  # the EXIF data may ask to turn it
        assert sorted(image.shape[:2]) == sorted((header.width, header.height))
    with contextlib.suppress(MessageError):
        assert to_pixels(data).shape[2] == 3


def definitions(data: bytes) -> None:
    """Zones and lines that are taken can be kept, sent, judged, and used on tracks."""
    camera = CameraSettings(source="x")
    store = DefinitionStore(None, {"c": camera})
    try:
        request = messages.decode(messages.Request, data)
        saved = store.save("c", request.zones or {}, request.lines or {}, 1)
    except (MessageError, ConfigError, ConflictError):
        return
    orjson.dumps({"zones": saved.zones, "lines": saved.lines})
    problems(saved.zones, saved.lines, ("person",))
    analytics = Analytics(saved.zones, saved.lines, ("person",), AnalyticsSettings())
    for number, x in enumerate((0.1, 0.5, 0.9)):
        analytics.update(_walker(x), number / 10, 640, 480)
    orjson.dumps(analytics.update(_walker(0.2), 1.0, 640, 480).numbers)


def _walker(x: float) -> Tracks:
    one = np.ones(1, np.float32)
    return Tracks(
        xyxy=np.array([[x * 640 - 20, 200, x * 640 + 20, 400]], np.float32),
        score=one,
        class_id=np.zeros(1, np.int32),
        track_id=np.ones(1, np.int64),
        age_s=one,
        velocity=np.zeros((1, 2), np.float32),
        predicted=np.zeros(1, np.bool_),
        ended=np.zeros(0, np.int64),
    )


def configuration(data: bytes) -> None:
    """A configuration is read, or refused in one line that shows no secret."""
    kind: type[EdgeConfig | ViewerConfig] = EdgeConfig if data[:1] < b"\x80" else ViewerConfig
    text = data[1:].decode("utf-8", "replace")
    with contextlib.suppress(ConfigError):
        settings.parse(kind, text, "darner.yaml")


def overrides(data: bytes) -> None:
    """The environment and `--set` are read, or refused in one line that shows no secret."""
    kind: type[EdgeConfig | ViewerConfig] = EdgeConfig if data[:1] < b"\x80" else ViewerConfig
    items = data[1:].decode("utf-8", "replace").split("\n")
    with contextlib.suppress(ConfigError):
        settings.load(kind, overrides=[item for item in items if not item.startswith("DARNER_")])
    variables = dict(item.partition("=")[::2] for item in items if item.startswith("DARNER_"))
    with contextlib.suppress(ConfigError):
        settings.load(kind, environment=variables)


@cache
def _scratch() -> Path:
    """A file that is written again for every input."""
    return Path(tempfile.mkdtemp(prefix="darner-fuzz-")) / "input"


def sidecars(data: bytes) -> None:
    """What is said of a collected picture is refused, or can be written again and stays the same."""
    try:
        said = collected.parse(data)
    except MessageError:
        return
    assert collected.parse(collected.serialise(said)) == said


def recordings(data: bytes) -> None:
    """A recording is read up to its first damaged line, and what is read can be recorded."""
    path = _scratch()
    path.write_bytes(data)
    try:
        for at_us, received in recording.read(path):
            again = recording.Line.of(at_us, received).message()
            assert again.payload == received.payload
            msgspec.json.encode(recording.Line.of(at_us, received))
    except recording.RecordingError:
        return


def paths(data: bytes) -> None:
    """A topic of ours is made of its identifiers, and nothing else is."""
    path = data.decode("utf-8", "surrogateescape")
    found = topics.match(PREFIX, path)
    if found is not None:
        row, ids = found
        assert row.path(PREFIX, **ids) == path


def packets(data: bytes) -> None:
    """What a broker sends is malformed, or the same messages in whatever pieces it comes."""
    whole = _received([data])
    half = len(data) // 2
    assert _received([data[:half], data[half:]]) == whole


def _received(pieces: list[bytes]) -> list[Received]:
    reading, found = Reading(), list[Received]()
    try:
        for piece in pieces:
            for first, body in reading.packets(piece):
                if first & 0xF0 == 0x30:
                    found.append(read_publish(first, body, v5=True)[0])
    except Malformed:
        pass
    return found


class _Listener:
    """Stands for a connection, and keeps what is published."""

    def __init__(self) -> None:
        self.published: list[bytes] = []

    def subscribe(self, *_: object) -> None:
        """Nothing is heard."""

    def publish(self, _: object, __: str, payload: bytes, **___: object) -> bool:
        """Keep it."""
        self.published.append(payload)
        return True


def requests(data: bytes) -> None:
    """Every request gets one answer that keeps the contract."""
    command, _, payload = data.partition(b"\n")
    client = _Listener()
    handlers = dict.fromkeys(COMMANDS, _echo)
    commands = Commands(client, PREFIX, "box", "s", handlers)  # type: ignore[arg-type]  # keeps what it is given
    topic = f"{PREFIX}/box/request/{command.decode('utf-8', 'replace')}"
    commands.answer(Received(topic, payload, 1, False, {}))
    (answer,) = client.published
    messages.decode(messages.Response, answer)


def _echo(request: messages.Request, image: bytes | None) -> dict[str, Any]:
    return {"asked": orjson.loads(messages.encode(request)), "bytes": len(image or b"")}


def cursors(data: bytes) -> None:
    """A cursor is refused, or stands for the position that it names."""
    try:
        position = Position.parse(data.decode("utf-8", "replace"))
    except MessageError:
        return
    assert Position.parse(str(position)) == position
    assert 0 <= position.occurred_us < 2**63
    assert 0 <= position.id < 2**63


def frames(data: bytes) -> None:
    """What is packed into a websocket's frame comes out of it unchanged."""
    assert bytes(content(websocket_frame(2, data))) == data


def metadata(data: bytes) -> None:
    """Whatever a file says of its model, names are texts and the size a number above 0, or there are none."""
    text = data.decode("utf-8", "replace")
    model = ModelFile((), (), {"names": text, "imgsz": text})
    assert all(isinstance(name, str) and len(name) <= 128 for name in model.class_names)
    size = model.trained_size
    assert size is None or (type(size) is int and size > 0)


def answers(data: bytes) -> None:
    """What a camera answers is refused, or names a service on its own host, in words that can be shown."""
    try:
        found = multicast.read(data, "192.0.2.1")
    except (markup.MarkupError, SourceError):
        return
    if found is not None:
        assert found.service.url.startswith(("http://192.0.2.1:", "https://192.0.2.1:"))
        assert (found.name + found.hardware + found.service.url).isprintable()


def scenes(data: bytes) -> None:
    """What a camera that detects by itself says is refused, or objects in the frame at a possible time."""
    board = Board("yard", (640, 480))
    for read in (axis.read, onvif.read, darner.read, board.read):
        with contextlib.suppress(MessageError):
            scene = read(data)
            for one in () if scene is None else scene.seen:
                left, top, right, bottom = one.box
                assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1 and 0 <= one.score <= 1
            assert scene is None or 0 <= scene.captured_us < 10**18


def addresses(data: bytes) -> None:
    """What is shown of an address can be printed, and a batch job finds a name for it."""
    text = data.decode("utf-8", "surrogateescape")
    for shown in (redact(text), redact_address(text)):
        assert isinstance(shown, str)
    (name,) = names([text.replace("\0", "") or "x"])  # no argument of a process has a NUL
    assert "/" not in name


TARGETS: dict[str, Target] = {
    "addresses": addresses,
    "alerting": alerting,
    "answers": answers,
    "calendars": calendars,
    "collected": sidecars,
    "configuration": configuration,
    "cursors": cursors,
    "decode": decode,
    "definitions": definitions,
    "frames": frames,
    "metadata": metadata,
    "overrides": overrides,
    "packets": packets,
    "paths": paths,
    "pictures": pictures,
    "recordings": recordings,
    "requests": requests,
    "scenes": scenes,
}
"""Every target by its name."""


def quiet() -> None:
    """Log nothing: a fuzzer makes thousands of errors a second."""
    logging.disable(logging.CRITICAL)
