"""The page's warnings and previews follow the edge node's own rules."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from shared.definitions.ignored import problems as ignore_problems
from shared.definitions.problems import problems
from shared.geometry import box_area, overlap_areas, polygon_crosses_itself
from shared.wire.messages import LineDefinition, MaskDefinition, ZoneDefinition
from tests.browser.conftest import OpenPage
from tests.geometry import points_in_polygon
from tests.viewer_server.process import ViewerProcess

ASK = """async (cases) => {
    const { problemOf, isInside, shareInside } = await import("/static/common/geometry.js");
    return cases.map(({ kind, points, probes, boxes }) => [
        problemOf(kind, points) !== null,
        kind === "zone" ? probes.map((probe) => isInside(points, probe)) : [],
        kind === "mask" ? boxes.map((box) => shareInside(points, box)) : [],
    ]);
}"""

WHOLE = [(-0.01, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.995)]
ODD: list[tuple[str, list[tuple[float, float]]]] = [
    ("zone", [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]),  # crosses itself
    ("zone", [(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)]),  # no area
    ("zone", [(1.1, 0.1), (1.5, 0.1), (1.5, 0.9)]),  # outside
    ("zone", [(1.0, 0.1), (1.5, 0.1), (1.5, 0.9)]),  # touches the edge from outside
    ("zone", [(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (-0.5, 1.5)]),  # all around the picture
    ("mask", [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]),  # crosses itself
    ("mask", [(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)]),  # no area
    ("mask", [(1.0, 0.1), (1.5, 0.1), (1.5, 0.9)]),  # outside
    ("mask", WHOLE),  # nothing is left
    ("mask", [(x, y * 0.9) for x, y in WHOLE]),  # not quite the whole picture
    ("line", [(0.3, 0.3), (0.3, 0.3)]),  # no length
    ("line", [(0.0, 0.0), (0.0, 1.0)]),  # along the edge
    ("line", [(1.2, 0.1), (1.2, 0.9)]),  # outside
    ("line", [(-0.5, 0.5), (1.5, 0.5)]),  # right through
]


def test_what_the_page_warns_of_is_what_the_node_warns_of(viewer: ViewerProcess, open_page: OpenPage) -> None:
    rng = random.Random(7)
    shapes = list(ODD)
    for _ in range(400):
        low, high = rng.choice([(0.0, 1.0), (-1.0, 2.0), (0.9, 2.0)])
        kind = rng.choice(["zone", "line", "mask"])
        count = 2 if kind == "line" else rng.randint(3, 6)
        shapes.append((kind, [(rng.uniform(low, high), rng.uniform(low, high)) for _ in range(count)]))
    probes = [(rng.random(), rng.random()) for _ in range(20)]
    boxes = [(x, y, x + rng.random() / 2, y + rng.random() / 2) for x, y in probes]
    cases = [{"kind": kind, "points": points, "probes": probes, "boxes": boxes} for kind, points in shapes]
    answers: list[Any] = open_page(viewer.url).evaluate(ASK, cases)
    verdicts = []
    for (kind, points), (warned, inside, shares) in zip(shapes, answers, strict=True):
        if kind == "zone":
            found = problems({"a": ZoneDefinition(polygon=tuple(points))}, {})
            expected = points_in_polygon(np.array(probes), np.array(points)).tolist()
            assert inside == expected, points
        elif kind == "mask":
            found = ignore_problems({"a": MaskDefinition(polygon=tuple(points))}, {})
            if not polygon_crosses_itself(np.array(points)):
                areas = overlap_areas(np.array(points), np.array(boxes)) / box_area(np.array(boxes))
                assert shares == pytest.approx(areas.tolist(), abs=1e-9), points
        else:
            found = problems({}, {"a": LineDefinition(points=(points[0], points[1]))})
        assert warned == bool(found), (kind, points)
        verdicts.append(warned)
    assert 50 < sum(verdicts) < len(verdicts) - 50
