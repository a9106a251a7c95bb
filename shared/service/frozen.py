"""What a supervised program says and does when its watchdog finds a stage late or frozen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from shared.service.watchdog import says
from shared.signals import end_with_stacks, stacks_after

FAREWELL_S = 2.0
"""How long a process that stands still has to say so."""


def say_late(log: logging.Logger, late: Mapping[str, float]) -> None:
    """Log which stages are late, without waiting.

    Args:
        log: The program's.
        late: How long each stage has stood still, seconds; empty when all get on again.
    """
    text = f"{says(late)}: waiting for it" if late else "all stages get on again"
    # In a thread of its own, because a late stage may hold what logging needs.
    threading.Thread(target=log.warning, args=("%s", text), daemon=True).start()


def end_frozen(log: logging.Logger, reason: str) -> None:
    """End the process with code 1 and the stacks of its threads, so that another one takes over."""
    stacks_after(FAREWELL_S)  # in case that not even this thread gets on
    text = f"{reason}: the process ends, so that another one takes over"
    teller = threading.Thread(target=log.error, args=("%s", text), daemon=True)
    teller.start()
    teller.join(FAREWELL_S / 2)
    end_with_stacks(1)
