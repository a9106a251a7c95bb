"""Hands every update to the browsers: each has a small mailbox, so that a slow one delays no other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Container, Iterable

from shared.mqtt.received import Received
from shared.wire.messages import Event, NodeMessage
from shared.wire.topics import Match
from viewer_server.live import updates
from viewer_server.live.audience import Audience
from viewer_server.live.mailbox import MAX_STATES, Mailbox
from viewer_server.live.paths import Paths
from viewer_server.live.state import RefusedPicture, State
from viewer_server.live.updates import Key, Update

MAX_WATCHED = 1024
"""Maximum cameras that a browser names in one message."""
STATES_SPARE = 1.2
"""How many times as many wait where quotas allow the state more."""


class Full(Exception):  # noqa: N818 - an answer, not a failure
    """There are as many browsers as the configuration allows, or the viewer is stopping."""


class Hub:
    """Everything between the subscriber and the browsers.

    Args:
        state: The newest of everything; the hub's lock guards it.
        max_browsers: `join` refuses more.
        hello: Fields of the first message to each browser.

    Attributes:
        looked: Called after browsers have begun or ceased to watch cameras, without a lock.
        listened: Of how many cameras detections and pictures come, as the broker has confirmed; None: all.
    """

    def __init__(self, state: State, max_browsers: int, hello: dict[str, str]) -> None:
        self.state = state
        self.paths = Paths()
        self.max_browsers = max_browsers
        self._hello = hello
        self._lock = threading.Lock()
        self._mailboxes = Audience()
        self._broker = updates.text("broker", connected=False, address=None)
        self._stopping = False
        self._departed: Counter[str] = Counter()
        self.looked: Callable[[], None] = lambda: None
        self.listened: int | None = 0

    def __len__(self) -> int:
        return len(self._mailboxes)

    def census(self) -> dict[str, int]:
        """How many nodes and cameras there are, and how many pictures with and without their boxes."""
        with self._lock:
            nodes, cameras = self.state.census()
            return {
                "nodes": nodes,
                "cameras": cameras,
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

    def known(self, *kinds: str, nodes: Iterable[str] | None = None) -> list[Update]:
        """The newest messages of these kinds, such as "info" and "zone", of all nodes or of some."""
        with self._lock:
            return list(self.state.known(kinds, nodes))

    def names(self) -> list[bytes]:
        """The list of names, a line for each node."""
        with self._lock:
            return [one.payload for one in self.state.names()]

    def watched(self) -> frozenset[Key] | None:
        """Cameras of which some browser is sent frames; None stands for all."""
        with self._lock:
            return self._mailboxes.watched

    def entry(self, *key: str) -> bytes | None:
        """The newest message of a topic as browsers are sent it, by the topic's name, node and camera."""
        with self._lock:
            return self.state.entry(key)

    def new_frame(self, camera: Key) -> Update | None:
        """The newest frame of a camera that has come since listening to it began."""
        with self._lock:
            return self.state.new_frame(camera)

    def shown(self, cameras: Iterable[Key]) -> set[Key]:
        """Those of the cameras that are known and shown."""
        with self._lock:
            return {camera for camera in cameras if self.state.shows(camera)}

    def begin(self, besides: Container[Key], cameras: Iterable[Key] | None = None) -> None:
        """Note that listening to detections and pictures of cameras begins.

        Args:
            besides: Those that are listened to already.
            cameras: Which; None: all.
        """
        with self._lock:
            chosen = self.state.cameras if cameras is None else cameras
            self.state.begin([one for one in chosen if one not in besides])

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
            if mailbox in self._mailboxes:
                self._mailboxes.watch(mailbox, cameras)
            for key in frozenset[Key]() if before is None else self._all(mailbox.watched) - before:
                frame = self.state.last_frame(key)
                if frame is not None:
                    mailbox.put(frame)
        self.looked()

    def show(self, mailbox: Mailbox, cameras: Iterable[Key]) -> None:
        """Send a browser that has asked for names details of these cameras and their nodes, and no others.

        What it was not told until now follows at once, and then "shown".
        """
        with self._lock:
            if mailbox in self._mailboxes and mailbox.names_first:
                for update in self.state.details(*self._mailboxes.show(mailbox, frozenset(cameras))):
                    mailbox.put(update)
                mailbox.put(Update("state", ("shown",), updates.text("shown")))

    def _all(self, watched: frozenset[Key] | None) -> frozenset[Key]:
        return frozenset(self.state.cameras) if watched is None else watched

    def handle(
        self, received: Received, match: Match | None = None, read: NodeMessage | None = None
    ) -> NodeMessage | None:
        """Apply a message from the broker to the state, and tell every browser.

        Args:
            received: The message.
            match: Row and identifiers of its topic, where they are known.
            read: What is in it, where that is known.

        Returns:
            The message; None where it was a picture, or empty.

        Raises:
            MessageError: The message breaks the contract or goes over a cap.
        """
        with self._lock:
            try:
                told = self.state.apply(received, match, read)
            except RefusedPicture as refused:
                self._tell([refused.update])
                raise
            self._tell(told)
            self._tell(self.state.renamed(told))
            return self.state.message

    def remember(self, events: Iterable[Event]) -> None:
        """Add stored events to the state, before the first browser connects."""
        with self._lock:
            self.state.remember(events)

    def broker(self, connected: bool, address: str | None) -> None:
        """Tell browsers whether the broker is connected, and at which address."""
        with self._lock:
            self._broker = updates.text("broker", connected=connected, address=address)
            self._tell([Update("state", ("broker",), self._broker)])

    def join(self, mailbox: Mailbox, server_us: int) -> None:
        """Begin to fill a mailbox: with everything known or with all names, then with what is new of it.

        Raises:
            Full: There are too many browsers, or the viewer is stopping.
        """
        with self._lock:
            if self._stopping:
                raise Full("the viewer is stopping")
            if len(self._mailboxes) >= self.max_browsers:
                raise Full(f"{self.max_browsers} browsers are connected already (http.max_browsers)")
            quotas = self.state.quotas.settings
            mailbox.max_states = max(MAX_STATES, STATES_SPARE * (quotas.all_states + quotas.nodes))
            hello = updates.text("hello", server_us=server_us, **self._hello)
            mailbox.put(Update("state", ("hello",), hello))
            mailbox.put(Update("state", ("broker",), self._broker))
            for update in self.state.names() if mailbox.names_first else self.state.everything():
                mailbox.put(update)
            mailbox.put(Update("state", ("live",), updates.text("live")))
            self._mailboxes.add(mailbox)
        self.looked()

    def leave(self, mailbox: Mailbox) -> None:
        """Stop filling a mailbox."""
        with self._lock:
            if mailbox in self._mailboxes:
                self._mailboxes.remove(mailbox)
                self._departed += mailbox.counts
        self.looked()

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
            for mailbox in self._mailboxes.of(update):
                mailbox.put(update)
