"""Clients of a real broker: connected, cut off, read."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received

CONNACK = b"\x20\x03\x00\x00\x00"
"""The answer to a CONNECT of MQTT 5, with no properties."""


def connecting(broker: socket.socket, sink: Callable[[Received], None] | None = None) -> Client:
    """A client of a socket that plays a broker."""
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{broker.getsockname()[1]}")
    return Client(settings, name="test", sink=sink)


def accepted(broker: socket.socket) -> socket.socket:
    """The next connection, once its CONNECT has come."""
    connection, _ = broker.accept()
    connection.settimeout(30)
    assert connection.recv(4096)
    return connection


@contextmanager
def connected(url: str | tuple[str, ...], **options: object) -> Iterator[Client]:
    with Client(MqttSettings(url=url, **options), name="test") as client:  # type: ignore[arg-type]  # settings by name
        assert client.wait_connected(30)
        yield client


def take(client: Client, count: int = 1, timeout: float = 30.0) -> list[Received]:
    return [client.received.get(timeout) for _ in range(count)]
