"""Every night: what a camera's node has collected makes its model better, or the model stays as it is."""

from __future__ import annotations

import fcntl
import os
import threading
import time as clocks
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, time, timedelta, tzinfo

from optimization.training.nightly import record
from optimization.training.nightly.night import Watched, night
from optimization.training.nightly.record import Night
from optimization.training.nightly.when import LATE, next_time
from shared.errors import ConfigError, DarnerError
from shared.files import open_lock

_LOOK_S = 20.0
"""How often the clock is looked at, which may be set and stands still while the machine sleeps."""
Say = Callable[[str], None]
Work = Callable[[Watched, threading.Event], Night]


@contextmanager
def locked(watched: Watched) -> Iterator[None]:
    """Be the only one who watches this folder, and the only one who writes this model.

    Raises:
        ConfigError: Somebody else does, or there is no such folder.
    """
    with ExitStack() as stack:
        folder, out = watched.collected, watched.out
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            file = stack.enter_context(open_lock(out.with_name(f".{out.name}.lock")))
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another adapt --watch is at --collected {folder} or --out {out}; end that one first"
            ) from None
        except OSError as error:
            raise ConfigError(f"{error.filename or folder}: cannot be used ({error.strerror})") from None
        yield


def watch(
    watched: Watched,
    at: time,
    stop: threading.Event,
    *,
    say: Say = print,
    work: Work = night,
    clock: Callable[[], float] = clocks.time,
    wait: Callable[[float], bool] | None = None,
    zone: tzinfo | None = None,
) -> None:
    """Work every night until `stop` is set.

    Args:
        watched: What to adapt.
        at: When, in local time.
        stop: Ends it.
        say: Is told what comes of each night.
        work: Does one night's work.
        clock: Seconds since 1970.
        wait: Waits so many seconds; whether `stop` was set meanwhile.
        zone: The local time zone; None: the system's.
    """
    wait = wait or stop.wait
    done = None
    with suppress(DarnerError):
        began = record.read(watched.out)[0].began()
        done = began.astimezone(zone).date() if began else None

    def now() -> datetime:
        return datetime.fromtimestamp(clock()).astimezone(zone)

    due = next_time(at, now(), done, zone)
    say(f"{watched.out}: the next night begins at {due:%Y-%m-%d %H:%M}")
    while not stop.is_set():
        left = (due - now()).total_seconds()
        if left > 0:
            if wait(min(left, _LOOK_S)):
                return
            if now() < due:  # the clock may have been set back
                due = min(due, next_time(at, now(), done, zone))
            continue
        if -left > LATE.total_seconds():
            say(f"the night of {due.date()} is left out: the machine slept, or its clock was set")
        else:
            report(work(watched, stop), say)
            done = due.date()
        due = next_time(at, now() + timedelta(seconds=1), done, zone)


def report(found: Night, say: Say) -> None:
    """Say what came of a night."""
    say(f"{found.at}: {found.verdict}: {found.why}")
    if found.node is not None:
        say(found.node)
