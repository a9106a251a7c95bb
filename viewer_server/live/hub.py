"""Hands every update to the browsers: each has a small mailbox, so that a slow one delays no other."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable

from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Event, NodeMessage
from viewer_server.live import updates
from viewer_server.live.paths import Paths
from viewer_server.live.state import RefusedPicture, State
from viewer_server.live.updates import Key, Update

MAX_CREDIT = 16
"""Maximum frames on their way to a browser: enough for 60 a second over 250 ms, too few to become stale."""
MAX_EVENTS = 500
MAX_STATES = 12_000
"""More than the state can hold: that many wait only when things are announced and cleared endlessly."""
MAX_FRAME_BYTES = 16_000_000
"""Of the frames that wait for one browser. They are shared with others, but a slow one holds old ones."""
MAX_WATCHED = 1024
"""Maximum cameras that a browser names."""
STATES_SPARE = 1.2
"""How many times as many wait where quotas allow the state more."""


class Mailbox:
    """What is still to be sent to one browser: only the newest frame of each camera, and the newest state.

    It holds references to shared payloads, never copies. Its size is bounded however slow the browser is.

    Args:
        wake: Set when there is something to send, or the connection is to be closed.
        cut: Ends the connection at once.

    Attributes:
        watched: Cameras whose frames are sent; None stands for all.
        counts: Frames that were "sent", and frames that a newer one "replaced" before they were sent.
        max_states: Maximum states that wait.
        closing: Code and reason with which the connection is to be closed.
    """

    def __init__(self, wake: threading.Event, cut: Callable[[], None]) -> None:
        self._wake = wake
        self.cut = cut
        self._lock = threading.Lock()
        self._states: OrderedDict[Key, bytes] = OrderedDict()
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._frames: OrderedDict[Key, bytes] = OrderedDict()
        self._frame_bytes = 0
        self._credit = 0
        self.watched: frozenset[Key] | None = None
        self.counts: Counter[str] = Counter()
        self.max_states: float = MAX_STATES
        self.closing: tuple[int, str] | None = None

    def put(self, update: Update) -> None:
        """Add a message; never waits."""
        with self._lock:
            match update.kind:
                case "state":
                    self._states[update.key] = update.payload
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
                return self._states.popitem(last=False)[1]
            if self._events:
                return self._events.popleft()
            if self._frames and self._credit > 0:
                self._credit -= 1
                self.counts["sent"] += 1
                frame = self._frames.popitem(last=False)[1]
                self._frame_bytes -= len(frame)
                return frame
            return None

    def _drop_frame(self, camera: Key) -> None:
        self._frame_bytes -= len(self._frames.pop(camera, b""))

    def close(self, code: int, reason: str) -> None:
        """Ask for the connection to be closed; the first reason counts."""
        if self.closing is None:
            self.closing = (code, reason)
        self._wake.set()


class Full(Exception):  # noqa: N818 - an answer, not a failure
    """There are as many browsers as the configuration allows, or the viewer is stopping."""


class Hub:
    """Everything between the subscriber and the browsers.

    Args:
        state: The newest of everything; the hub's lock guards it.
        max_browsers: `join` refuses more.
        hello: Fields of the first message to each browser.
    """

    def __init__(self, state: State, max_browsers: int, hello: dict[str, str]) -> None:
        self.state = state
        self.paths = Paths()
        self.max_browsers = max_browsers
        self._hello = hello
        self._lock = threading.Lock()
        self._mailboxes: set[Mailbox] = set()
        self._broker = updates.text("broker", connected=False)
        self._stopping = False
        self._departed: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._mailboxes)

    def census(self) -> dict[str, int]:
        """How many nodes and cameras there are, and how many pictures with and without their boxes."""
        with self._lock:
            return {
                "nodes": len(self.state.nodes),
                "cameras": len(self.state.cameras),
                "joined": self.state.joined,
                "unmatched": self.state.unmatched,
                "unnamed": self.state.unnamed,
            }

    def online(self) -> dict[str, bool]:
        """Whether each node that is known is online."""
        with self._lock:
            return self.state.online

    @property
    def counts(self) -> Counter[str]:
        """Frames sent and replaced, for all browsers since the start."""
        with self._lock:
            return sum((mailbox.counts for mailbox in self._mailboxes), self._departed.copy())

    def known(self, *kinds: str) -> list[Update]:
        """The newest messages of these kinds, such as "info" and "zone"."""
        with self._lock:
            return [one for one in self.state.everything() if one.kind == "state" and one.key[0] in kinds]

    def last_frame(self, camera: Key) -> Update | None:
        """The newest frame of a camera."""
        with self._lock:
            return self.state.last_frame(camera)

    def zones_version(self, node: str, camera: str) -> int | None:
        """The version of a camera's zones and lines; None when none has arrived."""
        with self._lock:
            return self.state.zones_version(node, camera)

    def knows(self, node: str) -> bool:
        """Whether the node has announced itself."""
        with self._lock:
            return self.state.knows(node)

    def should_ask_again(self) -> bool:
        """Whether retained messages that were refused for want of room are needed again."""
        with self._lock:
            return self.state.should_ask_again()

    def watch(self, mailbox: Mailbox, cameras: Iterable[Key] | None) -> None:
        """Send a browser frames of these cameras only (None: all); the newest frame of a new one at once."""
        with self._lock:
            before = mailbox.watched
            mailbox.watch(cameras)
            if before is None:
                return
            for key in self._all(mailbox.watched) - before:
                frame = self.state.last_frame(key)
                if frame is not None:
                    mailbox.put(frame)

    def _all(self, watched: frozenset[Key] | None) -> frozenset[Key]:
        return frozenset(self.state.cameras) if watched is None else watched

    def handle(self, received: Received) -> NodeMessage | None:
        """Apply a message from the broker to the state, and tell every browser.

        Returns:
            The message; None where it was a picture, or empty.

        Raises:
            MessageError: The message breaks the contract or goes over a cap.
        """
        with self._lock:
            try:
                self._tell(self.state.apply(received))
            except RefusedPicture as refused:
                self._tell([refused.update])
                raise
            return self.state.message

    def remember(self, events: Iterable[Event]) -> None:
        """Add stored events to the state, before the first browser connects."""
        with self._lock:
            self.state.remember(events)

    def broker(self, connected: bool) -> None:
        """Tell browsers whether the broker is connected."""
        with self._lock:
            self._broker = updates.text("broker", connected=connected)
            self._tell([Update("state", ("broker",), self._broker)])

    def join(self, mailbox: Mailbox, server_us: int) -> None:
        """Begin to fill a mailbox: first with everything known, then with every update.

        Raises:
            Full: There are too many browsers, or the viewer is stopping.
        """
        with self._lock:
            if self._stopping:
                raise Full("the viewer is stopping")
            if len(self._mailboxes) >= self.max_browsers:
                raise Full(f"{self.max_browsers} browsers are connected already (http.max_browsers)")
            mailbox.max_states = max(MAX_STATES, STATES_SPARE * self.state.quotas.settings.states_total)
            hello = updates.text("hello", server_us=server_us, **self._hello)
            mailbox.put(Update("state", ("hello",), hello))
            mailbox.put(Update("state", ("broker",), self._broker))
            for update in self.state.everything():
                mailbox.put(update)
            mailbox.put(Update("state", ("live",), updates.text("live")))
            self._mailboxes.add(mailbox)

    def leave(self, mailbox: Mailbox) -> None:
        """Stop filling a mailbox."""
        with self._lock:
            if mailbox in self._mailboxes:
                self._mailboxes.remove(mailbox)
                self._departed += mailbox.counts

    def close(self) -> None:
        """Ask for every connection to be closed, and refuse new browsers."""
        with self._lock:
            self._stopping = True
            for mailbox in self._mailboxes:
                mailbox.close(1001, "the viewer is stopping")

    def cut(self) -> None:
        """End the connections that are still open."""
        with self._lock:
            for mailbox in self._mailboxes:
                mailbox.cut()

    def _tell(self, news: Iterable[Update]) -> None:
        for update in news:
            for mailbox in self._mailboxes:
                mailbox.put(update)
