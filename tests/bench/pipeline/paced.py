"""A camera that gives a picture at even intervals, from a video that is decoded beforehand.

Needs nothing but numpy and OpenCV, so that other packages' environments can use it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import cv2

PICTURES = 40
"""In memory, 2.8 MB each at 720p."""


def pictures(video: str) -> list[Any]:
    """The first pictures of a video."""
    capture = cv2.VideoCapture(video)
    return [image for good, image in (capture.read() for _ in range(PICTURES)) if good]


def paced(video: str, fps: float = 25.0) -> Iterator[tuple[Any, int]]:
    """Its pictures in real time, and when each was captured, microseconds UTC.

    One that is asked for too late is left out, as a camera's is.

    Args:
        video: The file.
        fps: Pictures a second.
    """
    shown, began = pictures(video), time.perf_counter()
    for number in itertools.count():
        ahead = began + number / fps - time.perf_counter()
        if ahead < -1 / fps:
            continue
        time.sleep(max(0.0, ahead))
        yield shown[number % len(shown)], time.time_ns() // 1000
