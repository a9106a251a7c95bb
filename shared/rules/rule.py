"""One rule on one camera: what it wants, and what it remembers."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import NamedTuple

from shared.rules.state import WINDOW, RuleState, condition_hash
from shared.wire.messages import Event, RuleDefinition

OBJECTS = 1024
"""The most objects of which one rule remembers when it told of them; the one told of first is forgotten."""
SLACK_US = 60_000_000
"""Events come out of order by less than this. What lies further ahead was noted before the clock was set
back, and no longer counts."""

Key = tuple[str, int]
"""What a condition is about: a zone and a track, a zone and 0, a problem and 0, or an empty text and 0."""
ITSELF: Key = ("", 0)


class Begun(NamedTuple):
    """Since when a condition is met.

    Attributes:
        at_us: Since when.
        cause: The event that began it.
    """

    at_us: int
    cause: Event | None


class Rule:
    """A rule on one camera.

    Args:
        name: Its identifier.
        definition: What it says.
        since_us: Since when it holds; what was so before counts from then.
        saved: What an earlier run remembered of it.

    Attributes:
        begun: Since when its condition is met, by what it is about.
        told: The conditions of which it has told, until they end, or the schedule does.
        restored: Those of which an earlier run has told; they are told of again only if they end between.
        restored_us: When that run fired last.
        last_us: When it fired last.
        low: The fewest objects in a zone that meet its condition.
        high: The most; below 0 where none do.
        quiet_from_us: Of a rule about events: from when on its cool-down lets nothing pass.
        quiet_until_us: Until before when.
        counts: Whether it counts events.
        of_moments: Whether it is about events, counted or not, and not about what lasts.
        unseen: Whether its time goes on while a camera gives no frames.
        classes: Its classes; empty: all.
        window: When the last events happened that it counts.
        objects: When it fired last, by track.
        forgotten: How many objects it had no room for.
    """

    def __init__(
        self, name: str, definition: RuleDefinition, since_us: int = 0, saved: RuleState | None = None
    ) -> None:
        when = definition.when
        self.name, self.definition, self.when, self.since_us = name, definition, when, since_us
        self.condition = condition_hash(definition)
        self.for_us = round(when.for_s * 1e6)
        self.within_us = round((when.within_s or 0.0) * 1e6)
        self.least = max(1, when.at_least or 1)
        nothing = when.at_least is None and when.at_most is None
        self.low = when.at_least or 0
        self.high: float = -1 if nothing else math.inf if when.at_most is None else when.at_most
        self.counts = when.trigger == "count"
        can_count = self.counts and when.at_least is not None and bool(when.within_s)
        self.of_moments = when.trigger == "event" or can_count
        self.unseen = when.trigger in ("problem", "offline")
        self._zones = frozenset(when.zones)
        self.classes = frozenset(when.classes)
        self._any_event = not (self.classes or when.direction is not None or when.dwell_s is not None)
        self._cooldown_us = round(definition.cooldown_s * 1e6)
        self._object_us = round(definition.object_cooldown_s * 1e6)
        known = saved if saved is not None and saved.condition == self.condition else None
        self.last_us = known.last_us if known else None
        self.restored_us = self.last_us
        self.restored: set[Key] = {(one, 0) for one in known.told} if known else set()
        self.begun: dict[Key, Begun] = {}
        self.told: set[Key] = set()
        if self.counts:  # its window says whether there have been fewer since
            self.told, self.restored = self.restored, set()
        self.window: deque[int] = deque(known.window if known else (), maxlen=min(self.least, WINDOW))
        self.objects: OrderedDict[int, int] = OrderedDict()
        self.forgotten = 0
        self._be_quiet()

    def redefined(self, definition: RuleDefinition) -> bool:
        """Take over another definition, if it has the same condition; False if it has another one."""
        if condition_hash(definition) != self.condition:
            return False
        self.definition = definition
        self._cooldown_us = round(definition.cooldown_s * 1e6)
        self._object_us = round(definition.object_cooldown_s * 1e6)
        self._be_quiet()
        return True

    def looks_at(self, zone: str | None) -> bool:
        """Whether it looks at a zone or line; None: at what happens at neither."""
        return not self._zones or zone in self._zones

    def wants_class(self, label: str | None) -> bool:
        """Whether it looks at objects of a class."""
        return not self.classes or label in self.classes

    def wants_event(self, event: Event) -> bool:
        """Whether an event of a type and place that it looks at is what it looks for."""
        if self._any_event:
            return True
        when = self.when
        if not self.wants_class(event.label):
            return False
        if when.direction is not None and event.type == "line_crossed" and event.direction != when.direction:
            return False
        timed = event.type in ("zone_exited", "zone_lost")
        return not (timed and when.dwell_s is not None and (event.dwell_s or 0.0) < when.dwell_s)

    def count(self, at_us: int) -> bool:
        """Count an event; whether there are enough now for the first time since there were fewer."""
        window, least = self.window, self.least
        if window and window[-1] > at_us + SLACK_US:
            window.clear()
        if len(window) < least or at_us - window[0] > self.within_us:
            self.told.discard(ITSELF)
        window.append(at_us)
        full = len(window) >= least and at_us - window[0] <= self.within_us
        return full and ITSELF not in self.told

    def last_before(self, at_us: int) -> int | None:
        """When it fired last; None: never, or the clock was set back since."""
        return None if self.last_us is None or self.last_us > at_us + SLACK_US else self.last_us

    def free_at(self, ready_us: int, track: int | None, now_us: int) -> int:
        """When its cool-downs let it fire: when it is ready, or when they end."""
        free, last, newest = ready_us, self.last_us, now_us + SLACK_US
        if self._cooldown_us and last is not None and last <= newest:
            free = max(free, last + self._cooldown_us)
        if self._object_us and track is not None:
            told = self.objects.get(track)
            if told is not None and told <= newest:
                free = max(free, told + self._object_us)
        return free

    def fired(self, at_us: int, track: int | None) -> None:
        """Note that it fires."""
        self.last_us = at_us
        self._be_quiet()
        if track is not None and self._object_us:
            self.objects.pop(track, None)
            self.objects[track] = at_us
            if len(self.objects) > OBJECTS:
                self.objects.popitem(last=False)
                self.forgotten += 1

    def _be_quiet(self) -> None:
        self.quiet_from_us = self.quiet_until_us = 0
        if self.last_us is not None and self.when.trigger == "event" and self._cooldown_us:
            self.quiet_from_us = self.last_us - SLACK_US
            self.quiet_until_us = self.last_us + self._cooldown_us

    def follow(self, old: int, new: int) -> None:
        """Know an object by its new track."""
        if (told := self.objects.pop(old, None)) is not None:
            self.objects[new] = told

    def shift(self, by_us: int) -> None:
        """Move everything that it remembers, because the clock was set."""
        self.begun = {key: Begun(one.at_us + by_us, one.cause) for key, one in self.begun.items()}
        self.window = deque((at + by_us for at in self.window), maxlen=self.window.maxlen)
        self.objects = OrderedDict((track, at + by_us) for track, at in self.objects.items())
        self.since_us += by_us if self.since_us else 0
        self.restored_us = None if self.restored_us is None else self.restored_us + by_us
        if self.last_us is not None:
            self.last_us += by_us
            self._be_quiet()

    def state(self, restored: set[Key]) -> RuleState:
        """What to remember over a restart."""
        told = set() if self.when.trigger == "stay" else {about for about, _ in self.told | restored}
        return RuleState(
            condition=self.condition,
            last_us=self.last_us,
            told=tuple(sorted(told)),
            window=tuple(self.window),
        )
