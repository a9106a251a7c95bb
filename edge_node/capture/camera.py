"""Cameras, streams, files and image folders to frames; live sources reconnect by themselves."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from edge_node.capture.clock import StreamClock
from edge_node.capture.readers import open_source
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import describe, is_live
from edge_node.frames import Frame
from shared.errors import SourceError
from shared.wire.messages import CameraState

log = logging.getLogger("darner.capture")

_RETRY_S = 2.0
"""Longest wait for a camera that is away: it is seen again within 5 s of its return, opening it included."""

OnStatus = Callable[[CameraState, str | None], None]
"""Called with what the camera is doing now, and why."""


def capture(
    camera: str, settings: CameraSettings, stop: threading.Event, on_status: OnStatus
) -> Iterator[Frame]:
    """Frames of one camera until it ends or `stop` is set.

    Live sources: reconnects for ever with backoff and jitter. Files and folders: every frame, once or looped,
    timed by the media clock.

    Raises:
        SourceError: A file cannot be read.
    """
    frames = _live if is_live(settings.source) else _recorded
    for frame in frames(camera, settings, stop, on_status):
        if frame.seq == 0 or frame.restarted:
            on_status("streaming", None)
        yield frame
    on_status("ended", None)


def _live(
    camera: str, settings: CameraSettings, stop: threading.Event, on_status: OnStatus
) -> Iterator[Frame]:
    seq, failures = 0, 0
    while not stop.is_set():
        try:
            with closing(open_source(camera, settings)) as reader:
                clock, shape = StreamClock(), None
                while not stop.is_set() and (taken := reader.read()) is not None:
                    wall_ns, monotonic_ns = clock.stamp(
                        time.monotonic_ns(), time.time_ns(), taken.media_s, taken.sender_ns
                    )
                    # Another resolution in mid-stream is another picture: pixels mean something else now.
                    restarted = seq > 0 and shape != taken.image.shape
                    shape = taken.image.shape
                    yield Frame(
                        camera,
                        seq,
                        wall_ns,
                        monotonic_ns,
                        taken.image,
                        restarted,
                        clock.source,
                        reader.name,
                    )
                    seq, failures = seq + 1, 0
                reason = f"camera {camera}: no more frames come from {describe(settings.source)}"
        except SourceError as error:
            reason = str(error)
        if stop.is_set():
            return
        wait = min(_RETRY_S, 2.0**failures) * random.uniform(0.5, 1.0)
        failures += 1
        on_status("reconnecting", reason)
        (log.warning if failures == 1 else log.debug)("%s; trying again until it works", reason)
        stop.wait(wait)


def _recorded(
    camera: str,
    settings: CameraSettings,
    stop: threading.Event,
    on_status: OnStatus,  # noqa: ARG001 - as _live
) -> Iterator[Frame]:
    seq, base_s, started = 0, 0.0, time.monotonic()
    step_s = 1.0 / settings.fps
    while not stop.is_set():
        last_s, restarted = base_s, seq > 0
        with closing(open_source(camera, settings)) as reader:
            while not stop.is_set() and (taken := reader.read()) is not None:
                now_s = base_s + (taken.media_s or 0.0)
                if restarted or seq == 0:
                    pass
                elif now_s > last_s:
                    step_s = now_s - last_s
                else:  # no or broken time stamps: time goes on all the same
                    now_s = last_s + step_s
                if settings.pace == "realtime":
                    ahead = started + now_s - time.monotonic()
                    if ahead < -1.0:  # held up: go on at the pace it was filmed, not at a rush
                        started -= ahead
                    stop.wait(max(0.0, ahead))
                yield Frame(
                    camera,
                    seq,
                    time.time_ns(),
                    round(now_s * 1e9),
                    taken.image,
                    restarted,
                    "media",
                    reader.name,
                )
                seq, last_s, restarted = seq + 1, now_s, False
        if seq == 0 and not stop.is_set():
            raise SourceError(f"camera {camera}: source {settings.source!r}: no frame can be read from it")
        if not settings.loop:
            return
        base_s = last_s + step_s
