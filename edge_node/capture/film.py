"""Gives the pictures of films, HLS streams and cameras at the pace at which they were taken."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from edge_node.capture.readers.interface import Reader, Taken
from edge_node.config.camera_settings import CameraSettings
from shared import clock as wall_clock

log = logging.getLogger("darner.capture")

_LONGEST_WAIT_S = 10.0
"""Longest wait for the next picture of a film, seconds: a longer gap in its times is skipped."""
_CATCH_UP_S = 1.0
"""How late a film may be before it goes on at its normal speed instead of catching up, seconds."""
_REORDERED = 16
"""Most pictures that may be out of order, as in H.264."""
_JUMP_BACK = 5
"""Usual steps by which a picture out of order may lie back; a time further back begins a new piece."""
WHOLE = 0.95
"""A film broke off if it has less than this share of the length that its header names."""
_SKIPPED_S = 0.5
"""A gap in the times of an HLS stream, seconds, that shows the loss of a segment."""
_LONGEST_PILE_S = 5.0
"""Longest time, seconds, for which pictures that piled up are waited out."""
_DRIFT = 1e-4
"""How much faster than its time stamps a live stream is read, so that no backlog grows while clocks drift."""


class MediaClock:
    """Times of pictures that always grow, from time stamps that may be missing, repeated, or jump back.

    Args:
        rate: Pictures a second where time stamps are missing; 0 if unknown.
    """

    def __init__(self, rate: float) -> None:
        self._step_s = 1.0 / (rate or 25.0)
        self._offset_s: float | None = None
        self._newest_s = 0.0
        self._held = 0
        self._now_s = 0.0

    @property
    def next_s(self) -> float:
        """When the picture after the last one is due, judging by the usual step."""
        return self._now_s + self._step_s

    def seconds(self, media_s: float | None) -> float:
        """The time of the next picture; its first one is at 0, or where a film's time stamp says."""
        if self._offset_s is None:
            first = media_s or 0.0
            # A picture or two at the start may be missing. Further off, time stamps begin anywhere.
            self._offset_s = 0.0 if 0.0 <= first <= 1.0 else -first
            self._newest_s, self._now_s = first, first + self._offset_s
            return self._now_s
        last_s = self._now_s
        if media_s is None:
            self._now_s += self._step_s
            return self._now_s
        back_s = self._newest_s - media_s
        if back_s > _JUMP_BACK * self._step_s or (back_s > 0 and self._held >= _REORDERED):
            self._offset_s = last_s + self._step_s - media_s  # a splice, or a loop
            self._newest_s, self._held = media_s, 0
        elif back_s > 0:
            self._held += 1
        else:
            self._newest_s, self._held = media_s, 0
        now_s = media_s + self._offset_s
        if now_s > last_s:
            self._step_s = min(now_s - last_s, 1.0)
        # What is out of order comes just after: taking the usual step would shift all that follow.
        self._now_s = max(now_s, last_s + min(0.001, self._step_s / 10))
        return self._now_s


class Film:
    """Plays a film, once or several times, on one clock that begins at 0.

    Args:
        camera: The camera's name, for messages.
        settings: Its settings.
        stop: Ends a wait.
        resumes: Whether a pass that broke off is continued by the next one, as over a network.
        tells: Whether to log that a pass broke off; if not, the caller does.

    Attributes:
        broke_off_s: Where the last pass broke off before the film's end, seconds from the film's
            start; the next one goes on from there. None when it came to the end, or is not continued.
    """

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        stop: threading.Event,
        *,
        resumes: bool = False,
        tells: bool = True,
    ) -> None:
        self._camera, self._stop, self._resumes = camera, stop, resumes
        self._cut_level = logging.WARNING if tells else logging.DEBUG
        self._realtime = settings.pace == "realtime"
        self._base_s = 0.0
        self._started: float | None = None
        self._warned = False
        self.broke_off_s: float | None = None

    def play(self, reader: Reader) -> Iterator[tuple[Taken, float]]:
        """The pictures of one pass, each with its time in seconds, when it is due."""
        clock, first, resumed_s = MediaClock(reader.rate), True, self.broke_off_s
        here_s, new = 0.0, False
        while not self._stop.is_set() and (taken := reader.read()) is not None:
            here_s = clock.seconds(taken.media_s)
            if not first and taken.media_s is None:
                self._warn_of_guesses(reader.rate)
            first = False
            if resumed_s is not None and here_s <= resumed_s:
                continue
            new = True
            if self._realtime:
                self._wait(self._base_s + here_s)
            yield taken, self._base_s + here_s
        self.broke_off_s = None
        if reader.seconds is not None and clock.next_s < reader.seconds * WHOLE and not self._stop.is_set():
            self.broke_off_s = self._resume_at(here_s, new, resumed_s)
            goes_on = self.broke_off_s is not None
            log.log(
                logging.DEBUG if goes_on and not new else self._cut_level,
                "camera %s: the film broke off after %.1f s of %.1f s; %s",
                self._camera,
                here_s,
                reader.seconds,
                "going on from there" if goes_on else "it is damaged or was cut off",
            )
        elif first:
            self.broke_off_s = resumed_s  # the connection broke off before the first picture
        if self.broke_off_s is None and not first:
            self._base_s += clock.next_s

    def _resume_at(self, here_s: float, new: bool, resumed_s: float | None) -> float | None:
        """Where the next pass goes on after one that broke off here; None if there is nothing more."""
        if not self._resumes or (resumed_s is not None and not new and here_s >= resumed_s):
            return None  # the film itself ends here, because two passes in a row do
        return here_s if new else resumed_s

    def _warn_of_guesses(self, rate: float) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "camera %s: the film lacks time stamps; its times are guessed from %g frames a second",
                self._camera,
                rate,
            )

    def _wait(self, now_s: float) -> None:
        if self._started is None:
            self._started = time.monotonic() - now_s
        ahead_s = self._started + now_s - time.monotonic()
        if ahead_s < -_CATCH_UP_S:
            self._started -= ahead_s
        elif ahead_s > _LONGEST_WAIT_S:
            log.warning(
                "camera %s: the film has a gap of %.0f s at %.1f s; it goes on after %.0f s",
                self._camera,
                ahead_s,
                now_s - ahead_s,
                _LONGEST_WAIT_S,
            )
            self._started -= ahead_s - _LONGEST_WAIT_S
            ahead_s = _LONGEST_WAIT_S
        self._stop.wait(max(0.0, ahead_s))


def pulled(reader: Reader, stop: threading.Event, after_ns: int) -> Iterator[tuple[Taken, int]]:
    """The pictures of a live source that sends ahead, each at the pace at which it was filmed.

    The first picture is due at once, and later ones as their time stamps say. When one comes late, all that
    follow are due later by as much, so that they do not come in a burst.

    HLS is read two segments behind its newest one. FFmpeg begins one segment earlier, where it would lose
    every other segment of a playlist that has three, so the pictures of that segment are left out.

    Args:
        reader: The open source.
        stop: Ends a wait.
        after_ns: Every picture was captured later than this, nanoseconds on the monotonic clock.

    Yields:
        A picture, and when it was captured on the monotonic clock, nanoseconds.
    """
    clock = MediaClock(reader.rate)
    due_base_ns, base_ns, last_ns, last_media_ns = 0, 0, after_ns, -1
    while not stop.is_set() and (taken := reader.read()) is not None:
        media_ns = round(clock.seconds(taken.media_s) * 1e9)
        if media_ns < reader.segment_s * 1e9:
            continue
        now_ns = time.monotonic_ns()
        if last_media_ns < 0:
            due_base_ns = now_ns - media_ns
            base_ns = max(due_base_ns - round(2e9 * reader.segment_s), after_ns + 1 - media_ns)
        else:
            passed_ns = media_ns - last_media_ns
            due_base_ns -= round(passed_ns * _DRIFT)
            if reader.segment_s and passed_ns > _SKIPPED_S * 1e9:
                due_base_ns -= passed_ns  # a segment was lost, because it had expired: go on at once
        last_media_ns = media_ns
        late_ns = now_ns - due_base_ns - media_ns
        if late_ns > 0 or late_ns < -_LONGEST_WAIT_S * 1e9:
            due_base_ns += late_ns
            late_ns = 0
        stop.wait(-late_ns / 1e9)
        base_ns = min(base_ns, now_ns - late_ns - media_ns)  # no picture is captured after it was read
        last_ns = max(base_ns + media_ns, last_ns + 1)
        yield taken, last_ns


def pushed(reader: Reader, stop: threading.Event) -> Iterator[tuple[Taken, int, int]]:
    """The pictures of a live source that sends each when it was taken.

    Pictures that piled up while the stream was opened, as in the second that FFmpeg takes to probe it, are
    left out. They come all at once, so their arrival says nothing about when they were taken.

    Yields:
        A picture, and when it arrived: on the monotonic clock and on the wall clock, nanoseconds.
    """
    held: tuple[Taken, int, int] | None = None
    until_ns = time.monotonic_ns() + round(_LONGEST_PILE_S * 1e9)
    settled = False
    while not stop.is_set() and (taken := reader.read()) is not None:
        arrived = taken, time.monotonic_ns(), wall_clock.now_ns()
        if not settled:
            settled = taken.media_s is None or arrived[1] > until_ns
            if not settled and (held is None or _piled_up(held, arrived)):
                held = arrived
                continue
            settled = True
            if held is not None:
                yield held
                held = None
        yield arrived
    if held is not None:
        yield held


def _piled_up(before: tuple[Taken, int, int], now: tuple[Taken, int, int]) -> bool:
    passed_s = (now[0].media_s or 0.0) - (before[0].media_s or 0.0)
    return now[1] - before[1] < passed_s / 2 * 1e9
