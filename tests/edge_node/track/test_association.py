"""Assignment in pieces against assignment of everything, and the similarity of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from edge_node.track import association
from edge_node.track.association import (
    OTHER_CLASS,
    Matching,
    assign,
    overlapping,
    overlapping_within,
    pair_iou,
    second_chance,
    similarity,
)
from edge_node.track.rows import Index
from shared.geometry import F64, iou

sizes = st.tuples(st.integers(0, 7), st.integers(0, 7))
gains = sizes.flatmap(
    lambda shape: arrays(
        np.float64, shape, elements=st.one_of(st.just(-1.0), st.just(0.0), st.floats(0.01, 1.0))
    )
)


def boxes(*rows: tuple[float, ...]) -> F64:
    """Boxes side by side, ``(4, N)``."""
    side_by_side: F64 = np.array(rows, np.float64).reshape(-1, 4).T
    return side_by_side


@settings(max_examples=300, deadline=None)
@given(gains)
def test_taking_isolated_pairs_first_equals_the_full_assignment(gain: F64) -> None:
    rows, columns = np.nonzero(gain > -0.5)
    r, c = assign(rows, columns, gain[rows, columns])
    allowed = np.maximum(gain, 0.0)
    best = allowed[linear_sum_assignment(allowed, maximize=True)].sum()
    assert allowed[r, c].sum() == pytest.approx(best)
    assert len(set(r.tolist())) == len(r)
    assert len(set(c.tolist())) == len(c)
    assert (gain[r, c] > 0).all()


@pytest.mark.parametrize(
    ("gain", "pairs"),
    [
        ([[0.5]], {(0, 0)}),  # one and one
        ([[0.0]], set()),  # no gain is no match
        ([[0.5, 0.4], [0.5, 0.0]], {(0, 1), (1, 0)}),  # the greedy choice would lose a pair
        (
            [[0.9, 0.0, 0.0], [0.0, 0.6, 0.5], [0.0, 0.6, 0.0]],
            {(0, 0), (1, 2), (2, 1)},
        ),  # isolated + contested
        ([[0.3], [0.4]], {(1, 0)}),  # more rows than columns
    ],
)
def test_assignment(gain: list[list[float]], pairs: set[tuple[int, int]]) -> None:
    matrix = np.array(gain)
    rows, columns = np.nonzero(matrix >= 0)
    r, c = assign(rows, columns, matrix[rows, columns])
    assert set(zip(r.tolist(), c.tolist(), strict=True)) == pairs


coordinate = st.integers(0, 40).map(float)
some_boxes = st.lists(
    st.tuples(coordinate, coordinate, st.integers(0, 20).map(float), st.integers(0, 20).map(float)),
    max_size=8,
).map(lambda rows: boxes(*((x, y, x + w, y + h) for x, y, w, h in rows)))


@settings(deadline=None)
@given(some_boxes, some_boxes)
def test_candidates_are_the_pairs_with_a_common_area_and_their_iou_is_the_geometry_cost(
    a: F64, b: F64
) -> None:
    full = iou(a.T, b.T)
    i, j = overlapping(a, b)
    np.testing.assert_allclose(pair_iou(a[:, i], b[:, j]), full[i, j], atol=1e-9)
    found = np.zeros(full.shape, np.bool_)
    found[i, j] = True
    assert (found | (full == 0)).all()


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_overlaps_nothing(n: int, m: int) -> None:
    i, j = overlapping(np.ones((4, n)), np.ones((4, m)))
    assert (len(i), len(j)) == (0, 0)


@pytest.mark.parametrize("most", [3, 60])
def test_boxes_of_different_cameras_never_overlap(most: int) -> None:
    """Both where all cameras have about as many boxes, and where one has nearly all of them."""
    random = np.random.default_rng(most)
    counts = np.array([(2, 0), (1, 3), (0, 2), (most, most), (0, 0), *[(1, 1)] * 20])
    corner = random.uniform(0, 50, (2, counts.sum()))
    every = np.concatenate([corner, corner + random.uniform(1, 40, corner.shape)])
    camera_a, camera_b = (np.repeat(np.arange(len(counts)), many) for many in counts.T)
    a, b = every[:, : len(camera_a)], every[:, len(camera_a) :]
    i, j = overlapping(a, b)
    inside = camera_a[i] == camera_b[j]
    assert 0 < inside.sum() < len(inside)
    found = overlapping_within(a, b, camera_a, camera_b, len(counts))
    assert [one.tolist() for one in found] == [i[inside].tolist(), j[inside].tolist()]


def test_pairs_of_several_cameras_are_assigned_camera_by_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver's time grows with the third power: it never gets two cameras at once."""
    solved: list[tuple[int, ...]] = []

    def solve(matrix: F64, *, maximize: bool) -> tuple[Index, Index]:
        solved.append(matrix.shape)
        i, j = linear_sum_assignment(matrix, maximize=maximize)
        return i, j

    random = np.random.default_rng(1)
    rows, columns = np.divmod(np.arange(36), 6)
    rows, columns = rows[rows // 2 == columns // 2], columns[rows // 2 == columns // 2]
    for _ in range(50):
        gain = random.uniform(-0.2, 1.0, len(rows))
        expected = assign(rows, columns, gain)
        with monkeypatch.context() as patch:
            patch.setattr(association, "linear_sum_assignment", solve)
            r, c = assign(rows, columns, gain, np.array([0, 0, 1, 1, 2, 2]))
        assert set(zip(r.tolist(), c.tolist(), strict=True)) == set(
            zip(*(one.tolist() for one in expected), strict=True)
        )
    assert solved
    assert max(solved) == (2, 2)


def test_another_class_or_height_makes_boxes_less_similar() -> None:
    a, low = boxes((0, 0, 10, 20)), boxes((0, 0, 10, 10))
    same, other = np.array([True]), np.array([False])
    assert similarity(a, a, same) == pytest.approx(1.0)
    assert similarity(a, a, other) == pytest.approx(1.0 - OTHER_CLASS)
    assert similarity(a, low, same) == pytest.approx(0.5 * np.sqrt(0.5))


def test_what_one_stage_matched_is_not_free_for_the_next() -> None:
    matching = Matching(2, 1)
    complete = [matching.complete]
    matching.stage(np.array([1]), np.array([0]), np.array([0.5]))
    assert matching.taken_rows.tolist() == [False, True]
    assert matching.taken_columns.tolist() == [True]
    complete.append(matching.complete)
    assert complete == [False, True]
    r, c = matching.pairs()
    assert (r.tolist(), c.tolist()) == ([1], [0])


@pytest.mark.parametrize(
    ("distance", "unseen", "matched"),
    [
        (15, 0.1, True),  # beside the prediction
        (45, 0.1, False),  # too far for a tenth of a second
        (45, 3.0, True),  # three seconds later it may be
        (0, -1.0, False),  # not eligible
    ],
)
def test_the_second_chance_widens_with_time(distance: float, unseen: float, *, matched: bool) -> None:
    matching = Matching(1, 1)
    track, seen = boxes((100, 100, 20, 60)), boxes((100 + distance, 100, 20, 60))
    second_chance(matching, track, np.array([unseen]), seen, np.array([True]))
    assert (len(matching.pairs()[0]) == 1) == matched


def test_the_second_chance_takes_only_allowed_detections() -> None:
    matching = Matching(1, 1)
    box = boxes((100, 100, 20, 60))
    second_chance(matching, box, np.array([0.1]), box, np.array([False]))
    assert len(matching.pairs()[0]) == 0


@pytest.mark.parametrize(
    ("dx", "dy", "height", "unseen_s", "found"),
    [
        (18.0, 0.0, 100.0, 0.0, True),  # boxes of 20 by 100, enlarged to 36 by 180
        (21.0, 0.0, 100.0, 0.0, False),
        (0.0, 95.0, 100.0, 0.0, True),
        (0.0, 105.0, 100.0, 0.0, False),
        (21.0, 0.0, 100.0, 1.0, True),  # unseen for a second: 56 by 280
        (31.0, 0.0, 100.0, 1.0, False),
        (0.0, 0.0, 35.0, 0.0, True),  # the heights have to fit, too
        (0.0, 0.0, 25.0, 0.0, False),
        (0.0, 0.0, 400.0, 0.0, False),
        (0.0, 0.0, 100.0, -1.0, False),  # excluded
    ],
)
def test_a_second_chance_depends_on_place_height_and_time(
    dx: float, dy: float, height: float, unseen_s: float, found: bool
) -> None:
    matching = Matching(1, 1)
    track = np.array([(500.0,), (300.0,), (20.0,), (100.0,)])
    seen = np.array([(500.0 + dx,), (300.0 + dy,), (20.0,), (height,)])
    second_chance(matching, track, np.array([unseen_s]), seen, np.array([True]))
    assert len(matching.pairs()[0]) == found
