"""The page's warnings and previews follow the edge node's own rules."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from edge_node.analytics.problems import problems
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.browser.conftest import OpenPage
from tests.geometry import points_in_polygon
from tests.viewer_server.process import ViewerProcess

ASK = """async (cases) => {
    const { problemOf, isInside } = await import("/static/common/geometry.js");
    return cases.map(({ kind, points, probes }) => [
        problemOf(kind, points) !== null,
        kind === "zone" ? probes.map((probe) => isInside(points, probe)) : [],
    ]);
}"""

ODD: list[tuple[str, list[tuple[float, float]]]] = [
    ("zone", [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]),  # crosses itself
    ("zone", [(0.1, 0.1), (0.5, 0.5), (0.9, 0.9)]),  # no area
    ("zone", [(1.1, 0.1), (1.5, 0.1), (1.5, 0.9)]),  # outside
    ("zone", [(1.0, 0.1), (1.5, 0.1), (1.5, 0.9)]),  # touches the edge from outside
    ("zone", [(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (-0.5, 1.5)]),  # all around the picture
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
        kind = rng.choice(["zone", "line"])
        count = 2 if kind == "line" else rng.randint(3, 6)
        shapes.append((kind, [(rng.uniform(low, high), rng.uniform(low, high)) for _ in range(count)]))
    probes = [(rng.random(), rng.random()) for _ in range(20)]
    cases = [{"kind": kind, "points": points, "probes": probes} for kind, points in shapes]
    answers: list[Any] = open_page(viewer.url).evaluate(ASK, cases)
    verdicts = []
    for (kind, points), (warned, inside) in zip(shapes, answers, strict=True):
        if kind == "zone":
            found = problems({"a": ZoneDefinition(polygon=tuple(points))}, {})
            expected = points_in_polygon(np.array(probes), np.array(points)).tolist()
            assert inside == expected, points
        else:
            found = problems({}, {"a": LineDefinition(points=(points[0], points[1]))})
        assert warned == bool(found), (kind, points)
        verdicts.append(warned)
    assert 50 < sum(verdicts) < len(verdicts) - 50
