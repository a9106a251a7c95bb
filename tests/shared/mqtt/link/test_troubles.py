"""What keeps a client from its broker is said once, with the fix."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.conftest import Mosquitto, MosquittoProcess, wait_until
from tests.shared.mqtt.connections import connected

EVENTS = "darner/v1/n/camera/c/events"


@contextmanager
def files_open(count: int) -> Iterator[list[int]]:
    """Let this process use at least this many descriptors; yields them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < count + 200:
        pytest.skip(f"this machine allows {before[1]} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count + 200), before[1]))
    held: list[int] = []
    try:
        while not held or held[-1] < count:
            held.append(os.open(os.devnull, os.O_RDONLY))
        yield held
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_many_open_files_are_an_error_and_not_silence(broker: Mosquitto) -> None:
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    settings = MqttSettings(url=broker.url)
    with files_open(1100), Client(settings, name="crowded", on_refused=on_refused) as client:
        assert refused.wait(30)
        assert not client.connected
    assert "too many files open" in str(errors[0])


def test_a_connection_lost_among_too_many_open_files_comes_back_when_there_are_fewer(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(broker.url) as client:
        with files_open(1100) as held:
            client.cut()
            wait_until(lambda: not client.connected)
            held += [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]  # in place of the socket
            wait_until(lambda: "too many files open" in caplog.text)
            assert not client.publish(topics.EVENTS, EVENTS, b"lost"), "and says so"
        assert client.wait_connected(30)
        assert client.publish(topics.EVENTS, EVENTS, b"sent")


def test_a_wrong_password_is_one_error_that_names_the_settings(tmp_path: Path) -> None:
    nobody = tmp_path / "passwords"
    nobody.write_text("")
    nobody.chmod(0o644)
    tmp_path.chmod(0o755)
    strict = MosquittoProcess(tmp_path, extra=f"password_file {nobody}", anonymous=False)
    strict.start()
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    settings = MqttSettings(url=strict.url, username="u", password="p")
    with Client(settings, name="stranger", on_refused=on_refused):
        assert refused.wait(30)
    strict.kill()
    assert "mqtt.password" in str(errors[0])
