"""A path has few points, and says how far it is from the truth."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.consolidate.path import TOLERANCE, Path, Point


def away(points: list[Point], true: Point) -> float:
    """How far a path is from where the object was, at that time."""
    for (t1, x1, y1), (t2, x2, y2) in itertools.pairwise(points):
        if t1 <= true[0] <= t2:
            share = (true[0] - t1) / (t2 - t1)
            return math.hypot(x1 + share * (x2 - x1) - true[1], y1 + share * (y2 - y1) - true[2])
    raise AssertionError(f"{true} is not within the path")


def drawn(true: list[Point], most: int) -> Path:
    path = Path(most)
    for point in true:
        path.add(*point)
    return path


def test_a_steady_way_is_two_points_and_a_turn_is_one_more() -> None:
    steady = [(t / 10, 0.1 + t / 200, 0.5) for t in range(100)]
    assert drawn(steady, 32).points() == [steady[0], steady[-1]]
    turned = steady + [(10 + t / 10, 0.595, 0.5 - t / 200) for t in range(100)]
    shown = drawn(turned, 32).points()
    assert len(shown) == 3
    assert shown[1] == pytest.approx((10.0, 0.595, 0.5), abs=0.11)


def test_a_stop_on_a_straight_way_is_seen_in_the_times() -> None:
    going = [(t / 10, t / 100, 0.5) for t in range(51)]
    waiting = [(5 + t / 10, 0.5, 0.5) for t in range(1, 51)]
    going_on = [(10 + t / 10, 0.5 + t / 100, 0.5) for t in range(1, 50)]
    assert [round(point[0]) for point in drawn(going + waiting + going_on, 32).points()] == [0, 5, 10, 15]


@given(st.integers(0, 10_000), st.integers(2, 64), st.integers(1, 400))
def test_whatever_it_does_the_path_is_bounded_and_its_error_is_no_less_than_the_truth(
    seed: int, most: int, count: int
) -> None:
    random.seed(seed)
    true: list[Point] = []
    t, x, y = 0.0, 0.5, 0.5
    for _ in range(count):
        t += random.uniform(0.01, 1.0)
        x = min(max(x + random.gauss(0, 0.03), 0.0), 1.0)
        y = min(max(y + random.gauss(0, 0.03), 0.0), 1.0)
        true.append((t, x, y))
    path = drawn(true, most)
    points = path.points()
    assert len(points) <= most
    assert (points[0], points[-1]) == (true[0], true[-1])
    if count > 1:
        assert max(away(points, one) for one in true) <= path.error + 1e-9
    if count <= most:
        assert path.error <= TOLERANCE


def test_a_car_that_parks_for_hours_has_a_short_path_and_its_way_out_is_still_there() -> None:
    random.seed(1)
    parked = [(float(t), 0.5 + random.gauss(0, 0.001), 0.5 + random.gauss(0, 0.001)) for t in range(20_000)]
    out = [(20_000 + t / 10, 0.5 + t / 100, 0.5 + (t / 100) ** 2) for t in range(40)]
    path = drawn(parked + out, 32)
    points = path.points()
    assert len(points) <= 32
    assert path.error < 0.02
    assert max(away(points, one) for one in out) < 0.01


def test_a_point_that_is_not_later_than_the_last_is_left_out() -> None:
    path = drawn([(1.0, 0.1, 0.1), (1.0, 0.9, 0.9), (0.5, 0.9, 0.9), (2.0, 0.2, 0.1)], 8)
    assert path.points() == [(1.0, 0.1, 0.1), (2.0, 0.2, 0.1)]
