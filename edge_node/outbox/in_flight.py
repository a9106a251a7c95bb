"""What one of several senders on a connection has sent at QoS 1, until the broker acknowledges it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from shared.mqtt.client import Client
from shared.wire.topics import Topic

T = TypeVar("T")


class InFlight(Generic[T]):
    """Items by the number that their message is acknowledged under. For one thread.

    Args:
        client: The connection.
        size: Most items on their way at a time.
        on_answer: Called from the network thread when there may be something for `answers`.

    Attributes:
        connection: Which of the client's these are of; 0 before the first.
    """

    def __init__(self, client: Client, size: int, on_answer: Callable[[], None]) -> None:
        self._client = client
        self._size = size
        self._on_answer = on_answer
        self._items: dict[int, T] = {}
        self._acknowledged: deque[tuple[int, bool]] = deque()
        self._awaiting = False  # set before anything is sent, for its answer may overtake us
        self.connection = 0

    def listen(self) -> None:
        """Begin to hear of acknowledgements."""
        self._client.on_acknowledged.append(self._on_acknowledged)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    @property
    def full(self) -> bool:
        """Whether as many are on their way as may be."""
        return len(self._items) >= self._size

    def renew(self) -> bool:
        """Forget what was sent on another connection; whether this one is new."""
        if self._client.connections == self.connection:
            return False
        self.connection = self._client.connections
        self._items.clear()
        return True

    def answers(self) -> Iterator[tuple[T, bool]]:
        """Items that came back, each with whether the broker took it."""
        while self._acknowledged:
            number, taken = self._acknowledged.popleft()
            item = self._items.pop(number, None)
            if item is not None:  # else of a message that is not ours, or of an earlier connection
                yield item, taken
        self._awaiting = bool(self._items)

    def send(
        self, item: T, topic: Topic, path: str, payload: bytes, user_properties: dict[str, str] | None = None
    ) -> bool:
        """Send an item's message; False when there is no connection, or no room on it.

        Raises:
            MessageError: It is larger than the broker takes.
        """
        self._awaiting = True
        number = self._client.send(topic, path, payload, user_properties)
        if number is None:
            return False
        self._items[number] = item
        return True

    def _on_acknowledged(self, number: int, taken: bool) -> None:
        if not self._awaiting:  # of one of the many messages that are not ours: no reason to wake up
            return
        self._acknowledged.append((number, taken))
        self._on_answer()
