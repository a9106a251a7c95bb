"""How a connection is tuned, lost and tried again."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
import psutil
import pytest

from shared.mqtt.link.connection import NOT_SENT
from shared.mqtt.link.route import reconnect_delays
from shared.wire import topics
from tests.conftest import Mosquitto, MosquittoProcess, wait_until
from tests.shared.mqtt.connections import connected

EVENTS = "darner/v1/n/camera/c/events"


def test_each_reconnect_waits_a_time_of_its_own_within_3_s() -> None:
    waits = {reconnect_delays() for _ in range(20)}
    assert len(waits) == 20
    assert all(0.3 <= first <= 1 and 1.5 <= longest <= 3 for first, longest in waits)


@contextmanager
def socket_to(port: int) -> Iterator[socket.socket]:
    """Another handle on this process's only connection to a port."""
    (descriptor,) = (
        one.fd for one in psutil.Process().net_connections("tcp4") if one.raddr and one.raddr[1] == port
    )
    with socket.socket(fileno=os.dup(descriptor)) as same:
        yield same


def test_the_socket_sends_at_once_and_a_cut_network_is_an_error_in_seconds(
    own_broker: MosquittoProcess,
) -> None:
    with connected(own_broker.url), socket_to(own_broker.port) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == NOT_SENT


def test_a_disconnection_that_is_told_twice_is_one(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: Any = paho.Client.on_disconnect

    def tell_twice(paho_client: paho.Client, tell: Any) -> None:  # as paho does now and then
        plain.__set__(paho_client, lambda *told: [tell(*told), tell(*told)])

    monkeypatch.setattr(paho.Client, "on_disconnect", property(plain.__get__, tell_twice))
    topic = "darner/v1/twice/status"
    with connected(broker.url) as client:
        client.set_state(topics.STATUS, topic, b"1")
        client.cut()
        wait_until(lambda: client.connections == 2)
        assert client.wait_connected(30)
        assert client.publish(topics.EVENTS, EVENTS, b"works")
    assert len([record for record in caplog.records if "lost the broker" in record.message]) == 1
