"""The same detector for every pipeline: raw outputs of walking people, given out after a fixed time.

Needs nothing but numpy, so that other packages' environments can use it. The output is that of a YOLOv8 at
384x640, ``(1, 84, 5040)``: each person is seen by 12 anchors, as real networks do, so that every pipeline
has its own suppression to do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PEOPLE = 18
ANCHORS = 5040
WIDTH, HEIGHT = 640, 384
_TOP, _BOTTOM = 12, 372  # 1280x720 in 640x384
_PER_PERSON = 12
_BUFFERS = 12


@dataclass
class Begun:
    """A batch, how long it takes by itself, and when it will be done, on the performance counter."""

    outputs: list[npt.NDArray[np.float32]]
    seconds: float
    until: float


class Injected:
    """Stands in for a network on an accelerator: runs one batch after the other beside this process.

    Args:
        milliseconds: How long one run of one picture takes.
        further_ms: How much longer it takes for each further picture of a batch.
        live: The people walk by the clock on the wall; else by 1/25 s from run to run.
    """

    def __init__(self, milliseconds: float, further_ms: float = 0.0, live: bool = False) -> None:
        rng = np.random.default_rng(0)
        self._seconds, self._further_s = milliseconds / 1e3, further_ms / 1e3
        self._phase = rng.uniform(0, 2 * np.pi, PEOPLE)
        self._speed = rng.uniform(0.2, 0.6, PEOPLE)
        height = rng.uniform(40, 90, PEOPLE)
        score = rng.uniform(0.6, 0.9, PEOPLE)[:, None] * np.linspace(1.0, 0.6, _PER_PERSON)
        jitter = rng.normal(0, 1.0, (PEOPLE, _PER_PERSON, 4))
        lane = np.linspace(_TOP + 50, _BOTTOM - 50, PEOPLE)
        self._columns = rng.permutation(ANCHORS)[: PEOPLE * _PER_PERSON]
        quiet = np.zeros((1, 84, ANCHORS), np.float32)
        quiet[:, 4:] = rng.uniform(0, 0.01, (80, ANCHORS))
        still = np.stack([lane * 0, lane, height * 0.4, height], axis=1)[:, None]
        quiet[0, :4, self._columns] = (jitter + still).reshape(-1, 4)
        quiet[0, 4, self._columns] = score.ravel()
        self._jitter = jitter[:, :, 0]
        self._outputs = [quiet.copy() for _ in range(_BUFFERS)]
        self._frame = 0
        self._free = 0.0
        self._live = live

    def run(self) -> npt.NDArray[np.float32]:
        """The next frame's output: one of a few arrays in turn, as an engine with bound buffers gives it."""
        return self.run_batch(1)[0]

    def run_batch(self, count: int) -> list[npt.NDArray[np.float32]]:
        """The same for a batch of pictures; all of them show the same people."""
        return self.collect(self.submit(count))

    def submit(self, count: int) -> Begun:
        """Begin a batch; it runs when those before it have."""
        seconds = self._seconds + (count - 1) * self._further_s
        self._free = max(self._free, time.perf_counter()) + seconds
        output = self._outputs[self._frame % _BUFFERS]
        self._write(output, time.perf_counter() if self._live else self._frame / 25)
        self._frame += 1
        return Begun([output] * count, seconds, self._free)

    @staticmethod
    def collect(begun: Begun) -> list[npt.NDArray[np.float32]]:
        """Wait for a batch."""
        time.sleep(max(0.0, begun.until - time.perf_counter()))
        return begun.outputs

    def _write(self, output: npt.NDArray[np.float32], now_s: float) -> None:
        # Only x changes, that this costs next to nothing: it is the network's time and nobody else's.
        x = WIDTH / 2 + 0.45 * WIDTH * np.sin(self._phase + self._speed * now_s)
        output[0, 0, self._columns] = (self._jitter + x[:, None]).ravel()
