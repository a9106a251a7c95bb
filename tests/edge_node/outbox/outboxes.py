"""An outbox on a stand-in network that arrives, or not, when the test says so, and archives' words to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_node.config.settings import OutboxSettings
from edge_node.outbox.archives import PATIENCE, Patience
from edge_node.outbox.outbox import Outbox
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Ack, Event, EventType, decode, encode, now_us

ACK = "darner/v1/n/ack"
VIEWER = "viewer-1"


class Network:
    """Stands where the client stands: connected, and answering, when the test says so."""

    def __init__(self, *, answers: bool = True) -> None:
        self.connections = 0
        self.connected = False
        self.answers = answers
        self.taken = True
        self.limit = 10**6
        self.refused: set[topics.Topic] = set()
        self.sent: list[Event] = []
        self.alerts: list[Event] = []
        self.pictures: list[tuple[str, bytes]] = []
        self.order: list[str] = []
        self.unanswered: list[int] = []
        self.on_acknowledged: list[Any] = []

    def subscribe(self, topic_filter: str, qos: int) -> None:
        assert (topic_filter, qos) == (f"{ACK}/+", 1)

    def connect(self) -> None:
        self.connections += 1
        self.connected = True

    def room(self, path: str) -> int:
        return self.limit - len(path)

    def send(self, topic: topics.Topic, path: str, payload: bytes, user_properties: object) -> int | None:
        if not self.connected:
            return None
        if len(payload) > self.limit:
            raise MessageError("too large")
        if topic is topics.SNAPSHOT:
            self.pictures.append((path, payload))
            self.order.append(topic.name)
            return len(self.order)
        event = decode(Event, payload)
        assert topic in (topics.EVENTS, topics.ALERT)
        assert path == f"darner/v1/n/camera/{event.camera}/{topic.name}"
        assert user_properties is None
        (self.sent if topic is topics.EVENTS else self.alerts).append(event)
        self.order.append(topic.name)
        number = len(self.order)
        if self.answers:
            self.tell(number, taken=topic not in self.refused)
        else:
            self.unanswered.append(number)
        return number

    def answer(self) -> None:
        answered, self.unanswered = self.unanswered, []
        for number in answered:
            self.tell(number)

    def tell(self, number: int, *, taken: bool = True) -> None:
        for listener in self.on_acknowledged:
            listener(number, self.taken and taken)

    @property
    def numbers(self) -> list[int | None]:
        return [event.number for event in self.sent]


@contextmanager
def running(
    network: Network, folder: Path, patience: Patience = PATIENCE, **settings: Any
) -> Iterator[Outbox]:
    chosen = OutboxSettings(path=str(folder / "o.db"), **settings)
    client: Any = network
    with Outbox(client, chosen, "n", "darner/v1", "s", patience) as outbox:
        yield outbox


def event(label: str = "person", kind: EventType = "track_started", snapshot: str | None = None) -> Event:
    return Event(
        node="n",
        session="s",
        published_us=0,
        camera="c",
        seq=1,
        captured_us=now_us(),
        event_id="",
        type=kind,
        occurred_us=now_us(),
        label=label,
        snapshot=snapshot,
    )


def add(outbox: Outbox, count: int) -> list[Event]:
    return [outbox.add(event()) for _ in range(count)]


def held(outbox: Outbox) -> int:
    return outbox.metrics().backlog


def acknowledge(
    outbox: Outbox,
    boot: str | None,
    number: int,
    *,
    by: str = VIEWER,
    retained_at: int | None = None,
    session: str = "v",
) -> None:
    at = now_us() if retained_at is None else retained_at
    assert boot is not None
    ack = Ack(node="n", session=session, published_us=at, boot=boot, number=number, archive=by)
    outbox.acknowledged(Received(f"{ACK}/{by}", encode(ack), 1, retained_at is not None, {}))


def archives(outbox: Outbox) -> list[str]:
    return [archive.name for archive in outbox.archives()]
