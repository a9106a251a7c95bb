"""Sends the outbox's events at QoS 1: new events first, and older ones at a bounded rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from edge_node.outbox.backlog import Backlog, Missing
from edge_node.outbox.event_file import Row
from edge_node.outbox.in_flight import InFlight
from edge_node.outbox.pictures import key_of
from edge_node.outbox.resend import Resend
from edge_node.outbox.reserve import Reserve
from shared.errors import MessageError
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import now_us
from shared.wire.picture_names import properties, read_name

IN_FLIGHT = 20
"""The most events that may wait for the broker's acknowledgement."""
LIVE = 200
"""The most new events that wait in memory; when there are more, they are read from disk again."""
LIVE_US = 5_000_000
"""An event older than this when it is sent is historical, microseconds."""
SETTLE_S = 5.0
"""How long after a connect the reserve is sent again: the broker's other clients are coming back, too, and
if it has lost their sessions, it keeps nothing for them."""
PICTURE_AGAIN_US = 1_000_000
"""Alerts within this time that name the same picture have it sent once, microseconds."""
REFUSED_S = 30.0
"""How long until events that the broker refused (by ACL or quota) are sent again."""


class Sender:
    """Decides which event is sent when. For one thread.

    Args:
        client: The connection.
        node: The node's name.
        prefix: The prefix of the node's topics.
        backlog: Holds the events.
        resend: Reads events that are sent late or again.
        clock_us: Wall clock, microseconds UTC.
        wake: Called from the network thread when the broker has acknowledged something.
        keep_s: How long an event stays after the broker has acknowledged it, where there is no archive.

    Attributes:
        reserve: Events that the broker has and that stay for a while.
    """

    def __init__(
        self,
        client: Client,
        node: str,
        prefix: str,
        backlog: Backlog,
        resend: Resend,
        clock_us: Callable[[], int],
        wake: Callable[[], None],
        keep_s: float,
    ) -> None:
        self._client, self._node, self._prefix = client, node, prefix
        self._backlog, self._resend, self._clock_us = backlog, resend, clock_us
        self.reserve = Reserve(backlog, keep_s)
        self._live: deque[Row] = deque()
        self._in_flight: InFlight[Row] = InFlight(client, IN_FLIGHT, wake)
        self._copies: dict[int, int] = {}  # how many messages of an alert the broker has not answered, by row
        self._refused: set[int] = set()  # rows of which it did not take one
        self._pictured: tuple[str, int] = "", 0  # the last picture that was sent, and when
        self._newest_sent = 0
        self._refused_at: float | None = None
        self._again_at: float | None = None
        # The reserve's clock. It stands still without a connection: who is away for longer than an event is
        # kept may be the very broker that has lost it.
        self._kept_s = self._turned_s = 0.0

    def listen(self) -> None:
        """Begin to receive the broker's acknowledgements."""
        self._in_flight.listen()

    @property
    def resting(self) -> bool:
        """Whether nothing is in flight, and nothing waits to be sent."""
        return not (self._live or self._in_flight) and self._resend.done

    def renew(self, now: float) -> bool:
        """Forget what was sent on an earlier connection; True when the connection is a new one."""
        if not self._in_flight.renew():
            return False
        self._live.clear()
        self._copies.clear()
        self._refused.clear()
        if self._in_flight.connection > 1 or self._backlog.count:  # else nothing can have been lost
            self._again_at = now + SETTLE_S
        return True

    def end(self, now: float) -> None:
        """Let go what the broker has and has not lost, so that the next run does not send it again."""
        if self._client.connected and not self.renew(now) and self._again_at is None:
            self.reserve.release_sent()

    def queue(self, rows: Sequence[Row]) -> None:
        """Queue events that have just been written."""
        if self._client.connected and self._in_flight.connection:
            self._live.extend(rows)
        else:  # without a connection, they are left to the resend
            self._resend.extend(rows[0].id if rows else self._backlog.last_id + 1, self._backlog.last_id)
        if len(self._live) > LIVE:
            self._resend.extend(self._live[0].id, self._backlog.last_id)
            self._live.clear()

    def replay(self, first: int) -> None:
        """Send the events held from an id on, or from where an unfinished replay is, if that is earlier."""
        self._resend.begin(first, self._live[0].id - 1 if self._live else self._backlog.last_id)
        self._pictured = "", 0

    def take_answers(self, now: float) -> None:
        """Process the broker's acknowledgements. Without an archive, an event is then kept for a while."""
        if self._client.connected and self._again_at is None:
            self._kept_s += now - self._turned_s
        self._turned_s = now
        for row, taken in self._answers():
            if not taken:
                self._refused_at = now
            elif not self._backlog.archives:
                self.reserve.add(row, self._kept_s, self._clock_us())
        self.reserve.expire(self._kept_s)
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            if self.reserve.renew():
                self.replay(1)
        if self._refused_at is not None and now - self._refused_at > REFUSED_S:
            self._refused_at = None
            self.replay(1)

    def send(self, now: float) -> Iterator[Missing]:
        """Send as many events as may be in flight.

        Args:
            now: Monotonic seconds.

        Yields:
            Events that were given up because the broker takes no message of their size.
        """
        self._resend.earn(now)
        sending = {row.id for row in self._in_flight}
        while not self._in_flight.full and self._client.connected:
            row = self._live.popleft() if self._live else self._resend.next(sending, self.reserve.ids)
            if row is None:
                return
            try:
                if not self._send(row):
                    return  # the next connection begins with a replay
            except MessageError:
                missing = self._backlog.drop([row])
                # A gap that is too large leaves no other gap, which would not fit either.
                if len(missing) == 1 and missing[0].events:
                    yield missing[0]
                continue
            self._newest_sent = max(self._newest_sent, row.id)
            sending.add(row.id)

    def _send(self, row: Row) -> bool:
        """Send an event, and before it an alert's picture and its copy; False without a connection.

        An archive that acknowledges the event has the node forget all three, and has had the others by then.

        Raises:
            MessageError: The message is larger than the broker takes.
        """
        event = self._event(row)
        if event["type"] != "alert":
            return self._put(row, topics.EVENTS, orjson.dumps(event))
        payload = orjson.dumps(event)
        self._copies[row.id] = 2
        return (
            self._send_picture(event["session"], event.get("snapshot"))
            and self._put(row, topics.ALERT, payload)
            and self._put(row, topics.EVENTS, payload)
        )

    def _put(self, row: Row, topic: topics.Topic, payload: bytes) -> bool:
        path = topic.path(self._prefix, node=self._node, camera=row.camera)
        return self._in_flight.send(row, topic, path, payload)

    def _send_picture(self, session: str, path: str | None) -> bool:
        """Send an alert's picture, if it has one that is held; False without a connection."""
        now = self._clock_us()
        key = key_of(session, path or "")
        if path is None or (key == self._pictured[0] and now < self._pictured[1] + PICTURE_AGAIN_US):
            return True
        jpeg = self._backlog.picture(key)
        if jpeg is None or len(jpeg) > self._client.room(path):
            return True
        self._pictured = key, now
        name = read_name(jpeg)
        user_properties = None if name is None else properties(name)
        return self._client.send(topics.SNAPSHOT, path, jpeg, user_properties) is not None

    def _answers(self) -> Iterator[tuple[Row, bool]]:
        """Events that the broker has answered, with whether it took them; an alert when both copies are."""
        for row, taken in self._in_flight.answers():
            if not taken:
                self._refused.add(row.id)
            left = self._copies.get(row.id, 1) - 1
            if left:
                self._copies[row.id] = left
                continue
            self._copies.pop(row.id, None)
            yield row, row.id not in self._refused
            self._refused.discard(row.id)

    def _event(self, row: Row) -> dict[str, Any]:
        old = row.boot != self._backlog.boot or self._clock_us() - row.created_us > LIVE_US
        changes = {
            "published_us": now_us(),
            "oldest": self._backlog.oldest(row.boot) or row.number,
            # An event sent after a newer one is historical too: only the others come in order.
            "historical": old or row.id <= self._newest_sent,
        }
        event: dict[str, Any] = orjson.loads(row.payload)
        return event | changes
