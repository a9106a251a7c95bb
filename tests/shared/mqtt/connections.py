"""Clients of a real broker: connected, cut off, read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received


@contextmanager
def connected(url: str, **options: object) -> Iterator[Client]:
    with Client(MqttSettings(url=url, **options), name="test") as client:  # type: ignore[arg-type]  # settings by name
        assert client.wait_connected(10)
        yield client


def take(client: Client, count: int = 1, timeout: float = 10.0) -> list[Received]:
    return [client.received.get(timeout) for _ in range(count)]
