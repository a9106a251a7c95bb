"""Which frames have to go through the network because something moved."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge_node.detect.motion import MotionGate
from edge_node.pictures import U8


def noisy(draw: Callable[[U8], None], seed: int) -> U8:
    """A textured scene with a camera's noise, and something in it."""
    scene = np.random.default_rng(7).integers(40, 200, (60, 80), np.uint8)
    image = cv2.resize(cv2.cvtColor(scene, cv2.COLOR_GRAY2BGR), (640, 480), interpolation=cv2.INTER_CUBIC)
    picture = np.asarray(image, np.uint8)
    draw(picture)
    noise = np.random.default_rng(seed).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_noise_is_no_motion_but_the_network_runs_every_two_seconds_all_the_same() -> None:
    gate = MotionGate(6)
    moved = [gate.moved(noisy(lambda _: None, n), n / 10) for n in range(50)]
    assert [n for n, was in enumerate(moved) if was] == [0, 20, 40]


@pytest.mark.long
@pytest.mark.parametrize("side", [12, 40])
@pytest.mark.parametrize("pixels_per_frame", [0.5, 2, 20])
def test_nothing_that_moves_is_missed_however_small_or_slow(side: int, pixels_per_frame: float) -> None:
    """A dark square crosses: whenever it has moved by its own side, the network has run again."""
    gate = MotionGate(6)
    last_run_x = None
    for number in range(80):
        x = round(50 + number * pixels_per_frame)
        if x + side > 600:
            break

        def square(picture: U8, x: int = x) -> None:
            picture[200 : 200 + side, x : x + side] = 10

        if gate.moved(noisy(square, number), number / 100):
            last_run_x = x
        assert last_run_x is not None
        assert x - last_run_x <= side
