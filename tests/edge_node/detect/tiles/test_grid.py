from __future__ import annotations

from itertools import pairwise

import pytest

from edge_node.detect.tiles.grid import covering, grid
from edge_node.pictures import Box


def covered(area: Box, boxes: tuple[Box, ...]) -> bool:
    """Whether every pixel of an area is in a tile; all tiles are inside it."""
    left, top, right, bottom = area
    inside = all(x1 >= left and y1 >= top and x2 <= right and y2 <= bottom for x1, y1, x2, y2 in boxes)
    xs = sorted({(x1, x2) for x1, _, x2, _ in boxes})
    ys = sorted({(y1, y2) for _, y1, _, y2 in boxes})
    unbroken = all(
        spans[0][0] == start and spans[-1][1] == end and all(a[1] >= b[0] for a, b in pairwise(spans))
        for spans, start, end in ((xs, left, right), (ys, top, bottom))
    )
    return inside and unbroken and len(boxes) == len(xs) * len(ys)


@pytest.mark.parametrize("area", [(0, 0, 1280, 720), (100, 50, 741, 411), (0, 0, 7, 5), (0, 0, 1, 1)])
@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (3, 2), (16, 3), (2, 16)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_a_grid_covers_its_area_with_tiles_of_one_size(
    area: Box, columns: int, rows: int, overlap: float
) -> None:
    boxes = grid(area, columns, rows, overlap)
    assert len({(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes}) == 1, "so that they share runs"
    assert len(boxes) == columns * rows
    if area[2] - area[0] >= columns:
        assert covered(area, tuple(dict.fromkeys(boxes)))


def test_neighbours_share_the_overlap() -> None:
    first, second, _ = grid((0, 0, 1000, 100), 3, 1, 0.2)
    assert first[2] - second[0] >= 0.19 * (first[2] - first[0])


@pytest.mark.parametrize("size", [(512, 288), (4000, 3000), (100, 2000)])
def test_tiles_of_a_size_cover_an_area(size: tuple[int, int]) -> None:
    area = (0, 0, 3840, 2160)
    boxes = covering(area, size, 0.15)
    assert covered(area, boxes)
    x1, y1, x2, y2 = boxes[0]
    assert (x2 - x1, y2 - y1) == (min(size[0], 3840), min(size[1], 2160))
