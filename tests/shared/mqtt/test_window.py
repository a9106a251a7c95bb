"""The window of unwritten messages when the connection is lost, with a socket that plays the broker."""

from __future__ import annotations

import socket
import struct

from shared.wire import topics
from tests.conftest import wait_until
from tests.shared.mqtt.connections import CONNACK, accepted, connecting

PATH = "darner/v1/window/camera/c/thumbnail"
LARGE = bytes(900_000)


def test_what_was_lost_with_a_connection_leaves_the_window_when_the_next_one_stands() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker, connecting(broker) as writer:
        first = accepted(broker)
        first.sendall(CONNACK)
        assert writer.wait_connected(30)
        for _ in range(6):  # which nobody reads
            assert writer.publish(topics.THUMBNAIL, PATH, LARGE)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        second = accepted(broker)
        second.sendall(CONNACK)
        wait_until(lambda: writer.connections == 2 and writer.connected)
        assert writer.publish(topics.THUMBNAIL, PATH, b"new")
        assert writer.flush(30)
        assert second.recv(4096).endswith(b"new")
        second.close()
