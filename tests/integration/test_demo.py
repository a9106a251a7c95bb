"""`make demo` as a newcomer runs it, without the installation."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import messages, topics
from tests.conftest import REPO, free_port, wait_for_port, wait_until


@contextmanager
def demo(**environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_node.demo"],
        env=os.environ | environment,
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def people_seen(port: int, timeout: float) -> bool:
    with Client(MqttSettings(url=f"mqtt://127.0.0.1:{port}"), name="test") as client:
        client.subscribe(topics.DETECTIONS.filter(topics.DEFAULT_PREFIX))
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                received = client.received.get(1.0)
            except TimeoutError:
                continue
            if len(messages.decode(messages.DetectionsMessage, received.payload).objects) >= 3:
                return True
    return False


def health(port: int) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()


def test_the_demo_finds_people_prints_its_address_and_ends_after_its_seconds(people_video: Path) -> None:
    mqtt, http = free_port(), free_port()
    ports = {"DEMO_MQTT_PORT": str(mqtt), "DEMO_HTTP_PORT": str(http)}
    with demo(DEMO_SECONDS="12", DEMO_SOURCE=str(people_video), **ports) as process:
        assert people_seen(mqtt, timeout=60)
        wait_until(lambda: b'"status":"ok"' in health(http))
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert f"open http://127.0.0.1:{http}/" in said
    assert "mosquitto listens" in said
    assert "Traceback" not in said


@pytest.mark.long
def test_ctrl_c_stops_all_three_programs(people_video: Path) -> None:
    mqtt, http = free_port(), free_port()
    ports = {"DEMO_MQTT_PORT": str(mqtt), "DEMO_HTTP_PORT": str(http)}
    with demo(DEMO_SOURCE=str(people_video), **ports) as process:
        assert people_seen(mqtt, timeout=60)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    for port in (mqtt, http):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_killed_broker_is_started_again_and_the_others_reconnect(people_video: Path) -> None:
    mqtt, http = free_port(), free_port()
    ports = {"DEMO_MQTT_PORT": str(mqtt), "DEMO_HTTP_PORT": str(http)}
    with demo(DEMO_SOURCE=str(people_video), **ports) as process:
        assert people_seen(mqtt, timeout=60)
        family = psutil.Process(process.pid).children(recursive=True)
        (broker,) = [child for child in family if child.name() == "mosquitto"]
        broker.kill()
        wait_until(lambda: not broker.is_running())
        wait_for_port(mqtt)
        returned = time.monotonic()
        assert people_seen(mqtt, timeout=60)
        wait_until(lambda: b'"broker_connected":true' in health(http))
        assert time.monotonic() - returned < 30, "half of what MQTT's keepalive takes to notice"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert "starting it again" in said


@pytest.mark.parametrize("variable", ["DEMO_MQTT_PORT", "DEMO_HTTP_PORT"])
def test_a_taken_port_is_an_error_that_names_it(variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = {"DEMO_MQTT_PORT": str(free_port()), "DEMO_HTTP_PORT": str(free_port())}
        with demo(**(free | {variable: str(port)})) as process:
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"port {port} cannot be used" in said
    assert variable in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DEMO_SOURCE": "/nowhere.avi"}, "no such file"),
        ({"DEMO_SECONDS": "soon"}, "DEMO_SECONDS=soon"),
        ({"DEMO_HTTP_PORT": "http"}, "DEMO_HTTP_PORT=http"),
    ],
)
def test_a_bad_setting_is_one_clear_line(environment: dict[str, str], says: str) -> None:
    ports = {"DEMO_MQTT_PORT": str(free_port()), "DEMO_HTTP_PORT": str(free_port())}
    with demo(**(ports | environment)) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert says in said
    assert "Traceback" not in said
