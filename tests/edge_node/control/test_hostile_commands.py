"""Requests made to hurt, against the handlers of a real node: one answer each, in bounded time and memory."""

from __future__ import annotations

import base64
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.calendar.running import RunningCalendar
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.commands import Commands
from edge_node.control.handlers import Control
from edge_node.detect.detector import Detector
from edge_node.detect.stages import Detect
from edge_node.flow.pipeline import Pipeline
from edge_node.ignore.store import SuspectStore
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from edge_node.rules.alerts import Alerts
from edge_node.rules.desk import RuleDesk
from edge_node.rules.memory import Memory
from edge_node.rules.scenes import Scenes
from edge_node.rules.store import RuleStore
from shared import limits
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages
from tests.conftest import REPO, free_port
from tests.edge_node.control.bodies import SENSIBLE, WILD
from tests.edge_node.control.test_commands import PREFIX, NoBroker
from tests.shared.wire.test_hostile import HOSTILE

WITHIN_S = 5.0
COMMANDS = (
    *("ping", "snapshot", "heatmap", "detect", "set", "zones.set", "suspects.dismiss", "none"),
    *("calendar.set", "mode.set", "rules.set", "health.accept"),
)


class Node:
    """A node's commands without its cameras and broker."""

    def __init__(self, detector: Detector) -> None:
        cameras = {"street": CameraSettings(source="x.avi")}
        config = EdgeConfig(
            node="box",
            cameras=cameras,
            mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}"),
            zones_file=None,
        )
        client = Client(config.mqtt, name="t")
        outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
        live, definitions = LiveStore(config), DefinitionStore(None, cameras)
        composer = Composer(config.node, "s", detector.class_names)
        publisher = Publisher(client, outbox, SnapshotSender(client), config, live, composer)
        suspects = SuspectStore(None, cameras, detector.class_names)
        detect = Detect(detector, cameras, live)
        pipeline = Pipeline(config, [detect], publisher, live, definitions, threading.Event())
        control = Control(pipeline, publisher, detector, live, definitions, suspects, lambda: None)
        calendar = RunningCalendar(config, live)
        calendar.watch(pipeline.watches, definitions)
        memory, scenes = Memory(None), Scenes(config, definitions)
        alerts = Alerts({}, scenes.of, cameras, memory.cameras)
        places = {"street": definitions["street"]}
        store = RuleStore(None, {})
        desk = RuleDesk(store, alerts, memory, lambda: places, detector.class_names, lambda _: None)
        calendar.keeper.listen(
            lambda now: desk.know_schedules(now.calendar.schedules, now.timetable.never_active(0))
        )
        self.handlers = {**control.handlers(), **calendar.handlers(), **desk.handlers()}

    def ask(self, command: str, payload: bytes) -> messages.Response:
        answers = NoBroker()
        commands = Commands(answers, PREFIX, "box", "s", self.handlers)  # type: ignore[arg-type]  # collects
        started = time.process_time()
        commands.answer(Received(f"{PREFIX}/box/request/{command}", payload, 1, False, {}))
        assert time.process_time() - started < WITHIN_S
        (answer,) = answers.published
        return messages.decode(messages.Response, answer)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Detector(ModelSettings()) as detector:
        yield Node(detector)


def grown_by(before: int) -> int:
    return int(psutil.Process().memory_info().rss) - before


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_payloads_get_one_answer_and_leave_nothing_behind(node: Node, payload: bytes) -> None:
    node.ask("ping", b"{}")
    before = int(psutil.Process().memory_info().rss)
    for _ in range(3):
        for command in COMMANDS:
            node.ask(command, payload)
    assert grown_by(before) < 100_000_000


PNG = b"\x89PNG\r\n\x1a\n"


@settings(max_examples=300)
@given(command=st.sampled_from(COMMANDS), body=SENSIBLE | WILD)
def test_any_request_gets_one_answer(node: Node, command: str, body: dict[str, Any]) -> None:
    try:
        payload = orjson.dumps(body)
    except TypeError:  # an integer that JSON here has no room for
        return
    node.ask(command, payload)


@given(
    head=st.sampled_from(
        [b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"\x89PNG\r\n\x1a\n", b"II*\x00", b""]
    ),
    tail=st.binary(max_size=300),
    as_json=st.booleans(),
)
def test_any_picture_gets_one_answer(node: Node, head: bytes, tail: bytes, as_json: bool) -> None:
    picture = head + tail
    payload = orjson.dumps({"image_base64": base64.b64encode(picture).decode()}) if as_json else picture
    node.ask("detect", payload)


@given(flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_damaged_picture_gets_one_answer(node: Node, flips: list[tuple[int, int]]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    for kind in (".jpg", ".png"):
        picture = bytearray(cv2.imencode(kind, noise)[1].tobytes())
        for place, value in flips:
            picture[place % len(picture)] = value
        node.ask("detect", bytes(picture))


def png(width: int, height: int, rows: int) -> bytes:
    """A PNG that says how large it is, and holds some grey rows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(width + 1) * rows, 9)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG that says it is large."""
    small = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    at = small.index(b"\xff\xc0") + 5
    return small[:at] + struct.pack(">HH", height, width) + small[at + 4 :]


BOMBS = {
    "a PNG of 900 megapixels": png(30_000, 30_000, 200),
    "a PNG of 2 ** 62 pixels": png(2**31 - 1, 2**31 - 1, 0),
    "a PNG of just too many pixels": png(8000, 5001, 5001),
    "a PNG of as many as are allowed": png(8000, 5000, 5000),
    "a JPEG of 4 gigapixels": jpeg(65_500, 65_500),
    "a PNG of no width": png(0, 100, 0),
}

BOMBED = """
import json, resource
from tests.edge_node.control.test_hostile_commands import BOMBS, Node
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
with Detector(ModelSettings()) as detector:
    node = Node(detector)
    node.ask("ping", b"{}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, bomb in BOMBS.items():
        answer = node.ask("detect", bomb)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([name, grown // 1024, answer.error or str(answer.result["width"])]))
"""


def test_a_picture_that_unpacks_to_gigabytes_is_refused_before_it_does() -> None:
    assert all(len(bomb) < 200_000 for bomb in BOMBS.values())
    command = [sys.executable, "-c", BOMBED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=100, check=True)
    answers = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in answers] == list(BOMBS)
    for name, megabytes, said in answers:
        assert said == "8000" if "allowed" in name else "the image" in said, name
        assert megabytes < 400, f"{name}: 40 megapixels of three bytes, and what it takes to shrink them"


@pytest.mark.parametrize(("kind", "name"), [(".tiff", "TIFF"), (".bmp", "BMP"), (".webp", "WebP")])
def test_formats_that_nobody_needs_are_not_decoded(node: Node, kind: str, name: str) -> None:
    picture = cv2.imencode(kind, np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    answer = node.ask("detect", orjson.dumps({"image_base64": base64.b64encode(picture).decode()}))
    assert answer.error == f"the image is {name}; send a JPEG or PNG"
    assert "neither JPEG nor PNG nor JSON" in (node.ask("detect", picture).error or "")


def test_a_picture_that_a_decoder_goes_over_thousands_of_times_is_refused_at_once(node: Node) -> None:
    """A scan that refines nothing has a few bytes, and a decoder goes over the whole picture for it."""
    large = cv2.imencode(".jpg", np.zeros((2000, 2000, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[
        1
    ].tobytes()
    assert node.ask("detect", large).error is None
    last = large.rindex(b"\xff\xda")
    picture = large[:-2] + large[last:-2] * 3000 + large[-2:]
    assert len(picture) < limits.PAYLOAD_BYTES
    started = time.thread_time()
    assert "or a rare variant" in (node.ask("detect", picture).error or "")
    assert time.thread_time() - started < 0.5


def test_no_confidence_at_all_is_not_the_usual_confidence(node: Node) -> None:
    picture = cv2.imencode(".png", np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))[
        1
    ].tobytes()
    image = base64.b64encode(picture).decode()
    least, usual = (
        node.ask("detect", orjson.dumps({"image_base64": image} | more)) for more in ({"confidence": 0}, {})
    )
    assert len(least.result["objects"]) > 100
    assert usual.result["objects"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory there was at most")
def test_a_chunk_that_claims_gigabytes_takes_none(node: Node) -> None:
    """OpenCV's PNG reader makes room for what a chunk says it has: 3.7 GB for these 2 kB."""
    picture = bytearray(cv2.imencode(".png", np.zeros((24, 32, 3), np.uint8))[1].tobytes())
    picture[33] = 0xDF  # the highest byte of the second chunk's length
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak
    before = _peak_mb()
    assert node.ask("detect", bytes(picture)).error
    assert _peak_mb() - before < 200


def _peak_mb() -> float:
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(line) / 1e3
