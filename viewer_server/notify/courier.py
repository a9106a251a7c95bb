"""Sends what waits for one target, in a thread of its own: a receiver that hangs delays nobody else."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shared.wire.messages import now_us
from viewer_server.notify.parcel import Answer, Naming, Parcel
from viewer_server.notify.queue import Lane, Queue
from viewer_server.notify.store import AlertStore, Outcome
from viewer_server.targets import NotifySettings

log = logging.getLogger("darner.notify")

FIRST_S = 1.0
RECEIVER_S, ALERT_S = 60.0, 600.0
"""Longest wait after failures: of a receiver that cannot be reached, and of an alert that it refuses."""
JITTER = 0.2
MINUTE_S = 60.0
IDLE_S = 60.0
TESTS = 6
"""Maximum tests of a target in a minute: each is a real message to somebody."""
RESERVED_S = 5.0
"""How long the file is left alone after it could not be written or read."""


class Way(Protocol):
    """How messages get to a receiver."""

    def send(self, parcel: Parcel) -> Answer:
        """Make one attempt."""


@dataclass(frozen=True)
class Health:
    """How a target is.

    Attributes:
        waiting: Alerts that wait.
        failing: Attempts that failed since the last one that did not.
        detail: What the receiver said last.
        last_us: When.
        due_us: When the next attempt is made, after a failure; None where there is no wait.
    """

    waiting: int = 0
    failing: int = 0
    detail: str = ""
    last_us: int | None = None
    due_us: int | None = None


class Courier:
    """One target.

    Args:
        name: The target's.
        way: How its receiver is reached.
        most: Maximum messages in a minute; None for any number.
        store: The file of alerts.
        settings: Of all targets.
        naming: What people call places.
        ready: Whether an alert may be sent already.
        count: Called with "delivered" or "failed" after each attempt.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        way: Way,
        most: int | None,
        store: AlertStore,
        settings: NotifySettings,
        naming: Naming,
        ready: Callable[[int], bool] = lambda _: True,
        count: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._way, self._most, self._store, self._settings = name, way, most, store, settings
        self._naming, self._count, self._clock = naming, count, clock
        self._changed = threading.Condition()
        self._queue = Queue(ready)
        self._sent_s: deque[float] = deque()
        self._unwritten: deque[tuple[Sequence[int], Outcome]] = deque()
        self._paused_s = 0.0
        self._health = Health()
        self._stopping = False
        self._testing, self._tested_s = threading.Lock(), deque[float](maxlen=TESTS)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up what waits, and begin to send.

        Raises:
            sqlite3.Error: The file cannot be read.
        """
        for one in self._store.waiting(self.name):
            self._queue.put((one.node, one.rule), one.alert, one.attempts, one.head)
        self._thread = threading.Thread(target=self._run, name=f"to-{self.name}"[:15], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; an attempt that is under way is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def health(self) -> Health:
        """How the target is."""
        with self._changed:
            health, waits_s = self._health, self._paused_s - self._clock()
            due_us = now_us() + int(waits_s * 1e6) if health.failing and waits_s > 0 else None
            return Health(len(self._queue), health.failing, health.detail, health.last_us, due_us)

    def put(self, lane: Lane, alert: int) -> None:
        """Let an alert be sent."""
        with self._changed:
            self._queue.put(lane, alert)
            self._changed.notify()

    def wake(self) -> None:
        """Look again, because an alert has become ready."""
        with self._changed:
            self._changed.notify()

    def forget(self, alerts: Collection[int]) -> None:
        """Send these alerts no more."""
        with self._changed:
            self._queue.remove(alerts)

    def hasten(self) -> None:
        """Try again at once."""
        with self._changed:
            self._paused_s = 0.0
            self._queue.hasten(all_of_them=True)
            self._changed.notify()

    def test(self, parcel: Parcel) -> tuple[Answer, int]:
        """Send a message that is no alert; the answer, and how long it took in milliseconds.

        Beside the queue, which may wait after a failure.
        """
        if not self._testing.acquire(blocking=False):
            return Answer(delivered=False, detail="another test is under way"), 0
        try:
            begin = self._clock()
            if len(self._tested_s) == TESTS and begin < self._tested_s[0] + MINUTE_S:
                said = f"tested {TESTS} times within a minute: wait a little"
                return Answer(delivered=False, detail=said), 0
            self._tested_s.append(begin)
            answer = self._way.send(parcel)
            if answer.delivered:
                self.hasten()
            return answer, int((self._clock() - begin) * 1000)
        finally:
            self._testing.release()

    def _run(self) -> None:
        while not self._stopping:
            try:
                if self._write_down():
                    self._turn()
            except sqlite3.Error as error:
                if not self._stopping:
                    log.error("target %s: the file of alerts: %s; nothing is sent now", self.name, error)
                    self._rest(RESERVED_S)
            except Exception:  # a fault of ours with one alert must not end the target
                log.exception("target %s: an attempt ended through a fault in the viewer", self.name)
                self._rest(RESERVED_S)

    def _turn(self) -> None:
        """Send one message, or wait until there may be one."""
        with self._changed:
            now_s = self._clock()
            wait_s = max(self._paused_s - now_s, self._room_s(now_s))
            found = self._queue.next(now_s) if wait_s <= 0 else None
            if found is None:
                wait_s = wait_s if wait_s > 0 else min(IDLE_S, self._queue.wait_s(now_s))
                if not self._stopping:
                    self._changed.wait(wait_s)
                return
            lane, members, attempts = found
            alone = len(members) == 1 and attempts == 0
            together = self._queue.together(lane) if alone and self._is_last(now_s) else []
        if len(together) > 1:
            members = together
            self._store.put_together(self.name, members[0], members)
            with self._changed:
                self._queue.bind(lane, members)
        self._attempt(lane, members, attempts)

    def _attempt(self, lane: Lane, members: Sequence[int], attempts: int) -> None:
        parcel = self._parcel(members)
        if parcel is None:  # they were deleted meanwhile
            self.forget(members)
            return
        answer = self._way.send(parcel)
        if answer.delivered and parcel.jpeg is None and parcel.first.picture is not None:
            answer = replace(answer, detail=f"{answer.detail}, without its picture, which was too late")
        self._count("delivered" if answer.delivered else "failed")
        now_s, at_us = self._clock(), now_us()
        with self._changed:
            self._sent_s.append(now_s)
            if answer.delivered:
                outcome = self._delivered(members, answer, at_us)
            else:
                outcome = self._failed(lane, answer, attempts, at_us)
            self._unwritten.append((members, outcome))

    def _delivered(self, members: Sequence[int], answer: Answer, at_us: int) -> Outcome:
        if self._health.failing:
            log.info("target %s takes alerts again", self.name)
            self._queue.hasten(all_of_them=False)
        self._queue.remove(members)
        self._health = Health(detail=answer.detail, last_us=at_us)
        detail = answer.detail if len(members) == 1 else f"{answer.detail}, {len(members)} in one message"
        return Outcome("delivered", at_us, detail)

    def _failed(self, lane: Lane, answer: Answer, attempts: int, at_us: int) -> Outcome:
        failing = self._health.failing + 1
        if failing == 1:
            log.warning("target %s: %s; alerts wait and are tried again", self.name, answer.detail)
        self._health = Health(0, failing, answer.detail, at_us)
        now_s = self._clock()
        wait_s = backoff_s(attempts + 1, RECEIVER_S if answer.receivers_fault else ALERT_S)
        if answer.receivers_fault:
            pause_s = max(backoff_s(failing, RECEIVER_S), answer.wait_s or 0.0)
            self._paused_s = now_s + pause_s
            wait_s = max(wait_s, pause_s)
        self._queue.later(lane, now_s + wait_s, receivers_fault=answer.receivers_fault)
        return Outcome("waiting", at_us, answer.detail, at_us + int(wait_s * 1e6))

    def _write_down(self) -> bool:
        """Write what became of attempts; False while that is not possible, and nothing more may be sent."""
        while self._unwritten:
            members, outcome = self._unwritten[0]
            self._store.note(self.name, members, outcome)
            self._unwritten.popleft()
        return True

    def _parcel(self, members: Sequence[int]) -> Parcel | None:
        alerts = self._store.load(members)
        if not alerts:
            return None
        first = alerts[0][1]
        several = f"+{len(members)}" if len(members) > 1 else ""
        return Parcel(
            message_id=f"{first.event_id}{several}",
            alerts=alerts,
            names=[self._naming(alert) for _, alert in alerts],
            jpeg=self._store.picture(alerts[0][0]),
            sent_us=now_us(),
            link=self._settings.link,
        )

    def _room_s(self, now_s: float) -> float:
        """Seconds until the minute has room for another message."""
        while self._sent_s and self._sent_s[0] <= now_s - MINUTE_S:
            self._sent_s.popleft()
        if self._most is None or len(self._sent_s) < self._most:
            return 0.0
        return self._sent_s[0] + MINUTE_S - now_s

    def _is_last(self, now_s: float) -> bool:
        """Whether the minute has room for one message only."""
        self._room_s(now_s)
        return self._most is not None and len(self._sent_s) + 1 >= self._most

    def _rest(self, seconds: float) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(seconds)


def backoff_s(attempts: int, longest_s: float) -> float:
    """How long to wait after so many failures: twice as long each time, and not all at the same moment."""
    wait_s = min(longest_s, FIRST_S * 2.0 ** min(attempts - 1, 30))
    return wait_s * random.uniform(1 - JITTER, 1 + JITTER)
