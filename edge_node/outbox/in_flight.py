"""In flight: messages that were sent at QoS 1 and that the broker has not acknowledged yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from shared.mqtt.client import Client
from shared.wire.topics import Topic

T = TypeVar("T")


class InFlight(Generic[T]):
    """The items on their way. For one thread.

    Args:
        client: The connection.
        size: The most items on their way at a time.
        on_answer: Called from the network thread when `answers` may have something.

    Attributes:
        connection: The number of the client's connection that the items were sent on; 0 before the first.
    """

    def __init__(self, client: Client, size: int, on_answer: Callable[[], None]) -> None:
        self._client = client
        self._size = size
        self._on_answer = on_answer
        self._items: dict[int, T] = {}
        self._acknowledged: deque[tuple[int, bool]] = deque()
        self._awaiting = False  # set before sending: the answer may come before `send` returns
        self.connection = 0

    def listen(self) -> None:
        """Begin to receive the broker's acknowledgements."""
        self._client.on_acknowledged.append(self._on_acknowledged)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    @property
    def full(self) -> bool:
        """Whether no further item may be sent now."""
        return len(self._items) >= self._size

    def renew(self) -> bool:
        """Forget what was sent on an earlier connection; True when the connection is a new one."""
        if self._client.connections == self.connection:
            return False
        self.connection = self._client.connections
        self._items.clear()
        return True

    def answers(self) -> Iterator[tuple[T, bool]]:
        """Items that the broker acknowledged since the last call, each with whether the broker took it."""
        while self._acknowledged:
            number, taken = self._acknowledged.popleft()
            item = self._items.pop(number, None)
            if item is not None:  # otherwise it is another sender's message, or an earlier connection's
                yield item, taken
        self._awaiting = bool(self._items)

    def send(
        self, item: T, topic: Topic, path: str, payload: bytes, user_properties: dict[str, str] | None = None
    ) -> bool:
        """Send an item's message; False without a connection, or when the client takes no more for now.

        Raises:
            MessageError: The message is larger than the broker takes.
        """
        self._awaiting = True
        number = self._client.send(topic, path, payload, user_properties)
        if number is None:
            return False
        self._items[number] = item
        return True

    def _on_acknowledged(self, number: int, taken: bool) -> None:
        if not self._awaiting:  # one of the many messages of other senders: no reason to wake up
            return
        self._acknowledged.append((number, taken))
        self._on_answer()
