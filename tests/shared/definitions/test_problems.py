from __future__ import annotations

import dataclasses

import pytest

from shared.definitions.problems import problems
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.edge_node.scenes import CLASSES, Spot, square

ZONE = ZoneDefinition(polygon=square())
LINE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))


FLAT = "can never count anything: its polygon has no area"
OUTSIDE = "can never count anything: it lies outside the frame"
ONE_SIDE = "can never count anything: all of the frame lies on one side of it"
THIN = 4e-7


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        (ZONE, None),
        (ZoneDefinition(polygon=square(-0.5, 1.5)), None),  # larger than the frame
        (
            ZoneDefinition(polygon=((0.1, 0.1), (0.1, 0.9), (0.5, 0.5), (0.9, 0.9), (0.9, 0.1))),
            None,
        ),  # concave
        (ZoneDefinition(polygon=((-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))), OUTSIDE),  # touches the corner
        (ZoneDefinition(polygon=((-0.5, 0.6), (0.6, -0.5), (-0.5, -0.5))), None),  # a corner of the frame
        (ZoneDefinition(polygon=square(1.1, 1.5)), OUTSIDE),
        (ZoneDefinition(polygon=square(1.0, 1.5)), OUTSIDE),  # touches its corner
        (ZoneDefinition(polygon=((0.1, -0.5), (0.9, -0.5), (0.9, THIN), (0.1, THIN))), OUTSIDE),  # a sliver
        (ZoneDefinition(polygon=((0.1, 0.1), (0.5, 0.5), (0.9, 0.9))), FLAT),
        (ZoneDefinition(polygon=((0.1, 0.1), (0.1, 0.1), (0.1, 0.1))), FLAT),
        (
            ZoneDefinition(polygon=((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))),
            "crosses itself: list its corners in order around the shape",
        ),
        (
            ZoneDefinition(polygon=square(), classes=("person", "unicorn")),
            "asks for class 'unicorn', which the model does not have",
        ),
    ],
)
def test_a_zone_that_cannot_work_is_named_with_the_reason(zone: ZoneDefinition, reason: str | None) -> None:
    found = problems({"door": zone, "fine": ZONE}, {}, CLASSES)
    assert found == ([f"zone 'door' {reason}"] if reason else [])


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (((0.1, 0.1), (0.9, 0.9)), None),
        (((-0.5, 0.5), (1.5, 0.5)), None),
        (((0.0, 0.98), (1.0, 0.98)), None),  # narrow, but there is room to cross
        (((0.0, 0.2), (0.2, 0.0)), None),  # cuts off one corner, as the next three do
        (((0.8, 0.0), (1.0, 0.2)), None),
        (((0.0, 0.8), (0.2, 1.0)), None),
        (((0.8, 1.0), (1.0, 0.8)), None),
        (((0.3, 0.3), (0.3, 0.3)), "can never count anything: it has no length"),
        (((1.2, 0.0), (1.2, 1.0)), OUTSIDE),
        (((0.0, 1.0), (1.0, 1.0)), ONE_SIDE),
        (((1.0, 1.0), (0.0, 1.0)), ONE_SIDE),
        (((0.0, 0.0), (0.0, 1.0)), ONE_SIDE),
        (((1.0, 0.0), (1.0, 1.0)), ONE_SIDE),
        (((0.0, 0.0), (1.0, 0.0)), ONE_SIDE),
    ],
)
def test_a_line_that_cannot_work_is_named_with_the_reason(
    points: tuple[Spot, Spot], reason: str | None
) -> None:
    found = problems({}, {"gate": LineDefinition(points=points), "fine": LINE})
    assert found == ([f"line 'gate' {reason}"] if reason else [])


def test_unknown_classes_of_lines_are_named_and_nothing_is_said_while_the_classes_are_unknown() -> None:
    lines = {"gate": dataclasses.replace(LINE, classes=("persn",))}
    assert problems({}, lines) == []
    assert problems({}, lines, CLASSES) == [
        "line 'gate' asks for class 'persn', which the model does not have"
    ]
    assert problems({}, {}, CLASSES) == []
