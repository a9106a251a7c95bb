"""The filters against a textbook filter with full matrices, and their behaviour over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.track import kalman
from shared.geometry import F64

POS, VEL = slice(0, 4), slice(4, 8)


class Textbook:
    """The filter of one box with 8x8 matrices, as any textbook writes it, in units of the box's sides.

    The state is in pixels, the covariance in sides: multiplied by ``scale`` on both sides it is in pixels.
    """

    def __init__(self, centre: F64) -> None:
        self.x = np.concatenate((centre, np.zeros(4)))
        self.p = np.diag([kalman.MEASUREMENT**2] * 4 + [kalman.INITIAL_VELOCITY**2] * 4)

    def scale(self) -> F64:
        sides = np.maximum(self.x[2:4], 1.0)
        return np.diag(np.tile(sides, 4))

    def predict(self, dt: float) -> None:
        f = np.eye(8)
        f[POS, VEL] = dt * np.eye(4)
        q = np.diag([kalman.POSITION**2 * dt] * 4 + [kalman.VELOCITY**2 * dt] * 4)
        self.p = f @ self.p @ f.T + q
        self.x = f @ self.x
        self.x[2:4] = np.maximum(self.x[2:4], 1.0)

    def correct(self, centre: F64) -> None:
        h, scale = np.eye(4, 8), self.scale()
        p = scale @ self.p @ scale
        r = np.diag(np.diag(scale)[:4] ** 2 * kalman.MEASUREMENT**2)
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + r)
        p = p - gain @ h @ p
        self.p = np.linalg.inv(scale) @ p @ np.linalg.inv(scale)
        slower = [1.0, 1.0, kalman.SIDES, kalman.SIDES, 1.0, 1.0, kalman.SIDES**2, kalman.SIDES**2]
        self.x = self.x + np.diag(slower) @ gain @ (centre - h @ self.x)


def column(*values: float) -> F64:
    """One box, as the filters take it."""
    return np.array(values, np.float64)[:, None]


box = st.tuples(st.floats(0, 2000), st.floats(0, 2000), st.floats(1, 500), st.floats(1, 500)).map(np.array)
step = st.tuples(st.floats(0, 2), st.one_of(st.none(), box))


@settings(max_examples=60, deadline=None)
@given(first=st.lists(box, min_size=1, max_size=3), steps=st.lists(step, max_size=8))
def test_one_small_block_per_box_equals_the_filter_with_full_matrices(
    first: list[F64], steps: list[tuple[float, F64 | None]]
) -> None:
    state = kalman.start(np.array(first).T)
    books = [Textbook(centre) for centre in first]
    for dt, measured in steps:
        kalman.predict(state, dt)
        if measured is not None:
            kalman.correct(state, np.tile(measured[:, None], len(first)))
        for book in books:
            book.predict(dt)
            if measured is not None:
                book.correct(measured)
    for one, book in zip(state.T, books, strict=True):
        np.testing.assert_allclose(one[kalman.POS], book.x[POS], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(one[kalman.VEL], book.x[VEL], rtol=1e-6, atol=1e-6)
        pp, pv, vv = (one[row] * np.eye(4) for row in (kalman.PP, kalman.PV, kalman.VV))
        blocks = np.block([[pp, pv], [pv, vv]])
        np.testing.assert_allclose(blocks, book.p, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rate", [5.0, 15.0, 30.0, 60.0])
def test_velocity_is_per_second_whatever_the_frame_rate(rate: float) -> None:
    state = kalman.start(column(100, 100, 40, 80))
    for frame in range(1, int(4 * rate)):
        kalman.predict(state, 1 / rate)
        kalman.correct(state, column(100 + 30 * frame / rate, 100, 40, 80))
    np.testing.assert_allclose(state[kalman.VEL, 0], [30, 0, 0, 0], atol=1.0)


def test_a_lower_edge_shakes_less_than_its_detections_and_still_follows_what_comes_nearer() -> None:
    random = np.random.default_rng(0)
    shaken, grown = kalman.start(np.tile(column(0, 100, 40, 100), 200)), kalman.start(column(0, 100, 40, 100))
    for frame in range(1, 31):
        top, bottom = 50 + random.normal(0, 5, (2, 200)) + [[0], [100]]
        seen = np.stack((np.zeros(200), (top + bottom) / 2, np.full(200, 40), bottom - top))
        for state, measured in ((shaken, seen), (grown, column(0, 100, 40, 100 * 1.2 ** (frame / 10)))):
            kalman.predict(state, 0.1)
            kalman.correct(state, measured)
    assert kalman.to_corners(shaken[kalman.POS])[3].std() < 0.56 * 5
    np.testing.assert_allclose(grown[3, 0], 100 * 1.2**3, rtol=0.02)


def test_a_gap_predicted_in_one_step_or_many_ends_at_the_same_place() -> None:
    once, often = (kalman.start(column(0, 0, 50, 50)) for _ in range(2))
    once[kalman.VEL] = often[kalman.VEL] = column(20, -10, 0, 0)
    kalman.predict(once, 1.0)
    for _ in range(10):
        kalman.predict(often, 0.1)
    np.testing.assert_allclose(once[kalman.POS], often[kalman.POS])


def test_no_time_changes_nothing() -> None:
    state = kalman.start(column(1, 2, 30, 40))
    before = state.copy()
    kalman.predict(state, 0.0)
    assert (state == before).all()


def test_each_box_may_have_its_own_time() -> None:
    state = kalman.start(np.tile(column(0, 0, 10, 10), 2))
    state[kalman.VEL] = 1.0
    kalman.predict(state, np.array([1.0, 3.0]))
    assert state[0].tolist() == [1.0, 3.0]


def test_a_shrinking_box_never_turns_inside_out() -> None:
    state = kalman.start(column(0, 0, 10, 10))
    state[kalman.VEL] = -100.0
    kalman.predict(state, 5.0)
    assert (state[2:4] >= 1).all()


def test_no_boxes_at_all() -> None:
    state = kalman.start(np.zeros((4, 0)))
    kalman.predict(state, 0.1)
    kalman.correct(state, np.zeros((4, 0)))
    assert state.shape == (11, 0)


@given(st.lists(box, max_size=5))
def test_corners_and_back(boxes: list[F64]) -> None:
    centre = np.array(boxes).reshape(-1, 4).T
    np.testing.assert_allclose(kalman.to_centre(kalman.to_corners(centre)), centre, atol=1e-9)
