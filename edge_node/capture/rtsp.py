"""RTSP cameras: through GStreamer or FFmpeg, over TCP or UDP, whichever works."""

from __future__ import annotations

import re
import socket
from typing import Literal

from edge_node.capture.decoding import Choice
from edge_node.capture.readers import gstreamer_library
from edge_node.capture.readers.address import Address
from edge_node.capture.readers.gstreamer import GstReader, Transport
from edge_node.capture.readers.interface import Reader
from edge_node.capture.readers.nvdec import GpuCamera, unavailable
from edge_node.capture.readers.video import Video
from edge_node.capture.readers.web import refused
from edge_node.config.camera_settings import CameraSettings
from shared.errors import SourceError

_Way = tuple[Literal["gstreamer", "ffmpeg"], Literal["tcp", "udp", "auto"]]
_NO_VIDEO = "OpenCV's FFmpeg gets no video from it"
_FFMPEG = "FFmpeg reads the stream; the GPU decodes only what GStreamer reads"
_REFUSED = "allow more transport protocols"
"""What GStreamer says of a camera that refuses TCP."""
_ASK_S = 1.0
_PORTS = {"rtsp": 554, "rtsps": 322}


class RtspCamera:
    """Opens a camera's stream, and remembers the way that works.

    FFmpeg by itself asks for TCP, and for UDP if the camera refuses TCP. GStreamer needs an attempt for each.
    A camera that cannot be reached at all says nothing about the ways.

    Args:
        camera: The camera's name, for messages.
        address: Its address.
        shown: The address for messages.
        settings: The camera's settings.
        choice: Where the stream is decoded.
    """

    def __init__(
        self, camera: str, address: Address, shown: str, settings: CameraSettings, choice: Choice
    ) -> None:
        self._choice = choice
        self._camera, self._address, self._shown = camera, address, shown
        self._stall_s = settings.stall_s
        self._ways = _ways(settings)
        self._at = 0

    def open(self) -> Reader:
        """Open the stream in the way that worked last, or in the next one after a failure.

        Raises:
            SourceError: It cannot be opened in this way.
        """
        reader, transport = self._ways[self._at]
        if reader == "gstreamer":
            over: Transport = "udp" if transport == "udp" else "tcp"
            return self._on_gpu(over) or GstReader(self._address, self._prefix(), self._stall_s, over)
        self._choice.take(_FFMPEG)
        options = None if transport == "auto" else f"rtsp_transport;{transport}"
        video = Video(self._address.full, f"{self._prefix()}: {_NO_VIDEO}", self._stall_s, options)
        if transport != "auto":
            video.name += f", {transport.upper()}"
        return video

    def _on_gpu(self, over: Transport) -> Reader | None:
        """The stream decoded on the GPU; None if the processor decodes it.

        Raises:
            SourceError: It cannot be opened over this transport.
        """
        gpu = self._choice.take(unavailable())
        if gpu is None:
            return None
        reader = GpuCamera(self._address, self._prefix(), self._stall_s, over, gpu, self._choice.refuse)
        try:
            reader.begin()
        except SourceError:
            reader.close()
            if self._choice.refused:
                return None
            raise
        return reader

    def failed(self, reason: str) -> str:
        """Take in that an attempt gave no frame; return why, as far as the camera tells."""
        reachable, why = _why_not(self._address)
        if _REFUSED in reason:  # by GStreamer over TCP: what it can do over UDP comes before FFmpeg
            self._ways.sort(key=lambda way: way[0] != "gstreamer")
        self._at = (self._at + 1) % len(self._ways) if reachable else 0
        return f"{self._prefix()}: {why}" if why else reason

    def _prefix(self) -> str:
        return f"camera {self._camera}: cannot open {self._shown}"


def _ways(settings: CameraSettings) -> list[_Way]:
    """The ways to try, the best first."""
    wanted = settings.transport
    if settings.reader == "ffmpeg":
        return [("ffmpeg", wanted)]
    by_gstreamer: list[_Way] = [("gstreamer", over) for over in ("tcp", "udp") if wanted in ("auto", over)]
    if settings.reader == "gstreamer":
        return by_gstreamer
    if gstreamer_library.unavailable():
        return [("ffmpeg", wanted)]
    return [by_gstreamer[0], ("ffmpeg", wanted), *by_gstreamer[1:]]


def _why_not(address: Address) -> tuple[bool, str | None]:
    """Whether the camera can be reached, and why it gives no stream, as far as one request tells."""
    if wrong := address.wrong_port:
        return False, wrong
    host, port = address.host
    try:
        with socket.create_connection((host, port or _PORTS[address.scheme]), _ASK_S) as camera:
            if address.scheme == "rtsps":
                return True, None
            camera.settimeout(_ASK_S)
            question = f"DESCRIBE {address.bare} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
            camera.sendall(question.encode())
            answer = camera.recv(1024).decode("latin-1")
    except TimeoutError:
        return False, "no answer; is the camera on, and is the address right?"
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if "@" in address.place:
            return False, f"{reason}; percent-encode what is not a letter or digit in the password (@ is %40)"
        return False, f"{reason}; is the camera on, and is the address right?"
    found = re.match(r"RTSP/\d\.\d (\d{3}) ?([ -~]*)", answer)
    if found is None:
        return True, "the server at this address does not speak RTSP" if answer else None
    if found[1] in ("401", "403"):
        return True, refused(address)
    if found[1].startswith("2"):
        return True, None
    return True, f"the camera answers {found[1]} {found[2].strip()}; is the path of the address right?"
