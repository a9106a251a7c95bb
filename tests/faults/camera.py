"""An IP camera: MJPEG over HTTP from a real video, that can hang, die and come back."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import socket
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FPS = 10
FRAMES = 300


class Camera:
    """Serves the beginning of a video over and over; `with` switches it on and off.

    Args:
        video: What it sees.

    Attributes:
        hanging: Whether it keeps its connections, but answers and sends nothing.
        covered: Whether something dark is in front of it.
        coverings: How often that was so.
        frames: What it shows, JPEGs.
        deaths: How often it was switched off.
        url: Its address.
    """

    def __init__(self, video: Path) -> None:
        self.frames = _jpegs(video)
        self._dark = _dark()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._port = 0
        self._connections: list[socket.socket] = []
        self._began = time.monotonic()
        self.hanging = self.covered = False
        self.deaths = self.coverings = 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}/"

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.hanging = False
        if self._server:
            self.die()

    def start(self) -> None:
        """Switch it on, at the address it had."""
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._connections.append(self.connection)
                with contextlib.suppress(OSError):
                    camera._stream(self)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self.alive = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cover(self) -> None:
        """Put something dark in front of it."""
        self.covered = True
        self.coverings += 1

    def die(self) -> None:
        """Switch it off: connections end, and new ones are refused."""
        assert self._server is not None
        self.alive = False
        self.deaths += 1
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _stream(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._wait()
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for _ in itertools.count():
            self._wait()
            number = int((time.monotonic() - self._began) * FPS)
            frames = self._dark if self.covered else self.frames
            jpeg = frames[number % len(frames)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            handler.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(max(0.0, self._began + (number + 1) / FPS - time.monotonic()))

    def _wait(self) -> None:
        while self.hanging:
            time.sleep(0.02)
        if not self.alive:
            raise ConnectionAbortedError


def _jpegs(video: Path) -> list[bytes]:
    reader = cv2.VideoCapture(str(video))
    jpegs: list[bytes] = []
    while len(jpegs) < FRAMES:
        good, image = reader.read()
        if not good:
            break
        jpegs.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes())
    reader.release()
    return jpegs


def _dark() -> list[bytes]:
    """Black with a sensor's noise."""
    dice = np.random.default_rng(1)
    pictures = (dice.normal(9, 3, (576, 768, 3)).clip(0, 255).astype(np.uint8) for _ in range(30))
    return [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for one in pictures]
