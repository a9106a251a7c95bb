"""From conditions that begin and end to alerts: for how long they last, when rules hold, and cool-downs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import cast

from shared.rules.due import Due
from shared.rules.holding import Holding, Span
from shared.rules.rule import Begun, Key, Rule
from shared.rules.saying import Saying
from shared.rules.scene import Firing
from shared.wire.messages import Event, Problem

CONFIRM_US = 120_000_000
"""How long after a restart a condition may take to be met again, so that it is the one told of before."""


class Conditions:
    """The conditions of one engine's rules that are met now, and the alerts that come of them.

    Args:
        holding: When rules hold.
        count: How many objects in a zone a rule counts now.

    Attributes:
        saying: Makes the alerts.
        changes: Grows whenever a rule has something new to remember.
    """

    def __init__(self, holding: Holding, saying: Saying, count: Callable[[Rule, str], int]) -> None:
        self._holding, self.saying, self._count = holding, saying, count
        self._seen: Due[tuple[Rule, Key]] = Due()
        self._unseen: Due[tuple[Rule, Key]] = Due()
        self._fired: list[Firing] = []
        self._confirm_until = math.inf
        self.changes = 0

    @property
    def next(self) -> float:
        """When the next condition has lasted for long enough; infinity: none does."""
        seen, unseen = self._seen.next, self._unseen.next
        return seen if seen < unseen else unseen

    def start(self, at_us: int) -> None:
        """Note that the watch begins now: what an earlier run has told of is waited for from now on."""
        self._confirm_until = at_us + CONFIRM_US

    def confirming(self, at_us: int) -> bool:
        """Whether conditions that an earlier run has told of may still be met again."""
        return at_us <= self._confirm_until

    def taken(self) -> list[Firing]:
        """The alerts since the last call."""
        fired, self._fired = self._fired, []
        return fired

    def begin(self, rule: Rule, key: Key, at_us: int, cause: Event | None) -> None:
        """Note that a condition is met since a moment; one that is met already goes on."""
        if key in rule.begun:
            return
        rule.begun[key] = Begun(at_us, cause)
        if rule.restored and key in rule.restored and self.confirming(at_us):
            rule.told.add(key)
            self._told_before(rule, key, at_us)
        elif rule.definition.schedule is None:
            ready = max(at_us, rule.since_us) + rule.for_us
            self._due(rule).set((rule, key), rule.free_at(ready, _track(rule, key), at_us))
        else:
            self.arm(rule, key, at_us)

    def end(self, rule: Rule, key: Key, at_us: int) -> None:
        """Note that a condition is met no more since a moment, having perhaps lasted for long enough."""
        if key not in rule.begun:
            return
        due = self._due(rule)
        if (at := due.get((rule, key))) <= at_us:
            due.drop((rule, key))
            self._come(rule, key, int(at))
        self.drop(rule, key)

    def drop(self, rule: Rule, key: Key) -> None:
        """Forget a condition."""
        rule.begun.pop(key, None)
        self._due(rule).drop((rule, key))
        self._untell(rule, key)

    def call_off(self, rule: Rule) -> None:
        """Forget all conditions of a rule that is no more."""
        for key in list(rule.begun):
            self.drop(rule, key)

    def follow(self, rule: Rule, zone: str, old: int, new: int) -> None:
        """Let another track go on with a stay."""
        if (begun := rule.begun.pop((zone, old), None)) is None:
            return
        cause = begun.cause and dataclasses.replace(begun.cause, track_id=new)
        rule.begun[zone, new] = Begun(begun.at_us, cause)
        at = self._seen.get((rule, (zone, old)))
        self._seen.drop((rule, (zone, old)))
        if (zone, old) in rule.told:
            rule.told.remove((zone, old))
            rule.told.add((zone, new))
        if at < math.inf:
            self._seen.set((rule, (zone, new)), at)

    def begin_again(self, rule: Rule, at_us: int) -> None:
        """Count the time of a rule's conditions from a moment on, where it has not told of them."""
        for key, begun in rule.begun.items():
            rule.begun[key] = Begun(at_us, begun.cause)
            self.arm(rule, key, at_us)

    def arm_all(self, rule: Rule, at_us: int) -> None:
        """Find out again when the conditions of a rule have lasted for long enough."""
        for key in rule.begun:
            self.arm(rule, key, at_us)

    def arm(self, rule: Rule, key: Key, at_us: int) -> None:
        """Find out when a condition has lasted for long enough, or when it may be told again."""
        due, schedule = self._due(rule), rule.definition.schedule
        if key in rule.told and schedule is None:
            return
        span = self._holding.at(schedule, at_us)
        if key in rule.told and span.active:
            due.set((rule, key), math.inf if span.until_us is None else max(at_us + 1, span.until_us))
            return
        self._untell(rule, key)
        if span.active:
            due.set((rule, key), self._ready(rule, key, span, at_us))
        elif span.until_us is not None:
            due.set((rule, key), max(at_us + 1, span.until_us))
        else:
            due.drop((rule, key))  # until another calendar or mode comes

    def _untell(self, rule: Rule, key: Key) -> None:
        """Let a condition be told again."""
        if key in rule.told:
            rule.told.remove(key)
            rule.restored.discard(key)
            self.changes += 1

    def _told_before(self, rule: Rule, key: Key, at_us: int) -> None:
        """Look whether what an earlier run has told of was in the span of the schedule that goes on now."""
        if rule.definition.schedule is None:
            return
        since_us = self._holding.at(rule.definition.schedule, at_us).since_us
        if rule.restored_us is not None and rule.restored_us < since_us:
            self._untell(rule, key)
        self.arm(rule, key, at_us)

    def advance(self, now_us: int, *, seen: bool) -> None:
        """Let time go on; see `Engine.advance`."""
        for due in (self._unseen, self._seen) if seen else (self._unseen,):
            while (found := due.pop(now_us)) is not None:
                (rule, key), at = found
                self._come(rule, key, int(at))

    def happened(self, rule: Rule, event: Event) -> None:
        """Have a rule about events look at one that it looks for."""
        at_us, counts = event.occurred_us, rule.counts
        if not counts and rule.free_at(at_us, event.track_id, at_us) > at_us:
            return
        span = self._holding.at(rule.definition.schedule, at_us)
        if not span.active or at_us < rule.since_us:
            return
        if counts:
            self.changes += 1
            if not rule.count(at_us) or rule.free_at(at_us, event.track_id, at_us) > at_us:
                return
        if not self._is_first(rule, at_us, span):
            return
        if counts:
            rule.told.add(("", 0))
        count = rule.least if counts else event.count
        self._fire(rule, at_us, event, event.zone, lasted_s=None if counts else event.dwell_s, count=count)

    def shift(self, by_us: int) -> None:
        """Move all moments, because the clock was set."""
        self._seen.shift(by_us)
        self._unseen.shift(by_us)
        self._holding.shift(by_us)
        self._confirm_until += by_us
        self.changes += 1

    def _due(self, rule: Rule) -> Due[tuple[Rule, Key]]:
        return self._unseen if rule.unseen else self._seen

    def _ready(self, rule: Rule, key: Key, span: Span, now_us: int) -> int:
        """When a condition has lasted for long enough, in a span in which the rule holds."""
        ready = max(rule.begun[key].at_us, span.since_us, rule.since_us) + rule.for_us
        return rule.free_at(ready, _track(rule, key), now_us)

    def _come(self, rule: Rule, key: Key, at_us: int) -> None:
        """Look whether a condition whose moment has come leads to an alert."""
        span = self._holding.at(rule.definition.schedule, at_us)
        if key in rule.told or not span.active or self._ready(rule, key, span, at_us) > at_us:
            self.arm(rule, key, at_us)
            return
        rule.told.add(key)
        self.changes += 1
        if rule.definition.schedule is not None:
            self.arm(rule, key, at_us)
        if not self._is_first(rule, at_us, span):
            return
        begun, trigger = rule.begun[key], rule.when.trigger
        lasted_s = round(max(0, at_us - begun.at_us) / 1e6, 3)
        if trigger == "occupancy":
            self._fire(rule, at_us, None, key[0], lasted_s=lasted_s, count=self._count(rule, key[0]))
        elif trigger == "stay":
            self._fire(rule, at_us, begun.cause, key[0], lasted_s=lasted_s)
        else:
            problem = cast("Problem", key[0]) if trigger == "problem" else None
            self._fire(rule, at_us, begun.cause, None, lasted_s=lasted_s, problem=problem)

    def _is_first(self, rule: Rule, at_us: int, span: Span) -> bool:
        """Whether the rule may fire, if it fires only the first time."""
        last, of = rule.last_before(at_us), rule.definition.first_of
        if of is None or last is None or (of == "schedule" and rule.definition.schedule is None):
            return True
        return last < (self._holding.day_start(at_us) if of == "day" else span.since_us)

    def _fire(
        self,
        rule: Rule,
        at_us: int,
        cause: Event | None,
        zone: str | None,
        *,
        lasted_s: float | None = None,
        count: int | None = None,
        problem: Problem | None = None,
    ) -> None:
        rule.fired(at_us, cause.track_id if cause else None)
        self.changes += 1
        self._fired.append(
            self.saying.firing(
                rule.name,
                rule.definition,
                at_us,
                cause=cause,
                zone=zone,
                problem=problem,
                lasted_s=lasted_s,
                count=count,
            )
        )


def _track(rule: Rule, key: Key) -> int | None:
    return key[1] if rule.when.trigger == "stay" else None
