"""One client's connection, and what it is doing."""

from __future__ import annotations

import selectors
import socket
from enum import IntEnum
from typing import Any

from viewer_server.access.addresses import owner_of
from viewer_server.serving.incoming import Incoming
from viewer_server.serving.outlet import Outlet


class Doing(IntEnum):
    """What a connection is doing."""

    LEAVING = 0
    """Everything is said; the client may still read it."""
    IDLE = 1
    """Between two requests."""
    ARRIVING = 2
    """A request is on its way, or expected."""
    SENDING = 3
    """The answer is made, and on its way."""
    WAITING = 4
    """The request is whole, and waits for a thread."""
    WORKING = 5
    """A thread makes the answer."""
    BROWSING = 6
    """A websocket, in a thread of its own."""


class Connection:
    """A connection, in the hands of the door.

    Args:
        sock: The socket, non-blocking.
        peer: Address and port of the client.
        incoming: Its requests.
        since: When it came, seconds, monotonic.

    Attributes:
        owner: The network that the connection belongs to.
        asker: The network that its present request comes from: another one behind a proxy.
        doing: What it is doing.
        changed: When it began to.
        deadline: When what it is doing takes too long.
        outlet: Where its answers go.
        request: The request that is being answered.
        lane: Which threads answer it.
        served: How many answers it has got.
        keep: Whether another request may follow the answer.
        discarded: Bytes read and thrown away while it leaves.
        watched: Events that the door's selector looks for; 0 for none.
    """

    __slots__ = (
        "asker", "changed", "deadline", "discarded", "doing", "incoming", "keep", "lane", "outlet",
        "owner", "peer", "request", "served", "sock", "watched",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, peer: tuple[str, int], incoming: Incoming, since: float) -> None:
        self.sock = sock
        self.peer = peer
        self.incoming = incoming
        self.owner = self.asker = owner_of(peer[0])
        self.doing = Doing.ARRIVING
        self.changed = self.deadline = since
        self.outlet: Outlet
        self.request: Any = None
        self.lane = ""
        self.served = 0
        self.keep = False
        self.discarded = 0
        self.watched = 0

    def has_gone(self) -> bool:
        """Whether the client has closed the connection while a thread makes its answer; from any thread."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def watch(self, selector: selectors.BaseSelector, events: int) -> None:
        """Have the selector look for these events; 0 for none."""
        if events == self.watched:
            return
        if not events:
            selector.unregister(self.sock)
        elif self.watched:
            selector.modify(self.sock, events, self)
        else:
            selector.register(self.sock, events, self)
        self.watched = events
