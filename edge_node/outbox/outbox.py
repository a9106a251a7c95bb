"""Events on their way to the broker: none is forgotten before it is known to be safe elsewhere.

An event gets its number when it is added, is committed to disk (`backlog`: at once, or together with those
that come within 50 ms of the last commit), and sent at QoS 1, at most 20 at a time. What has just happened
goes first; what was left behind is replayed beside it, in order and at a bounded rate. An event is deleted
when every archive heard of lately has said that it has stored it (``/ack``); where there is none, when the
broker acknowledges it.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import orjson

from edge_node.config.settings import OutboxSettings
from edge_node.outbox.acknowledgements import Acknowledgements
from edge_node.outbox.archives import PATIENCE, Archive, Patience
from edge_node.outbox.backlog import Backlog, Missing
from edge_node.outbox.event_file import Row
from edge_node.outbox.in_flight import InFlight
from edge_node.outbox.resend import Resend
from shared.errors import MessageError
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.storage import state_folder
from shared.wire import messages, topics
from shared.wire.messages import Event, Gap, now_us

log = logging.getLogger("darner.outbox")

COMMIT_S = 0.05
"""Commits are no closer than this: a lone event waits for none, a burst for one."""
RESTING_S = 0.5
"""How soon it is noticed that there is a connection again, or that an archive does not answer."""
IN_FLIGHT = 20
LIVE = 200
"""Events that may wait for their turn in memory; when there are more, they are read from disk again."""
LIVE_US = 5_000_000
"""An event that is sent later than this is historical."""
REFUSED_S = 30.0
"""An event that the broker refused (its ACL, its quota) is tried again after this long."""
MAX_ADDED = 20_000
"""Events that may wait for a disk that hangs."""


def numbered(event: Event, boot: str, number: int) -> Event:
    """An event with its place among those of its boot, and its id."""
    return dataclasses.replace(event, event_id=f"{event.node}-{boot}-{number}", boot=boot, number=number)


class Outbox:
    """A node's events; `with` opens it, starts its one thread and ends both.

    Args:
        client: The connection; entered and left around this one.
        settings: Bounds and place.
        node: Who we are.
        prefix: Of the topics.
        session: This run, for events of the outbox's own.
    """

    def __init__(
        self,
        client: Client,
        settings: OutboxSettings,
        node: str,
        prefix: str,
        session: str,
        patience: Patience = PATIENCE,
    ) -> None:
        self._client, self._node, self._prefix, self._session = client, node, prefix, session
        path = Path(settings.path) if settings.path else state_folder() / f"outbox-{node}.db"
        self._backlog = Backlog(path, int(settings.max_mb * 1e6), settings.max_age_h * 3600, patience)
        self._wall_us, self._started = now_us(), time.monotonic()
        self._lock = threading.Lock()  # of the next three
        self._added: deque[tuple[int, Event]] = deque()
        self._number = 0
        self._lost: list[Missing] = []
        self._wake = threading.Event()
        self._closing = False
        self._idle = threading.Event()
        self._once = Once()
        self._live: deque[Row] = deque()
        self._in_flight: InFlight[Row] = InFlight(client, IN_FLIGHT, self._wake.set)
        self._resend = Resend(self._backlog, settings.replay_per_s, self._started)
        archive_us = int(settings.archive_h * 3.6e9)
        self._acknowledgements = Acknowledgements(
            node, self._backlog, self._resend, archive_us, self._clock_us, self._replay
        )
        self._newest_sent = 0
        self._committed_at = self._looked_at = self._started
        self._refused_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def __enter__(self) -> Outbox:
        self._backlog.__enter__()
        self._in_flight.listen()
        own = topics.ACK.path(self._prefix, node=self._node, archive="x")
        self._client.subscribe(own[: -len("x")] + "+", 1)
        if self._backlog.count:
            log.info("outbox: %d events of earlier runs are to be sent", self._backlog.count)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(2.0)
        if not self._thread.is_alive():  # else it hangs in a disk that does not answer
            self._backlog.__exit__(kind, error, trace)

    def add(self, event: Event) -> Event:
        """Take an event; never waits for disk or network.

        Returns:
            The event with its boot, number and id.
        """
        with self._lock:
            self._number += 1
            boot, number = self._backlog.boot, self._number
            event = numbered(event, boot, number)
            if len(self._added) >= MAX_ADDED:
                at_us, lost = self._added.popleft()
                assert lost.number is not None  # noqa: S101 - given above
                self._lost.append(Missing(boot, lost.number, lost.number, 1, lost.camera, at_us))
            self._added.append((self._clock_us(), event))
        self._wake.set()
        return event

    def handle(self, received: Received) -> None:
        """Take in an acknowledgement; a bad one is logged and skipped, other messages are not ours."""
        found = topics.match(self._prefix, received.topic)
        if found is None or found[0] is not topics.ACK:
            return
        try:
            self.acknowledged(received)
        except MessageError as error:
            if self._once(received.topic):
                log.warning("%s: skipped: %s (said once for this topic)", received.topic, error)

    def acknowledged(self, received: Received) -> None:
        """An archive's word on what it has stored, or an empty one: that it is no more.

        Raises:
            MessageError: It breaks the contract, or is about another node or archive than its topic.
        """
        self._acknowledgements.note(received)
        self._wake.set()

    def archives(self) -> list[Archive]:
        """The archives that events are kept for, as they are now."""
        return [dataclasses.replace(one) for one in self._backlog.archives]

    def metrics(self) -> messages.OutboxMetrics:
        """How full it is."""
        backlog = self._backlog
        return messages.OutboxMetrics(
            backlog=max(0, backlog.count) + len(self._added),
            bytes=max(0, backlog.bytes),
            dropped=backlog.dropped,
            on_disk=backlog.on_disk,
        )

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has everything; False when it has not in `timeout` seconds, or is away."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._client.connected:
            self._idle.clear()  # set by a turn of the loop that began after this
            self._wake.set()
            if self._idle.wait(0.1):
                return True
        return False

    def _clock_us(self) -> int:
        """Wall clock as of the start, going on evenly: a clock that is set meanwhile makes nothing old."""
        return self._wall_us + int((time.monotonic() - self._started) * 1e6)

    def _run(self) -> None:
        while not self._closing:
            # A lone event is committed at once; those that follow within the interval together.
            if self._added:
                until = self._committed_at + COMMIT_S - time.monotonic()
            else:
                until = RESTING_S if self._resting else COMMIT_S
            self._wake.wait(max(0.0, until))
            self._wake.clear()
            try:
                self._turn(time.monotonic())
            except Exception:  # a fault of ours must not end delivery for good
                log.exception("outbox: a turn failed")
                time.sleep(1.0)
        self._commit()
        self._commit()  # the first may have left a gap to write

    def _turn(self, now: float) -> None:
        if self._in_flight.renew():
            self._live.clear()
            self._replay(self._acknowledgements.first_to_send())
        self._take_answers(now)
        self._acknowledgements.take_in(now, self._number)
        self._acknowledgements.check_progress(now, connected=self._client.connected)
        added = bool(self._added)
        if now - (self._committed_at if added else self._looked_at) >= COMMIT_S:
            self._looked_at = now
            self._committed_at = now if added else self._committed_at
            self._commit()
        self._send(now)
        if self._resting and self._client.connected:
            self._idle.set()

    @property
    def _resting(self) -> bool:
        """Whether nothing is to be written or sent."""
        return not (self._added or self._live or self._in_flight) and self._resend.done

    def _commit(self) -> None:
        with self._lock:
            added = list(self._added)
            self._added.clear()
            lost, self._lost = self._lost, []
        rows = self._backlog.write(
            [
                (event.boot or "", event.number or 0, at_us, event.camera, messages.encode(event))
                for at_us, event in added
            ]
        )
        self._backlog.dropped += len(lost)
        for missing in _merged(lost) + self._backlog.make_room(self._clock_us()):
            self._leave_gap(missing)
        if self._client.connected and self._in_flight.connection:
            self._live.extend(rows)
        else:  # they are replayed when there is a connection
            self._resend.extend(rows[0].id if rows else self._backlog.last_id + 1, self._backlog.last_id)
        if len(self._live) > LIVE:
            self._resend.extend(self._live[0].id, self._backlog.last_id)
            self._live.clear()

    def _leave_gap(self, missing: Missing) -> None:
        log.warning(
            "outbox: %d events (%d to %d) were given up: no room, or too old",
            missing.events,
            missing.first,
            missing.last,
        )
        self.add(
            Event(
                node=self._node,
                session=self._session,
                published_us=now_us(),
                camera=missing.camera,
                seq=0,
                captured_us=max(0, missing.created_us),
                event_id="",
                type="gap",
                occurred_us=max(0, missing.created_us),
                gap=Gap(boot=missing.boot, first=missing.first, last=missing.last, count=missing.events),
            )
        )

    def _take_answers(self, now: float) -> None:
        """Take in what the broker says of each message; without an archive, its word is what counts."""
        for row, taken in self._in_flight.answers():
            if not taken:
                self._refused_at = now
            elif not self._backlog.archives:
                self._backlog.remove([row])
        if self._refused_at is not None and now - self._refused_at > REFUSED_S:
            self._refused_at = None
            self._replay(1)

    def _replay(self, first: int) -> None:
        """Send what is held again from this id on; what is being replayed goes on."""
        self._resend.begin(first, self._live[0].id - 1 if self._live else self._backlog.last_id)

    def _send(self, now: float) -> None:
        self._resend.earn(now)
        sending = {row.id for row in self._in_flight}
        while not self._in_flight.full and self._client.connected:
            row = self._live.popleft() if self._live else self._resend.next(sending)
            if row is None:
                return
            try:
                if not self._in_flight.send(row, topics.EVENTS, self._path(row), self._payload(row)):
                    return  # the next connection begins with a replay
            except MessageError:
                missing = self._backlog.drop([row])
                # Else it is a gap, and the next would not fit either.
                if len(missing) == 1 and missing[0].events:
                    self._leave_gap(missing[0])
                continue
            self._newest_sent = max(self._newest_sent, row.id)
            sending.add(row.id)

    def _path(self, row: Row) -> str:
        return topics.EVENTS.path(self._prefix, node=self._node, camera=row.camera)

    def _payload(self, row: Row) -> bytes:
        old = row.boot != self._backlog.boot or self._clock_us() - row.created_us > LIVE_US
        changes = {
            "published_us": now_us(),
            "oldest": self._backlog.oldest(row.boot) or row.number,
            # After a newer one, too: what is not historical comes in order.
            "historical": old or row.id <= self._newest_sent,
        }
        return orjson.dumps(orjson.loads(row.payload) | changes)


def _merged(lost: Sequence[Missing]) -> list[Missing]:
    """Losses one after the other as one."""
    return [lost[-1]._replace(first=lost[0].first, events=len(lost))] if lost else []
