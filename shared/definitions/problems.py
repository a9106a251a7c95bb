"""Finds definitions that cannot do what they are for, so that whoever drew them can be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from shared.definitions.calendar import unknown_schedules
from shared.definitions.ignored import NEGLIGIBLE, polygon_problem, unknown_classes
from shared.definitions.ignored import problems as ignore_problems
from shared.geometry import clip_to_frame, side_of_line
from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition


class Defined(Protocol):
    """A camera's definitions."""

    @property
    def zones(self) -> Mapping[str, ZoneDefinition]:
        """Zones by name."""

    @property
    def lines(self) -> Mapping[str, LineDefinition]:
        """Lines by name."""

    @property
    def masks(self) -> Mapping[str, MaskDefinition]:
        """Masks by name."""

    @property
    def filters(self) -> Mapping[str, FilterDefinition]:
        """Filters by class."""


def problems(
    zones: Mapping[str, ZoneDefinition],
    lines: Mapping[str, LineDefinition],
    class_names: Sequence[str] | None = None,
) -> list[str]:
    """Find zones and lines that can never count anything, or that ask for classes the model lacks.

    Args:
        zones: By name.
        lines: By name.
        class_names: The model's classes; None while they are unknown.

    Returns:
        One sentence for each problem.
    """
    found = [f"zone {name!r} {reason}" for name, zone in zones.items() for reason in _zone_problems(zone)]
    found += [f"line {name!r} {reason}" for name, line in lines.items() for reason in _line_problems(line)]
    if class_names is not None:
        for kind, definitions in (("zone", zones), ("line", lines)):
            for name, definition in definitions.items():
                found += unknown_classes(f"{kind} {name!r}", definition.classes, class_names)
    return found


def all_problems(
    definitions: Defined,
    class_names: Sequence[str] | None = None,
    confidence: float | None = None,
    schedules: Collection[str] | None = None,
) -> list[str]:
    """Find zones, lines, masks and filters that make no sense.

    Args:
        definitions: A camera's.
        class_names: The model's classes; None while they are unknown.
        confidence: The lowest score of a detection; None while it is unknown.
        schedules: The calendar's, by identifier; None while they are unknown.

    Returns:
        One sentence for each problem.
    """
    found = problems(definitions.zones, definitions.lines, class_names)
    if schedules is not None:
        found += unknown_schedules(definitions.zones, definitions.lines, definitions.masks, schedules)
    return found + ignore_problems(definitions.masks, definitions.filters, class_names, confidence)


def _zone_problems(zone: ZoneDefinition) -> list[str]:
    problem = polygon_problem(np.asarray(zone.polygon, np.float64), "count")
    return [] if problem is None else [problem]


def _line_problems(line: LineDefinition) -> list[str]:
    points = np.asarray(line.points, np.float64)
    if np.hypot(*(points[1] - points[0])) < NEGLIGIBLE:
        return ["can never count anything: it has no length"]
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    sides = side_of_line(corners, points)
    if len(clip_to_frame(points)) == 0:
        return ["can never count anything: it lies outside the frame"]
    if sides.min() > -NEGLIGIBLE or sides.max() < NEGLIGIBLE:
        return ["can never count anything: all of the frame lies on one side of it"]
    return []
