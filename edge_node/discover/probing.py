"""Opens a source for some seconds, and says what comes: codec, size, rate and a picture, or why not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass, field, replace

from edge_node.capture.opening import Source
from edge_node.capture.readers.interface import Reader
from edge_node.capture.readers.video import Video
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import describe, kind_of
from edge_node.mqtt_source import is_mqtt
from edge_node.pictures import U8, in_host
from shared.errors import SourceError

WATCH_S = 2.0
"""How long the pictures are counted, seconds."""
GIVE_UP_S = 15.0
"""After this time without a picture no further way is tried, seconds."""
WHOLE_S = 33.0
"""How long anybody waits for a source, seconds. Libraries can hang in one whose bytes come one by one."""
MOST_PICTURES = 300
_WAYS = 3
"""Ways to read an RTSP camera that are tried: FFmpeg or GStreamer, TCP or UDP."""
_LOOK_S = 0.1
_trying = threading.BoundedSemaphore(8)
"""The most sources that are tried at once, with those in which a library hangs."""
_CODECS = {
    "h264": "H.264",
    "avc1": "H.264",
    "hevc": "H.265",
    "hvc1": "H.265",
    "hev1": "H.265",
    "h265": "H.265",
    "mjpg": "MJPEG",
    "jpeg": "MJPEG",
    "fmp4": "MPEG-4",
    "mp4v": "MPEG-4",
    "av01": "AV1",
    "vp80": "VP8",
    "vp90": "VP9",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """What a source gives.

    Attributes:
        codec: Such as ``H.264``; None where the reader does not say.
        width: Pixels.
        height: Pixels.
        fps: Frames a second, counted; None where there were too few.
        first_s: Seconds until the first picture.
        image: The newest picture: u8 ``(H, W, 3)``, BGR.
    """

    codec: str | None
    width: int
    height: int
    fps: float | None
    first_s: float
    image: U8 = field(repr=False)


def probe(
    settings: CameraSettings,
    stop: threading.Event,
    watch_s: float = WATCH_S,
    clock: Callable[[], float] = time.monotonic,
    whole_s: float = WHOLE_S,
) -> Probed:
    """Open a source as the node would, watch it for a while, and close it again.

    Args:
        settings: The camera's settings.
        stop: Ends it early.
        watch_s: How long to watch, seconds.
        clock: Seconds.
        whole_s: How long to wait for all of it, seconds.

    Raises:
        SourceError: No picture comes; the text says why.
    """
    if is_mqtt(settings.source):
        raise SourceError(
            f"{describe(settings.source)} gives detections and no pictures, so there is nothing to try"
        )
    if not _trying.acquire(blocking=False):
        raise SourceError("too many sources are tried, or never answer; try again later, or restart the node")
    answer: Future[Probed] = Future()

    def run() -> None:
        try:
            answer.set_result(_tried(settings, stop, watch_s, clock))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            answer.set_exception(error)
        finally:
            _trying.release()

    # A daemon: one that hangs in a library must hold up neither whoever waits nor the end of the process.
    threading.Thread(target=run, name="probe", daemon=True).start()
    until = time.monotonic() + whole_s
    while not answer.done() and time.monotonic() < until and not stop.is_set():
        wait([answer], _LOOK_S)
    if not answer.done():
        why = "was not tried to the end" if stop.is_set() else f"gives nothing usable within {whole_s:g} s"
        raise SourceError(f"{describe(settings.source)} {why}")
    return answer.result()


def _tried(
    settings: CameraSettings, stop: threading.Event, watch_s: float, clock: Callable[[], float]
) -> Probed:
    settings = replace(settings, decoder="cpu", loop=False)
    if settings.reader == "auto" and kind_of(settings.source) == "stream":
        # FFmpeg names the codec. What it cannot read, GStreamer may.
        try:
            return _probe(replace(settings, reader="ffmpeg"), stop, watch_s, clock)
        except SourceError:
            if stop.is_set():
                raise
    return _probe(settings, stop, watch_s, clock)


def _probe(
    settings: CameraSettings, stop: threading.Event, watch_s: float, clock: Callable[[], float]
) -> Probed:
    source = Source("probe", settings, stop)
    started, reason = clock(), f"{source.shown} gives no picture"
    for _ in range(_WAYS):
        try:
            with closing(source.open()) as reader:
                found = _watch(reader, stop, watch_s, started, clock)
            if found is not None:
                return found
        except SourceError as error:
            reason = str(error)
        reason = source.failed(reason)
        if stop.is_set() or clock() - started > GIVE_UP_S:
            break
    raise SourceError(reason.removeprefix("camera probe: "))


def _watch(
    reader: Reader, stop: threading.Event, watch_s: float, started: float, clock: Callable[[], float]
) -> Probed | None:
    """Count what comes from an open source; None when nothing comes."""
    count, first_s, stamps, newest = 0, 0.0, [], None
    while not stop.is_set() and count < MOST_PICTURES:
        taken = reader.read()
        now = clock()
        if taken is None:
            break
        if count == 0:
            first_s = now
        count, newest = count + 1, taken.picture
        stamps.append(now if taken.media_s is None else taken.media_s)
        if now - first_s >= watch_s:
            break
    if newest is None:
        return None
    image = in_host(newest)
    height, width = image.shape[:2]
    span = stamps[-1] - stamps[0]
    fps = round((count - 1) / span, 1) if count > 2 and span > 0 else None
    codec = reader.codec if isinstance(reader, Video) else None
    return Probed(
        codec=_CODECS.get((codec or "").lower(), codec),
        width=width,
        height=height,
        fps=fps,
        first_s=first_s - started,
        image=image,
    )
