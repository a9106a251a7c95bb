"""Starts the RTSP camera of `rtsp_server.py` and reads the time in its pictures."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_node.pictures import U8

SYSTEM_PYTHON = "/usr/bin/python3"
BLOCK = 8


@functools.cache
def missing() -> str | None:
    """Why the camera cannot be started here; None when it can."""
    script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", script], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no RTSP server: {error}"
    if done.returncode:
        return "no RTSP server: apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-bad"
    return None


class RtspCamera:
    """A running camera."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.url = f"rtsp://127.0.0.1:{port}/cam"

    def tell(self, command: str) -> None:
        """See `rtsp_server.py` for the commands."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)


@contextmanager
def rtsp_camera(*arguments: str) -> Iterator[RtspCamera]:
    """A camera until the block ends."""
    script = Path(__file__).with_name("rtsp_server.py")
    process = subprocess.Popen(
        [SYSTEM_PYTHON, str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            yield RtspCamera(process, int(process.stdout.readline()))
        finally:
            process.kill()


def burnt_in_us(image: U8) -> int:
    """Microseconds since 1970 when the picture was made."""
    blocks = image[: 2 * BLOCK, : 32 * BLOCK, 1].reshape(2, BLOCK, 32, BLOCK).mean(axis=(1, 3))
    return int("".join("1" if bright else "0" for bright in (blocks > 125).ravel()), 2)
