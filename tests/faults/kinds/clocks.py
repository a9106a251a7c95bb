"""Faults of the wall clock: it jumps, also over the start of a day and the changes of schedules."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.faults.edge_settings import CAMERAS, SCHEDULED, is_night
from tests.faults.processes import FaultError, wait_for
from tests.faults.system import START_WITHIN_S, System

FOLLOWED_WITHIN_S = 20.0
"""How long mode, schedules and zones may take to be what the clock says, on a busy machine."""
TOLD_WITHIN_S = 180.0
"""People cross a line every few seconds, but a busy machine sees few of their frames."""
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_JUMPS = (
    (40 * _MINUTE_S, False),
    (0.0, False),
    (40 * _MINUTE_S, True),
    (0.0, True),
    (25 * _HOUR_S, False),
    (0.0, False),
    (-20 * _HOUR_S, True),
    (24.6 * _HOUR_S, False),
    (0.0, False),
)
"""How far the clock is off, and whether the edge is killed at that moment. The day of `System` begins 30
minutes after the start, so that every jump but the last two passes a start of a day, in one direction."""


def clock_set(
    offset_s: float, *, restart: bool
) -> Callable[[System, random.Random], AbstractContextManager[None]]:
    """Let the wall clocks of edge and viewer jump, and jump back at the end."""

    @contextmanager
    def hold(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001 - as every fault
        with system.clock_set(offset_s):
            if restart:
                time.sleep(2.0)
                system.edge.kill()
                system.edge.start()
            yield

    return hold


@contextmanager
def clock_over_days(system: System, dice: random.Random) -> Iterator[None]:
    """Set the clock forward and back over starts of the day, and see that mode and schedules follow."""
    for offset_s, kill in _JUMPS:
        system.set_clock(offset_s)
        if kill:
            session = system.subscriber.said["mode"]["session"]
            system.edge.kill()
            system.edge.start()
            _wait_for_another(session, system)
        what = f"the node does what a clock says that is off by {offset_s / _HOUR_S:g} h"
        try:
            wait_for(lambda: _follows(system), FOLLOWED_WITHIN_S, what)
        except FaultError as error:
            raise FaultError(f"{error}; {_known(system)}") from None
        _see_alerts(system, what)
        time.sleep(dice.uniform(0.0, 2.0))
    yield


def _wait_for_another(session: str, system: System) -> None:
    def there() -> bool:
        said = system.subscriber.said
        names = "mode", "camera/side/zone/strip0_4"
        return all(said[name]["session"] != session for name in names)

    wait_for(there, START_WITHIN_S, "mode and zones of a new session")


def _see_alerts(system: System, what: str) -> None:
    """A rule with a cool-down goes on after a jump, and one with a schedule where that is active."""
    always, by_night = ("side", "always"), ("side", "by-night")
    time.sleep(1.0)  # those of before have come
    alerts, before = system.subscriber.alerts, dict(system.subscriber.alerts)
    wanted = [always, by_night] if _is_night(system) else [always]

    def told() -> bool:
        return all(alerts[rule] > before.get(rule, 0) for rule in wanted)

    wait_for(told, TOLD_WITHIN_S, f"{what}: alerts")
    if not _is_night(system) and alerts[by_night] > before.get(by_night, 0):
        raise FaultError(f"{what}: an alert of a rule whose schedule is not active")


def _is_night(system: System) -> bool:
    return is_night(time.time() + system.clock_offset_s, system.day_start_s)


def _follows(system: System) -> bool:
    """Whether mode, schedules, and the zones with a schedule are what they must be at the edge's time."""
    night = _is_night(system)
    said = system.subscriber.said
    mode = said.get("mode")
    if mode is None or mode["mode"] != ("closed" if night else "open"):
        return False
    active = {name: one["active"] for name, one in mode["schedules"].items()}
    return active == {"night": night} and _paused(system) == [None if night else "schedule"] * len(CAMERAS)


def _paused(system: System) -> list[str | None]:
    """Why the zone with a schedule is paused, for each camera."""
    said = system.subscriber.said
    return [
        (said.get(f"camera/{camera}/zone/{SCHEDULED}") or {"paused": "?"})["paused"] for camera in CAMERAS
    ]


def _known(system: System) -> str:
    """What the subscriber knows, and how old that is: it may be late, not the node."""
    mode, now_us = system.subscriber.said.get("mode") or {}, (time.time() + system.clock_offset_s) * 1e6
    ages = {camera: round(now_us - us) / 1e6 for camera, us in system.subscriber.frames.items()}
    return (
        f"the subscriber knows of mode {mode.get('mode')}, schedules {mode.get('schedules')}, zones paused "
        f"by {_paused(system)}, and of frames that are {ages} s old"
    )
