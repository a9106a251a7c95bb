"""A worker: receives events, stores them in batches, and leads if no other worker does."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from shared.channel import Channel, Closed
from shared.errors import BrokerError, MessageError
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.watchdog import Look
from shared.wire import topics
from shared.wire.messages import decode_event, now_us
from viewer_server.archive.acks import Acks
from viewer_server.archive.config import ArchiveConfig
from viewer_server.archive.database import Connection, Place, connect
from viewer_server.archive.leader import Leader
from viewer_server.archive.rows import Row, row
from viewer_server.archive.silence import Silence
from viewer_server.archive.store import Store
from viewer_server.archive.troubles import Troubles

log = logging.getLogger("darner.archive")

WAITING, WAITING_BYTES = 20_000, 64_000_000
"""Messages, and their bytes, that wait to be stored. Beyond them the oldest go: nodes send them again."""
GATHER_S = 0.05
"""How long events gather for one transaction, seconds."""
IDLE_S = 0.25
TELL_S = 60.0
LOOK_AGAIN_S = 60.0
END_S = 2.0


class Worker:
    """One worker; `with` starts and ends its threads.

    Args:
        config: The archive's configuration.
        at: The database.
        archive: The archive's name.
        on_refused: Called when the broker refuses our credentials or certificate.
        clock: Seconds, monotonic.

    Attributes:
        store: Writes to the database.
        leader: Speaks for all workers, if this one may.
    """

    def __init__(
        self,
        config: ArchiveConfig,
        at: Place,
        archive: str,
        on_refused: Callable[[BrokerError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._prefix, self._at = config.archive, config.mqtt.prefix, at
        self._group = config.archive.group or archive
        self._clock = clock
        self._waiting: Channel[Received] = Channel(
            WAITING, room=WAITING_BYTES, size=lambda one: len(one.payload)
        )
        self._client = Client(
            config.mqtt, name="darner-archive", on_refused=on_refused, sink=self._waiting.put_newest
        )
        acks = Acks(self._client, self._prefix, archive, 2 * config.archive.nodes)
        self._troubles = Troubles(at)
        self.leader = Leader(at, config.archive, acks, self._troubles, clock)
        self.store = Store(config.archive.nodes)
        self._subscribed, self._receives = "", False
        self._once = Once()
        self._silence = Silence(clock)
        self._broken = self._unnumbered = 0
        self._turns = 0
        self._told_s = self._looked_s = clock()
        self._stopping = threading.Event()
        self._stack = ExitStack()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def __enter__(self) -> Worker:
        self._stack.enter_context(self._client)
        self._stack.enter_context(self.leader)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._waiting.close()
        self._thread.join(END_S)
        self._stack.close()

    @property
    def alive(self) -> bool:
        """Whether its threads run; a fault of ours may have ended one."""
        return self._thread.is_alive() and self.leader.alive

    def look(self) -> Look:
        """What a watchdog sees of the thread that stores.

        It is never frozen: somebody may lock the tables for an hour, and to start again would not help.
        """
        return Look(self._turns, frozen_s=math.inf)

    def look_at_network(self) -> Look:
        """What a watchdog sees of the connection to the broker."""
        return self._client.look()

    def _run(self) -> None:
        rows: list[Row] = []
        while True:
            try:
                with connect(self._at) as db:
                    self.store.open(db)
                    self._serve(db, rows)
                    return
            except psycopg.Error as error:
                self._troubles.say("worker", error)
            self._turns += 1
            self._subscribe("")  # so that other workers get what this one could not store
            if self._stopping.wait(1.0):
                return

    def _serve(self, db: Connection, rows: list[Row]) -> None:
        """Store what comes until the end.

        Args:
            db: The database.
            rows: What an earlier connection has not stored. It is empty whenever everything is committed.
        """
        while True:
            self._turns += 1
            if rows:
                self.store.write(db, rows)
                rows.clear()
                self.leader.wake.set()
            self._troubles.over("worker")
            self._subscribe(self._wanted())
            self._tell()
            if self.leader.heard:
                self._silence.heard()
            elif self._receives and self.leader.leads:
                self._silence.look(self._subscribed)
            if self._clock() >= self._looked_s + LOOK_AGAIN_S:
                self._looked_s = self._clock()
                self.store.look_again(db)
            try:
                taken = self._waiting.take(self._settings.batch, IDLE_S, GATHER_S)
            except TimeoutError:
                continue
            except Closed:
                return
            self._silence.heard()
            rows.extend(one for received in taken if (one := self._read(received)) is not None)

    def _wanted(self) -> str:
        """The topic filter that this worker should have now; empty for none."""
        if self._stopping.is_set():
            return ""
        plain = topics.EVENTS.filter(self._prefix)
        shared = self._settings.shared
        if shared == "true" or (shared == "auto" and self._client.shares):
            return f"$share/{self._group}/{plain}"
        return plain if self.leader.leads else ""

    def _subscribe(self, wanted: str) -> None:
        if wanted == self._subscribed:
            if wanted and not self._receives and self._client.subscribed:
                self._receives = True
                how = f"by the shared subscription {self._group}" if wanted.startswith("$share") else "alone"
                log.info("receives events %s", how)
            return
        if wanted and not self._client.connected:
            return
        if self._subscribed:
            self._client.unsubscribe(self._subscribed)
        if wanted:
            self._client.subscribe(wanted, 1)
        self._subscribed, self._receives = wanted, False

    def _read(self, received: Received) -> Row | None:
        """The row of a message; None for one that breaks the contract, which is counted and skipped."""
        if not received.payload:
            return None
        try:
            found = topics.match(self._prefix, received.topic)
            if found is None or found[0] is not topics.EVENTS:
                raise MessageError("no topic of events")
            event, known = decode_event(received.payload)
            for name, value in found[1].items():
                if getattr(event, name) != value:
                    raise MessageError(f"the topic says {name} {value}, the event {getattr(event, name)}")
            if not known and self._once(f"newer {event.node}"):
                log.warning(
                    "%r: a %s event has more in it than this version knows; it is stored as it came; update "
                    "the archive (said once for this node)",
                    received.topic,
                    event.type,
                )
            one = row(event, now_us(), None if known else received.payload)
        except MessageError as error:
            self._broken += 1
            if self._once(received.topic):
                log.warning("%r: skipped an event: %s (said once for this topic)", received.topic, error)
            return None
        except Exception:  # a fault of ours must cost one event, not the archive
            self._broken += 1
            if self._once("fault"):
                log.exception("an event on %r was skipped through a fault in the archive", received.topic)
            return None
        if one is None:
            self._unnumbered += 1
            if self._once("unnumbered"):
                log.warning(
                    "%r: an event has no boot and number, so it cannot be stored (said once)", received.topic
                )
        return one

    def _tell(self) -> None:
        """Say once a minute what was done, if anything was."""
        now = self._clock()
        if now < self._told_s + TELL_S:
            return
        took_s, self._told_s = now - self._told_s, now
        counts = self.store.counts
        self.store.counts = type(counts)()
        lost = self._waiting.dropped.total()
        if counts.batches or counts.refused or counts.no_room:
            log.info(
                "in %.0f s: %d events stored, %d repeated, %d refused, %d without room; in all %d broken, "
                "%d dropped for want of time, %d deleted, %d given up",
                took_s,
                counts.stored,
                counts.repeated,
                counts.refused,
                counts.no_room,
                self._broken + self._unnumbered,
                lost,
                self.leader.pruner.pruned,
                self.leader.marks.holes,
            )
