"""SIGTERM, SIGINT and SIGHUP as events, so that a program can finish what it is doing.

Python runs a signal's handler in the main thread, wherever that thread happens to be, perhaps while it holds
a lock. A handler that takes the same lock waits for ever: `Event.set()` does that when the main thread is
inside `Event.wait()`. Here the interpreter's own C code writes the signal's number to a pipe, the handlers do
nothing, and a thread reads the pipe. So a signal is also noticed while the main thread is stuck.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("darner.signals")

STOPS = (signal.SIGTERM, signal.SIGINT)
SAME_S = 0.2
"""Seconds in which further stop signals count as the first: Ctrl-C reaches a whole group of processes, and a
launcher in the group may pass it on."""
GRACE_S = 1.0
"""How much later the interpreter's C code ends a process whose Python threads cannot."""


@contextmanager
def stop_on_signals(
    hangup: threading.Event | None = None,
    *,
    within_s: float | None = None,
    at_once: Callable[[], None] = lambda: None,
    signalled: threading.Event | None = None,
) -> Iterator[threading.Event]:
    """An event that is set by the first SIGINT or SIGTERM; afterwards the old handlers are back.

    A second one ends the process at once; the exit code is 128 plus the signal's number. Use it in the main
    thread: Python installs signal handlers in no other.

    Args:
        hangup: Set by SIGHUP, which is left alone without it.
        within_s: Seconds that the block may take after the first signal. Then the stacks of all threads are
            written to standard error, and the process ends with exit code 1.
        at_once: Called before a second signal ends the process, such as to kill child processes.
        signalled: Set by the first SIGINT or SIGTERM; the yielded event may be set by others, too.
    """
    stop = threading.Event()
    numbers = (*STOPS, signal.SIGHUP) if hangup is not None else STOPS
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    # The pipe comes first: a handler that does nothing would lose a signal that no pipe passes on.
    descriptor = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    # A handler must not take a lock. These do nothing, but Python writes a signal to the pipe only if the
    # signal has a handler.
    before = {number: signal.signal(number, _nothing) for number in numbers}
    listener = threading.Thread(
        target=_listen,
        args=(told, (stop, signalled or stop), hangup, within_s, at_once),
        name="signals",
        daemon=True,
    )
    listener.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(tell)  # the listener reads to the end
        listener.join()
        os.close(told)


@contextmanager
def interrupt_on_sigterm() -> Iterator[None]:
    """SIGTERM raises `KeyboardInterrupt` in the main thread, as SIGINT does.

    For commands whose work is in the main thread, and which need not end in an orderly way: the exception
    may come anywhere.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _nothing(*_: object) -> None:
    pass


def _listen(
    told: int,
    stops: tuple[threading.Event, ...],
    hangup: threading.Event | None,
    within_s: float | None,
    at_once: Callable[[], None],
) -> None:
    first: float | None = None
    while True:
        left = None if first is None or within_s is None else first + within_s - time.monotonic()
        if not select.select([told], [], [], left if left is None else max(0.0, left))[0]:
            log.error("did not stop within %.0f s of the signal: this is where the threads are", within_s)
            end_with_stacks(1)
        numbers = os.read(told, 64)
        if not numbers:
            break
        for number in numbers:
            if number == signal.SIGHUP and hangup is not None:
                hangup.set()
            elif number not in STOPS:
                continue
            elif first is None:
                first = time.monotonic()
                for stop in stops:
                    stop.set()
                if within_s is not None:
                    stacks_after(within_s + GRACE_S)
            elif time.monotonic() - first > SAME_S:
                try:
                    at_once()
                finally:
                    os._exit(128 + number)
    if within_s is not None:
        faulthandler.cancel_dump_traceback_later()


def stacks_after(seconds: float) -> None:
    """In `seconds`, write all threads' stacks to standard error and end the process with exit code 1.

    C code does it, so it happens even if no Python code can run. A later call takes the place of this one.
    """
    with _no_descriptor():
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)


def end_with_stacks(code: int) -> None:
    """Write all threads' stacks to standard error and end the process, whatever its threads wait for."""
    with _no_descriptor():
        faulthandler.dump_traceback(all_threads=True, file=sys.__stderr__ or sys.stderr)
    os._exit(code)


def _no_descriptor() -> contextlib.suppress:
    """A program without standard error has nowhere to write stacks to."""
    return contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError)
