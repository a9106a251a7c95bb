"""What is still to be sent to one browser: bounded, however slow that browser reads."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable

from shared.wire import topics
from viewer_server.live.updates import Key, Update, names

MAX_CREDIT = 16
"""Maximum frames on their way to a browser: enough for 60 a second over 250 ms, too few to become stale."""
MAX_EVENTS = 500
MAX_STATES = 12_000
"""More than the state can hold: that many wait only when things are announced and cleared endlessly."""
MAX_FRAME_BYTES = 16_000_000
"""Of the frames that wait for one browser. They are shared with others, but a slow one holds old ones."""
LINES_BYTES = 32_000
"""Of the names in one message: a browser shows the first while the others are on their way."""


class Mailbox:
    """What is still to be sent to one browser: only the newest frame of each camera, and the newest state.

    It holds references to shared payloads, never copies. Its size is bounded however slow the browser is.

    Args:
        wake: Set when there is something to send, or the connection is to be closed.
        cut: Ends the connection at once.
        names_first: Whether the browser is sent the list of names, and details only of what it shows.

    Attributes:
        names_first: The same.
        shown: Cameras whose details are sent, where names come first; set by the hub's `Audience`.
        watched: Cameras whose frames are sent; None stands for all.
        counts: Frames that were "sent", and frames that a newer one "replaced" before they were sent.
        max_states: Maximum states that wait.
        closing: Code and reason with which the connection is to be closed.
    """

    def __init__(self, wake: threading.Event, cut: Callable[[], None], *, names_first: bool = False) -> None:
        self._wake = wake
        self.cut = cut
        self._lock = threading.Lock()
        self._states: OrderedDict[Key, bytes] = OrderedDict()
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._frames: OrderedDict[Key, bytes] = OrderedDict()
        self._frame_bytes = 0
        self._credit = 0
        self.names_first = names_first
        self.shown: frozenset[Key] = frozenset()
        self.watched: frozenset[Key] | None = frozenset() if names_first else None
        self.counts: Counter[str] = Counter()
        self.max_states: float = MAX_STATES
        self.closing: tuple[int, str] | None = None

    def put(self, update: Update) -> None:
        """Add a message; never waits."""
        with self._lock:
            match update.kind:
                case "names":
                    self._states[update.key] = update.payload
                case "state":
                    self._states[update.key] = update.payload
                    if len(update.key) == 1:  # it says something of all that was put before
                        self._states.move_to_end(update.key)
                    if update.gone and update.key[0] == topics.CAMERA_STATUS.name:
                        self._drop_frame(update.key[1:])
                case "event":
                    self._events.append(update.payload)
                case "frame":
                    if self.watched is not None and update.key not in self.watched:
                        return
                    self.counts["replaced"] += update.key in self._frames
                    self._frame_bytes += len(update.payload) - len(self._frames.get(update.key, b""))
                    self._frames[update.key] = update.payload
                    while self._frame_bytes > MAX_FRAME_BYTES:
                        # The largest: else many large pictures of one node would push out those of others.
                        self._drop_frame(max(self._frames, key=lambda key: len(self._frames[key])))
                        self.counts["replaced"] += 1
            overflow = len(self._states) > self.max_states
        if overflow:
            self.close(1013, "this browser is too slow for the changes; connect again")
        self._wake.set()

    def allow(self, frames: int) -> None:
        """Allow this many more frames to be sent."""
        with self._lock:
            self._credit = min(MAX_CREDIT, self._credit + max(0, frames))

    def watch(self, cameras: Iterable[Key] | None) -> None:
        """Send frames of these cameras only, which are on the screen; None stands for all."""
        with self._lock:
            self.watched = None if cameras is None else frozenset(cameras)
            if self.watched is not None:
                for key in self._frames.keys() - self.watched:
                    self._drop_frame(key)

    def take(self) -> bytes | None:
        """The next message to send; None when there is none, or only frames that are not allowed yet.

        State goes before events, and events before frames; cameras take turns.
        """
        with self._lock:
            if self._states:
                key, payload = self._states.popitem(last=False)
                return self._names(payload) if key[0] == "names" else payload
            if self._events:
                return self._events.popleft()
            if self._frames and self._credit > 0:
                self._credit -= 1
                self.counts["sent"] += 1
                frame = self._frames.popitem(last=False)[1]
                self._frame_bytes -= len(frame)
                return frame
            return None

    def _names(self, line: bytes) -> bytes:
        """A message with this line, and with those that wait right behind it."""
        lines, size = [line], len(line)
        while self._states and size < LINES_BYTES:
            key = next(iter(self._states))
            if key[0] != "names":
                break
            lines.append(self._states.pop(key))
            size += len(lines[-1])
        return names(lines)

    def _drop_frame(self, camera: Key) -> None:
        self._frame_bytes -= len(self._frames.pop(camera, b""))

    def close(self, code: int, reason: str) -> None:
        """Ask for the connection to be closed; the first reason counts."""
        if self.closing is None:
            self.closing = (code, reason)
        self._wake.set()
