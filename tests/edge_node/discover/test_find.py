from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.discover.find import Wish, find
from edge_node.discover.probing import probe
from shared.errors import SourceError


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of a device that sends a header, one byte after the other, and never ends."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nServer: ")
                while not over.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def test_a_device_that_never_ends_its_answer_is_hung_up_on(dripping: int) -> None:
    started = time.monotonic()
    [camera] = find(Wish(side=416, hosts=[("127.0.0.1", dripping)], ask_s=0.3, webcams=False))
    assert time.monotonic() - started < 30
    assert camera.notes == ("it takes too long to answer",)


def test_a_search_that_is_stopped_ends_although_devices_are_slow(dripping: int) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    hosts = [("127.0.0.1", dripping)] * 40  # more than are asked side by side
    found = find(Wish(side=416, hosts=hosts, webcams=False), stop)
    assert time.monotonic() - started < 30
    assert {camera.notes for camera in found} == {("it takes too long to answer",)}


def test_a_stream_in_which_a_library_hangs_is_given_up(dripping: int) -> None:
    started = time.monotonic()
    camera = CameraSettings(source=f"rtsp://u:swordfish-77@127.0.0.1:{dripping}/x")
    with pytest.raises(
        SourceError, match=rf"^rtsp://127.0.0.1:{dripping}/x gives nothing usable within 0.3 s"
    ):
        probe(camera, threading.Event(), whole_s=0.3)
    assert time.monotonic() - started < 30
