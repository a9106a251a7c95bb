"""A camera's frames: live sources reconnect by themselves, files and folders end or start again."""

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
"""Longest wait between attempts to reconnect: a camera is back within 5 s of its return, opening included."""

OnStatus = Callable[[CameraState, str | None], None]
"""Called with the camera's new state and the reason for it."""


def capture(
    camera: str, settings: CameraSettings, stop: threading.Event, on_status: OnStatus
) -> Iterator[Frame]:
    """The frames of one camera, until its source ends or `stop` is set.

    A live source is reconnected until it works, with backoff and jitter. A file or folder gives
    every frame, once or in a loop, with the times of its media clock.

    Args:
        camera: The camera's name.
        settings: Its settings.
        stop: Ends the frames, and any wait for the next one.
        on_status: Called whenever the camera's state changes.

    Raises:
        SourceError: A file or folder cannot be read.
    """
    if is_live(settings.source):
        frames = _live(camera, settings, stop, on_status)
    else:
        frames = _recorded(camera, settings, stop)
    for frame in frames:
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
                    # After a change of resolution in mid-stream, earlier pixel coordinates mean nothing.
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
                reason = f"camera {camera}: {describe(settings.source)} gives no more frames"
        except SourceError as error:
            reason = str(error)
        if stop.is_set():
            return
        wait = min(_RETRY_S, 2.0**failures) * random.uniform(0.5, 1.0)
        failures += 1
        on_status("reconnecting", reason)
        (log.warning if failures == 1 else log.debug)("%s; trying again until it works", reason)
        stop.wait(wait)


def _recorded(camera: str, settings: CameraSettings, stop: threading.Event) -> Iterator[Frame]:
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
                else:  # a time stamp that is missing or runs backwards: assume the usual step
                    now_s = last_s + step_s
                if settings.pace == "realtime":
                    ahead = started + now_s - time.monotonic()
                    if ahead < -1.0:  # held up for long: continue at the normal speed instead of catching up
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
