"""Watches the pictures of all cameras of a node, in a thread of its own."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.sources import describe, has_pictures
from edge_node.frames import Frame
from edge_node.health.camera import SOON_S, CameraHealth
from edge_node.health.glance import glance
from edge_node.health.rate import Rate
from edge_node.health.report import Report, same_problems
from edge_node.health.stillness import Repeats
from edge_node.health.store import Shows, ViewStore, drawing
from shared.channel import Channel, Closed
from shared.log import Once
from shared.service.watchdog import Look, taking
from shared.wire.messages import CameraProblem, Event, PauseReason, now_us

log = logging.getLogger("darner.health")

_TICK_S = 0.5
"""How often the rate of frames is looked at, also while none come."""
_KEEP_S = 900.0
"""Seconds after which the view is written again, with the light of lately."""
_SLOW_S = 30.0  # how long one look may take, on a busy machine
_STOP_S = 1.0


class _Camera:
    """What is known of one camera."""

    def __init__(self, settings: CameraSettings, health: CameraHealth, shows: Shows) -> None:
        self.settings, self.health, self.shows = settings, health, shows
        self.repeats, self.rate = Repeats(), Rate()
        self.on = False
        self.film = False
        self.newest = (0, 0)  # seq, captured_us
        self.last_s, self.wait_s = -math.inf, 0.0
        self.said: tuple[tuple[CameraProblem, ...], PauseReason | None, int | None] = (), None, None
        self.kept = (health.revision, -math.inf)  # revision, and when it was written


class HealthMonitor:
    """Judges every camera that has pictures; `with` starts and ends its thread.

    Args:
        cameras: The configured cameras, by name.
        definitions: Their zones, lines and masks, by camera.
        store: Keeps their views.
        tell: Called with what has changed, by this thread or the caller's of `accept`; it must not wait.
        told: Events of problems of which an earlier run has told that they began, and not that they ended.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        cameras: Mapping[str, CameraSettings],
        definitions: DefinitionStore,
        store: ViewStore,
        tell: Callable[[Report], None],
        told: Iterable[Event] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._tell, self._clock = store, tell, clock
        store.tidy(cameras)
        self._cameras: dict[str, _Camera] = {}
        lasting: dict[str, tuple[CameraProblem, ...]] = {}
        for one in told:
            if one.problem is not None:
                problem = CameraProblem(problem=one.problem, since_us=one.occurred_us, shift=one.shift)
                lasting[one.camera] = (*lasting.get(one.camera, ()), problem)
        for name, settings in cameras.items():
            shows, problems = (
                Shows(describe(settings.source), drawing(definitions[name])),
                lasting.get(name, ()),
            )
            health = CameraHealth(store.read(name, shows), problems if _on(settings) else ())
            camera = self._cameras[name] = _Camera(settings, health, shows)
            camera.on, camera.said = _on(settings), (problems, None, None)
        self._lock = threading.Lock()
        self._waiting: Channel[Frame] = Channel()
        self._once, self._ticked_s, self._closed = Once(), -math.inf, False
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def __enter__(self) -> HealthMonitor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._thread.join(_STOP_S)
        self.keep()

    def keep(self) -> None:
        """Write all views, with the light of lately."""
        with self._lock:
            for name, camera in self._cameras.items():
                if camera.on:
                    self._keep(name, camera)

    def close(self) -> None:
        """Judge nothing more: the node stops, and frames end for another reason than a fault."""
        self._closed = True
        self._waiting.close()

    def offer(self, frame: Frame, *, looks: bool = True) -> None:
        """Note a frame, which is looked at when it is time for one; called by the thread that captures.

        Args:
            frame: The camera's next frame.
            looks: Whether to look at it; False: the camera is paused.
        """
        camera = self._cameras[frame.camera]
        camera.rate.frames += 1
        if not camera.on or not looks or self._closed:
            return
        camera.newest, camera.film = (frame.seq, frame.captured_ns // 1000), frame.clock == "media"
        camera.repeats.note(frame)
        now_s = frame.monotonic_ns / 1e9
        waited_s = now_s - camera.last_s
        if 0 <= waited_s < camera.wait_s and not (waited_s >= SOON_S and camera.repeats.changed):
            return
        camera.repeats.looked()
        camera.last_s, camera.wait_s = now_s, camera.health.next_s
        try:
            self._waiting.put_newest(frame, frame.camera)
        except Closed:
            return  # the node is stopping

    def announce(self) -> None:
        """Tell everything that is known of every camera: it takes the place of what an earlier run said."""
        with self._lock:
            for name, camera in self._cameras.items():
                self._say(name, camera, now_us(), always=True)

    def watches(self, camera: str) -> bool:
        """Whether a camera's pictures are judged."""
        return self._cameras[camera].on

    def reference_us(self, camera: str) -> int | None:
        """When the view of a camera was taken, microseconds since 1970; None: not yet."""
        kept = self._cameras[camera].health.kept
        return None if kept is None else kept.view.at_us

    def problems(self) -> dict[str, tuple[CameraProblem, ...]]:
        """What is wrong with each camera that is judged."""
        return {name: camera.said[0] for name, camera in self._cameras.items() if camera.on}

    def accept(self, name: str) -> int | None:
        """Take a camera's view as it is now for the right one. Any thread may call this.

        Returns:
            When the view was taken; None: nothing can be seen now, and it is taken as soon as it can.
        """
        camera = self._cameras[name]
        with self._lock:
            camera.rate.forget()
            accepted = camera.health.accept()
            self._say(name, camera, now_us())
            if accepted:
                self._keep(name, camera)
        return self.reference_us(name) if accepted else None

    def drawn(self, definitions: DefinitionStore) -> None:
        """Accept the views of the cameras on which zones, lines or masks have other places now."""
        for name, camera in self._cameras.items():
            places = drawing(definitions[name])
            if places != camera.shows.drawn:
                camera.shows = replace(camera.shows, drawn=places)
                if camera.on:
                    self.accept(name)

    def reconfigure(self, cameras: Mapping[str, CameraSettings]) -> None:
        """Use other settings. Any thread may call this."""
        with self._lock:
            for name, settings in cameras.items():
                camera = self._cameras[name]
                camera.settings, was, camera.on = settings, camera.on, _on(settings)
                if was and not camera.on:
                    camera.health = CameraHealth(camera.health.kept)
                    camera.repeats, camera.rate = Repeats(), Rate()
                if was != camera.on or camera.said[0]:
                    self._say(name, camera, now_us(), always=True)

    def look(self) -> Look | None:
        """What a watchdog sees of the thread, which must not end the node."""
        return taking(self._waiting, look=lambda progress: Look(progress, _SLOW_S, math.inf))()

    def _run(self) -> None:
        while True:
            try:
                with suppress(TimeoutError):
                    self.judge_next(_TICK_S)
                self._tick()
            except Closed:
                return
            except Exception:  # an extra must not end the node
                if self._once("fault"):
                    log.exception("a picture was not judged, because of a fault (said once)")

    def judge_next(self, timeout_s: float) -> None:
        """Wait for a frame, and judge it.

        Raises:
            Closed: No frame follows.
            TimeoutError: None came in time.
        """
        frame = self._waiting.get(timeout_s)
        camera = self._cameras[frame.camera]
        seen, since_s = glance(frame), camera.repeats.since_s
        with self._lock:
            if not camera.on:
                return
            camera.health.look(seen, 0.0 if since_s is None else max(0.0, seen.at_s - since_s))
            camera.wait_s = camera.health.next_s
            self._say(frame.camera, camera, seen.at_us)
            if camera.health.revision != camera.kept[0] or self._clock() - camera.kept[1] > _KEEP_S:
                self._keep(frame.camera, camera)

    def _tick(self) -> None:
        """Look at the rates, about twice a second."""
        now_s = self._clock()
        if self._closed or now_s - self._ticked_s < _TICK_S:
            return
        self._ticked_s = now_s
        with self._lock:
            for name, camera in self._cameras.items():
                if camera.on and not camera.film:
                    at_us = now_us()
                    camera.health.rate(camera.rate.low(now_s), now_s, at_us)
                    self._say(name, camera, at_us)

    def _keep(self, name: str, camera: _Camera) -> None:
        camera.kept = camera.health.revision, self._clock()
        self._store.write(name, camera.shows, camera.health)

    def _say(self, name: str, camera: _Camera, at_us: int, *, always: bool = False) -> None:
        problems = camera.health.problems
        pauses = camera.health.pauses if camera.settings.health.pauses else None
        now = problems, pauses, self.reference_us(name)
        before, was = {one.problem: one for one in camera.said[0]}, camera.said
        if not always and now[1:] == was[1:] and same_problems(problems, was[0]):
            return
        camera.said = now
        started = tuple(one for one in problems if one.problem not in before)
        current = {one.problem for one in problems}
        ended = tuple(one for name, one in before.items() if name not in current)
        for one in started:
            log.warning("camera %s: its picture is %s", name, one.problem.replace("_", " "))
        for one in ended:
            log.info("camera %s: its picture is no longer %s", name, one.problem.replace("_", " "))
        self._tell(
            Report(
                camera=name,
                seq=camera.newest[0],
                captured_us=camera.newest[1] or at_us,
                at_us=at_us,
                problems=problems,
                started=started,
                ended=ended,
                pauses=pauses,
                reference_us=now[2],
                watched=camera.on,
            )
        )


def _on(settings: CameraSettings) -> bool:
    return settings.health.enabled and has_pictures(settings.source)
