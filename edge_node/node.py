"""One run of an edge node, from the first connection to the farewell."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from edge_node import interpreter
from edge_node.assets.models import AUTO
from edge_node.config import profiles
from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.control.last_words import end_frozen
from edge_node.control.restart import Restart
from edge_node.incoming import Incoming
from edge_node.models import auto
from edge_node.parts import Parts
from shared import log as logs
from shared.definitions.problems import all_problems
from shared.errors import BrokerError
from shared.files import at_home
from shared.service.notify import Notifier
from shared.service.watchdog import Look, Stage, Watchdog
from shared.signals import end_with_stacks, stacks_after, stop_on_signals

log = logging.getLogger("darner.edge")

METRICS_EVERY_S = 5.0
STOP_WITHIN_S = 2.5
"""How long the stages may take to stop. A whole stop may take 5 s; the other half is for the farewell."""
END_WITHIN_S = 8.0
"""How long a stop may take if something hangs; then the process ends anyhow. Docker kills after 10 s."""
AGAIN = -1
"""What `run` returns when the node is to be started again: its cameras have changed."""
WAITS = "waits for its first camera, from the viewer's page Cameras or cameras.set"
"""What a node without cameras says."""
STUCK_S = 1.0
"""How long a node that has failed waits for threads that hang; then the process ends anyhow."""


def run(read: Callable[[], EdgeConfig], store: CameraStore | None = None) -> int:
    """Run until the sources end or a signal comes; the process's exit code, or `AGAIN`.

    Args:
        read: Reads the configuration, now and at every reload.
        store: The cameras that were saved over MQTT; None: cameras cannot be changed in this run.

    Raises:
        DarnerError: The first thing that went wrong and cannot be retried.
    """
    config = read()
    logs.setup(config.log_level, config.log_format)
    interpreter.share()
    hangup = threading.Event()
    in_terminal = sys.stdin is not None and sys.stdin.isatty()  # where SIGHUP means that the user has gone
    supervisor = Notifier()
    signalled = threading.Event()
    listening = stop_on_signals(None if in_terminal else hangup, within_s=END_WITHIN_S, signalled=signalled)
    with listening as stop, Node(read, config, stop, supervisor, store) as node:
        interpreter.settle()
        node.start()
        does = f"watches {', '.join(config.cameras)}" if config.cameras else WAITS
        supervisor.ready(f"node {config.node} {does}")
        node.report_until_done(hangup)
        if node.restart.begun:
            supervisor.status("starting again with changed cameras")
        else:
            supervisor.stopping()
        stacks_after(END_WITHIN_S)  # also where no signal has begun the stop
        stuck = node.finish()
    if node.error is not None:
        if stuck:
            # The interpreter waits for these threads when it ends.
            log.warning("these threads did not end within %.1f s: %s", STOP_WITHIN_S, ", ".join(stuck))
            stacks_after(STUCK_S)
        raise node.error
    if node.restart.begun and not signalled.is_set():
        log.info("starting again with changed cameras")
        return AGAIN
    log.info("stopped")
    if stuck:
        # A thread that hangs in a camera's driver would keep the interpreter from ending.
        log.warning("these threads did not end within %.1f s: %s", STOP_WITHIN_S, ", ".join(stuck))
        logging.shutdown()
        if node.hung:
            end_with_stacks(1)
        os._exit(0)
    return 0


class Node:
    """One run of an edge node, from the first connection to the farewell.

    `with` checks the name and builds the parts. Then call `start`, `report_until_done` and `finish`, once
    each and in this order.

    Args:
        read: Reads the configuration again.
        config: The configuration to start with.
        stop: Set by anybody to end the run; the node sets it when the broker or another node refuses it.
        supervisor: Is told how the node is.
        store: The cameras that were saved over MQTT; None: cameras cannot be changed.

    Attributes:
        restart: Whether the node stops in order to start again with changed cameras.
        hung: After `finish`, the stages that stood still with work to do, other than cameras.

    Raises:
        DarnerError: On entering: something that cannot be retried.
    """

    def __init__(
        self,
        read: Callable[[], EdgeConfig],
        config: EdgeConfig,
        stop: threading.Event,
        supervisor: Notifier,
        store: CameraStore | None = None,
    ) -> None:
        self._config, self._stop, self._supervisor = config, stop, supervisor
        self._read, self._store = read, store
        self._parts = Parts(config, stop, self._on_refused)
        self.restart = Restart(stop)
        self._turns = 0
        self._online = False
        self._finishing = False
        self.hung: list[str] = []
        self._refused: list[BrokerError] = []
        self._stack = ExitStack()

    def __enter__(self) -> Node:
        with ExitStack() as stack:
            parts = stack.enter_context(self._parts)
            self._incoming = Incoming(
                parts, self._read, self._config, self._store, self._on_refused, self.restart.ask
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # stages left running would keep the process from ending
            self._stop.set()
            self._parts.client.hurry()
            self._parts.pipeline.join(STOP_WITHIN_S)
        self._stack.__exit__(kind, error, trace)

    @property
    def error(self) -> BaseException | None:
        """What ended the run, if it was an error."""
        return self._parts.pipeline.error or (self._refused[0] if self._refused else None)

    def start(self) -> None:
        """Answer commands, announce the node, and start the cameras."""
        parts, incoming = self._parts, self._incoming
        incoming.guard.subscribe()
        self._stack.enter_context(incoming.commands)
        incoming.inbox.start()
        # First, so that Home Assistant forgets what is gone before its topics are cleared.
        parts.homeassistant.announce()
        incoming.leftovers.subscribe()
        incoming.cameras.announce()
        parts.announce_calendar()
        parts.rules.tell()
        if not self._config.cameras:
            log.warning("node %s %s", self._config.node, WAITS)
            parts.publisher.state.trouble(WAITS, "cameras")
        self._announce()
        self._say_online_if_settled()
        parts.pipeline.start()
        self._watchdog = self._stack.enter_context(
            Watchdog(self._stages(), parts.late_stages.note, self._on_frozen, self._supervisor.well)
        )
        self._show()

    def report_until_done(self, hangup: threading.Event) -> None:
        """Publish metrics and touch the heartbeat file until the sources have ended or `stop` is set.

        Args:
            hangup: Set by anybody to have the configuration read again.
        """
        parts = self._parts
        heartbeat = self._config.heartbeat_file
        started = next_report = time.monotonic()
        while not self._stop.is_set() and not parts.pipeline.done.is_set():
            self._stop.wait(0.1)
            self._turns += 1
            if hangup.is_set():
                hangup.clear()
                self._incoming.reload.on_signal()
            self._incoming.guard.mend()
            self._say_online_if_settled()
            parts.publisher.state.attend(parts.publisher.newest, parts.live, parts.pipeline.paused)
            parts.homeassistant.attend()
            if parts.publisher.alerting is not None:
                parts.publisher.alerting.attend()
            parts.rules.attend()
            self.restart.attend()
            if time.monotonic() < next_report + METRICS_EVERY_S:
                continue
            next_report = time.monotonic()
            throughput, vitals = parts.pipeline.overview.metrics(), parts.monitor.read()
            parts.publisher.state.manifest.runs_with(*parts.running())
            message = parts.publisher.metrics(next_report - started, throughput, vitals)
            if parts.monitoring is not None:
                parts.monitoring.update(message)
            parts.suspects.keep()
            if heartbeat and parts.pipeline.healthy and self._watchdog.well:
                at_home(heartbeat).touch()

    def finish(self) -> list[str]:
        """Let the stages end and say farewell; return the names of the stages that did not end in time."""
        parts = self._parts
        self._finishing = True
        self._incoming.cameras.close()
        parts.health.close()
        parts.late_stages.close()
        parts.client.hurry()
        stuck = parts.pipeline.join(STOP_WITHIN_S)
        self.hung = parts.pipeline.overview.hung()
        parts.rules.close()
        if self._incoming.guard.yielded:
            parts.publisher.withdraw()
        else:
            parts.mirror.farewell()
            parts.publisher.farewell()
        return stuck

    def _say_online_if_settled(self) -> None:
        if not self._online and self._incoming.leftovers.settled():
            self._online = True
            self._parts.publisher.state.online()

    def _show(self) -> None:
        """Let monitors see the parts."""
        parts = self._parts
        if parts.monitoring is not None and parts.meter is not None:
            from edge_node.control.monitored import Shown

            parts.monitoring.begin(
                Shown(
                    client=parts.client,
                    publisher=parts.publisher,
                    pipeline=parts.pipeline,
                    watchdog=self._watchdog,
                    late=parts.late_stages,
                    definitions=parts.definitions,
                    problems=parts.health.problems,
                    meter=parts.meter,
                    running=parts.running,
                    stopping=lambda: self._stop.is_set() or self._finishing,
                )
            )

    def _stages(self) -> list[Stage]:
        return [
            *self._parts.stages(),
            *self._incoming.stages(),
            Stage("main", lambda: None if self._finishing else Look(self._turns)),
        ]

    def _on_frozen(self, reason: str) -> None:
        self._supervisor.status(reason)
        end_frozen(
            reason, self._parts.client, self._parts.publisher.state, self._config.mqtt, self._config.node
        )

    def _on_refused(self, error: BrokerError) -> None:
        self._refused.append(error)
        self._stop.set()

    def _announce(self) -> None:
        """Tell the broker and the log what runs here."""
        parts = self._parts
        config, detector = self._config, parts.detectors[0]
        model, backend, devices = parts.running()
        parts.health.announce()
        parts.publisher.state.announce(
            model,
            backend,
            devices,
            config.tracker.kind,
            parts.definitions,
            parts.suspects.offers(),
            parts.live,
            parts.pipeline.paused,
        )
        log.info(
            "node %s: %s at %dx%d on %s (%s)",
            config.node,
            model.name,
            model.input_width,
            model.input_height,
            backend,
            devices,
        )
        if config.model.name == AUTO:
            auto.suggest(parts.model, detector.run_s, config.cameras)
        if (profile := profiles.choose(config.profile)) is not None:
            log.info("profile %s", profile)
        for name, camera in config.cameras.items():
            log.info("camera %s: %s", name, describe(camera.source))
            confidence = parts.live[name].confidence
            for problem in all_problems(parts.definitions[name], detector.class_names, confidence):
                log.warning("camera %s: %s", name, problem)
        for problem in (*parts.calendar.problems(), *parts.rules.warnings()):
            log.warning("%s", problem)
