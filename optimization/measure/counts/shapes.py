"""The lines and zones whose counts are evaluated: those of a file, or random ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shared import settings
from shared.configuration.declared import typed
from shared.configuration.yaml_file import read_yaml
from shared.definitions.consistent import refuse_shared_names
from shared.definitions.problems import problems
from shared.errors import ConfigError
from shared.geometry import F64, polygon_area
from shared.wire.messages import Id, LineDefinition, ZoneDefinition

_LEAST_AREA = 0.005
"""A random zone with a smaller share of the frame is drawn again."""


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Lines and zones by name."""

    zones: dict[Id, ZoneDefinition] = field(default_factory=dict)
    lines: dict[Id, LineDefinition] = field(default_factory=dict)


def random_shapes(count: int, seed: int) -> Shapes:
    """Draw lines and zones all over the picture; the same seed draws the same ones.

    A line has any direction, and 0.15 to 0.8 of the frame's height between its ends. A zone has 3 to 6
    corners around a centre. Whether anything passes there is not asked: a count where nothing happened is
    an error like any other.

    Args:
        count: How many lines, and how many zones.
        seed: Of the random numbers.
    """
    random = np.random.default_rng(seed)
    lines: dict[str, LineDefinition] = {}
    while len(lines) < count:
        middle, angle = random.uniform(0.1, 0.9, 2), random.uniform(0, 2 * np.pi)
        half = random.uniform(0.15, 0.8) / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = np.clip((middle - half, middle + half), 0.0, 1.0).round(4)
        line = LineDefinition(points=_points(ends))  # type: ignore[arg-type]  # two points
        if not problems({}, {"line": line}):
            lines[f"line{len(lines) + 1}"] = line
    zones: dict[str, ZoneDefinition] = {}
    while len(zones) < count:
        corners = int(random.integers(3, 7))
        middle, angles = random.uniform(0.1, 0.9, 2), np.sort(random.uniform(0, 2 * np.pi, corners))
        reach = random.uniform(0.1, 0.4, corners)
        around = middle + reach[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
        polygon = np.clip(around, 0.0, 1.0).round(4)
        zone = ZoneDefinition(polygon=_points(polygon))
        if polygon_area(polygon) >= _LEAST_AREA and not problems({"zone": zone}, {}):
            zones[f"zone{len(zones) + 1}"] = zone
    return Shapes(zones=zones, lines=lines)


def read_shapes(file: Path, camera: str | None = None) -> Shapes:
    """Read lines and zones: a node's configuration, its retained `zones` message, or a file of both alone.

    Args:
        file: YAML or JSON.
        camera: Which camera of a configuration; None if it has only one.

    Raises:
        ConfigError: The file cannot be read, a definition is wrong, or there is none.
    """
    raw = _of_camera(read_yaml(file), file, camera)
    wanted = {key: raw[key] for key in ("zones", "lines") if key in raw}
    shapes = settings.convert(Shapes, typed(Shapes, wanted), where=str(file))
    refuse_shared_names(shapes.zones, shapes.lines)
    if not shapes.zones and not shapes.lines:
        raise ConfigError(f"{file}: has neither zones nor lines; draw some, or use --random N")
    for problem in problems(shapes.zones, shapes.lines):
        raise ConfigError(f"{file}: {problem}")
    return shapes


def _of_camera(raw: dict[str, Any], file: Path, camera: str | None) -> dict[str, Any]:
    """The part of a file that holds `zones` and `lines`."""
    cameras = raw.get("cameras")
    if cameras is None:
        found = raw.get("payload", raw)  # the captured messages of docs/examples have an envelope
        return found if isinstance(found, dict) else raw
    if not isinstance(cameras, dict) or not all(isinstance(one, dict) for one in cameras.values()):
        raise ConfigError(f"{file}: cameras must be a mapping of names to settings")
    names = list(cameras)
    if camera is None and len(names) != 1:
        raise ConfigError(f"{file}: has {len(names)} cameras ({', '.join(names)}); name one with --camera")
    name = names[0] if camera is None else camera
    if name not in cameras:
        raise ConfigError(f"{file}: has no camera {name!r}, only {', '.join(names)}")
    return dict(cameras[name])


def _points(corners: F64) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in corners)
