from __future__ import annotations

import dataclasses

import pytest

from edge_node.analytics.problems import problems
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.edge_node.scenes import CLASSES, Spot, square

ZONE = ZoneDefinition(polygon=square())
LINE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        (ZONE, None),
        (ZoneDefinition(polygon=square(-0.5, 1.5)), None),  # larger than the frame
        (
            ZoneDefinition(polygon=((0.1, 0.1), (0.1, 0.9), (0.5, 0.5), (0.9, 0.9), (0.9, 0.1))),
            None,
        ),  # concave
        (ZoneDefinition(polygon=square(1.1, 1.5)), "outside the frame"),
        (ZoneDefinition(polygon=square(1.0, 1.5)), "outside the frame"),  # touches its corner
        (ZoneDefinition(polygon=((0.1, 0.1), (0.5, 0.5), (0.9, 0.9))), "no area"),
        (ZoneDefinition(polygon=((0.1, 0.1), (0.1, 0.1), (0.1, 0.1))), "no area"),
        (ZoneDefinition(polygon=((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))), "crosses itself"),
        (ZoneDefinition(polygon=square(), classes=("person", "unicorn")), "'unicorn'"),
    ],
)
def test_a_zone_that_cannot_work_is_named_with_the_reason(zone: ZoneDefinition, reason: str | None) -> None:
    found = problems({"door": zone, "fine": ZONE}, {}, CLASSES)
    assert [("zone 'door'" in one, reason is not None and reason in one) for one in found] == [
        (True, True)
    ] * (reason is not None)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (((0.1, 0.1), (0.9, 0.9)), None),
        (((-0.5, 0.5), (1.5, 0.5)), None),
        (((0.0, 0.98), (1.0, 0.98)), None),  # narrow, but there is room to cross
        (((0.3, 0.3), (0.3, 0.3)), "no length"),
        (((1.2, 0.0), (1.2, 1.0)), "outside the frame"),
        (((0.0, 1.0), (1.0, 1.0)), "one side"),
        (((0.0, 0.0), (0.0, 1.0)), "one side"),
    ],
)
def test_a_line_that_cannot_work_is_named_with_the_reason(
    points: tuple[Spot, Spot], reason: str | None
) -> None:
    found = problems({}, {"gate": LineDefinition(points=points), "fine": LINE})
    assert [("line 'gate'" in one, reason is not None and reason in one) for one in found] == [
        (True, True)
    ] * (reason is not None)


def test_unknown_classes_of_lines_are_named_and_nothing_is_said_while_the_classes_are_unknown() -> None:
    lines = {"gate": dataclasses.replace(LINE, classes=("persn",))}
    assert problems({}, lines) == []
    assert problems({}, lines, CLASSES) == [
        "line 'gate' asks for class 'persn', which the model does not have"
    ]
    assert problems({}, {}, CLASSES) == []
