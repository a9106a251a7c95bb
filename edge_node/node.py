"""One run of an edge node: its parts, wired to each other, from the first connection to the farewell."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_node import interpreter
from edge_node.analytics.problems import all_problems
from edge_node.analytics.watch import Analysed
from edge_node.assets.models import AUTO
from edge_node.collect.collector import Collector
from edge_node.collect.keeper import Source
from edge_node.collect.looks import SecondLook
from edge_node.config import profiles
from edge_node.config.changes import with_definitions
from edge_node.config.definitions import DefinitionStore
from edge_node.config.live import LiveStore
from edge_node.config.remote import CameraStore, zones_path
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.control.cameras import CameraCommands
from edge_node.control.commands import Commands
from edge_node.control.handlers import Control
from edge_node.control.identity import NameGuard, check_name
from edge_node.control.inbox import Inbox
from edge_node.control.last_words import end_frozen
from edge_node.control.late_stages import LateStages
from edge_node.control.leftovers import Leftovers
from edge_node.control.model import ModelFiles, about, hashes
from edge_node.control.reload import Reload
from edge_node.detect.devices import on_devices
from edge_node.detect.stages import Detect
from edge_node.ignore.rules import Rules
from edge_node.ignore.store import SuspectStore
from edge_node.machine.vitals import Monitor
from edge_node.mirror.mirror import Mirror
from edge_node.models import auto
from edge_node.monitoring.meter import Meter
from edge_node.outbox.outbox import Outbox
from edge_node.pipeline import Pipeline
from edge_node.publish.bundle import Bundles
from edge_node.publish.compose import Composer, new_session
from edge_node.publish.homeassistant.announcing import HomeAssistant
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import log as logs
from shared.collected import Seeing
from shared.errors import BrokerError
from shared.files import at_home
from shared.limits import LABEL_LENGTH, clipped
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.notify import Notifier
from shared.service.watchdog import Look, Stage, Watchdog
from shared.signals import end_with_stacks, stacks_after, stop_on_signals
from shared.wire import messages, topics
from shared.wire.messages import ModelInfo

if TYPE_CHECKING:
    from edge_node.control.monitored import Monitoring

log = logging.getLogger("darner.edge")

METRICS_EVERY_S = 5.0
STOP_WITHIN_S = 2.5
"""How long the stages may take to stop. A whole stop may take 5 s; the other half is for the farewell."""
END_WITHIN_S = 8.0
"""How long a stop may take if something hangs; then the process ends anyhow. Docker kills after 10 s."""
AGAIN = -1
"""What `run` returns when the node is to be started again: its cameras have changed."""
AGAIN_AFTER_S = 0.5
"""How long a change of cameras waits for its answer to be sent, and for further changes, seconds."""
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
        supervisor.ready(f"node {config.node} watches {', '.join(config.cameras)}")
        node.report_until_done(hangup)
        if node.again:
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
    if node.again and not signalled.is_set():
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
    """The parts of one edge node.

    `with` checks the name, opens engines, connection and files, and builds the other parts on them. Then call
    `start`, `report_until_done` and `finish`, once each and in this order.

    Args:
        read: Reads the configuration again.
        config: The configuration to start with.
        stop: Set by anybody to end the run; the node sets it when the broker or another node refuses it.
        supervisor: Is told how the node is.
        store: The cameras that were saved over MQTT; None: cameras cannot be changed.

    Attributes:
        again: Whether the node stops in order to start again with changed cameras.
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
        self._read, self._config, self._stop, self._supervisor = read, config, stop, supervisor
        self._store = store
        self._again_at: float | None = None
        self.again = False
        self._turns = 0
        self._finishing = False
        self.hung: list[str] = []
        self._session = new_session()
        self._refused: list[BrokerError] = []
        self._stack = ExitStack()

    def __enter__(self) -> Node:
        config, session = self._config, self._session
        check_name(config.mqtt, config.node, session)
        with ExitStack() as stack:
            self._monitoring = _monitoring(config, stack)
            self._model = auto.chosen(config.model, config.cameras)
            known = hashes(self._model)
            self._detectors = stack.enter_context(on_devices(self._model))
            class_names = self._detectors[0].class_names
            self._composer = composer = Composer(config.node, session, class_names)
            self._meter = None if self._monitoring is None else Meter(config.cameras, class_names)
            self._client = stack.enter_context(self._connection(composer))
            self._bundles = stack.enter_context(Bundles(self._client, config, composer))
            self._mirror = stack.enter_context(Mirror(self._client, config, class_names))
            self._outbox = stack.enter_context(
                Outbox(self._client, config.outbox, config.node, config.mqtt.prefix, session)
            )
            self._snapshots = stack.enter_context(SnapshotSender(self._client))
            self._monitor = stack.enter_context(Monitor())
            self._collector = stack.enter_context(self._collecting())
            self._live = LiveStore(config)
            self._publisher = Publisher(
                self._client,
                self._outbox,
                self._snapshots,
                config,
                self._live,
                composer,
                self._offer,
                self._meter,
                self._mirror.conclude,
            )
            stack.enter_context(self._publisher.tracks)
            self._model_files = ModelFiles(
                self._model,
                known,
                self._detectors,
                on_loaded=lambda: self._publisher.state.runs_with(*self._running()),
                on_trouble=lambda why: self._publisher.state.trouble(why, "model"),
            )
            self._build_pipeline()
            self._build_control()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # stages left running would keep the process from ending
            self._stop.set()
            self._client.hurry()
            self._pipeline.join(STOP_WITHIN_S)
        self._stack.__exit__(kind, error, trace)

    @property
    def error(self) -> BaseException | None:
        """What ended the run, if it was an error."""
        return self._pipeline.error or (self._refused[0] if self._refused else None)

    def start(self) -> None:
        """Answer commands, announce the node, and start the cameras."""
        self._guard.subscribe()
        self._stack.enter_context(self._commands)
        self._inbox.start()
        # First, so that Home Assistant forgets what is gone before its topics are cleared.
        self._homeassistant.announce()
        self._leftovers.subscribe()
        self._cameras.announce()
        self._announce()
        self._pipeline.start()
        self._watchdog = self._stack.enter_context(
            Watchdog(self._stages(), self._late_stages.note, self._on_frozen, self._supervisor.well)
        )
        self._show()

    def report_until_done(self, hangup: threading.Event) -> None:
        """Publish metrics and touch the heartbeat file until the sources have ended or `stop` is set.

        Args:
            hangup: Set by anybody to have the configuration read again.
        """
        heartbeat = self._config.heartbeat_file
        started = next_report = time.monotonic()
        while not self._stop.is_set() and not self._pipeline.done.is_set():
            self._stop.wait(0.1)
            self._turns += 1
            if hangup.is_set():
                hangup.clear()
                self._reload.on_signal()
            self._guard.mend()
            self._publisher.state.attend(self._publisher.newest, self._live)
            self._homeassistant.attend()
            self._start_again_if_due()
            if time.monotonic() < next_report + METRICS_EVERY_S:
                continue
            next_report = time.monotonic()
            throughput, vitals = self._pipeline.overview.metrics(), self._monitor.read()
            self._publisher.state.runs_with(*self._running())
            message = self._publisher.metrics(next_report - started, throughput, vitals)
            if self._monitoring is not None:
                self._monitoring.update(message)
            self._suspects.keep()
            if heartbeat and self._pipeline.healthy and self._watchdog.well:
                at_home(heartbeat).touch()

    def finish(self) -> list[str]:
        """Let the stages end and say farewell; return the names of the stages that did not end in time."""
        self._finishing = True
        self._cameras.close()
        self._late_stages.close()
        self._client.hurry()
        stuck = self._pipeline.join(STOP_WITHIN_S)
        self.hung = self._pipeline.overview.hung()
        if self._guard.yielded:
            self._publisher.withdraw()
        else:
            self._mirror.farewell()
            self._publisher.farewell()
        return stuck

    def _offer(self, item: Analysed) -> None:
        """Give an analysed frame to those who publish it in a form of their own."""
        self._bundles.offer(item)
        self._mirror.offer(item)

    def _elsewhere(self, received: Received) -> None:
        """Take a message whose topic is not in the table."""
        self._homeassistant.handle(received)
        self._mirror.handle(received)

    def _connection(self, composer: Composer) -> Client:
        config = self._config
        will = (
            topics.STATUS.path(config.mqtt.prefix, node=config.node),
            messages.encode(composer.status("offline", "the connection to the broker was lost")),
        )
        return Client(config.mqtt, name=f"darner-{config.node}", will=will, on_refused=self._on_refused)

    def _collecting(self) -> Collector:
        names = self._detectors[0].class_names
        source = Source(self._config.node, self._session, names, self._seeing)
        second_look = SecondLook(
            lambda image, least: self._pipeline.detect(image, least)[0],
            lambda camera: self._config.cameras[camera].region,
            lambda camera: Rules(self._definitions[camera].masks, self._definitions[camera].filters, names),
        )
        return Collector(self._config, source, second_look)

    def _seeing(self) -> Seeing:
        model = about(self._model, self._detectors[0])
        return Seeing(name=clipped(model.name, LABEL_LENGTH), sha256=model.sha256)

    def _build_pipeline(self) -> None:
        config, batch = self._config, self._config.batch
        path = zones_path(config)
        self._definitions = DefinitionStore(path, config.cameras)
        # Beside the zones, and not kept where they are not.
        suspects = path and path.with_name(f"suspects-{config.node}.json")
        self._suspects = SuspectStore(suspects, config.cameras, self._detectors[0].class_names)
        detects = [
            Detect(
                one,
                config.cameras,
                self._live,
                batch.wait_ms / 1e3,
                batch.limit or one.usual_batch,
                stopwatch=None if self._meter is None else self._publisher.stopwatch,
            )
            for one in self._detectors
        ]
        self._pipeline = Pipeline(
            config,
            detects,
            self._publisher,
            self._live,
            self._definitions,
            self._stop,
            self._suspects.hunts,
            self._collector,
            self._meter,
        )

    def _build_control(self) -> None:
        """Build the parts that handle incoming messages, and the inbox that hands out the messages."""
        config, client, definitions = self._config, self._client, self._definitions
        detector = self._detectors[0]
        vitals = self._monitor.read()
        warm = [vitals.temperatures_c, *(gpu.temperature_c is not None for gpu in vitals.gpus)]
        self._homeassistant = HomeAssistant(
            client, with_definitions(config, definitions), thermometer=any(warm)
        )
        self._reload = Reload(
            self._read,
            config,
            detector.class_names,
            self._live,
            definitions,
            self._suspects,
            self._pipeline,
            self._publisher,
            self._homeassistant,
            self._model_files.renew,
            self._collector,
            self._mirror,
        )
        self._guard = NameGuard(client, config.mqtt.prefix, config.node, self._session, self._on_refused)
        answer = topics.RESPONSE.path(config.mqtt.prefix, node=config.node, command="snapshot")
        control = Control(
            self._pipeline,
            self._publisher,
            detector,
            self._live,
            definitions,
            self._suspects,
            self._reload.announce_zones,
            lambda: client.room(answer),
        )
        self._leftovers = Leftovers(client, config.mqtt.prefix, config.node, definitions)
        self._cameras = CameraCommands(
            config, self._store, self._read, self._reload.apply, self._tell_cameras, self._start_again
        )
        handlers = {**control.handlers(), **self._cameras.handlers(), "reload": self._reload.command}
        handlers["ping"] = self._guard.watched(handlers["ping"])
        self._commands = Commands(client, config.mqtt.prefix, config.node, self._session, handlers)
        routes = {
            topics.REQUEST: self._commands.accept,
            topics.ACK: self._outbox.handle,
            topics.STATUS: self._guard.handle,
            topics.RESPONSE: self._guard.handle,
            **dict.fromkeys(topics.OF_CAMERAS, self._leftovers.handle),
        }
        self._inbox = Inbox(client, config.mqtt.prefix, config.node, routes, self._elsewhere)
        self._late_stages = LateStages(
            config.node, self._publisher.state.trouble, self._pipeline.overview.note_silent
        )

    def _stages(self) -> list[Stage]:
        return [
            *self._pipeline.overview.stages(),
            Stage("bundle", self._bundles.look),
            Stage("onvif", self._mirror.look),
            Stage("collect", self._collector.look),
            Stage("outbox", self._outbox.look),
            Stage("snapshots", self._snapshots.look),
            Stage("tracks", self._publisher.tracks.look),
            Stage("inbox", self._inbox.look),
            Stage("commands", self._commands.look),
            Stage("detect", self._commands.look_at_slow),
            Stage("cameras", self._commands.look_at_outward),
            Stage("mqtt", self._client.look),
            Stage("main", lambda: None if self._finishing else Look(self._turns)),
        ]

    def _show(self) -> None:
        """Let monitors see the parts."""
        if self._monitoring is not None and self._meter is not None:
            from edge_node.control.monitored import Parts

            self._monitoring.begin(
                Parts(
                    client=self._client,
                    publisher=self._publisher,
                    pipeline=self._pipeline,
                    watchdog=self._watchdog,
                    late=self._late_stages,
                    definitions=self._definitions,
                    meter=self._meter,
                    running=self._running,
                    stopping=lambda: self._stop.is_set() or self._finishing,
                )
            )

    def _tell_cameras(self, fields: dict[str, Any]) -> None:
        config = self._config
        message = messages.Cameras(**self._composer.head(), **fields)
        path = topics.CAMERAS.path(config.mqtt.prefix, node=config.node)
        self._client.set_state(topics.CAMERAS, path, messages.encode(message))

    def _start_again(self) -> None:
        self._again_at = time.monotonic() + AGAIN_AFTER_S

    def _start_again_if_due(self) -> None:
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self.again = not self._stop.is_set()
            self._stop.set()

    def _on_frozen(self, reason: str) -> None:
        self._supervisor.status(reason)
        end_frozen(reason, self._client, self._publisher.state, self._config.mqtt, self._config.node)

    def _on_refused(self, error: BrokerError) -> None:
        self._refused.append(error)
        self._stop.set()

    def _running(self) -> tuple[ModelInfo, str, str]:
        """The model, its engine now, and its devices; TensorRT may take over from another engine."""
        first = self._detectors[0]
        devices = ", ".join(one.device for one in self._detectors)
        return about(self._model, first), first.backend_name, devices

    def _announce(self) -> None:
        """Tell the broker and the log what runs here."""
        config, detector = self._config, self._detectors[0]
        model, backend, devices = self._running()
        self._publisher.state.announce(
            model,
            backend,
            devices,
            config.tracker.kind,
            self._definitions,
            self._suspects.offers(),
            self._live,
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
            auto.suggest(self._model, detector.run_s, config.cameras)
        if (profile := profiles.choose(config.profile)) is not None:
            log.info("profile %s", profile)
        for name, camera in config.cameras.items():
            log.info("camera %s: %s", name, describe(camera.source))
            confidence = self._live[name].confidence
            for problem in all_problems(self._definitions[name], detector.class_names, confidence):
                log.warning("camera %s: %s", name, problem)


def _monitoring(config: EdgeConfig, stack: ExitStack) -> Monitoring | None:
    """What answers monitors, already while the model is loaded; None where nobody asks."""
    if config.prometheus.port is None:
        return None
    # A node without it need not load asyncio and Prometheus' library: 0.2 s on a small processor.
    from edge_node.control.monitored import Monitoring

    return stack.enter_context(Monitoring(config.prometheus, config.node))
