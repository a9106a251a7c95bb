"""Retained state: kept here, so that a broker that lost everything is refilled after every connect."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import Full

from shared.mqtt.window import Sent
from shared.wire.topics import STATUS, Topic

STATE_WINDOW = 64
"""Retained messages that may wait for their acknowledgement; of what comes then only the newest is kept."""
OFFER_AGAIN_S = 0.05
"""State that had to wait is offered again this often."""


class Retained:
    """The newest payload of each topic. What finds no room on its way waits, unless a newer one comes first.

    Args:
        publish: Sends one payload, retained; None when there is no connection after all. Raises `Full` when
            too much is waiting there. What it calls back must not wait for a method of this class.
    """

    def __init__(self, publish: Callable[[Topic, str, bytes], Sent | None]) -> None:
        self._publish = publish
        # Held while publishing, or a reconnect could send the state before this one after it.
        self._lock = threading.Lock()
        self._payloads: dict[str, tuple[Topic, bytes]] = {}
        self._untaken: dict[str, None] = {}  # paths of what there was no room for, in order
        self._unconfirmed: deque[Sent] = deque()
        self._connected = False
        self._offering = threading.Event()
        self._closing = False

    def start(self) -> None:
        """Begin to offer again what had to wait."""
        # A thread of its own: where room is made, in the network thread, paho holds a lock that it needs.
        threading.Thread(target=self._offer_again, name="mqtt state", daemon=True).start()

    def close(self) -> None:
        """Offer nothing any more."""
        self._closing = True
        self._offering.set()

    @property
    def waiting(self) -> bool:
        """Whether some of it found no room yet."""
        return bool(self._untaken)

    def set(self, topic: Topic, path: str, payload: bytes) -> None:
        """Keep a payload in place of the topic's last one, and publish it if there is a connection."""
        with self._lock:
            self._payloads[path] = (topic, payload)
            if self._connected:
                self._publish_all([path])

    def refresh(self, path: str | None = None) -> None:
        """Publish everything again, or what one topic has."""
        with self._lock:
            self._publish_all(self._payloads if path is None else self._payloads.keys() & {path})

    def clear(self, below: str) -> list[str]:
        """Forget everything; the paths of it that lie below a topic."""
        with self._lock:
            paths = [path for path in self._payloads if path.startswith(f"{below}/")]
            self._payloads.clear()
            self._untaken.clear()
        return paths

    def restore(self) -> None:
        """Publish everything to a connection that is new."""
        with self._lock:
            self._unconfirmed.clear()
            self._untaken.clear()
            self._publish_all(self._payloads)
            self._connected = True

    def lost(self) -> None:
        """Publish nothing before the next connection, which begins with all of it."""
        self._connected = False  # without the lock: whoever calls this may be sending under it

    def _publish_all(self, paths: Iterable[str]) -> None:
        for path in paths:
            topic, payload = self._payloads[path]
            # What a node is has to be said even where what its zones count must wait.
            if topic is not STATUS and not self._room():
                self._wait_for_room(path)
                continue
            try:
                sent = self._publish(topic, path, payload)
            except Full:
                self._wait_for_room(path)
                continue
            self._untaken.pop(path, None)
            if sent is not None:
                self._unconfirmed.append(sent)

    def _room(self) -> bool:
        while self._unconfirmed and self._unconfirmed[0].is_published():
            self._unconfirmed.popleft()
        return len(self._unconfirmed) < STATE_WINDOW

    def _wait_for_room(self, path: str) -> None:
        self._untaken[path] = None
        self._offering.set()

    def _offer_again(self) -> None:
        while self._offering.wait() and not self._closing:
            time.sleep(OFFER_AGAIN_S)
            with self._lock:
                if self._connected:  # else the next connection begins with all state
                    self._publish_all(list(self._untaken)[:100])
                if not self._untaken:
                    self._offering.clear()
