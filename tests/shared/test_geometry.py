from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.geometry import (
    Polygons,
    anchor_points,
    box_area,
    clip_to_frame,
    iou,
    overlap_areas,
    polygon_area,
    polygon_crosses_itself,
    side_of_line,
)
from tests.geometry import points_in_polygon

SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
BOW_TIE = [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]
fractions = st.floats(-1, 2, allow_nan=False, width=32)
spots = st.tuples(fractions, fractions)


def winds_around(point: tuple[float, float], polygon: list[tuple[float, float]]) -> bool:
    """Even-odd rule by a ray that goes down, edge by edge: another ray than the code under test."""
    x, y = point
    odd = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (ax > x) != (bx > x) and y < ay + (by - ay) * (x - ax) / (bx - ax):
            odd = not odd
    return odd


@settings(deadline=None)
@given(st.lists(spots, min_size=3, max_size=9), st.lists(spots, max_size=5))
def test_a_point_is_inside_whichever_way_the_ray_goes(
    polygon: list[tuple[float, float]], points: list[tuple[float, float]]
) -> None:
    corners = np.array(polygon)
    for point in points:
        a, b = corners, np.roll(corners, -1, axis=0)
        way = b - a
        share = np.clip(((point - a) * way).sum(1) / np.maximum((way**2).sum(1), 1e-300), 0, 1)
        if np.linalg.norm(a + share[:, None] * way - point, axis=1).min() < 1e-6:
            continue  # on the border, where the two rays may decide differently
        assert points_in_polygon(np.array([point]), corners)[0] == winds_around(point, polygon)


@settings(deadline=None)
@given(st.lists(st.lists(spots, min_size=3, max_size=6), max_size=4), st.lists(spots, max_size=4))
def test_many_polygons_at_once_say_what_each_says_alone(
    polygons: list[list[tuple[float, float]]], points: list[tuple[float, float]]
) -> None:
    asked = np.array(points, np.float64).reshape(-1, 2)
    together = Polygons([np.array(one) for one in polygons]).contain(
        np.broadcast_to(asked, (len(polygons), *asked.shape))
    )
    assert together.shape == (len(polygons), len(points))
    for row, polygon in zip(together, polygons, strict=True):
        assert row.tolist() == points_in_polygon(asked, np.array(polygon)).tolist()


@settings(deadline=None)
@given(spots, spots, st.floats(0, 1))
def test_a_point_on_a_shared_edge_belongs_to_exactly_one_of_two_neighbours(
    a: tuple[float, float], b: tuple[float, float], share: float
) -> None:
    if a[1] == b[1]:
        b = (b[0], b[1] + 0.5)
    left = np.array([(-5.0, a[1]), a, b, (-5.0, b[1])])
    right = np.array([(5.0, b[1]), b, a, (5.0, a[1])])  # the same edge, walked the other way
    y = min(a[1], b[1]) + share * abs(b[1] - a[1]) * 0.999
    x = a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1])
    point = np.array([(x, y)])
    inside = [bool(points_in_polygon(point, polygon)[0]) for polygon in (left, right)]
    assert sum(inside) == 1 or not min(a[1], b[1]) <= y < max(a[1], b[1])


@settings(max_examples=200)
@given(
    st.tuples(st.floats(0.2, 0.4), st.floats(0.1, 0.3)),
    st.tuples(st.floats(0.6, 0.8), st.floats(0.7, 0.9)),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.floats(0.1, 0.9),
)
def test_a_point_on_a_border_that_one_neighbour_has_in_two_pieces_belongs_to_exactly_one(
    top: tuple[float, float], bottom: tuple[float, float], shares: list[float], cut: float
) -> None:
    start, way = np.array(top), np.subtract(bottom, top)
    middle = tuple((start + cut * way).tolist())
    left = np.array([top, bottom, (0.0, bottom[1]), (0.0, top[1])])
    upper = np.array([top, middle, (1.0, middle[1]), (1.0, top[1])])
    lower = np.array([middle, bottom, (1.0, bottom[1]), (1.0, middle[1])])
    points = start + np.array(shares)[:, None] * way
    points = points[(points[:, 1] >= top[1]) & (points[:, 1] < bottom[1])]
    inside = Polygons([left, upper, lower]).contain(np.broadcast_to(points, (3, *points.shape)))
    assert (inside.sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    ("polygon", "crosses"),
    [
        (SQUARE, False),
        (BOW_TIE, True),
        (SQUARE[:3], False),
        ([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)], False),  # concave
        ([(0, 0), (4, 0), (4, 4), (2, -1), (0, 4)], True),  # the dent reaches through the other side
        ([(0, 0), (1, 0), (2, 0)], False),  # flat: no area, but nothing crosses
        ([(0, 0), (1, 0), (1, 1), (1, 1), (0, 1)], False),  # a corner given twice
    ],
)
def test_a_polygon_that_crosses_itself_is_noticed(polygon: list[tuple[float, float]], crosses: bool) -> None:
    assert polygon_crosses_itself(np.array(polygon, np.float64)) is crosses


@pytest.mark.parametrize(
    ("polygon", "area"),
    [
        (SQUARE, 1.0),
        ([(-1, -1), (0.5, -1), (0.5, 0.5), (-1, 0.5)], 0.25),  # one corner of it inside
        ([(-1, -1), (2, -1), (2, 2), (-1, 2)], 1.0),  # larger than the frame
        ([(1.5, 0), (2, 0), (2, 1)], 0.0),  # beside it
        ([(-1, 0.4), (2, 0.4), (2, 0.6), (-1, 0.6)], 0.2),  # through it, no corner inside
    ],
)
def test_clipping_leaves_the_area_inside_the_frame(polygon: list[tuple[float, float]], area: float) -> None:
    inside = clip_to_frame(np.array(polygon))
    assert (polygon_area(inside) if len(inside) > 2 else 0.0) == pytest.approx(area)


@pytest.mark.parametrize(
    ("segment", "visible"),
    [
        ([(0.2, 0.2), (0.8, 0.8)], True),
        ([(-1, 0.5), (2, 0.5)], True),
        ([(-0.5, 0.2), (0.2, -0.5)], False),  # cuts the corner off outside
        ([(1.2, 0.0), (1.2, 1.0)], False),
    ],
)
def test_clipping_tells_whether_a_segment_is_visible(
    segment: list[tuple[float, float]], visible: bool
) -> None:
    assert (len(clip_to_frame(np.array(segment))) > 0) is visible


def test_the_right_hand_of_somebody_walking_along_the_line_is_positive() -> None:
    line = np.array([(0.0, 0.0), (2.0, 0.0)])  # to the right on the screen: the right hand is below
    assert side_of_line(np.array([(1.0, 3.0), (1.0, -3.0), (9.0, 0.0)]), line).tolist() == [3.0, -3.0, 0.0]


def test_anchors_are_points_of_the_box() -> None:
    box = np.array([[10.0, 20.0, 30.0, 60.0]])
    expected = {
        "bottom_center": [20, 60],
        "center": [20, 40],
        "top_center": [20, 20],
        "center_left": [10, 40],
        "center_right": [30, 40],
    }
    for anchor, point in expected.items():
        assert anchor_points(box, anchor).tolist() == [point]  # type: ignore[arg-type]


def test_overlap_of_boxes() -> None:
    a = np.array([[0.0, 0, 2, 2], [5, 5, 5, 9]])
    b = np.array([[1.0, 0, 3, 2], [9, 9, 8, 8]])
    assert iou(a, b) == pytest.approx(np.array([[1 / 3, 0], [0, 0]]))
    assert box_area(b).tolist() == [4.0, 0.0]


@pytest.mark.parametrize(
    ("polygon", "box", "area"),
    [
        pytest.param(SQUARE, (0.25, 0.25, 0.75, 0.75), 0.25, id="box inside"),
        pytest.param(SQUARE, (-1.0, -1.0, 2.0, 2.0), 1.0, id="polygon inside"),
        pytest.param(SQUARE, (0.5, 0.5, 1.5, 1.5), 0.25, id="corner"),
        pytest.param(SQUARE[::-1], (0.5, 0.5, 1.5, 1.5), 0.25, id="the other way round"),
        pytest.param(SQUARE, (1.0, 0.0, 2.0, 1.0), 0.0, id="side by side"),
        pytest.param(SQUARE, (0.5, 0.5, 0.5, 0.9), 0.0, id="box without width"),
        pytest.param(SQUARE, (0.9, 0.5, 0.1, 0.9), 0.0, id="inverted box"),
        pytest.param([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], (0.0, 0.0, 1.0, 1.0), 0.5, id="triangle"),
        pytest.param([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], (0.5, 0.0, 1.0, 1.0), 0.125, id="its tip"),
        pytest.param(
            [(0, 0), (1, 0), (1, 1), (0.8, 1), (0.8, 0.2), (0.2, 0.2), (0.2, 1), (0, 1)],
            (0.0, 0.5, 1.0, 1.0),
            0.2,
            id="two legs of a concave one",
        ),
    ],
)
def test_the_part_of_a_box_inside_a_polygon(
    polygon: list[tuple[float, float]], box: tuple[float, ...], area: float
) -> None:
    assert overlap_areas(np.array(polygon), np.array([box])) == pytest.approx([area], abs=1e-12)


@settings(deadline=None)
@given(st.lists(spots, min_size=3, max_size=9, unique=True))
def test_the_overlap_with_a_box_is_what_clipping_leaves(polygon: list[tuple[float, float]]) -> None:
    """Polygons that do not cross themselves, against another algorithm."""
    middle = np.mean(polygon, axis=0)
    corners = sorted(polygon, key=lambda spot: float(np.arctan2(spot[1] - middle[1], spot[0] - middle[0])))
    frame = np.array([[0.0, 0.0, 1.0, 1.0]])
    expected = polygon_area(clip_to_frame(np.array(corners)))
    assert overlap_areas(np.array(corners), frame)[0] == pytest.approx(expected, abs=1e-6)


def test_nothing_in_gives_nothing_out() -> None:
    none = np.zeros((0, 2))
    boxes = np.zeros((0, 4))
    line = np.array([(0.0, 0.0), (1.0, 1.0)])
    assert points_in_polygon(none, np.array(SQUARE)).shape == (0,)
    assert side_of_line(none, line).shape == (0,)
    assert anchor_points(boxes).shape == (0, 2)
    assert iou(boxes, boxes).shape == (0, 0)
    assert box_area(boxes).shape == (0,)
    assert Polygons([]).contain(np.zeros((0, 3, 2))).shape == (0, 3)
