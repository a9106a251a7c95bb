"""A camera's frames: live sources reconnect by themselves, films end or start again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from edge_node.capture.attempts import Attempts
from edge_node.capture.clock import StreamClock
from edge_node.capture.film import Film, pulled, pushed
from edge_node.capture.opening import Source
from edge_node.capture.readers.interface import FindGpu, Reader, Taken
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import may_come_later
from edge_node.frames import Frame
from edge_node.pictures import ON_GPU, Lender, OnGpu
from shared import clock as wall_clock
from shared.errors import SourceError
from shared.wire.messages import CameraState, ClockSource

OnStatus = Callable[[CameraState, str | None], None]
"""Called with the camera's new state and the reason for it."""


def capture(
    camera: str,
    settings: CameraSettings,
    stop: threading.Event,
    on_status: OnStatus,
    *,
    must_end: bool = False,
    lender: Callable[[], Lender | None] = lambda: None,
    gpu: FindGpu = lambda: None,
) -> Iterator[Frame]:
    """The frames of one camera, until its source ends or `stop` is set.

    A live source is reconnected until it works, with backoff and jitter. A film gives every frame, once
    or in a loop, with the times of its media clock; these frames have the clock "media".

    Args:
        camera: The camera's name.
        settings: Its settings.
        stop: Ends the frames, and any wait for the next one.
        on_status: Called whenever the camera's state changes.
        must_end: Refuse a live source, and do not wait for one that is away.
        lender: Gives the memory that the camera's engine lends now; asked for each picture.
        gpu: Finds the video decoder; asked when the source is opened.

    Raises:
        SourceError: A file or folder cannot be read, or the source must end and does not.
    """
    source, frames = Source(camera, settings, stop, lender, gpu), _Frames(camera)
    attempts = Attempts(camera, source.shown, on_status)
    waits = may_come_later(settings.source) and not must_end
    film = Film(camera, settings, stop, resumes=waits, tells=not must_end)
    while not stop.is_set():
        attempts.begin()
        resumed = film.broke_off_s is not None
        reason = f"camera {camera}: {source.shown} gives no more frames"
        try:
            with closing(source.open()) as reader:
                recorded = reader.feed == "film"
                if must_end and not recorded:
                    raise SourceError(f"{source.shown}: is live; a batch job needs a video that ends")
                for frame in frames.of(reader, source, film, stop):
                    attempts.frame()
                    yield frame
                    if source.moves():
                        break
            if source.moving:
                continue
            if recorded and film.broke_off_s is not None:
                recorded, reason = False, f"camera {camera}: {source.shown} broke off"
            elif recorded and not (attempts.frames or resumed or stop.is_set()):
                raise SourceError(f"camera {camera}: source '{source.shown}': no frame can be read from it")
        except SourceError as error:
            if not waits:
                raise
            reason, recorded = str(error), False
        if recorded and not settings.loop:
            break
        if recorded or stop.is_set():
            continue
        if not attempts.frames:
            reason = source.failed(reason)
        stop.wait(attempts.failed(reason))
    on_status("ended", None)


class _Frames:
    """Gives a camera's pictures their numbers and times.

    Args:
        camera: The camera's name.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._seq, self._last_ns = 0, 0
        self._shown = wall_clock.SteadyClock()

    def of(self, reader: Reader, source: Source, film: Film, stop: threading.Event) -> Iterator[Frame]:
        """The frames of an open source, until it ends or is lost."""
        shape = None
        for taken, wall_ns, monotonic_ns, clock in _timed(reader, film, stop, self._last_ns):
            now_ns = time.monotonic_ns()
            # After a change of resolution in mid-stream, earlier pixel coordinates mean nothing.
            restarted = self._seq > 0 and shape != taken.picture.shape
            shape, self._last_ns = taken.picture.shape, monotonic_ns
            born_ns = now_ns - (wall_clock.now_ns() - wall_ns)
            yield Frame(
                self._camera,
                self._seq,
                self._shown.held(wall_ns, now_ns),
                monotonic_ns,
                taken.picture,
                restarted,
                clock,
                reader.name,
                born_ns,
                # A picture that was held back tells where it was decoded; the source may have changed since.
                ON_GPU if isinstance(taken.picture, OnGpu) else source.decoding,
            )
            self._seq += 1


def _timed(
    reader: Reader, film: Film, stop: threading.Event, after_ns: int
) -> Iterator[tuple[Taken, int, int, ClockSource]]:
    """Each picture with the wall clock, the clock for durations (nanoseconds), and where they come from."""
    if reader.feed == "film":
        for taken, now_s in film.play(reader):
            yield taken, wall_clock.now_ns(), round(now_s * 1e9), "media"
    elif reader.feed == "pulled":
        for taken, captured_ns in pulled(reader, stop, after_ns):
            yield taken, wall_clock.now_ns() - time.monotonic_ns() + captured_ns, captured_ns, "stream"
    else:
        clock = StreamClock()
        for taken, arrived_ns, now_ns in pushed(reader, stop):
            wall_ns, captured_ns = clock.stamp(arrived_ns, now_ns, taken.media_s, taken.sender_ns)
            yield taken, wall_ns, captured_ns, clock.source
