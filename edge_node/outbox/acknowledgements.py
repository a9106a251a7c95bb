"""Acknowledgements: forgets events that every archive has stored, and sends archives again what they lack."""

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
"""Events sent again to an archive that does not answer, in case the first sending got lost."""


class Acknowledgements:
    """What archives say, and what follows from it. For one thread, except for `note`.

    Args:
        node: The node whose events are acknowledged.
        backlog: Holds the events and knows the archives.
        resend: Sends events again.
        archive_us: An archive that did not speak for this long counts no more, microseconds.
        clock_us: Wall clock, microseconds UTC.
        replay: Sends the events held again, from an id on.
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
        """Keep an acknowledgement for `take_in`; an empty one says that the archive is no more.

        Raises:
            MessageError: It breaks the contract, or names another node or archive than its topic does.
        """
        name = received.topic.rpartition("/")[2]
        ack = None
        if received.payload:
            ack = decode(Ack, received.payload)
            if (ack.node, ack.archive) != (self._node, name):
                raise MessageError(f"an acknowledgement of {ack.archive!r} for {ack.node!r}")
            # A retained one says when the archive was last there; any other says that it is there now.
            at_us = min(ack.published_us, self._clock_us()) if received.retain else self._clock_us()
            ack = dataclasses.replace(ack, published_us=at_us)
        self._noted.append((name, ack))

    def take_in(self, now: float, newest: int) -> None:
        """Forget the events that every archive has stored, by the acknowledgements noted.

        Args:
            now: Monotonic seconds.
            newest: The highest number given to an event so far.
        """
        while self._noted:
            name, ack = self._noted.popleft()
            if ack is not None:
                self._hear(ack, now, newest)
            elif self._backlog.archives.forget(name):
                self._go_on_without(name, "was taken off the broker")

    def check_progress(self, now: float, *, connected: bool) -> None:
        """Count archives no more that are gone, and send those that are stalled what they lack.

        Args:
            now: Monotonic seconds.
            connected: Whether there is a connection to send on.
        """
        backlog = self._backlog
        for gone in backlog.archives.expire(self._clock_us() - self._archive_us):
            self._go_on_without(gone.name, f"was not heard of for {self._archive_us / 3.6e9:g} h")
        for archive in backlog.archives:
            if not backlog.count or not connected:
                archive.wait(now, backlog.last_id)
            elif archive.state is State.RETURNED:
                self._welcome(archive, now)
            elif now - archive.since > archive.wait_s:
                self._check(archive, now)

    def first_to_send(self) -> int:
        """Id of the oldest event that an archive lacks. An archive that was silent gets its part later."""
        archives = self._backlog.archives
        there = [one for one in archives if one.state in (State.ANSWERING, State.WAITING)]
        firsts = [self._backlog.first_beyond(archive.marks) for archive in there]
        everybody = self._backlog.last_id + 1 if archives else 1
        return min((first for first in firsts if first is not None), default=everybody)

    def _hear(self, ack: Ack, now: float, newest: int) -> None:
        archives, backlog = self._backlog.archives, self._backlog
        if ack.published_us < self._clock_us() - self._archive_us:
            return  # of an archive that has been gone for too long
        known = len(archives)
        archive = archives.hear(ack.archive, ack.published_us, ack.session)
        if archive is None:
            if self._once("archives"):
                log.error("outbox: archive %s does not count: %d others do already", ack.archive, known)
            return
        if len(archives) > known:
            log.info("outbox: archive %s stores events; none is deleted before it has it", ack.archive)
            archive.wait(now, backlog.last_id)
        # Nobody has stored what was not made yet.
        number = min(ack.number, newest) if ack.boot == backlog.boot else ack.number
        if archives.mark(archive, ack.boot, number, {backlog.boot, *backlog.boots()}):
            archive.wait(now, backlog.last_id, archives.patience.first_s)
            backlog.remove_through(ack.boot, archives.stored(ack.boot))

    def _go_on_without(self, archive: str, reason: str) -> None:
        """Forget the events that the other archives have stored."""
        backlog = self._backlog
        log.warning("outbox: archive %s %s; events are not kept for it any longer", archive, reason)
        for boot in backlog.boots() if backlog.archives else ():
            backlog.remove_through(boot, backlog.archives.stored(boot))
        if not backlog.archives:
            log.warning("outbox: no archive any more; events are deleted when the broker has them")
            self._replay(1)

    def _welcome(self, archive: Archive, now: float) -> None:
        """Send an archive that returned all that it lacks."""
        first = self._backlog.first_beyond(archive.marks)
        if first is None:
            archive.state = State.ANSWERING
            archive.wait(now, self._backlog.last_id)
        else:
            self._send_again(archive, first, now)

    def _check(self, archive: Archive, now: float) -> None:
        """Send an archive again what it lacks, if it is stalled."""
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
