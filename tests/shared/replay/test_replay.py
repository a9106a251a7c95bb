"""A recording holds what a broker delivered, and playing it delivers the same to another."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.conformance.rules import Checker
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.replay import __main__ as replay
from shared.replay.recording import Header, Line, Writer, read
from shared.wire import messages, topics
from shared.wire.picture_names import with_name
from tests.conftest import REPO, Mosquitto, MosquittoProcess, wait_until
from tests.shared.conformance.test_conformance import JPEG, boxes, event, picture, sent, status

PREFIX = "conformance/v1"
STARTED_US = 1_000_000


def story() -> list[Received]:
    """A short session with everything a message can have."""
    live = [message for seq in range(20) for message in (boxes(seq), picture(seq), event(seq, seq))]
    request = sent(
        topics.REQUEST,
        b'{"host":"192.168.1.20","password":"swordfish-77"}',
        response_topic="answers/here",
        correlation=b"\x00\xff",
        content_type=None,
    )
    return [status(), *live, sent(topics.SNAPSHOT, JPEG), request, status("offline")]


class Ear:
    """Everything below a prefix, as it was published."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def hear(self, count: int) -> list[Received]:
        return [self._client.received.get(30) for _ in range(count)]

    def silent(self) -> bool:
        return len(self._client.received) == 0


@pytest.fixture
def ear(own_broker: MosquittoProcess) -> Iterator[Ear]:
    with Client(MqttSettings(url=own_broker.url), name="ear") as client:
        client.subscribe("#", 1, as_published=True)
        assert client.wait_subscribed(30)
        yield Ear(client)


def plain(received: Received) -> Received:
    """Without what is the network's: how much of the expiry is left."""
    return replace(received, user_properties=dict(received.user_properties))


def lines_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def recording(path: Path, told: list[Received], step_us: int = 0) -> Path:
    header = Header(prefix=PREFIX, started_us=STARTED_US)
    with Writer(path, header, 10_000_000) as writer:
        assert path.stat().st_mode & 0o777 == 0o600, "people are on its pictures"
        for number, message in enumerate(told):
            assert writer.write(Line.of(number * step_us, message))
    return path


def test_what_one_broker_delivered_another_delivers_the_same(
    broker: Mosquitto, own_broker: MosquittoProcess, ear: Ear, tmp_path: Path
) -> None:
    file = tmp_path / "session.jsonl"
    told = [replace(message, topic=message.topic.replace(PREFIX, "replay-1/v1")) for message in story()]
    with Client(MqttSettings(url=broker.url), name="teller") as teller:
        assert teller.wait_connected(30)
        assert teller.republish(told[0])
        assert teller.flush(30)
        stop = threading.Event()
        settings = MqttSettings(url=broker.url, prefix="replay-1/v1")
        counts: list[int] = []
        thread = threading.Thread(
            target=lambda: counts.append(replay.record(file, settings, None, 10_000_000, stop))
        )
        thread.start()
        wait_until(lambda: lines_of(file) == 2)  # the header and the retained status
        for message in told[1:]:
            assert teller.republish(message)
            time.sleep(0.005)
        assert teller.flush(30)
        wait_until(lambda: lines_of(file) == 1 + len(told))
        stop.set()
        thread.join(30)
    assert counts == [len(told)]
    assert replay.main(["play", str(file), "--broker", own_broker.url]) == 0
    wanted = [message for message in told if "/request/" not in message.topic]
    assert [plain(message) for message in ear.hear(len(wanted))] == [plain(message) for message in wanted]
    assert ear.silent(), "a request is not played: a node would do it"
    request = next(message for _, message in read(file) if "/request/" in message.topic)
    assert (request.response_topic, request.correlation) == ("answers/here", b"\x00\xff")
    assert request.payload == b'{"host":"192.168.1.20","password":"***"}'


def test_state_is_retained_on_the_other_broker(own_broker: MosquittoProcess, tmp_path: Path) -> None:
    file = recording(tmp_path / "r", [status(), boxes(1)])
    assert replay.main(["play", str(file), "--broker", own_broker.url]) == 0
    with Client(MqttSettings(url=own_broker.url), name="late") as late:
        late.subscribe("#", 1)
        got = late.received.get(30)
        assert (got.topic, got.retain) == (f"{PREFIX}/n/status", True)


@pytest.mark.timing
@pytest.mark.parametrize(("speed", "seconds"), [("1", 1.0), ("4", 0.25)])
def test_it_keeps_time_at_any_speed_and_says_how_well(
    own_broker: MosquittoProcess,
    ear: Ear,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    speed: str,
    seconds: float,
) -> None:
    file = recording(tmp_path / "r", [boxes(seq) for seq in range(11)], step_us=100_000)
    play = ["play", str(file), "--broker", own_broker.url, "--speed", speed]
    thread = threading.Thread(target=lambda: ear.hear(1))
    thread.start()
    started = time.monotonic()
    assert replay.main(play) == 0
    assert seconds <= time.monotonic() - started < seconds + 1.5
    thread.join()
    assert len(ear.hear(10)) == 10
    assert "11 messages; late by " in capsys.readouterr().err


def test_now_moves_all_times_alike_and_the_prefix_every_topic(
    own_broker: MosquittoProcess, ear: Ear, tmp_path: Path
) -> None:
    named = messages.Event(
        node="n",
        session="s",
        camera="c",
        seq=7,
        published_us=STARTED_US + 90,
        captured_us=STARTED_US + 40,
        event_id="n-s-1",
        type="track_ended",
        occurred_us=STARTED_US - 60,
        snapshot=f"{PREFIX}/n/camera/c/snapshot/1",
    )
    name = messages.PictureName(session="s", seq=7, captured_us=STARTED_US + 40, width=32, height=18)
    shown = picture(7, with_name(JPEG, name), captured_us=str(name.captured_us))
    file = recording(tmp_path / "r", [sent(topics.EVENTS, messages.encode(named)), shown])
    before = messages.now_us()
    play = ["play", str(file), "--broker", own_broker.url, "--now", "--prefix", "elsewhere/v2"]
    assert replay.main(play) == 0
    first, second = ear.hear(2)
    told = messages.decode(messages.Event, first.payload)
    assert before <= told.captured_us <= messages.now_us()
    assert (told.published_us - told.captured_us, told.captured_us - told.occurred_us) == (50, 100)
    assert second.user_properties["captured_us"] == str(told.captured_us)
    assert (first.topic, told.snapshot) == (
        "elsewhere/v2/n/camera/c/events",
        "elsewhere/v2/n/camera/c/snapshot/1",
    )
    assert (told.session, told.event_id) == ("s", "n-s-1")
    assert second.payload == with_name(JPEG, dataclasses.replace(name, captured_us=told.captured_us))


def test_each_pass_of_a_loop_is_a_session_that_keeps_the_contract(
    own_broker: MosquittoProcess, ear: Ear, tmp_path: Path
) -> None:
    name = messages.PictureName(session="s", seq=1, captured_us=1001, width=32, height=18)
    told = [boxes(1), picture(1, with_name(JPEG, name)), event(1, 1), boxes(2)]
    file = recording(tmp_path / "r", told, step_us=20_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "shared.replay", "play", str(file), "--broker", own_broker.url, "--loop"],
        cwd=REPO,
        stderr=subprocess.DEVNULL,
    )
    try:
        heard = ear.hear(12)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    bodies = [orjson.loads(heard[place].payload) for place in (2, 6, 10)]
    assert [(body["session"], body["event_id"]) for body in bodies] == [
        ("s", "n-s-1"),
        ("s-2", "n-s-2-1"),
        ("s-3", "n-s-3-1"),
    ]
    checker = Checker(PREFIX)
    for message in heard:
        checker.check(message, 0.0)
    report = checker.finish()
    assert (report.breaks, report.lost, report.repeated) == ([], 0, 0)


@pytest.mark.parametrize("cut", [1, 40, 4000])
def test_a_file_cut_off_plays_up_to_there_with_one_warning(
    own_broker: MosquittoProcess, ear: Ear, tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    file = recording(tmp_path / "r", story())
    content = file.read_bytes()
    file.write_bytes(content[:-cut])
    whole = file.read_bytes().count(b"\n") - 1 + (cut == 1)  # without its last newline a line is still whole
    assert replay.main(["play", str(file), "--broker", own_broker.url]) == 0
    errors = capsys.readouterr().err
    assert errors.count("WARNING") == (cut != 1)
    if cut != 1:
        assert f"line {whole + 2} is damaged or cut off" in errors
    requests = sum(b"/request/" in line for line in file.read_bytes().splitlines()[: whole + 1])
    assert len(ear.hear(whole - requests)) == whole - requests
    assert ear.silent()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"\x00\xff" * 5000, "no recording", id="garbage"),
        pytest.param(b"", "no recording", id="empty"),
        pytest.param(b'{"format":"darner.recording/2","prefix":"p","started_us":1}\n', "no rec", id="newer"),
        pytest.param(b"[1]\n", "no recording", id="other JSON"),
        pytest.param(None, "No such file", id="missing"),
    ],
)
def test_what_is_no_recording_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str
) -> None:
    file = tmp_path / "r"
    if content is not None:
        file.write_bytes(content)
    assert replay.main(["play", str(file), "--broker", "mqtt://127.0.0.1:1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"at_us":0,"topic":"a/#","qos":0,"text":""}', id="wildcard"),
        pytest.param(b'{"at_us":-1,"topic":"a","qos":0,"text":""}', id="before the beginning"),
        pytest.param(b'{"at_us":0,"topic":"a","qos":3,"text":""}', id="no such QoS"),
        pytest.param(b'{"at_us":0,"topic":"a","qos":0,"base64":"%"}', id="no base64"),
        pytest.param(b'{"at_us":0,"topic":"a","qos":0,"correlation":"\xc3\xa9"}', id="no ASCII"),
        pytest.param(b"null", id="no object"),
        pytest.param(b'{"at_us":0,"top', id="torn"),
    ],
)
def test_a_damaged_line_ends_a_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    file = recording(tmp_path / "r", [status()])
    file.write_bytes(file.read_bytes() + line + b"\n" + file.read_bytes().splitlines()[1])
    with caplog.at_level(logging.WARNING):
        assert len(list(read(file))) == 1
    assert len(caplog.records) == 1


def test_a_recording_killed_keeps_what_it_heard(broker: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "r"
    prefix = "replay-kill/v1"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "shared.replay", "record", str(file)),
            *("--broker", broker.url, "--prefix", prefix),
        ],
        cwd=REPO,
        stderr=subprocess.DEVNULL,
    )
    with Client(MqttSettings(url=broker.url), name="teller") as teller:
        assert teller.wait_connected(30)
        topic = f"{prefix}/n/status"
        wait_until(lambda: teller.republish(status(topic=topic)) and lines_of(file) >= 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(read(file))) >= 2


def test_it_ends_before_the_file_is_larger_than_allowed(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r"
    prefix = "replay-size/v1"
    with Client(MqttSettings(url=broker.url), name="teller") as teller:
        assert teller.wait_connected(30)
        teller.set_state(topics.STATUS, f"{prefix}/n/status", bytes(2000))
        assert teller.finish(30)
        record = ["record", str(file), "--broker", broker.url, "--prefix", prefix, "--max-mb", "0.001"]
        assert replay.main(record) == 0
    assert file.stat().st_size < 1000
    assert "has reached --max-mb" in capsys.readouterr().err


def test_a_recording_is_never_overwritten(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r"
    file.write_text("precious")
    assert replay.main(["record", str(file), "--broker", broker.url]) == 1
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "precious"


@pytest.mark.parametrize("speed", ["0", "-1", "nan"])
def test_a_speed_that_is_none_is_refused(tmp_path: Path, speed: str) -> None:
    file = recording(tmp_path / "r", [])
    assert replay.main(["play", str(file), "--broker", "mqtt://127.0.0.1:1", f"--speed={speed}"]) == 2


def test_a_3_1_1_broker_gets_the_payloads(own_broker: MosquittoProcess, ear: Ear, tmp_path: Path) -> None:
    file = recording(tmp_path / "r", [boxes(1)])
    play: list[Any] = ["play", str(file), "--broker", own_broker.url, "--set", "mqtt.version=3.1.1"]
    assert replay.main(play) == 0
    (got,) = ear.hear(1)
    assert (got.payload, got.content_type) == (boxes(1).payload, None)
