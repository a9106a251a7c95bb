"""What the broker retains of one camera, in an order that can be trusted: status, numbers, count, settings.

Whoever reads "streaming" may take the numbers for those of this run. So the numbers of an earlier run are
replaced before anybody can read that this node is online, and "streaming" is said only directly behind the
numbers of an analysed frame.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Protocol

from edge_node.analytics.paused import NOTHING, Paused
from edge_node.analytics.watch import Analysed
from edge_node.config.live import LiveSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.days.book import NO_DAYS, CameraDays
from edge_node.frames import Frame
from edge_node.publish.compose import Composer
from edge_node.publish.state.numbers import Definition, nobody_inside, nothing_yet, only_time_passed
from shared import limits
from shared.secrets.redact import redact
from shared.wire import messages, topics
from shared.wire.messages import DayCounters, ZoneNumbers, counting, now_us
from shared.wire.topics import Topic

ZONE_REFRESH_S = 1.0
"""How often a zone's durations are published while nothing else changes in it."""
COUNT_S = 1.0
"""The least time between two counts of objects."""
IDLE_S = 1.0
"""Seconds without a frame after which a pause that begins or ends is published without one."""
DRAINED_S = 3.0
"""Seconds without a frame after which no frame of a camera that has ended can still be on its way."""


class Say(Protocol):
    """What publishes retained state."""

    def __call__(self, topic: Topic, payload: bytes, **ids: str) -> None:
        """Publish a payload; an empty one clears what the broker keeps."""


class CameraState:
    """Publishes one camera's status, numbers, count and live settings when they change.

    Nothing here waits for the network. Threads may call all of it at once.

    Args:
        camera: The camera's name.
        composer: Makes the messages.
        say: Publishes them.
        days: Counters of the day.

    Attributes:
        reconnects: How often the camera was lost.
    """

    def __init__(self, camera: str, composer: Composer, say: Say, days: CameraDays = NO_DAYS) -> None:
        self._camera, self._composer, self._say, self._days = camera, composer, say, days
        # Held while publishing: a thread that is held up here must not say something older last.
        self._lock = threading.Lock()
        self._said: tuple[messages.CameraState | None, str | None] = None, None
        self.reconnects = 0
        self._awaited = False  # whether the camera gives frames, of which none is analysed yet
        self._defined: dict[str, Definition] = {}
        self._started_us: dict[str, int] = {}
        self._numbers: dict[str, tuple[ZoneNumbers, float]] = {}  # by name, with the time of publishing
        self._said_days: dict[str, DayCounters | None] = {}  # by name, those published last
        self._standing: dict[str, ZoneNumbers] = {}  # by name, what was published since without a frame
        self._classes: dict[str, int] = {}
        self._counted_at = float("-inf")
        self._counted: Analysed | None = None
        self._newest: tuple[Analysed | None, float] = None, 0.0  # and since when
        self._left = True  # whether nobody counts as inside because nobody looks
        self._settings: LiveSettings | None = None

    @property
    def said(self) -> tuple[messages.CameraState | None, str | None]:
        """The status that was published last, and the reason for it; None before the first."""
        return self._said

    @property
    def _status(self) -> messages.CameraState | None:
        return self._said[0]

    @property
    def retained(self) -> list[tuple[Topic, dict[str, str]]]:
        """What the broker is to have of a camera that goes on: the topics, and the zones in them."""
        always: list[tuple[Topic, dict[str, str]]] = [(topics.CAMERA_STATUS, {}), (topics.SETTINGS, {})]
        if self._status == "ended":
            return always
        return [*always, (topics.COUNT, {}), *((topics.ZONE, {"zone": name}) for name in list(self._defined))]

    def begin(self, definitions: Definitions, live: LiveSettings, paused: Paused) -> None:
        """Say that the camera starts, and put zeros in the place of what an earlier run has counted."""
        self.status("starting")
        self.define(definitions)
        self.settings(live)
        with self._lock:
            for name, definition in self._defined.items():
                numbers = self._standing[name] = replace(
                    nothing_yet(name, definition), paused=paused.why(name)
                )
                self._tell(numbers, None, watched=False)
            self._say_count(now_us())

    def status(self, status: messages.CameraState, reason: str | None = None) -> None:
        """Publish the status, unless it is the one published last; "streaming" waits for a frame."""
        with self._lock:
            self._awaited = status == "streaming" and self._status != "streaming"
            if not self._awaited:
                self._say_status(status, reason)

    def define(self, definitions: Definitions) -> None:
        """Note the zones and lines, and clear the numbers of those that are gone.

        Counters of a changed zone or line begin at zero, as analytics has it.
        """
        now: dict[str, Definition] = {**counting(definitions.zones), **counting(definitions.lines)}
        with self._lock:
            for name in self._defined.keys() - now.keys():
                self._numbers.pop(name, None)
                self._standing.pop(name, None)
                self._said_days.pop(name, None)
                self._started_us.pop(name, None)
                self._say(topics.ZONE, b"", camera=self._camera, zone=name)
            changed = [name for name, one in now.items() if self._defined.get(name) != one]
            self._started_us.update(dict.fromkeys(changed, now_us()))
            self._defined = now

    def zone(self, numbers: ZoneNumbers, frame: Frame, now_s: float) -> None:
        """Publish the numbers of a zone or line, if they have changed.

        Args:
            numbers: As of the frame.
            frame: The newest frame.
            now_s: Monotonic seconds.
        """
        last, at = self._numbers.get(numbers.zone, (None, 0.0))
        if self._days.of(numbers.zone) is self._said_days.get(numbers.zone):
            if numbers == last:
                return
            if last is not None and now_s - at < ZONE_REFRESH_S and only_time_passed(last, numbers):
                return
        with self._lock:
            self._say_zone(numbers, frame, now_s)

    def analysed(self, item: Analysed, now_s: float) -> None:
        """Say "streaming" behind the numbers of the first frame, if the camera gives frames again."""
        if self._awaited:  # read without the lock: seldom true, and else true at the next frame, too
            with self._lock:
                if self._awaited:
                    self._awaited = False
                    self._count(item, now_s, at_once=True)
                    self._say_status("streaming")

    def attend(
        self, item: Analysed | None, live: LiveSettings, now_s: float, paused: Paused = NOTHING
    ) -> None:
        """Publish count and live settings where they have changed; call this several times a second.

        While no frame comes, also publish that zones and lines pause or count again.

        Args:
            item: The newest frame; None before the first.
            live: The live settings.
            now_s: Monotonic seconds.
            paused: Which zones and lines count nothing now.
        """
        if live != self._settings:
            self.settings(live)
        if item is not self._newest[0]:
            self._newest = item, now_s
        if now_s - self._newest[1] >= IDLE_S:
            if item is None or item.frame.clock != "media":
                self._days.turn(now_us())
            self._stand_still(item, paused)
        if item is None:
            return
        with self._lock:
            if self._status == "ended":
                if not self._left and now_s - self._newest[1] >= DRAINED_S:
                    self._leave(item, now_s)
            elif item is not self._counted and now_s - self._counted_at >= COUNT_S and not self._awaited:
                self._count(item, now_s)

    def settings(self, live: LiveSettings) -> None:
        """Publish the live settings."""
        with self._lock:
            self._settings = live
            message = messages.SettingsState(**self._composer.head(), camera=self._camera, **vars(live))
            self._say(topics.SETTINGS, messages.encode(message), camera=self._camera)

    def end(self, item: Analysed | None, now_s: float) -> None:
        """Say that the camera has ended, behind numbers that say that nobody is there any more.

        Args:
            item: The last frame; None if there was none.
            now_s: Monotonic seconds.
        """
        with self._lock:
            self._awaited = False
            if item is not None:
                self._leave(item, now_s)
            self._say_status("ended")

    def _stand_still(self, item: Analysed | None, paused: Paused) -> None:
        """Publish the pauses and days that began or ended since the last frame.

        Where a pause did, nobody is seen inside any more, and of a camera off schedule nobody is seen at all.
        """
        with self._lock:
            if paused.every == "schedule" and item is not None and any(self._classes.values()):
                self._counted, self._classes = item, dict.fromkeys(self._classes, 0)
                self._say_count(item.frame.captured_ns // 1000)
            for name, definition in self._defined.items():
                numbers = self._standing.get(name) or self._numbers.get(name, (None, 0.0))[0]
                numbers = numbers or nothing_yet(name, definition)
                if numbers.paused != paused.why(name):
                    numbers = self._standing[name] = replace(nobody_inside(numbers), paused=paused.why(name))
                    self._numbers.pop(name, None)  # the next frame's are published in any case
                elif not self._is_new_day(name):  # what a frame has counted comes with its numbers
                    continue
                watched = not (self._left or name in self._standing)
                self._tell(numbers, None if item is None else item.frame, watched=watched)

    def _is_new_day(self, name: str) -> bool:
        said, now = self._said_days.get(name), self._days.of(name)
        return (said and said.since_us) != (now and now.since_us)

    def _leave(self, item: Analysed, now_s: float) -> None:
        """Publish the last numbers without those who are there, because nobody looks at them any more."""
        for numbers in map(nobody_inside, item.report.numbers.values()):
            if numbers.zone in self._defined and numbers != self._numbers.get(numbers.zone, (None, 0.0))[0]:
                self._say_zone(numbers, item.frame, now_s, watched=False)
        self._classes, self._left = dict.fromkeys(self._classes, 0), True
        self._say_count(item.frame.captured_ns // 1000)

    def _say_status(self, status: messages.CameraState, reason: str | None = None) -> None:
        reason = reason and limits.clipped(redact(reason))
        if self._status == status and (status != "paused" or self._said[1] == reason):
            return
        self._said = status, reason
        self.reconnects += status == "reconnecting"
        message = messages.CameraStatus(
            **self._composer.head(), camera=self._camera, status=status, since_us=now_us(), reason=reason
        )
        self._say(topics.CAMERA_STATUS, messages.encode(message), camera=self._camera)

    def _say_zone(self, numbers: ZoneNumbers, frame: Frame, now_s: float, *, watched: bool = True) -> None:
        self._numbers[numbers.zone], self._left = (numbers, now_s), not watched
        self._standing.pop(numbers.zone, None)
        self._tell(numbers, frame, watched=watched)

    def _tell(self, numbers: ZoneNumbers, frame: Frame | None, *, watched: bool) -> None:
        """Publish numbers with the counters of the day; without a frame, there was none yet."""
        name, started_us = numbers.zone, self._started_us.get(numbers.zone)
        day = self._said_days[name] = self._days.of(name)
        if day is not None:
            numbers = replace(numbers, day=day)
        if frame is None:
            message = self._composer.first_zone(self._camera, numbers, started_us or now_us())
        else:
            message = self._composer.zone(numbers, frame, started_us, watched=watched)
        self._say(topics.ZONE, messages.encode(message), camera=self._camera, zone=name)

    def _count(self, item: Analysed, now_s: float, *, at_once: bool = False) -> None:
        self._counted, self._left = item, False
        found = Counter(item.tracks.class_id.tolist())
        classes = dict.fromkeys(self._classes, 0) | self._composer.by_label(found)
        if classes != self._classes or at_once:
            self._classes, self._counted_at = classes, now_s
            self._say_count(item.frame.captured_ns // 1000)

    def _say_count(self, captured_us: int) -> None:
        message = messages.CountState(
            **self._composer.head(),
            camera=self._camera,
            captured_us=captured_us,
            total=sum(self._classes.values()),
            classes=self._classes,
        )
        self._say(topics.COUNT, messages.encode(message), camera=self._camera)
