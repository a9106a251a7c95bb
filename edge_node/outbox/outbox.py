"""The outbox: events wait here until they are known to be safe elsewhere.

An event gets its number when it is added. It is committed to disk (`backlog`) at once, or together with
others that come within 50 ms of the last commit; an alert together with its picture (`pictures`). Then
`sender` sends it at QoS 1, with at most 20 events in flight. New events go first; older ones follow in order,
at a bounded rate. An event is deleted when every archive that spoke lately has acknowledged it (``/ack``,
`acknowledgements`). While there is no archive, an event is deleted some time after the broker has
acknowledged it (`reserve`).
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType

from edge_node.config.settings import OutboxSettings
from edge_node.outbox.acknowledgements import Acknowledgements
from edge_node.outbox.added import Added
from edge_node.outbox.archives import PATIENCE, Archive, Patience
from edge_node.outbox.backlog import Backlog, Missing
from edge_node.outbox.day_rows import DayRow
from edge_node.outbox.pictures import Jpeg, key_of
from edge_node.outbox.resend import Resend
from edge_node.outbox.sender import Sender
from shared.errors import MessageError
from shared.files import at_home
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.watchdog import LATE_S, Look
from shared.storage.folder import state_folder
from shared.wire import messages, topics
from shared.wire.messages import Event, Gap, now_us

log = logging.getLogger("darner.outbox")

COMMIT_S = 0.05
"""The least time between two commits: a lone event does not wait, and a burst shares a commit."""
RESTING_S = 0.5
"""How soon an idle outbox notices a new connection, or an archive that does not answer."""
DISK_S = 60.0
"""How long the disk may hang until the node ends, seconds: the events that wait in memory are lost then."""
END_WITHIN_S = 2.0
"""How long closing waits for the thread, which hangs when the disk does."""


class Outbox:
    """A node's events. `with` opens the file and starts the outbox's thread.

    Args:
        client: The connection; enter it before this, and leave it after.
        settings: Where the events are kept, and how many.
        node: The node's name.
        prefix: The prefix of the node's topics.
        session: The node's session, for the `gap` events that the outbox adds itself.
        patience: How long an archive may make no progress.
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
        path = at_home(settings.path) if settings.path else state_folder() / f"outbox-{node}.db"
        self._backlog = Backlog(path, int(settings.max_mb * 1e6), settings.max_age_h * 3600, patience)
        self._wall_us, self._started = now_us(), time.monotonic()
        self._added = Added(self._clock_us)
        self._wake = threading.Event()
        self._closing = False
        self._idle = threading.Event()
        self._once = Once()
        resend = Resend(self._backlog, settings.replay_per_s, self._started)
        self._sender = Sender(
            client,
            node,
            prefix,
            self._backlog,
            resend,
            self._clock_us,
            wake=self._wake.set,
            keep_s=settings.keep_s,
        )
        archive_us = int(settings.archive_h * 3.6e9)
        self._acknowledgements = Acknowledgements(
            node, self._backlog, resend, archive_us, self._clock_us, self._sender.replay
        )
        self._committed_at = self._tidied_at = self._started
        self._turns = 0
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def __enter__(self) -> Outbox:
        self._backlog.__enter__()
        self._sender.listen()
        acks = topics.ACK.path(self._prefix, node=self._node, archive="x").removesuffix("x")
        self._client.subscribe(f"{acks}+", 1)
        if self._backlog.count:
            log.info("outbox: %d events of earlier runs wait to be sent", self._backlog.count)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(END_WITHIN_S)
        if not self._thread.is_alive():
            self._backlog.__exit__(kind, error, trace)

    def add(self, event: Event, jpeg: Jpeg = None) -> Event:
        """Take an event; never waits for disk or network.

        Args:
            event: The event.
            jpeg: The picture on the topic that an alert names, kept and sent with it; it may still have to be
                made, in the outbox's thread.

        Returns:
            The event with its boot, number and id.
        """
        [event] = self._added.take(self._backlog.boot, [(event, jpeg)])
        self._wake.set()
        return event

    def add_all(self, events: Sequence[Event], days: Iterable[DayRow] = ()) -> list[Event]:
        """Take events, and counters of the day that count them; the disk gets all of it or nothing.

        Args:
            events: In the order in which they get their numbers.
            days: The counters, each as these events leave it.

        Returns:
            The events with their boot, numbers and ids.
        """
        taken = self._added.take(self._backlog.boot, [(event, None) for event in events], days)
        self._wake.set()
        return taken

    def days(self) -> list[DayRow]:
        """Counters of the day that an earlier run has kept."""
        return self._backlog.days

    def problems(self) -> list[Event]:
        """The events of problems whose begin an earlier run has told, and not their end."""
        found = []
        for payload in self._backlog.problems:
            with suppress(MessageError):  # as an older version wrote it
                found.append(messages.decode(Event, payload))
        return found

    def handle(self, received: Received) -> None:
        """Handle an acknowledgement; one that breaks the contract is logged and skipped."""
        try:
            self.acknowledged(received)
        except MessageError as error:
            if self._once(received.topic):
                log.warning("%s: skipped: %s (said once for this topic)", received.topic, error)

    def acknowledged(self, received: Received) -> None:
        """Note an acknowledgement; an empty one means that the archive was removed.

        Raises:
            MessageError: It breaks the contract, or its node or archive is not the one in its topic.
        """
        self._acknowledgements.note(received)
        self._wake.set()

    def archives(self) -> list[Archive]:
        """The archives that events are kept for, as they are now."""
        return [dataclasses.replace(one) for one in self._backlog.archives]

    def metrics(self) -> messages.OutboxMetrics:
        """How many events wait, and where."""
        backlog, reserve = self._backlog, self._sender.reserve
        return messages.OutboxMetrics(
            backlog=max(0, backlog.count - len(reserve)) + len(self._added),
            bytes=max(0, backlog.bytes - reserve.bytes),
            dropped=backlog.dropped,
            on_disk=backlog.on_disk,
        )

    def look(self) -> Look:
        """What a watchdog sees of the outbox's thread."""
        return Look(self._turns, frozen_s=DISK_S if self._backlog.busy else LATE_S)

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has every event.

        Returns:
            False when it does not have them within `timeout` seconds, or cannot be reached.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._client.connected:
            self._idle.clear()  # set by a turn of the loop that began after this
            self._wake.set()
            if self._idle.wait(0.1):
                return True
        return False

    def _clock_us(self) -> int:
        """The wall clock as read at the start, plus the time since. Setting the clock makes no event old."""
        return self._wall_us + int((time.monotonic() - self._started) * 1e6)

    def _run(self) -> None:
        while not self._closing:
            # A lone event is committed at once; those that follow within the interval share a commit.
            if self._added:
                until = self._committed_at + COMMIT_S - time.monotonic()
            else:
                until = RESTING_S if self._resting else COMMIT_S
            self._wake.wait(max(0.0, until))
            self._wake.clear()
            self._turns += 1
            try:
                self._turn(time.monotonic())
            except Exception:  # a bug must not end delivery for good
                log.exception("outbox: a turn failed")
                time.sleep(1.0)
        self._sender.end(time.monotonic())
        self._commit()
        self._commit()  # the first commit may have added a gap event

    def _turn(self, now: float) -> None:
        if self._sender.renew(now):
            self._sender.replay(self._acknowledgements.first_to_send())
        self._sender.take_answers(now)
        self._acknowledgements.take_in(now, self._added.number)
        self._acknowledgements.check_progress(now, connected=self._client.connected)
        added = bool(self._added)
        if now - (self._committed_at if added else self._tidied_at) >= COMMIT_S:
            self._tidied_at = now
            self._committed_at = now if added else self._committed_at
            self._commit()
        for missing in self._sender.send(now):
            self._leave_gap(missing)
        if self._resting and self._client.connected:
            self._idle.set()

    @property
    def _resting(self) -> bool:
        """Whether nothing waits to be written or sent."""
        return not self._added and self._sender.resting

    def _commit(self) -> None:
        """Write the added events, and give up those for which there is no room."""
        added = self._added.all()
        rows = self._backlog.write(
            [
                (event.boot or "", event.number or 0, at_us, event.camera, messages.encode(event))
                for at_us, event, _ in added.events
            ],
            added.days,
            {
                index: (key_of(event.session, event.snapshot), _made(jpeg))
                for index, (_, event, jpeg) in enumerate(added.events)
                if event.type == "alert" and event.snapshot is not None
            },
        )
        self._sender.reserve.make_room(self._clock_us())
        self._backlog.dropped += added.lost
        for missing in added.gaps + self._backlog.make_room(self._clock_us()):
            self._leave_gap(missing)
        self._sender.queue(rows)

    def _leave_gap(self, missing: Missing) -> None:
        log.warning(
            "outbox: %d events (%d to %d) were given up: no room, too old, or too large for the broker",
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


def _made(jpeg: Jpeg) -> bytes | None:
    """A picture, which may have to be made now."""
    if not callable(jpeg):
        return jpeg
    try:
        return jpeg()
    except Exception:  # the alert is worth more
        log.exception("outbox: the picture of an alert could not be made")
        return None
