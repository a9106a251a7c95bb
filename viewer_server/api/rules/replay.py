"""What a rule would have done: the engine of the nodes, over stored events.

Of a camera, the events run through the rule in the order in which the node has sent them, each after the time
of its frame has come. A second engine has the same condition and holds nothing back, so that people see how
much cool-downs keep from them.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from shared.rules.engine import Engine
from shared.rules.holding import DAY_US, Holding
from shared.rules.scene import Firing, Scene, Times
from shared.wire.messages import Event, RuleDefinition
from viewer_server.api.rules import paused
from viewer_server.api.rules.paused import Change
from viewer_server.api.rules.said import HITS
from viewer_server.stored import as_sent
from viewer_server.stored.reading import Database, Reader, Unavailable

MAX_EVENTS = 200_000
"""Maximum events that one trial looks at, of all cameras together."""
LEAST_EVENTS = 1000
"""That many it looks at of each camera, however many cameras there are."""
DEADLINE_S = 8.0
"""How long one trial may take."""
BEFORE_US, MOST_BEFORE_US = 3_600_000_000, 8 * DAY_US
"""How long before the range a trial begins, so that it knows who is in a zone when the range begins, and what
the rule had told by then: at least, and at most."""
COOLDOWNS = 24
"""So many cool-downs before the range it begins."""
_STAYS = ("zone_entered", "zone_exited", "zone_lost", "track_linked")
_LOOK_EVERY = 256
"""Events between two looks at the clock."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An alert that there would have been.

    Attributes:
        firing: The engine's.
        camera: Its camera.
        shows: The event whose picture shows best what it is about; None where there is none.
    """

    firing: Firing
    camera: str
    shows: Event | None


@dataclass(kw_only=True)
class Found:
    """What came out.

    Attributes:
        hits: The newest alerts.
        total: How many alerts there would have been.
        unheld: How many, if nothing were held back.
        events: How many events were looked at.
        since_us: Where there were too many events: the moment from which they were looked at.
        until_us: Where time was up: the moment up to which they were looked at.
    """

    hits: list[Hit] = field(default_factory=list)
    total: int = 0
    unheld: int = 0
    events: int = 0
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A rule, and where and when it is tried.

    Attributes:
        id: The rule's identifier.
        rule: What it says.
        scenes: The cameras that it is about, by identifier.
        times: The calendar and the mode, as they are now.
        from_us: Alerts from this moment on are of interest, microseconds UTC.
        to_us: The end of the range.
        live: The session of each camera that is watched now: time goes on there, up to the end of the range.
    """

    id: str
    rule: RuleDefinition
    scenes: dict[str, Scene]
    times: Times
    from_us: int
    to_us: int
    live: dict[str, str]


def run(history: Database, trial: Trial, has_gone: Callable[[], bool] = lambda: False) -> Found:
    """Try a rule.

    Args:
        history: The stored events.
        trial: The rule, and where and when.
        has_gone: Whether nobody waits for the answer any longer.

    Raises:
        Unavailable: There is no history, it cannot be read, or nobody waits for the answer.
    """
    clock = _Clock(time.monotonic() + DEADLINE_S, has_gone)
    clock.is_up()
    with history.reading(DEADLINE_S + 2) as db:  # it says itself that time is up, and how far it came
        return _run(db, trial, clock)


@dataclass(frozen=True)
class _Clock:
    """When a trial has to end.

    Attributes:
        ends_s: Seconds, monotonic.
        has_gone: Whether nobody waits for the answer any longer.
    """

    ends_s: float
    has_gone: Callable[[], bool]

    def is_up(self) -> bool:
        """Whether the time is up; other threads get their turn first.

        Raises:
            Unavailable: Nobody waits for the answer.
        """
        time.sleep(0)
        if self.has_gone():
            raise Unavailable("the page that asked has gone")
        return time.monotonic() > self.ends_s


def _run(db: Reader, trial: Trial, clock: _Clock) -> Found:
    found = Found()
    begin = _begin(trial)
    most = max(LEAST_EVENTS, MAX_EVENTS // max(1, len(trial.scenes)))
    for camera, scene in sorted(trial.scenes.items()):
        rows, cut = as_sent.numbers(
            db, scene.node, camera, _types(trial.rule), begin, trial.to_us, most, trial.rule.when.zones
        )
        levels = trial.rule.when.trigger == "occupancy"
        pauses = paused.changes(db, scene.node, camera, scene.zones, begin, trial.to_us) if levels else []
        walk = as_sent.events(db, rows)
        if cut and (first := next(walk, None)) is not None:
            found.since_us = max(found.since_us or 0, first.occurred_us)
        newest = as_sent.last(db, scene.node, camera, trial.to_us)
        if not _through(walk, Watches(trial, camera, pauses), newest, found, clock):
            break
    found.hits = sorted(found.hits, key=lambda hit: hit.firing.occurred_us, reverse=True)[:HITS]
    return found


def _begin(trial: Trial) -> int:
    """From when on there are events that matter for what the rule does in the range."""
    rule, holding = trial.rule, Holding(trial.times)
    # Which alert begins a cool-down depends on the one before: a longer quiet settles that.
    quiet_s = COOLDOWNS * max(rule.cooldown_s, rule.object_cooldown_s)
    lasts_s = rule.when.for_s + (rule.when.within_s or 0.0) + quiet_s
    before_us = max(BEFORE_US, round(lasts_s * 1e6))
    if rule.first_of == "day":
        before_us = max(before_us, trial.from_us - holding.day_start(trial.from_us))
    elif rule.first_of == "schedule" and rule.schedule is not None:
        span = holding.at(rule.schedule, trial.from_us)
        before_us = max(before_us, trial.from_us - span.since_us if span.active else 0)
    return trial.from_us - min(before_us, MOST_BEFORE_US)


def _through(
    events: Iterator[Event], watches: Watches, newest: Event | None, found: Found, clock: _Clock
) -> bool:
    """Take a camera's events through the rule; False where time was up."""
    hits: deque[Hit] = deque(maxlen=HITS)
    last: Event | None = None
    in_time = True
    for number, last in enumerate(events, 1):
        found.events += 1
        watches.take(last, hits)
        if number % _LOOK_EVERY == 0 and clock.is_up():
            found.until_us, in_time = last.occurred_us, False
            break
    if in_time and last is not None:
        watches.finish(last, newest or last, hits)
    found.hits += hits
    found.total += watches.total
    found.unheld += watches.unheld
    return in_time


class Watches:
    """The engine that watches one camera, and one that holds nothing back where the rule holds back.

    Args:
        trial: The rule.
        camera: Which of its cameras.
        pauses: When which of its zones are paused.

    Attributes:
        total: Alerts by the rule.
        unheld: Alerts if nothing were held back.
    """

    def __init__(self, trial: Trial, camera: str, pauses: Sequence[Change] = ()) -> None:
        self._trial, self._camera = trial, camera
        self._pauses, self._paused = deque(pauses), frozenset[str]()
        rule = dataclasses.replace(trial.rule, enabled=True)
        free = dataclasses.replace(rule, cooldown_s=0.0, object_cooldown_s=0.0, first_of=None)
        self._rules = [rule] if rule == free else [rule, free]
        self._engines = [self._engine(one) for one in self._rules]
        self._session: str | None = None
        self._entered: dict[str | None, Event] = {}
        self.total = self.unheld = 0

    def take(self, event: Event, hits: deque[Hit]) -> None:
        """Let the time of an event's frame come, and then the event."""
        if event.session != self._session:
            if self._session is not None:  # another run of the node: nobody saw what became of its stays
                both = zip(self._rules, self._engines, strict=True)
                self._engines = [self._engine(rule, engine) for rule, engine in both]
                self._pause(self._paused, event.captured_us, hits)
            self._session = event.session
        if event.type == "zone_entered":
            self._entered[event.zone] = event
        self.advance(event.captured_us, hits)
        self._note([engine.feed(event) for engine in self._engines], hits)

    def finish(self, last: Event, newest: Event, hits: deque[Hit]) -> None:
        """Let time go on to the end of the range where somebody watches still, else to the newest event."""
        if self._trial.live.get(self._camera) == last.session:
            self.advance(self._trial.to_us, hits)
        elif newest.session == last.session:
            self.advance(newest.captured_us, hits)

    def advance(self, now_us: int, hits: deque[Hit]) -> None:
        """Let time go on."""
        while self._pauses and self._pauses[0][0] <= now_us:
            at_us, zones = self._pauses.popleft()
            self._advance(at_us, hits)
            self._pause(zones, at_us, hits)
        self._advance(now_us, hits)

    def _pause(self, zones: frozenset[str], at_us: int, hits: deque[Hit]) -> None:
        self._paused = zones
        self._note([engine.pause(zones, at_us) for engine in self._engines], hits)

    def _advance(self, now_us: int, hits: deque[Hit]) -> None:
        if any(now_us >= engine.deadline for engine in self._engines):
            self._note([engine.advance(now_us) for engine in self._engines], hits)

    def _note(self, fired: list[list[Firing]], hits: deque[Hit]) -> None:
        if not any(fired):
            return
        kept, *free = ([one for one in some if one.occurred_us >= self._trial.from_us] for some in fired)
        self.total += len(kept)
        self.unheld += len(free[0] if free else kept)
        for firing in kept:
            shows = firing.cause or self._entered.get(firing.zone)
            hits.append(Hit(firing=firing, camera=self._camera, shows=shows))

    def _engine(self, rule: RuleDefinition, before: Engine | None = None) -> Engine:
        saved = None if before is None else before.state()
        return Engine({self._trial.id: rule}, self._trial.scenes[self._camera], self._trial.times, saved)


def _types(rule: RuleDefinition) -> Collection[str]:
    """The events that a rule has to see."""
    match rule.when.trigger:
        case "stay" | "occupancy":
            return _STAYS
        case "problem":
            return ("problem_started", "problem_ended")
        case "offline":
            return ()
    linked = ("track_linked",) if rule.object_cooldown_s else ()
    return (*rule.when.events, *linked)
