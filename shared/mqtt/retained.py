"""Retained state, kept by the client, so that every connect refills a broker that lost everything."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from queue import Full

from shared.mqtt.window import Sent
from shared.wire.topics import CAMERA_STATUS, STATUS, Topic

STATE_WINDOW = 64
"""Unacknowledged retained messages on the connection; beyond them, only the newest of each topic waits."""
OFFERED_TOGETHER = 100
"""Most topics of one such attempt."""
OFFER_AGAIN_S = 0.05
"""Most seconds between attempts to publish state that had to wait."""
ROOM_FOR = 32
"""So many acknowledgements make room for the next attempt. An archive acknowledges the events of thousands of
nodes, and waiting for the time alone would hold it to 1,280 a second."""


_VOUCHES = {CAMERA_STATUS: 1, STATUS: 2}
"""Topics that say that other state is live, by rank. They never overtake state of a lower rank."""


class Retained:
    """The newest payload of each topic, published as soon as the connection has room.

    Topics leave in the order in which they were set first. A status vouches for what was set before it, so it
    goes behind all of that, also when it is set again or the connection is made anew.

    Args:
        publish: Sends one retained payload; returns None when there is no connection, and raises `Full` when
            the connection takes no more. Callbacks that it causes must not wait for a method of this class.
    """

    def __init__(self, publish: Callable[[Topic, str, bytes], Sent | None]) -> None:
        self._publish = publish
        # Held while publishing: otherwise a reconnect could publish an older state after a newer one.
        self._lock = threading.Lock()
        self._payloads: dict[str, tuple[Topic, bytes]] = {}
        self._waiting: dict[str, None] = {}  # paths that found no room, in order
        self._vouched: set[str] = set()  # statuses of nodes that this connection has had
        self._unconfirmed: deque[Sent] = deque()
        self._connected = False
        self._offering, self._made_room = threading.Event(), threading.Event()
        self._acknowledged = 0
        self._closing = False

    def start(self) -> None:
        """Start the thread that publishes state that had to wait."""
        # Not in the network thread, which makes room: it holds a lock of paho that publishing needs.
        threading.Thread(target=self._offer_again, name="mqtt state", daemon=True).start()

    def close(self) -> None:
        """Stop that thread."""
        self._closing = True
        self._offering.set()
        self._made_room.set()

    def acknowledged(self) -> None:
        """Note that the broker has acknowledged a message; called from the network thread."""
        if self._waiting:
            self._acknowledged += 1
            if self._acknowledged >= ROOM_FOR:
                self._acknowledged = 0
                self._made_room.set()

    @property
    def waiting(self) -> int:
        """Number of topics whose newest payload found no room yet."""
        return len(self._waiting)

    def set(self, topic: Topic, path: str, payload: bytes) -> None:
        """Keep a payload instead of the topic's last one, and publish it if there is a connection."""
        with self._lock:
            self._payloads[path] = (topic, payload)
            if self._connected:
                if topic in _VOUCHES:
                    self._waiting.pop(path, None)  # behind all that has come to wait meanwhile
                self._publish_all([path])

    def clear_foreign(self, topic: Topic, path: str) -> bool:
        """Clear a topic that has no payload here; False if it has one."""
        with self._lock:
            if path in self._payloads:
                return False
            self._payloads[path] = (topic, b"")
            if self._connected:
                self._publish_all([path])
        return True

    def forget(self, path: str) -> None:
        """Forget the payload of one topic."""
        with self._lock:
            self._payloads.pop(path, None)
            self._waiting.pop(path, None)

    def refresh(self, path: str | None = None) -> None:
        """Publish the payload of one topic again, or all of them."""
        with self._lock:
            if self._connected:  # otherwise the next connection starts with all state
                self._publish_all(self._ranked() if path is None else self._payloads.keys() & {path})

    def clear(self, below: str) -> list[str]:
        """Forget all payloads; return the paths of those below a topic."""
        with self._lock:
            paths = [path for path in self._payloads if path.startswith(f"{below}/")]
            self._payloads.clear()
            self._waiting.clear()
            self._vouched.clear()
        return paths

    def restore(self) -> None:
        """Publish all payloads to a new connection."""
        with self._lock:
            self._unconfirmed.clear()
            self._waiting.clear()
            self._vouched.clear()
            self._publish_all(self._ranked())
            self._connected = True

    def lost(self) -> None:
        """Publish nothing until the next connection, which starts with `restore`."""
        self._connected = False  # without the lock: the thread that calls this may hold it while it publishes

    def _ranked(self) -> list[str]:
        return sorted(self._payloads, key=lambda path: _VOUCHES.get(self._payloads[path][0], 0))

    def _publish_all(self, paths: Iterable[str]) -> None:
        """Publish what overtakes nothing and finds room; the rest waits."""
        for path in paths:
            topic, payload = self._payloads[path]
            # A later status of a node goes out at once even when the numbers of zones must wait: those for
            # which it vouches went before the first one.
            behind = self._waiting and path != next(iter(self._waiting)) and path not in self._vouched
            if behind or (topic is not STATUS and not self._room()):
                self._wait(path)
                continue
            try:
                sent = self._publish(topic, path, payload)
            except Full:
                self._wait(path)
                continue
            self._waiting.pop(path, None)
            if topic is STATUS:
                self._vouched.add(path)
            if sent is not None:
                self._unconfirmed.append(sent)

    def _room(self) -> bool:
        while self._unconfirmed and self._unconfirmed[0].is_published():
            self._unconfirmed.popleft()
        return len(self._unconfirmed) < STATE_WINDOW

    def _wait(self, path: str) -> None:
        self._waiting[path] = None
        self._offering.set()

    def _offer_again(self) -> None:
        while self._offering.wait() and not self._closing:
            self._made_room.wait(OFFER_AGAIN_S)
            self._made_room.clear()
            with self._lock:
                if self._connected:  # otherwise the next connection starts with all state
                    self._publish_all(list(islice(self._waiting, OFFERED_TOGETHER)))
                if not self._waiting:
                    self._offering.clear()
