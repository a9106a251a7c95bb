"""Opens a camera's source with the reader that fits it, and remembers what worked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from edge_node.capture.decoding import NOT_THIS_KIND, Choice
from edge_node.capture.readers import web
from edge_node.capture.readers.address import Address, parse
from edge_node.capture.readers.device import open_device
from edge_node.capture.readers.gstreamer import GstReader
from edge_node.capture.readers.interface import FindGpu, Memory, Reader
from edge_node.capture.readers.nvdec import GpuCamera, GpuVideo
from edge_node.capture.readers.parts import Parts
from edge_node.capture.readers.stills import Pictures, PolledPicture
from edge_node.capture.readers.video import Video
from edge_node.capture.rtsp import RtspCamera
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import IMAGES, check_source, describe, kind_of, path_of, pictures
from edge_node.pictures import Decoding, Lender
from shared.errors import SourceError

log = logging.getLogger("darner.capture")

_NO_VIDEO = "it is not a video that OpenCV's FFmpeg can read"
_AWAY = "is the camera on, not used by another program, and are user and password right?"
_PLAYLISTS = {".m3u8", ".m3u"}
_TARGETS = 3.0
"""An HLS stream is lost when nothing comes for this many of its longest segments."""


class Source:
    """A camera's source, which can be opened again and again.

    Args:
        camera: The camera's name, for messages.
        settings: Its settings.
        stop: Ends a wait for the next picture.
        lender: Gives the memory that the camera's engine lends now.
        gpu: Finds the video decoder.

    Attributes:
        moving: What `moves` said last; False once the source is open again.
    """

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        stop: threading.Event,
        lender: Callable[[], Lender | None] = lambda: None,
        gpu: FindGpu = lambda: None,
    ) -> None:
        self._camera, self._settings, self._stop = camera, settings, stop
        self._memory, self._choice = Memory(lender), Choice(camera, settings, gpu)
        source = settings.source
        self.shown = describe(source)
        self._prefix = f"camera {camera}: cannot open {self.shown}"
        self._rtsp: RtspCamera | None = None
        self._said: web.Said | None = None
        self._was_live = False
        self.moving = False
        if isinstance(source, str) and source.lower().startswith(("rtsp://", "rtsps://")):
            self._rtsp = RtspCamera(camera, parse(source), self.shown, settings, self._choice)
        elif settings.reader == "gstreamer" and kind_of(source) in ("http", "stream"):
            log.info("camera %s: FFmpeg reads %s; GStreamer reads only RTSP", camera, self.shown)

    @property
    def decoding(self) -> Decoding:
        """Where the open source is decoded now."""
        return self._choice.decoding

    def open(self) -> Reader:
        """Open it.

        Raises:
            SourceError: It cannot be opened.
        """
        self.moving = False
        reader = self._open()
        if isinstance(reader, (GpuCamera, GpuVideo)):
            self._choice.on_gpu()
        if isinstance(reader, (Video, GstReader, GpuVideo)):
            reader.memory = self._memory
        return reader

    def _open(self) -> Reader:
        source = self._settings.source
        kind = kind_of(source)
        if kind in ("missing", "unreadable") or isinstance(source, str):
            check_source(self._camera, source)
        if kind in ("http", "stream"):
            address = parse(str(source))
            if wrong := address.wrong_port:
                raise SourceError(f"{self._prefix}: {wrong}")
            if self._rtsp is not None:
                return self._rtsp.open()
            self._choice.take(NOT_THIS_KIND)
            return self._open_http(address) if kind == "http" else self._open_stream(address)
        path = cast(str, path_of(source))
        if kind == "file" and Path(path).suffix.lower() not in IMAGES | _PLAYLISTS:
            return self._open_file(path)
        self._choice.take(NOT_THIS_KIND)
        if kind == "device":
            return open_device(self._camera, self._settings)
        return self._open_path(path, kind)

    def moves(self) -> bool:
        """Whether to open a stream again at once, because its engine has moved to a GPU, which may decode."""
        self.moving = self._rtsp is not None and self._choice.may_move()
        return self.moving

    def failed(self, reason: str) -> str:
        """Take in that an attempt gave no frame; return the best known reason."""
        self._said = None
        return reason if self._rtsp is None else self._rtsp.failed(reason)

    def _open_path(self, path: str, kind: str) -> Reader:
        if kind == "folder":
            return Pictures(pictures(Path(path)), self._settings.fps)
        if kind == "pipe":
            video = Video(path, f"{self._prefix}: {_NO_VIDEO}", self._settings.stall_s)
            video.feed, video.guessed = ("pushed", True) if video.bare_jpegs else ("pulled", False)
            return video
        if Path(path).suffix.lower() in IMAGES:
            return Pictures([Path(path)], self._settings.fps)
        return self._open_playlist(path, web.playlist(Path(path).read_text(errors="replace")))

    def _open_file(self, path: str) -> Reader:
        """A video file."""

        def by_opencv() -> Video:
            return self._film(Video(path, f"{self._prefix}: {_NO_VIDEO}"))

        gpu = self._choice.take()
        if gpu is None:
            return by_opencv()
        video = by_opencv()  # what OpenCV cannot open, it explains
        try:
            return GpuVideo(video, by_opencv, gpu, path, self._choice.refuse)
        except SourceError as error:
            self._choice.refuse(str(error))
            return by_opencv()

    def _open_stream(self, address: Address) -> Reader:
        video = Video(address.full, f"{self._prefix}: {_AWAY}", self._settings.stall_s)
        if address.scheme == "tcp":
            video.feed, video.guessed = "pulled", video.bare_jpegs
        elif address.scheme not in ("rtmp", "rtmps", "rtmpt", "srt", "udp", "rtp") and video.length:
            return self._film(video)
        return video

    def _open_http(self, address: Address) -> Reader:
        said = self._said or web.ask(address)
        why = said if isinstance(said, str) else _AWAY
        if isinstance(said, str):
            said = web.Said("stream")
        if said.kind == "dash":
            raise SourceError(
                f"{self._prefix}: OpenCV's FFmpeg cannot read DASH; use the camera's HLS or RTSP address"
            )
        if said.kind == "picture":
            self._said = said
            return PolledPicture(
                address,
                f"camera {self._camera}: {self.shown}",
                self._settings.fps,
                self._settings.stall_s,
                self._stop,
            )
        if said.kind == "parts":
            self._said = said
            return Parts(address, self._prefix, self._settings.stall_s)
        if said.kind == "playlist":
            return self._open_playlist(address.full, said)
        video = Video(address.full, f"{self._prefix}: {why}", self._settings.stall_s)
        video.guessed = video.bare_jpegs
        if said.kind == "film" or (video.length and not said.fragmented):
            return self._film(video)
        if not video.guessed:
            video.feed = "pulled"
        return video

    def _open_playlist(self, path: str, said: web.Said) -> Reader:
        if said.ended and self._was_live:
            raise SourceError(f"camera {self._camera}: {self.shown}: the live stream has ended")
        stall_s = max(self._settings.stall_s, _TARGETS * said.target_s)
        video = Video(path, f"{self._prefix}: {_AWAY}", stall_s)
        self._was_live = not said.ended
        if said.ended:
            return self._film(video)
        video.feed, video.segment_s = "pulled", said.target_s
        return video

    def _film(self, video: Video) -> Video:
        """A film; `fps` is its rate if it has neither time stamps nor a rate of its own."""
        video.feed, video.guessed = "film", video.bare_jpegs
        if not video.rate:
            video.rate = self._settings.fps
        return video
