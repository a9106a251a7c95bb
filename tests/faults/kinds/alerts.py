"""Faults of the receivers of alerts, and of the programs that alerts pass through meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.processes import wait_for
from tests.faults.system import START_WITHIN_S, System


@contextmanager
def receivers_down(system: System, dice: random.Random) -> Iterator[None]:
    """End both receivers of alerts, and kill edge, viewer and broker meanwhile."""
    receivers = system.receivers
    assert receivers is not None
    began_s = time.time()
    receivers.down()
    try:
        for victim in (system.edge, system.viewer, system.broker):
            time.sleep(dice.uniform(3.0, 6.0))
            killed_s = time.time()
            victim.kill()
            time.sleep(dice.uniform(0.5, 2.0))
            victim.start()
            wait_for(
                system.flowing_since(time.time()),
                START_WITHIN_S,
                f"events flow after the {victim.name}'s death",
            )
            receivers.dark.append((killed_s, time.time()))
        yield
    finally:
        receivers.down_s = began_s, time.time()
        receivers.up()


@contextmanager
def receivers_mad(system: System, dice: random.Random) -> Iterator[None]:
    """Let one receiver answer wrongly, late or not at all, and the other one hang."""
    assert system.receivers is not None
    with system.receivers.mad(dice):
        yield
