"""The watchdog: notices a stage that has work and does not get on with it.

A stage is looked at from outside, twice a second, by numbers that it counts anyway. No lock is taken: a stage
that stands still may hold it for ever. Time counts only while the watchdog itself runs, so that a suspended
laptop, a stopped process or a clock that is set makes no stage late.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from shared.channel import Channel

log = logging.getLogger("darner.watchdog")

LOOK_EVERY_S = 0.5
AT_MOST_S = 1.0
"""The most seconds that one look counts. If more have passed, this thread did not run, nor did the stages."""
LATE_S = 10.0
"""How long a stage may stand still, seconds: much longer than any step that does not wait for something."""
SLOWER = 4.0
"""A stage that was slow before, such as a network that takes seconds, may take this many times as long."""
SLOWEST_S = 120.0
"""The longest that a slow stage may stand still, seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a stage that has work.

    Attributes:
        progress: A number that changes whenever the stage gets on.
        late_s: Seconds without progress after which the stage is late, and somebody is told.
        frozen_s: Seconds without progress after which the program has to end.
    """

    progress: int
    late_s: float = LATE_S
    frozen_s: float = LATE_S


Probe = Callable[[], Look | None]
"""Looks at one stage without waiting; None while it has no work, or something else holds it up."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, and how to look at it.

    Attributes:
        name: For people.
        probe: Looks at it.
        group: Stages of one group are frozen when all of them are late, whatever their `frozen_s`.
    """

    name: str
    probe: Probe
    group: str = ""


def taking(
    source: Channel[Any],
    onward: Channel[Any] | None = None,
    look: Callable[[int], Look] = Look,
    also: Callable[[], int] = lambda: 0,
    lane: str | None = None,
) -> Probe:
    """A probe for a stage that takes its work from a channel.

    Args:
        source: Where the stage takes its work from.
        onward: Where it puts its results. While it waits for room there, the next stage holds it up.
        look: Makes the look of the progress.
        also: Further progress, of a stage that waits for something outside the program.
        lane: The key under which it puts its results, if others put theirs there, too.
    """

    def probe() -> Look | None:
        waiting = source.waiting
        if source.ended or (source.takers and not waiting):
            return None
        if onward is not None and held_up(onward, lane):
            return None
        return look(source.taken + also())

    return probe


def held_up(channel: Channel[Any], lane: str | None = None) -> bool:
    """Whether somebody waits for room in a full channel, in one lane or in any."""
    return channel.waiting > 0 and (
        any(list(channel.putters.values())) if lane is None else channel.putters[lane] > 0
    )


class _Seen:
    """What is known about one stage."""

    def __init__(self) -> None:
        self.progress: int | None = None
        self.still_s = 0.0
        self.slowest_s = 0.0

    def note(self, look: Look | None, elapsed: float) -> None:
        if look is not None and look.progress == self.progress:
            self.still_s += elapsed
            return
        if look is not None and self.progress is not None:
            self.slowest_s = max(self.slowest_s, self.still_s)
        self.progress, self.still_s = (None if look is None else look.progress), 0.0

    def limit(self, seconds: float) -> float:
        return max(seconds, min(SLOWEST_S, SLOWER * self.slowest_s))


class Watchdog:
    """Looks at stages until one is frozen; `with` starts and ends its thread.

    Its callbacks are called from its thread, and must not wait for anything that a frozen stage may hold.

    Args:
        stages: What to look at.
        on_late: Called with the seconds of each late stage, by name, when other stages are late than before.
        on_frozen: Called once, with what is wrong; the watchdog then ends.
        on_well: Called after each look at which no stage was on its way to be frozen.
        clock: Monotonic seconds.

    Attributes:
        well: Whether no stage was on its way to be frozen at the last look.
    """

    def __init__(
        self,
        stages: Collection[Stage],
        on_late: Callable[[Mapping[str, float]], None],
        on_frozen: Callable[[str], None],
        on_well: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = tuple(stages)
        self._on_late, self._on_frozen, self._on_well = on_late, on_frozen, on_well
        self._clock = clock
        self._seen = {stage.name: _Seen() for stage in self._stages}
        self._late: frozenset[str] = frozenset()
        self._looked_at = clock()
        self.well = True
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._looked_at = self._clock()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def look(self) -> bool:
        """Look at every stage once; False when one is frozen."""
        now = self._clock()
        elapsed = min(now - self._looked_at, AT_MOST_S)
        self._looked_at = now
        late: dict[str, float] = {}
        self.well = True
        frozen: dict[str, float] = {}
        for stage in self._stages:
            look, seen = stage.probe(), self._seen[stage.name]
            seen.note(look, elapsed)
            if look is not None and seen.still_s >= seen.limit(look.late_s):
                late[stage.name] = seen.still_s
                self.well &= math.isinf(look.frozen_s)
                if seen.still_s >= seen.limit(look.frozen_s):
                    frozen[stage.name] = seen.still_s
        frozen |= self._whole_groups(late)
        if frozen:
            self._on_frozen(says(frozen))
            return False
        if late.keys() != self._late:
            self._late = frozenset(late)
            self._on_late(late)
        if self.well:
            self._on_well()
        return True

    def _whole_groups(self, late: Mapping[str, float]) -> dict[str, float]:
        whole: dict[str, float] = {}
        for group in {stage.group for stage in self._stages if stage.group}:
            members = [stage.name for stage in self._stages if stage.group == group]
            if all(name in late for name in members):
                whole |= {name: late[name] for name in members}
        return whole

    def _run(self) -> None:
        said = False
        while not self._closing.wait(LOOK_EVERY_S):
            try:
                if not self.look():
                    return
            except Exception:  # a fault in one look must not end the watching
                self.well = False
                if not said:
                    log.exception("watchdog: a look at the stages failed (said once)")
                said = True


def says(late: Mapping[str, float]) -> str:
    """What is wrong, in one sentence for people."""
    *others, last = late
    names = f"{', '.join(others)} and {last}" if others else last
    stand = "have" if others else "has"
    return f"{names} {stand} stood still for {max(late.values()):.0f} s with work to do"
