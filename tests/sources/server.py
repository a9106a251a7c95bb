"""Films in many containers, and a server that hands them out as servers do."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.sources.rtsp import SYSTEM_PYTHON


@functools.cache
def made() -> tuple[Path, frozenset[str], tempfile.TemporaryDirectory[str]]:
    """A folder of films, and the names of those that could be made here; none without GStreamer."""
    folder = tempfile.TemporaryDirectory(prefix="darner-films-")
    script = Path(__file__).with_name("maker.py")
    try:
        done = subprocess.run(
            [SYSTEM_PYTHON, str(script), folder.name], capture_output=True, text=True, check=False
        )
        names = done.stdout.split()
    except OSError:
        names = []
    return Path(folder.name), frozenset(names), folder


class Server:
    """Serves films in several manners, which the first part of the path names.

    - ``ranges``: with a length, and parts on request, as most servers do
    - ``plain``: with a length only
    - ``chunks``: without a length
    - ``away``: redirects to ``ranges``
    - ``closes``: like ``ranges``, but closes connections without announcing it
    - ``cut``: like ``plain``, but the connection breaks off, later with every request
    - ``live``: HLS whose playlist has the newest three of the segments, which begin again after the last
    """

    def __init__(self, folder: Path) -> None:
        began = time.monotonic()
        asked: list[str] = []
        self.asked = asked

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append(self.path)
                manner, _, name = self.path.strip("/").partition("/")
                name = name.partition("?")[0]
                if manner == "away":
                    self.send_response(302)
                    self.send_header("Location", f"/ranges/{name}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if name == "live.m3u8":
                    body = _live(time.monotonic() - began)
                elif (folder / name).is_file():
                    body = (folder / name).read_bytes()
                else:
                    self.send_error(404)
                    return
                self.answer(manner, name, body)

            def answer(self, manner: str, name: str, body: bytes) -> None:
                part = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
                if part and manner in ("ranges", "closes"):
                    first, last = int(part[1]), int(part[2] or len(body) - 1)
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
                    body = body[first : last + 1]
                else:
                    self.send_response(200)
                self.send_header(
                    "Content-Type",
                    "application/vnd.apple.mpegurl" if name.endswith("m3u8") else "video/mp4",
                )
                if manner != "closes":
                    self.send_header("Connection", "close")
                if manner != "chunks":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if manner == "cut":
                    body = body[: len(body) * (1 + asked.count(self.path)) // 6]
                with suppress(OSError):  # the reader closed the connection first
                    self.wfile.write(body)
                self.close_connection = manner != "closes" or self.headers.get("Connection") == "close"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _live(now_s: float) -> bytes:
    newest = int(now_s) + 3
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{newest - 3}"]
    for number in range(newest - 3, newest):
        lines += ["#EXT-X-DISCONTINUITY"] if number and number % 8 == 0 else []
        lines += ["#EXTINF:1.0,", f"part{number % 8}.ts?{number}"]
    return "\n".join([*lines, ""]).encode()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server until the block ends."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()
