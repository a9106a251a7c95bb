"""Acknowledgements: forget events that every archive has stored, and send again what an archive lacks."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Callable

from edge_node.outbox.archives import Archive, State
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.resend import Resend
from shared.errors import MessageError
from shared.log import Once
from shared.mqtt.received import Received
from shared.wire.messages import Ack, decode

log = logging.getLogger("darner.outbox")

TRIED = 20
"""How many events are sent again to a silent archive, in case the first sending was lost."""


class Acknowledgements:
    """Acts on what archives say. For one thread, except for `note`.

    Args:
        node: The node whose events are acknowledged.
        backlog: Holds the events and knows the archives.
        resend: Sends events again.
        archive_us: How long an archive may stay silent and still count, microseconds.
        clock_us: Wall clock, microseconds UTC.
        replay: Sends the events held again, starting at an id.
    """

    def __init__(
        self,
        node: str,
        backlog: Backlog,
        resend: Resend,
        archive_us: int,
        clock_us: Callable[[], int],
        replay: Callable[[int], None],
    ) -> None:
        self._node, self._backlog, self._resend = node, backlog, resend
        self._archive_us, self._clock_us, self._replay = archive_us, clock_us, replay
        self._noted: deque[tuple[str, Ack | None]] = deque()
        self._once = Once()

    def note(self, received: Received) -> None:
        """Keep an acknowledgement for `take_in`. An empty one means that the archive was removed.

        Raises:
            MessageError: It breaks the contract, or its node or archive is not the one in its topic.
        """
        name = received.topic.rpartition("/")[2]
        ack = None
        if received.payload:
            ack = decode(Ack, received.payload)
            if (ack.node, ack.archive) != (self._node, name):
                raise MessageError(f"its archive {ack.archive!r} or node {ack.node!r} is not its topic's")
            # A retained acknowledgement may be old; any other shows that the archive is there now.
            at_us = min(ack.published_us, self._clock_us()) if received.retain else self._clock_us()
            ack = dataclasses.replace(ack, published_us=at_us)
        self._noted.append((name, ack))

    def take_in(self, now: float, newest: int) -> None:
        """Process the acknowledgements noted, and forget the events that every archive has stored.

        Args:
            now: Monotonic seconds.
            newest: The highest number given to an event so far.
        """
        while self._noted:
            name, ack = self._noted.popleft()
            if ack is not None:
                self._hear(ack, now, newest)
            elif self._backlog.archives.forget(name):
                self._go_on_without(name, "was removed from the broker")

    def check_progress(self, now: float, *, connected: bool) -> None:
        """Stop counting archives that are gone, and send stalled archives what they lack.

        Args:
            now: Monotonic seconds.
            connected: Whether there is a connection to send on.
        """
        backlog = self._backlog
        for gone in backlog.archives.expire(self._clock_us() - self._archive_us):
            self._go_on_without(gone.name, f"has not spoken for {self._archive_us / 3.6e9:g} h")
        for archive in backlog.archives:
            if not backlog.count or not connected:
                archive.wait(now, backlog.last_id)
            elif archive.state is State.RETURNED:
                self._welcome(archive, now)
            elif now - archive.since > archive.wait_s:
                self._check(archive, now)

    def first_to_send(self) -> int:
        """Id of the oldest event that an archive lacks. Archives that were silent are served later."""
        archives = self._backlog.archives
        there = [one for one in archives if one.state in (State.ANSWERING, State.WAITING)]
        firsts = [self._backlog.first_beyond(archive.marks) for archive in there]
        everybody = self._backlog.last_id + 1 if archives else 1
        return min((first for first in firsts if first is not None), default=everybody)

    def _hear(self, ack: Ack, now: float, newest: int) -> None:
        archives, backlog = self._backlog.archives, self._backlog
        if ack.published_us < self._clock_us() - self._archive_us:
            return  # the archive has been gone for too long
        known = len(archives)
        archive = archives.hear(ack.archive, ack.published_us, ack.session)
        if archive is None:
            if self._once("archives"):
                log.error(
                    "outbox: archive %s is ignored: %d others, the most allowed, count already; "
                    "clear the retained /ack of one that is gone",
                    ack.archive,
                    known,
                )
            return
        if len(archives) > known:
            log.info("outbox: archive %s stores events; each is kept until it has stored it", ack.archive)
            archive.wait(now, backlog.last_id)
        # No archive can have stored an event that was not made yet.
        number = min(ack.number, newest) if ack.boot == backlog.boot else ack.number
        if archives.mark(archive, ack.boot, number, {backlog.boot, *backlog.boots()}):
            archive.wait(now, backlog.last_id, archives.patience.first_s)
            backlog.remove_through(ack.boot, archives.stored(ack.boot))

    def _go_on_without(self, archive: str, reason: str) -> None:
        """Forget the events that the other archives have stored."""
        backlog = self._backlog
        log.warning("outbox: archive %s %s; events are no longer kept for it", archive, reason)
        for boot in backlog.boots() if backlog.archives else ():
            backlog.remove_through(boot, backlog.archives.stored(boot))
        if not backlog.archives:
            log.warning("outbox: no archive is left; events are deleted when the broker has them")
            self._replay(1)

    def _welcome(self, archive: Archive, now: float) -> None:
        """Send a returned archive everything that it lacks."""
        first = self._backlog.first_beyond(archive.marks)
        if first is None:
            archive.state = State.ANSWERING
            archive.wait(now, self._backlog.last_id)
        else:
            self._send_again(archive, first, now)

    def _check(self, archive: Archive, now: float) -> None:
        """If an archive is stalled, send it again what it lacks."""
        first, patience = self._backlog.first_beyond(archive.marks), self._backlog.archives.patience
        if first is None or first > archive.through:
            archive.wait(now, self._backlog.last_id)
        elif archive.state is State.ANSWERING:
            self._send_again(archive, first, now)
        elif self._resend.done:
            archive.state = State.SILENT
            archive.wait(now, self._backlog.last_id, min(archive.wait_s * 2, patience.most_s))
            self._replay(first)
            self._resend.only(TRIED)

    def _send_again(self, archive: Archive, first: int, now: float) -> None:
        archive.state = State.WAITING
        archive.wait(now, self._backlog.last_id, self._backlog.archives.patience.first_s)
        self._replay(first)
