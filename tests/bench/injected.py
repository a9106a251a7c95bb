"""The same detector for every pipeline: raw outputs of walking people, given out after a fixed time.

Needs nothing but numpy, so that other packages' environments can use it. The output is that of a YOLOv8 at
384x640, ``(1, 84, 5040)``: each person is seen by 12 anchors, as real networks do, so that every pipeline
has its own suppression to do.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

PEOPLE = 18
ANCHORS = 5040
WIDTH, HEIGHT = 640, 384
_TOP, _BOTTOM = 12, 372  # 1280x720 in 640x384
_PER_PERSON = 12


class Injected:
    """Stands in for a network on an accelerator: waits without using the processor.

    Args:
        milliseconds: How long one run takes.
    """

    def __init__(self, milliseconds: float) -> None:
        rng = np.random.default_rng(0)
        self._seconds = milliseconds / 1e3
        self._phase = rng.uniform(0, 2 * np.pi, PEOPLE)
        self._speed = rng.uniform(0.2, 0.6, PEOPLE)
        self._height = rng.uniform(40, 90, PEOPLE)
        self._score = rng.uniform(0.6, 0.9, PEOPLE)
        self._jitter = rng.normal(0, 1.0, (PEOPLE, _PER_PERSON, 4))
        self._fade = np.linspace(1.0, 0.6, _PER_PERSON)
        self._columns = rng.permutation(ANCHORS)[: PEOPLE * _PER_PERSON]
        self._output = np.zeros((1, 84, ANCHORS), np.float32)
        self._output[:, 4:] = rng.uniform(0, 0.01, (80, ANCHORS))
        self._frame = 0

    def run(self) -> npt.NDArray[np.float32]:
        """The next frame's output; the same array every time, as an engine with bound buffers gives it."""
        until = time.perf_counter() + self._seconds
        self._write(self._frame / 25)
        self._frame += 1
        time.sleep(max(0.0, until - time.perf_counter()))
        return self._output

    def _write(self, now_s: float) -> None:
        x = WIDTH / 2 + 0.45 * WIDTH * np.sin(self._phase + self._speed * now_s)
        lane = np.linspace(_TOP + 50, _BOTTOM - 50, PEOPLE)
        box = np.stack([x, lane, self._height * 0.4, self._height], axis=1)
        boxes: npt.NDArray[Any] = (box[:, None] + self._jitter).reshape(-1, 4)
        scores = (self._score[:, None] * self._fade).ravel()
        self._output[0, :4, self._columns] = boxes
        self._output[0, 4, self._columns] = scores
