"""Finds zones and lines that can never count anything, so that whoever drew them can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from shared.geometry import clip_to_frame, polygon_area, polygon_crosses_itself, side_of_line
from shared.wire.messages import LineDefinition, ZoneDefinition

_NEGLIGIBLE = 1e-6
"""Areas and lengths below this, in fractions of the frame, count as zero."""


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
                unknown = [wanted for wanted in definition.classes if wanted not in class_names]
                found += [
                    f"{kind} {name!r} asks for class {one!r}, which the model does not have"
                    for one in unknown
                ]
    return found


def _zone_problems(zone: ZoneDefinition) -> list[str]:
    polygon = np.asarray(zone.polygon, np.float64)
    if polygon_crosses_itself(polygon):
        return ["crosses itself: list its corners in order around the shape"]
    if polygon_area(polygon) < _NEGLIGIBLE:
        return ["can never count anything: its polygon has no area"]
    inside = clip_to_frame(polygon)
    if len(inside) < 3 or polygon_area(inside) < _NEGLIGIBLE:
        return ["can never count anything: it lies outside the frame"]
    return []


def _line_problems(line: LineDefinition) -> list[str]:
    points = np.asarray(line.points, np.float64)
    if np.hypot(*(points[1] - points[0])) < _NEGLIGIBLE:
        return ["can never count anything: it has no length"]
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    sides = side_of_line(corners, points)
    if len(clip_to_frame(points)) == 0:
        return ["can never count anything: it lies outside the frame"]
    if sides.min() > -_NEGLIGIBLE or sides.max() < _NEGLIGIBLE:
        return ["can never count anything: all of the frame lies on one side of it"]
    return []
