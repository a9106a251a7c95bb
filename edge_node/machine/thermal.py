"""Heat and power limits as Linux shows them in /sys: temperatures, and what slows the board down.

Names and units: the kernel's Documentation/driver-api/thermal/sysfs-api.rst. The over-current counters are
those of NVIDIA's Jetson Linux Developer Guide ("Over-current throttling"). Read from trees of sample files
in the tests; not run on a Jetson yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SLOWS_DOWN = re.compile(r"throttle|cpufreq|devfreq|processor", re.IGNORECASE)
"""Cooling devices that take speed away; fans do not."""
_MOST = 64


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One look at the board.

    Attributes:
        temperatures_c: By thermal zone.
        slowed_by: Cooling devices that hold clocks down now.
        over_current: Times that too much current held clocks down, since the board was started, by sensor.
    """

    temperatures_c: dict[str, float]
    slowed_by: tuple[str, ...]
    over_current: dict[str, int]


def read(root: Path = Path("/")) -> Heat:
    """Look at the board; what it does not show is left out.

    Args:
        root: Where /sys is.
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
    """What slows the board down, over-current since the look before included."""
    currents = [
        f"over-current {name}"
        for name, count in now.over_current.items()
        if count > before.over_current.get(name, count)
    ]
    return (*now.slowed_by, *currents)[:_MOST]


def _named(folder: Path, kind: str, value: str) -> Iterator[tuple[str, int]]:
    """Type and value of every numbered device of a kind; those of one type get their numbers."""
    numbered = [(int(path.name[len(kind) :]), path) for path in folder.glob(f"{kind}[0-9]*")]
    seen: set[str] = set()
    for number, path in sorted(numbered):
        name, found = _text(path / "type") or kind, _number(path / value)
        if found is not None:  # a zone that is powered down has no temperature
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
