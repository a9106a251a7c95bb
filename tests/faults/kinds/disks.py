"""Faults of disks: the outbox's or the viewer's takes not a byte more."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.kinds.changes import accepted, refused
from tests.faults.processes import wait_for
from tests.faults.system import START_WITHIN_S, System

WAL_BYTES = 150_000
"""The limit on files that stands for a full disk: less than the outbox's write-ahead log needs."""


@contextmanager
def disk_full(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001 - as every fault
    """Leave the outbox's disk no byte. The first time the broker is away as well, so that events wait."""
    if os.path.ismount(system.disk):
        filler = system.disk / "filler"
        with filler.open("wb", buffering=0) as file:
            while _written(file.fileno()):
                continue

        def free() -> None:
            filler.unlink()
    else:
        (edge, *_) = system.edge.victims()
        before = resource.prlimit(edge.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(edge.pid, resource.RLIMIT_FSIZE, (WAL_BYTES, before[1]))

        def free() -> None:
            if edge.is_running():
                resource.prlimit(edge.pid, resource.RLIMIT_FSIZE, before)

    says = "wait in memory until it can be written"
    said = system.edge.log.count(says)
    try:
        wait_for(lambda: system.edge.log.count(says) > said, 10, "the disk is full")
        if not system.broker.kills:
            system.broker.kill()
            time.sleep(3.0)
            system.broker.start()
        yield
    finally:
        free()


def _written(descriptor: int) -> bool:
    try:
        return os.write(descriptor, bytes(4096)) > 0
    except OSError:
        return False


@contextmanager
def viewer_disk_full(system: System, dice: random.Random) -> Iterator[None]:  # noqa: ARG001 - as every fault
    """Let the viewer's files grow no more: neither the history nor the alerts can be written."""
    assert system.receivers is not None
    began_s = time.time()
    victims = [(one, resource.prlimit(one.pid, resource.RLIMIT_FSIZE)) for one in system.viewer.victims()]
    for one, (_, hard) in victims:
        resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (WAL_BYTES, hard))
    try:
        wait_for(lambda: "history: " in system.viewer.log, 20, "the viewer's disk is full")
        yield
    finally:
        for one, before in victims:
            if one.is_running():  # a process for Apprise has ended
                resource.prlimit(one.pid, resource.RLIMIT_FSIZE, before)
        system.receivers.dark.append((began_s, time.time()))


@contextmanager
def changes_refused(system: System, dice: random.Random) -> Iterator[None]:
    """Change calendar, rules and mode while the disk is full, and once it has room again."""
    with disk_full(system, dice):
        wait_for(system.flowing_since(time.time()), START_WITHIN_S, "frames and events flow on a full disk")
        refused(system)
        yield
    accepted(system)
