from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from broker.__main__ import choose, command
from shared import topics
from shared.errors import BrokerError
from shared.mqtt import Client, MqttSettings
from tests.conftest import free_port, wait_for_port


@contextmanager
def running(*arguments: str, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "broker", "--port", str(port), *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for_port(port)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("engine", ["mosquitto", "rumqttd"])
def test_each_engine_retains_a_large_message_and_stops_when_asked(engine: str) -> None:
    port = free_port()
    with running("--engine", engine, port=port) as process:
        settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
        with Client(settings, name="a") as writer, Client(settings, name="b") as reader:
            assert writer.wait_connected(10)
            writer.set_state(topics.STATUS, "darner/v1/n/status", bytes(900_000))
            assert writer.finish(10)
            reader.subscribe("darner/v1/+/status", 1)
            got = reader.received.get(10)
            assert (len(got.payload), got.retain) == (900_000, True)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 0
        assert f"{engine} listens on 127.0.0.1:{port}" in said


def test_a_broker_that_is_frozen_is_stopped_all_the_same() -> None:
    port = free_port()
    with running("--engine", "mosquitto", port=port) as process:
        (mosquitto,) = psutil.Process(process.pid).children()
        mosquitto.suspend()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert not mosquitto.is_running()


def test_a_taken_port_is_one_clear_line_and_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "broker", "--port", str(port)], capture_output=True, text=True, timeout=20
        )
    assert result.returncode == 2
    assert f"port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_retained_survives_kill_9_when_a_folder_is_given(tmp_path: Path) -> None:
    port = free_port()
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
    words = command("mosquitto", "127.0.0.1", port, tmp_path / "data", tmp_path)
    first = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    with Client(settings, name="a") as writer:
        assert writer.wait_connected(10)
        writer.set_state(topics.STATUS, "darner/v1/n/status", b"kept")
        assert writer.finish(10)
    deadline = time.monotonic() + 10
    while not (tmp_path / "data" / "mosquitto.db").exists():  # saved within autosave_interval
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    second = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    with Client(settings, name="b") as reader:
        reader.subscribe("darner/v1/#", 1)
        assert reader.received.get(10).payload == b"kept"
    second.kill()
    second.wait()


def test_no_broker_at_all_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.__main__.mosquitto", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        choose("auto")
