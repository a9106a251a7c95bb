"""Runs one worker in this process, or several in processes of their own."""

from __future__ import annotations

import logging
import os
import signal
import time
from functools import partial

from shared.errors import BrokerError
from shared.service.frozen import end_frozen, say_late
from shared.service.notify import Notifier
from shared.service.watchdog import Stage, Watchdog
from shared.signals import STOPS, stop_on_signals
from viewer_server.archive.config import ArchiveConfig
from viewer_server.archive.database import Place
from viewer_server.archive.worker import Worker

log = logging.getLogger("darner.archive")

STOP_S = 6.0
AGAIN_S = 1.0
"""How long after a worker has died its successor starts, seconds."""


def run(config: ArchiveConfig, at: Place, archive: str) -> int:
    """Store events until a signal arrives; the exit code."""
    notifier = Notifier()
    if config.archive.workers == 1:
        return serve(config, at, archive, notifier)
    return _Workers(config, at, archive, notifier).run()


def serve(
    config: ArchiveConfig, at: Place, archive: str, notifier: Notifier, parent: int | None = None
) -> int:
    """Run one worker in this process, until a signal arrives or `parent` is no longer its parent."""
    refusals: list[BrokerError] = []
    with stop_on_signals(within_s=STOP_S) as stop:

        def refused(error: BrokerError) -> None:
            refusals.append(error)
            stop.set()

        with Worker(config, at, archive, refused) as worker:
            stages = (
                Stage("store", worker.look),
                Stage("leader", worker.leader.look),
                Stage("mqtt", worker.look_at_network),
            )
            with Watchdog(stages, partial(say_late, log), partial(end_frozen, log), notifier.well):
                notifier.ready("stores events")
                while not stop.wait(1.0) and parent in (None, os.getppid()) and worker.alive:
                    continue
                died = not worker.alive
                notifier.stopping()
    if died:
        log.error("a thread ended through a fault in the archive, so its process ends")
        return 1
    for error in refusals[:1]:
        log.error("%s", error)
    return refusals[0].exit_code if refusals else 0


class _Workers:
    """Processes with a worker each; this process has no threads, so it may fork at any time."""

    def __init__(self, config: ArchiveConfig, at: Place, archive: str, notifier: Notifier) -> None:
        self._config, self._at, self._archive, self._notifier = config, at, archive, notifier
        self._running: set[int] = set()

    def run(self) -> int:
        """Keep the workers running until a signal comes, or one of them says that it cannot work."""
        watched = {*STOPS, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        code = 0
        try:
            for _ in range(self._config.archive.workers):
                self._start(before)
            self._notifier.ready(f"stores events with {self._config.archive.workers} workers")
            while code == 0:
                told = signal.sigtimedwait(watched, 1.0)
                if told is not None and told.si_signo in STOPS:
                    break
                code = self._look(before)
                self._notifier.well()
        finally:
            self._notifier.stopping()
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return code

    def _start(self, mask: set[int | signal.Signals]) -> None:
        parent = os.getpid()
        child = os.fork()
        if child:
            self._running.add(child)
            return
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = serve(self._config, self._at, self._archive, Notifier({}), parent)
        except Exception:
            log.exception("a worker ends")
        finally:
            os._exit(code)

    def _look(self, mask: set[int | signal.Signals]) -> int:
        """Replace workers that were killed; the exit code of one that cannot work, else 0."""
        for child in sorted(self._running):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            self._running.discard(child)
            code = os.waitstatus_to_exitcode(status)
            if code > 0:
                return code
            log.error("a worker was killed by signal %d: another one takes its place", -code)
            time.sleep(AGAIN_S)
            self._start(mask)
        return 0

    def _end(self) -> None:
        for child in self._running:
            os.kill(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S + 1
        while self._running and time.monotonic() < deadline:
            for child in sorted(self._running):
                if os.waitpid(child, os.WNOHANG)[0]:
                    self._running.discard(child)
            time.sleep(0.02)
        for child in self._running:
            os.kill(child, signal.SIGKILL)
