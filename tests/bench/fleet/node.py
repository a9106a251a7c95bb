"""One simulated node: its state, its outbox, and what it says when."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import orjson

from shared.wire.messages import now_us
from tests.bench.fleet import messages, packets
from tests.bench.fleet.messages import PREFIX, Template

IN_FLIGHT = 20
"""Events on their way at a time, as in a real outbox."""
PATIENCE_S, MOST_PATIENCE_S, TRIED = 3.0, 60.0, 20
"""How long without progress until events are sent again, as in a real outbox. From the second time in a row
on, only some are tried, and the wait doubles."""
STATE_IN_FLIGHT = 64
KEEPALIVE_S = 8
LATE_US = 5_000_000


class Line(Protocol):
    """The node's connection."""

    def write(self, data: bytes) -> None:
        """Send bytes, now or as soon as there is room."""


class Tally:
    """What all nodes of a process have seen.

    Attributes:
        made: Events.
        published: Messages.
        acknowledged_s: Time and duration of each way of an event to the archive and back: monotonic seconds.
        sent_again: Events that were sent more than once.
        refused: PUBACKs with a failure.
    """

    def __init__(self) -> None:
        self.made = self.published = self.sent_again = self.refused = 0
        self.acknowledged_s: list[tuple[float, float]] = []


class Node:
    """A node with one camera, a zone and a line.

    Args:
        name: Its identifier.
        tally: Shared with other nodes.
    """

    def __init__(self, name: str, tally: Tally) -> None:
        self.name = name
        self._tally = tally
        self._heads = messages.heads(name)
        self._line: Line | None = None
        self._number = 0  # of packets
        self._boot = f"{int(time.time()):08x}-{name[-6:]}"
        self._events = self._seq = self._inside = 0
        self._started_us = now_us()
        self._held: dict[int, tuple[int, float, bytes]] = {}  # occurred, first sent, type
        self._to_send: deque[int] = deque()
        self._in_flight: dict[int, int] = {}
        self._state: deque[Template] = deque()
        self._state_in_flight: set[int] = set()
        self._progress_s = 0.0
        self._waits = 0  # since the archive has acknowledged something
        self._newest_sent = 0
        self.ready = False

    @property
    def online(self) -> bool:
        """Whether the broker has taken everything that the node says after a connect."""
        return self.ready and not self._state and not self._state_in_flight

    @property
    def unsafe(self) -> int:
        """Events that no archive has acknowledged."""
        return len(self._held)

    def hello(self) -> bytes:
        """The CONNECT."""
        will = messages.OFFLINE.fill(self._fields())
        topic = f"{PREFIX}/{self.name}/status"
        return packets.connect(f"sim-{self.name}", KEEPALIVE_S, topic, will)

    def lost(self) -> None:
        """Note that the connection is gone."""
        self._line, self.ready = None, False
        self._in_flight.clear()
        self._state.clear()
        self._state_in_flight.clear()

    def accepted(self, line: Line) -> None:
        """Begin to speak, after the CONNACK."""
        self._line, self.ready = line, True
        base = f"{PREFIX}/{self.name}"
        line.write(packets.subscribe(self._next(), f"{base}/request/+", f"{base}/ack/+"))
        self._say_state(messages.RETAINED)
        self._send_again()

    def take(self, packet: packets.Packet) -> None:
        """Handle a packet from the broker."""
        if packet.kind == packets.PUBACK:
            number = int.from_bytes(packet.body[:2], "big")
            if len(packet.body) > 2 and packet.body[2] >= 0x80:
                self._tally.refused += 1
            if number in self._state_in_flight:
                self._state_in_flight.discard(number)
                self._flush_state()
            elif self._in_flight.pop(number, None) is not None:
                self._flush_events()
        elif packet.kind == packets.PUBLISH:
            topic, number, payload = packets.read_publish(packet)
            if number and self._line is not None:
                self._line.write(packets.acknowledge(number))
            if b"/ack/" in topic and payload:
                self._acknowledged(payload)

    def happen(self) -> None:
        """Somebody enters the zone, or leaves it: an event, and new numbers."""
        self._events += 1
        self._seq += 1
        self._tally.made += 1
        entered = self._events % 2
        self._inside += 1 if entered else -1
        self._held[self._events] = now_us(), 0.0, b"zone_entered" if entered else b"zone_exited"
        if not self._progress_s:
            self._progress_s = time.monotonic()
        self._to_send.append(self._events)
        if self.ready:
            self._flush_events()
            self._say_state((messages.PATH, messages.COUNT))

    def metrics(self) -> None:
        """Say how the node is."""
        self._publish(messages.METRICS)

    def refresh(self) -> None:
        """Say again what is retained, as once a minute."""
        if self.ready:
            self._say_state(messages.AGAIN)

    def ping(self) -> None:
        """Tell the broker that the node lives."""
        if self._line is not None:
            self._line.write(packets.PING)

    def frame(self, with_picture: bool) -> None:
        """A frame of a camera that somebody looks at."""
        self._seq += 1
        self._publish(messages.DETECTIONS)
        if with_picture and self._line is not None:
            named = {"session": self._boot, "seq": str(self._seq), "captured_us": str(now_us())}
            users = b"".join(packets.user(*one) for one in named.items())
            head = messages.picture_head(self.name)
            self._line.write(packets.publish(head, messages.PICTURE, named=users))
            self._tally.published += 1

    def check(self, now: float) -> None:
        """Send again what the archive has not acknowledged for too long."""
        wait_s = min(PATIENCE_S * 2 ** max(0, self._waits - 1), MOST_PATIENCE_S)
        if self._held and self.ready and now - self._progress_s > wait_s:
            self._waits += 1
            self._send_again(TRIED if self._waits > 1 else None)

    def _send_again(self, most: int | None = None) -> None:
        self._progress_s = time.monotonic()
        again = [number for number in self._held if number not in self._in_flight.values()][:most]
        self._tally.sent_again += sum(number <= self._newest_sent for number in again)
        self._to_send = deque(again)
        self._flush_events()

    def _flush_events(self) -> None:
        while self._to_send and self.ready and len(self._in_flight) < IN_FLIGHT:
            number = self._to_send.popleft()
            if number not in self._held:
                continue
            occurred_us, first_s, kind = self._held[number]
            if not first_s:
                self._held[number] = occurred_us, time.monotonic(), kind
            late = number <= self._newest_sent or now_us() - occurred_us > LATE_US
            self._newest_sent = max(self._newest_sent, number)
            identifier = self._publish(
                messages.EVENT,
                occurred_us=occurred_us,
                captured_us=occurred_us,
                number=number,
                oldest=next(iter(self._held)),
                track_id=(number + 1) // 2,
                type=kind,
                boot=self._boot.encode(),
                event_id=f"{self.name}-{self._boot}-{number}".encode(),
                historical=b"true" if late else b"false",
            )
            self._in_flight[identifier] = number

    def _acknowledged(self, payload: bytes) -> None:
        ack = orjson.loads(payload)
        if ack["boot"] != self._boot:
            return
        now = time.monotonic()
        through = ack["number"]
        done = [number for number in self._held if number <= through]
        for number in done:
            sent_s = self._held.pop(number)[1]
            self._tally.acknowledged_s.append((now, now - sent_s))
        if done:
            self._progress_s = now if self._held else 0.0
            silent, self._waits = self._waits > 1, 0
            if silent:  # it is back, and lacks what came meanwhile
                self._send_again()

    def _say_state(self, which: tuple[Template, ...]) -> None:
        self._state.extend(one for one in which if one not in self._state)
        self._flush_state()

    def _flush_state(self) -> None:
        while self._state and len(self._state_in_flight) < STATE_IN_FLIGHT:
            self._state_in_flight.add(self._publish(self._state.popleft()))

    def _publish(self, what: Template, **fields: object) -> int:
        if self._line is None:
            return 0
        head = self._heads[what]
        number = self._next() if head[0] & 0x06 else 0
        payload = what.fill(self._fields(**fields))
        self._line.write(packets.publish(head, payload, number))
        self._tally.published += 1
        return number

    def _fields(self, **more: object) -> dict[bytes, object]:
        now = now_us()
        entered = (self._events + 1) // 2
        fields: dict[bytes, object] = {
            b"node": self.name.encode(), b"session": self._boot.encode(), b"published_us": now,
            b"captured_us": now, b"seq": self._seq, b"since_us": self._started_us,
            b"started_us": self._started_us, b"entered": entered, b"exited": self._events - entered,
            b"occupancy": self._inside, b"total": self._inside,
        }  # fmt: skip
        fields.update((name.encode(), value) for name, value in more.items())
        return fields

    def _next(self) -> int:
        self._number = self._number % 65_535 + 1
        return self._number


def names(count: int, first: int = 0) -> Iterator[str]:
    """Names of nodes."""
    return (f"sim{number:05d}" for number in range(first, first + count))
