"""What the edge is told to do: two cameras, many zones and lines, and where wanted a calendar and rules."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NODE = "box"
CAMERAS = ("front", "side")
SCHEDULED = "strip0_5"
"""The zone of each camera that counts only by night, where there is a calendar."""
_NIGHT_S = 7200
_CROSSED = {"when": {"trigger": "event", "events": ["line_crossed"]}, "cooldown_s": 2}


def edge_settings(
    state: Path,
    disk: Path,
    sources: tuple[str, str],
    *,
    rules: Mapping[str, Any],
    day_start_s: float | None,
    own_model: Path | None,
) -> dict[str, Any]:
    """People walk through many small zones and over many lines: about 50 real events a second.

    Args:
        state: Where zones, rules and calendar are kept.
        disk: Where the outbox is.
        sources: What the two cameras see.
        rules: The edge's rules.
        day_start_s: When the day of its calendar begins, and night with it; None: it has no calendar.
        own_model: The file of its model; None: the default.
    """
    model = {} if own_model is None else {"name": str(own_model)}
    front, side = sources
    night = day_start_s is not None
    return {
        "node": NODE,
        "zones_file": str(state / "zones.json"),
        "model": {"classes": ["person"], "threads": 1, **model},
        "outbox": {"path": str(disk / "outbox.db")},
        "cameras": {
            "front": _view(front, lines=100, detect_every=2, night=night),
            "side": _view(side, lines=60, detect_every=4, night=night),
        },
        **({"rules": dict(rules)} if rules else {}),
        **({} if day_start_s is None else _calendar(day_start_s)),
    }


def is_night(at_s: float, day_start_s: float) -> bool:
    """Whether it is night, by the calendar whose day begins at a time; seconds since 1970."""
    return (at_s - day_start_s) % 86_400 < _NIGHT_S


def _calendar(day_start_s: float) -> dict[str, Any]:
    begins, ends = (time.strftime("%H:%M", time.gmtime(day_start_s + more)) for more in (0, _NIGHT_S))
    return {
        "calendar": {
            "timezone": "UTC",
            "day_starts": [begins],
            "modes": {"open": {}, "closed": {"during": "night"}},
            "schedules": {"night": {"spans": [{"start": begins, "end": ends}]}},
        },
        "rules": {"always": _CROSSED, "by-night": {**_CROSSED, "schedule": "night"}},
    }


def _view(source: str, *, lines: int, detect_every: int, night: bool) -> dict[str, Any]:
    xs = [math.floor(1000 * number / (lines + 1)) / 1000 for number in range(1, lines + 1)]
    zones: dict[str, dict[str, Any]] = {
        f"strip0_{number}": {
            "polygon": [[x, 0], [x + 0.1, 0], [x + 0.1, 1], [x, 1]],
        }
        for number in range(10)
        for x in [number / 10]
    }
    if night:
        zones[SCHEDULED]["schedule"] = "night"
    return {
        "source": source,
        "loop": True,
        "detect_every": detect_every,
        "thumbnail": {"fps": 5, "width": 320},
        "tracks": {"enabled": True},
        "lines": {f"line{x:.3f}".replace(".", "_"): {"points": [[x, 1], [x, 0]]} for x in xs},
        "zones": zones,
    }
