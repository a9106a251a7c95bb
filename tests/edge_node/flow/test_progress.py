"""A camera that gives nothing is no fault; a reader that does not come back is one."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

from edge_node.config.camera_settings import CameraSettings
from edge_node.flow.progress import OPEN_S, READ_S, SEGMENTS_S, Progress
from shared.service.watchdog import Look

LIVE = CameraSettings(source="rtsp://camera/s", stall_s=4)


def seen(progress: Progress) -> tuple[float, float] | None:
    """The limits of what a watchdog sees."""
    look = progress.look()
    return None if look is None else (look.late_s, look.frozen_s)


def test_a_live_camera_is_given_long_to_open_and_little_to_read() -> None:
    progress = Progress(LIVE, threading.Event())
    assert seen(progress) == (OPEN_S, math.inf)
    progress.took()
    assert seen(progress) == (10.0, 10.0), "our own code has the frame"
    progress.passed_on()
    assert seen(progress) == (4 + READ_S, math.inf)
    progress.wait(0)  # lost: the next attempt
    assert seen(progress) == (OPEN_S, math.inf)


def test_segments_of_a_stream_over_http_may_come_late() -> None:
    progress = Progress(CameraSettings(source="http://camera/live.m3u8", stall_s=4), threading.Event())
    progress.took()
    progress.passed_on()
    assert seen(progress) == (SEGMENTS_S + READ_S, math.inf)


def test_a_pipe_may_wait_for_its_writer_as_long_as_it_likes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    progress = Progress(CameraSettings(source=str(tmp_path / "pipe")), threading.Event())
    assert seen(progress) == (math.inf, math.inf)
    progress.took()
    progress.passed_on()
    assert seen(progress) == (math.inf, math.inf)


def test_a_file_that_waits_for_the_time_of_its_next_frame_stays_open() -> None:
    progress = Progress(CameraSettings(source="film.mp4"), threading.Event())
    progress.took()
    progress.passed_on()
    progress.wait(0)
    assert seen(progress) == (4 + READ_S, math.inf)


def test_every_step_and_every_wait_is_progress() -> None:
    progress, numbers = Progress(LIVE, threading.Event()), []
    for step in (progress.took, progress.passed_on, lambda: progress.wait(0), progress.took):
        step()
        look = progress.look()
        assert isinstance(look, Look)
        numbers.append(look.progress)
    assert len(set(numbers)) == len(numbers)


def test_who_waits_on_purpose_or_has_ended_is_not_looked_at() -> None:
    stop = threading.Event()
    progress = Progress(LIVE, stop)
    waiter = threading.Thread(target=progress.wait)
    waiter.start()
    while progress.look() is not None:
        pass
    stop.set()
    waiter.join(30)
    assert progress.is_set()
    assert progress.look() is not None
    progress.ended = True
    assert progress.look() is None
