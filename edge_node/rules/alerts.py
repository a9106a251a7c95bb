"""Each camera's events go through the engine of its rules, and time with them."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from edge_node.frames import Frame
from shared.rules.engine import Engine
from shared.rules.scene import Firing, Scene, Times, Timetable
from shared.rules.state import State
from shared.wire.messages import Event, RuleDefinition, now_us

LEAP_US = 2_000_000
"""When a live camera's wall clock and its clock for durations come apart by this, the clock was set."""
UNSEEN_S = 1.0
"""How long a camera must have given no frame until time goes on without it, seconds."""


class Alerts:
    """Makes alerts of the events of a node's cameras. Any thread may call it; none waits long.

    Args:
        rules: All rules of the node.
        scenes: Gives what is to be known of a camera, now.
        cameras: The cameras.
        saved: What an earlier run has left, by camera.
        wall_us: The wall clock, microseconds since 1970 UTC.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        rules: Mapping[str, RuleDefinition],
        scenes: Callable[[str], Scene],
        cameras: Collection[str],
        saved: Mapping[str, State] | None = None,
        wall_us: Callable[[], int] = now_us,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules, self._scenes, self._wall_us, self._clock = rules, scenes, wall_us, clock
        self._cameras = {
            name: _Camera(Engine(rules, scenes(name), saved=(saved or {}).get(name)), clock())
            for name in cameras
        }

    @property
    def changes(self) -> int:
        """Grows when there is something new to remember."""
        return sum(one.engine.changes for one in self._cameras.values())

    @property
    def forgotten(self) -> int:
        """How many stays and objects the rules had no room for."""
        return sum(one.engine.forgotten for one in self._cameras.values())

    def states(self) -> dict[str, State]:
        """What to remember over a restart, by camera."""
        found = {}
        for name, one in self._cameras.items():
            with one.lock:
                found[name] = one.engine.state()
        return found

    def frame(
        self, frame: Frame, events: Sequence[Event], paused: Callable[[], Collection[str]]
    ) -> list[Firing]:
        """Give the rules a frame's events.

        Args:
            frame: The frame; of a camera, in their order.
            events: What became certain in it.
            paused: Gives the zones that count nothing now.

        Returns:
            The alerts that come of them, with times on the wall clock.
        """
        one = self._cameras[frame.camera]
        with one.lock:
            return one.frame(frame, events, paused, self._clock())

    def happened(self, event: Event) -> list[Firing]:
        """Give the rules an event that did not come from a frame's analysis."""
        one = self._cameras[event.camera]
        with one.lock:
            return one.happened(event)

    def unseen(self) -> Iterator[tuple[str, Firing]]:
        """What is due on cameras that give no frames, each with its camera; call this often."""
        wall_us, now_s = self._wall_us(), self._clock()
        for name, one in self._cameras.items():
            if wall_us >= one.engine.deadline and not one.recorded and now_s - one.seen_s > UNSEEN_S:
                with one.lock:
                    fired = one.engine.advance(wall_us, seen=False)
                for firing in fired:
                    yield name, firing

    def redefine(self, rules: Mapping[str, RuleDefinition]) -> None:
        """Use other rules from now on."""
        self._rules = rules
        for name in self._cameras:
            self.look_again(name)

    def look_again(self, camera: str) -> None:
        """Take over a camera's zones and names, which have changed."""
        one = self._cameras[camera]
        scene = self._scenes(camera)
        with one.lock:
            one.engine.redefine(self._rules, scene, self._moment(one))

    def set_times(self, timetable: Timetable | None, mode: str | None, mode_since_us: int = 0) -> None:
        """Use another calendar or mode from now on."""
        times, now_us = Times(timetable=timetable, mode=mode, mode_since_us=mode_since_us), self._wall_us()
        if timetable is not None:  # it may search for long: here, not in the thread that tracks
            for schedule in {rule.schedule for rule in self._rules.values() if rule.schedule}:
                timetable.schedule_start(schedule, now_us, mode)
        for one in self._cameras.values():
            with one.lock:
                one.engine.change_times(times, self._moment(one))

    def _moment(self, camera: _Camera) -> int | None:
        """Now, on the clock that a camera's engine is given; None: that of its newest frame."""
        return None if camera.recorded else self._wall_us()


class _Camera:
    """One camera's engine, and the clock that it is given.

    Of a live camera, that is the wall clock. The frames of a film may come faster than its time goes on, so
    there it is the film's clock, which begins at the wall clock's time of the first frame.
    """

    def __init__(self, engine: Engine, now_s: float) -> None:
        self.engine, self.lock = engine, threading.Lock()
        self.seen_s, self.recorded = now_s, False
        self._ahead_us: int | None = None  # how far the wall clock is ahead of the clock for durations
        self._last_us = 0

    def frame(
        self, frame: Frame, events: Sequence[Event], paused: Callable[[], Collection[str]], now_s: float
    ) -> list[Firing]:
        engine, self.seen_s, self.recorded = self.engine, now_s, frame.clock == "media"
        at_us, late_us = self._time(frame)
        fired = engine.pause(paused(), at_us) if engine.looks_at_levels else []
        for event in events:
            fired += engine.feed(_moved(event, -late_us))
        if frame.restarted:
            engine.resume(at_us)
        fired += engine.advance(at_us)
        return [_later(one, late_us) for one in fired] if late_us and fired else fired

    def happened(self, event: Event) -> list[Firing]:
        return self.engine.feed(event)

    def _time(self, frame: Frame) -> tuple[int, int]:
        """The frame's time for the engine, and how far the wall clock is behind it, microseconds."""
        captured_us, passed_us = frame.captured_ns // 1000, frame.monotonic_ns // 1000
        ahead_us = captured_us - passed_us
        if self._ahead_us is None:
            self._ahead_us = ahead_us
        if self.recorded:
            self._ahead_us = max(self._ahead_us, self._last_us - passed_us)  # a film that begins again
            self._last_us = passed_us + self._ahead_us
            return self._last_us, captured_us - self._last_us
        if abs(ahead_us - self._ahead_us) > LEAP_US:
            self.engine.leap(ahead_us - self._ahead_us)
            self._ahead_us = ahead_us
        return captured_us, 0


def _moved(event: Event, by_us: int) -> Event:
    return dataclasses.replace(event, occurred_us=max(0, event.occurred_us + by_us)) if by_us else event


def _later(firing: Firing, by_us: int) -> Firing:
    return dataclasses.replace(firing, occurred_us=max(0, firing.occurred_us + by_us))
