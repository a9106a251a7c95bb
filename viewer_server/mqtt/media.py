"""Receives detections and pictures of the cameras that somebody looks at, and of no others.

A browser says what it watches, and a request for a picture watches its camera for a while. Each such camera
has subscriptions to its own two topics. A browser that watches all cameras costs two wildcards instead.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

from shared.asking.requests import Busy
from shared.wire import topics
from viewer_server.live.hub import Hub
from viewer_server.live.updates import Key, Update
from viewer_server.mqtt.interests import Interests

log = logging.getLogger("darner.viewer")

MEDIA = (topics.DETECTIONS, topics.THUMBNAIL)
"""Detections first: a picture is shown with its boxes."""
GRACE_S = 10.0
"""How long a camera is listened to after the last look, so that scrolling and reloading change nothing."""
ASKED_S = 20.0
"""The same after a request for its picture: who asks every few seconds waits only once."""
MOST = 4096
"""The most cameras that have subscriptions of their own."""
LOOK_AGAIN_S = 0.5
"""How soon a camera is listened to that is watched before it was announced."""
WAIT_S = 5.0
"""How long a request waits for a picture."""
POLL_S = 0.02
MAX_WAITING = 32
"""The most requests that wait for a picture; each keeps a thread."""


class Subscribing(Protocol):
    """The part of the client that is used here."""

    @property
    def subscribed(self) -> bool:
        """Whether the broker has answered to every subscription."""

    def subscribe(self, topic_filter: Iterable[str], qos: Literal[0, 1] = 0) -> None:
        """Receive what matches."""

    def unsubscribe(self, topic_filter: Iterable[str]) -> None:
        """Receive no longer what these filters match."""


class Media:
    """The subscriptions to detections and pictures. Any thread may call its methods.

    Args:
        client: Subscribes.
        prefix: The topics' prefix.
        hub: Knows which cameras are watched, and tells when that changes.
        interests: Told which cameras are listened to.
        clock: Monotonic seconds.
        most: The most cameras that have subscriptions of their own.
    """

    def __init__(
        self,
        client: Subscribing,
        prefix: str,
        hub: Hub,
        interests: Interests,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST,
    ) -> None:
        self._most = most
        self._client, self._prefix, self._hub, self._clock = client, prefix, hub, clock
        self._interests = interests
        self._lock = threading.Lock()
        self._until: dict[Key, float] = {}  # cameras with subscriptions, and when these end
        self._all_until = -math.inf  # when the wildcards end
        self._all = False
        self._asked: dict[Key, float] = {}  # cameras whose picture was asked for, and until when that counts
        self._due_s = math.inf
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._is_full = False
        self._is_said = True
        hub.looked = self.update

    def update(self) -> None:
        """Listen to what is watched now."""
        with self._lock:
            self._decide()

    def attend(self) -> None:
        """Let go what nobody has watched for a while. Call this often; it costs next to nothing."""
        if self._clock() >= self._due_s:
            with self._lock:
                self._decide()
        if not self._is_said and self._client.subscribed:
            with self._lock:
                self._is_said = True
                self._hub.listened = None if self._all else len(self._until)
        self._interests.attend()

    def picture(self, camera: Key, wait_s: float = WAIT_S) -> Update | None:
        """The newest frame of a camera, also of one that nobody has watched so far: then it waits for one.

        Args:
            camera: Node and camera.
            wait_s: How long it waits, seconds.

        Returns:
            None when none has come since listening to the camera began.

        Raises:
            Busy: Too many requests wait for a picture.
        """
        with self._lock:
            self._asked[camera] = self._clock() + ASKED_S
            self._decide()
            if camera not in self._until and not self._all:
                raise Busy(
                    f"the pictures of {self._most} cameras are wanted already, the most possible; try again"
                )
        frame = self._hub.new_frame(camera)
        if frame is not None or not wait_s:
            return frame
        if not self._waiting.acquire(blocking=False):
            raise Busy(f"{MAX_WAITING} requests wait for a picture already; try again")
        try:
            deadline = self._clock() + wait_s
            while frame is None and self._clock() < deadline:
                time.sleep(POLL_S)
                frame = self._hub.new_frame(camera)
        finally:
            self._waiting.release()
        return frame

    def _decide(self) -> None:
        now, watched = self._clock(), self._hub.watched()
        self._asked = {camera: until for camera, until in self._asked.items() if until > now}
        self._all_until = _extended(self._all_until, now, wanted=watched is None)
        wanted = (watched or frozenset()) | self._asked.keys()
        if self._all_until > now:
            self._listen_to_all()
            unknown = frozenset[Key]()
        else:
            unknown = self._listen_to(wanted, now)
        self._is_said = False
        self._interests.listens_to(None if self._all else self._until.keys())
        ends = [*self._until.values(), *self._asked.values(), self._all_until]
        self._due_s = min((one for one in ends if one > now), default=math.inf)
        if unknown:
            self._due_s = min(self._due_s, now + LOOK_AGAIN_S)

    def _listen_to_all(self) -> None:
        if self._all:
            return
        self._hub.begin(besides=self._until)
        self._client.subscribe([row.filter(self._prefix) for row in MEDIA])
        self._client.unsubscribe(self._paths(self._until))
        self._until.clear()
        self._all = True

    def _listen_to(self, wanted: frozenset[Key], now: float) -> frozenset[Key]:
        """Listen to cameras and, for a while, to those wanted until now; returns those that are not known."""
        for camera, until in self._until.items():
            self._until[camera] = _extended(until, now, wanted=camera in wanted)
        gone = [camera for camera, until in self._until.items() if until <= now]
        for camera in gone:
            del self._until[camera]
        self._client.unsubscribe(self._paths(gone))
        missing = wanted - self._until.keys()
        new = list(self._hub.shown(missing))
        self._say_full(len(self._until) + len(new))
        new = new[: self._most - len(self._until)]
        if not self._all:
            self._hub.begin(besides=(), cameras=new)
        self._client.subscribe(self._paths(new))
        self._until |= dict.fromkeys(new, math.inf)
        if self._all:
            self._client.unsubscribe([row.filter(self._prefix) for row in MEDIA])
            self._all = False
        return missing.difference(new)

    def _paths(self, cameras: Iterable[Key]) -> list[str]:
        return list(_paths(self._prefix, cameras))

    def _say_full(self, count: int) -> None:
        if count > self._most and not self._is_full:
            log.warning(
                "browsers watch %d cameras at once: those beyond %d get no pictures until others are let go",
                count,
                self._most,
            )
        self._is_full = count > self._most


def _extended(until: float, now: float, *, wanted: bool) -> float:
    """When something ends that is wanted now, or that was wanted until now."""
    if wanted:
        return math.inf
    return now + GRACE_S if until == math.inf else until


def _paths(prefix: str, cameras: Iterable[Key]) -> Iterator[str]:
    for node, camera in cameras:
        for row in MEDIA:
            yield row.path(prefix, node=node, camera=camera)
