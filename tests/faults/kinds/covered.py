"""A camera is covered and uncovered while the edge or the broker is dead."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.processes import wait_for
from tests.faults.system import START_WITHIN_S, System

NOTICED_WITHIN_S = 30.0
"""Several times what it takes, for a busy machine."""
_HEALTH, _ZONE = "camera/side/health", "camera/side/zone/strip0_4"


@contextmanager
def covered_meanwhile(system: System, dice: random.Random) -> Iterator[None]:
    """Cover and uncover the camera while edge or broker is dead.

    A cover that is put on while the edge is dead is not seen: it could be the night.
    """
    camera = system.camera
    assert camera is not None
    edge, broker = system.edge, system.broker
    wait_for(lambda: _said(system, _HEALTH).get("reference_us"), START_WITHIN_S, "the camera's view is known")

    camera.cover()
    _wait(system, "covered")
    edge.kill()
    edge.start()
    _wait(system, "covered", START_WITHIN_S)  # goes on, and is not told again
    camera.covered = False
    _wait(system, None)

    broker.kill()
    camera.cover()
    wait_for(
        lambda: edge.log.count("its picture is covered") == 2, NOTICED_WITHIN_S, "the edge notices a cover"
    )
    camera.covered = False
    wait_for(lambda: edge.log.count("no longer covered") == 2, NOTICED_WITHIN_S, "the edge notices its end")
    broker.start()
    _wait(system, None)

    camera.cover()
    _wait(system, "covered")
    edge.kill()
    time.sleep(dice.uniform(0.0, 1.0))
    camera.covered = False
    edge.start()
    _wait(system, None, START_WITHIN_S)
    yield


def _wait(system: System, problem: str | None, more_s: float = 0.0) -> None:
    """Wait until the subscriber knows whether the camera is covered, and its zones as well."""
    problems = [] if problem is None else [problem]
    began_us = time.time() * 1e6

    def known() -> bool:
        health, zone = _said(system, _HEALTH), _said(system, _ZONE)
        return (
            [one["problem"] for one in health.get("problems", ["?"])] == problems
            and zone.get("paused", "?") == problem
            and system.subscriber.frames.get("side", 0) > began_us
        )

    wait_for(known, NOTICED_WITHIN_S + more_s, f"the camera is {problem or 'in order'}, and its zones know")


def _said(system: System, path: str) -> dict[str, Any]:
    return system.subscriber.said.get(path) or {}
