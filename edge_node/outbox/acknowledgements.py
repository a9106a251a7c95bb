"""What archives say that they have stored: it is forgotten here, and what one of them lacks is sent again."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Callable

from edge_node.outbox.archives import MAX_PATIENCE_S, PATIENCE_S, Archive
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.resend import Resend
from shared.errors import MessageError
from shared.log import Once
from shared.mqtt.received import Received
from shared.wire.messages import Ack, decode

log = logging.getLogger("darner.outbox")

TRIED = 20
"""Events sent again, in case it was they that got lost, to an archive that does not answer."""


class Acknowledgements:
    """For one thread, and `note` for any.

    Args:
        node: Whose events they are about.
        backlog: Holds the events and knows the archives.
        resend: What is being sent again.
        archive_us: An archive that was not heard of for so long is one no more, microseconds.
        clock_us: Wall clock, microseconds UTC.
        replay: Sends what is held again, from an id on.
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
        """Keep an archive's word on what it has stored, or an empty one, that it is no more, for `take_in`.

        Raises:
            MessageError: It breaks the contract, or is about another node or archive than its topic.
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
        """Forget what every archive has, by what was noted.

        Args:
            now: Monotonic seconds.
            newest: The highest number given to an event so far.
        """
        while self._noted:
            name, ack = self._noted.popleft()
            if ack is not None:
                self._hear(ack, now, newest)
            elif self._backlog.archives.forget(name):
                self._without(name, "was taken off the broker")

    def go_back_if_stalled(self, now: float, *, connected: bool) -> None:
        """Give up archives that are gone, and send one that makes no progress again what it lacks."""
        for gone in self._backlog.archives.expire(self._clock_us() - self._archive_us):
            self._without(gone.name, f"was not heard of for {self._archive_us / 3.6e9:g} h")
        for archive in self._backlog.archives:
            if not self._backlog.count or not connected:
                archive.wait(now, self._backlog.last_id)
            elif (archive.silent and archive.heard) or now - archive.since > archive.wait_s:
                self._look_at(archive, now)

    def first_to_send(self) -> int:
        """Id of the oldest event that is not stored; an archive that does not answer gets its part later."""
        archives = [archive for archive in self._backlog.archives if not archive.silent]
        firsts = [self._backlog.first_beyond(archive.marks) for archive in archives]
        everybody = self._backlog.last_id + 1 if self._backlog.archives else 1
        return min((first for first in firsts if first is not None), default=everybody)

    def _hear(self, ack: Ack, now: float, newest: int) -> None:
        archives, backlog = self._backlog.archives, self._backlog
        if ack.published_us < self._clock_us() - self._archive_us:
            return  # of an archive that has been gone for too long
        known = len(archives)
        archive = archives.hear(ack.archive, ack.published_us, ack.session)
        if archive is None:
            if self._once("archives"):
                log.error("outbox: archive %s is one too many (%d); it does not count", ack.archive, known)
            return
        if len(archives) > known:
            log.info("outbox: archive %s stores events; none is deleted before it has it", ack.archive)
            archive.wait(now, backlog.last_id)
        # Nobody has stored what was not made yet.
        number = min(ack.number, newest) if ack.boot == backlog.boot else ack.number
        if archives.mark(archive, ack.boot, number, {backlog.boot, *backlog.boots()}):
            archive.wait(now, backlog.last_id, PATIENCE_S)
            backlog.remove_through(ack.boot, archives.stored(ack.boot))

    def _without(self, archive: str, reason: str) -> None:
        """Go on without an archive: what only it had not stored is safe by the word of the others."""
        backlog = self._backlog
        log.warning("outbox: archive %s %s; events are not kept for it any longer", archive, reason)
        for boot in backlog.boots() if backlog.archives else ():
            backlog.remove_through(boot, backlog.archives.stored(boot))
        if not backlog.archives:
            log.warning("outbox: no archive any more; events are deleted when the broker has them")
            self._replay(1)

    def _look_at(self, archive: Archive, now: float) -> None:
        """Send an archive again what it ought to have by now."""
        first = self._backlog.first_beyond(archive.marks)
        back, archive.silent = archive.silent and archive.heard, archive.silent and not archive.heard
        if first is None or (first > archive.through and not back):
            archive.wait(now, self._backlog.last_id)
        elif archive.heard:  # where it is back, or others get what it does not: from its mark, at once
            archive.heard = False
            archive.wait(now, self._backlog.last_id, PATIENCE_S)
            self._replay(first)
        elif self._resend.done:  # it does not answer: only a few, and less often from now on
            archive.silent = True
            archive.wait(now, self._backlog.last_id, min(archive.wait_s * 2, MAX_PATIENCE_S))
            self._replay(first)
            self._resend.only(TRIED)
