"""Temperatures, and what slows the board down for heat or power, as Linux shows them in /sys.

Names and units are those of the kernel's Documentation/driver-api/thermal/sysfs-api.rst. The over-current
counters are described in NVIDIA's Jetson Linux Developer Guide ("Over-current throttling"). The tests read
trees of sample files; nobody has run this on a Jetson yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SLOWS_DOWN = re.compile(r"throttle|cpufreq|devfreq|processor", re.IGNORECASE)
"""Types of the cooling devices that reduce speed; a fan does not."""
_MOST = 64
"""Maximum zones, and maximum reasons, in a metrics message."""


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One reading of the board.

    Attributes:
        temperatures_c: Degrees Celsius by thermal zone.
        slowed_by: The cooling devices that reduce clock rates now.
        over_current: How often too much current has reduced clock rates since the board started, by sensor.
    """

    temperatures_c: dict[str, float]
    slowed_by: tuple[str, ...]
    over_current: dict[str, int]


def read(root: Path = Path("/")) -> Heat:
    """Read the board's sensors; what the board does not show is left out.

    Args:
        root: The folder that holds /sys.
    """
    thermal = root / "sys/class/thermal"
    temperatures = {name: value / 1000 for name, value in _named(thermal, "thermal_zone", "temp")}
    slowed = [
        name
        for name, state in _named(thermal, "cooling_device", "cur_state")
        if state > 0 and _SLOWS_DOWN.search(name)
    ]
    counters = {
        f"{path.parent.name} {path.name.removesuffix('_event_cnt')}": count
        for path in sorted((root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt"))
        if (count := _number(path)) is not None
    }
    return Heat(
        temperatures_c=dict(list(temperatures.items())[:_MOST]),
        slowed_by=tuple(slowed),
        over_current=counters,
    )


def throttled(before: Heat, now: Heat) -> tuple[str, ...]:
    """What slows the board down now, and over-current that happened between the two readings."""
    currents = [
        f"over-current {name}"
        for name, count in now.over_current.items()
        if count > before.over_current.get(name, count)
    ]
    return (*now.slowed_by, *currents)[:_MOST]


def _named(folder: Path, kind: str, value: str) -> Iterator[tuple[str, int]]:
    """Name and value of every numbered device of a kind: its type, with its number where the type repeats."""
    numbered = [(int(path.name[len(kind) :]), path) for path in folder.glob(f"{kind}[0-9]*")]
    seen: set[str] = set()
    for number, path in sorted(numbered):
        name, found = _text(path / "type") or kind, _number(path / value)
        if found is not None:  # a zone without power has no temperature
            yield (f"{name} {number}" if name in seen else name), found
            seen.add(name)


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()[:100]
    except OSError:
        return ""
