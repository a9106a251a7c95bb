"""The parts of a node that watch and publish; `incoming.py` builds on them, `node.py` runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_node.analytics.watch import Analysed
from edge_node.calendar.running import RunningCalendar
from edge_node.calendar.sender import CalendarSender
from edge_node.collect.collector import Collector
from edge_node.collect.keeper import Source
from edge_node.collect.looks import SecondLook
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore, with_definitions
from edge_node.config.saved.paths import path_beside_zones, views_path, zones_path
from edge_node.config.settings import EdgeConfig
from edge_node.control.identity import check_name
from edge_node.control.late_stages import LateStages
from edge_node.control.model import ModelFiles, about, hashes
from edge_node.days.book import DayBook
from edge_node.detect.devices import on_devices
from edge_node.detect.stages import Detect
from edge_node.flow.pipeline import Pipeline
from edge_node.health.monitor import HealthMonitor
from edge_node.health.report import Report
from edge_node.health.store import ViewStore
from edge_node.ignore.rules import Rules
from edge_node.ignore.store import SuspectStore
from edge_node.machine.vitals import Monitor
from edge_node.mirror.mirror import Mirror
from edge_node.models import auto
from edge_node.monitoring.meter import Meter
from edge_node.outbox.outbox import Outbox
from edge_node.publish.bundle import Bundles
from edge_node.publish.compose import Composer, new_session
from edge_node.publish.homeassistant.announcing import HomeAssistant
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from edge_node.publish.trust.sender import HealthSender
from edge_node.rules.alerts import Alerts
from edge_node.rules.desk import RuleDesk
from edge_node.rules.memory import Memory
from edge_node.rules.scenes import Scenes
from edge_node.rules.store import RuleStore
from shared.collected import Seeing
from shared.errors import BrokerError
from shared.limits import LABEL_LENGTH, clipped
from shared.mqtt.client import Client
from shared.service.watchdog import Stage
from shared.wire import messages, topics
from shared.wire.messages import ModelInfo

if TYPE_CHECKING:
    from edge_node.control.monitored import Monitoring


class Parts:
    """The parts of one edge node.

    `with` checks the name, opens engines, connection and files, and builds the other parts on them.

    Args:
        config: The configuration to start with.
        stop: Set by anybody to end the run.
        on_refused: Called when the broker refuses this node.

    Raises:
        DarnerError: On entering: something that cannot be retried.
    """

    def __init__(
        self, config: EdgeConfig, stop: threading.Event, on_refused: Callable[[BrokerError], None]
    ) -> None:
        self._config, self._stop, self._on_refused = config, stop, on_refused
        self.session = new_session()
        self._stack = ExitStack()

    def __enter__(self) -> Parts:
        config, session = self._config, self.session
        check_name(config.mqtt, config.node, session)
        with ExitStack() as stack:
            self.monitoring = _monitoring(config, stack)
            self.model = auto.chosen(config.model, config.cameras)
            known = hashes(self.model)
            self.detectors = stack.enter_context(on_devices(self.model))
            class_names = self.detectors[0].class_names
            self.composer = composer = Composer(config.node, session, class_names)
            self.meter = None if self.monitoring is None else Meter(config.cameras, class_names)
            self.client = stack.enter_context(self._connection(composer))
            self.bundles = stack.enter_context(Bundles(self.client, config, composer))
            self.mirror = stack.enter_context(Mirror(self.client, config, class_names))
            self.outbox = stack.enter_context(
                Outbox(self.client, config.outbox, config.node, config.mqtt.prefix, session)
            )
            self.snapshots = stack.enter_context(SnapshotSender(self.client))
            self.monitor = stack.enter_context(Monitor())
            self.collector = stack.enter_context(self._collecting())
            self.live = LiveStore(config)
            self.calendar = stack.enter_context(RunningCalendar(config, self.live))
            self._define()
            self._build_rules()
            self.publisher = Publisher(
                self.client,
                self.outbox,
                self.snapshots,
                config,
                self.live,
                composer,
                self._offer,
                self.meter,
                self.mirror.conclude,
                self.days,
                self.alerts,
            )
            stack.enter_context(self.publisher.tracks)
            self.health = self._health()
            self.model_files = ModelFiles(
                self.model,
                known,
                self.detectors,
                on_loaded=lambda: self.publisher.state.manifest.runs_with(*self.running()),
                on_trouble=lambda why: self.publisher.state.trouble(why, "model"),
            )
            self._build_pipeline()
            self._build_homeassistant()
            self.late_stages = LateStages(
                config.node, self.publisher.state.trouble, self.pipeline.overview.note_silent
            )
            stack.enter_context(self.health)  # the last: what it finds pauses zones of the pipeline
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def running(self) -> tuple[ModelInfo, str, str]:
        """The model, its engine now, and its devices; TensorRT may take over from another engine."""
        first = self.detectors[0]
        devices = ", ".join(one.device for one in self.detectors)
        return about(self.model, first), first.backend_name, devices

    def stages(self) -> list[Stage]:
        """What a watchdog can look at here."""
        return [
            *self.pipeline.overview.stages(),
            Stage("bundle", self.bundles.look),
            Stage("onvif", self.mirror.look),
            Stage("collect", self.collector.look),
            Stage("health", self.health.look),
            Stage("outbox", self.outbox.look),
            Stage("snapshots", self.snapshots.look),
            Stage("tracks", self.publisher.tracks.look),
            Stage("mqtt", self.client.look),
            Stage("calendar", self.calendar.keeper.look),
        ]

    def announce_calendar(self) -> None:
        """Publish calendar and mode, now and whenever they change."""
        self.calendar.follow(self.alerts, self.rules, self.days)
        self.calendar.keeper.listen(self._calendar_sender.send)
        self.calendar.keeper.listen(lambda now: self.homeassistant.set_modes(now.calendar.modes))

    def retain(self, topic: topics.Topic, payload: bytes) -> None:
        """Publish a retained message of the whole node."""
        config = self._config
        self.client.set_state(topic, topic.path(config.mqtt.prefix, node=config.node), payload)

    def _tell_rules(self, fields: dict[str, Any]) -> None:
        self.retain(topics.RULES, messages.encode(messages.Rules(**self.composer.head(), **fields)))

    def _offer(self, item: Analysed) -> None:
        """Give an analysed frame to those who publish it in a form of their own."""
        self.bundles.offer(item)
        self.mirror.offer(item)

    def _connection(self, composer: Composer) -> Client:
        config = self._config
        will = (
            topics.STATUS.path(config.mqtt.prefix, node=config.node),
            messages.encode(composer.status("offline", "the connection to the broker was lost")),
        )
        return Client(config.mqtt, name=f"darner-{config.node}", will=will, on_refused=self._on_refused)

    def _collecting(self) -> Collector:
        names = self.detectors[0].class_names
        source = Source(self._config.node, self.session, names, self._seeing)
        second_look = SecondLook(
            lambda image, least: self.pipeline.detect(image, least)[0],
            lambda camera: self._config.cameras[camera].region,
            lambda camera: Rules(self.definitions[camera].masks, self.definitions[camera].filters, names),
        )
        return Collector(self._config, source, second_look)

    def _seeing(self) -> Seeing:
        model = about(self.model, self.detectors[0])
        return Seeing(name=clipped(model.name, LABEL_LENGTH), sha256=model.sha256)

    def _health(self) -> HealthMonitor:
        config = self._config
        sender = HealthSender(
            self.client, self.composer, config.node, config.mqtt.prefix, self.publisher.events.happened
        )

        def tell(report: Report) -> None:
            self.pipeline.watches[report.camera].pauses.set("health", report.pauses)
            sender.tell(report)
            problems = frozenset(one.problem for one in report.problems)
            self.mirror.judge(report.camera, problems if report.watched else None)

        store, told = ViewStore(views_path(config)), self.outbox.problems()
        return HealthMonitor(config.cameras, self.definitions, store, tell, told)

    def _define(self) -> None:
        """Read the zones and lines, and what was counted in them today."""
        config = self._config
        self.definitions = DefinitionStore(zones_path(config), config.cameras)
        known = {name: self.definitions[name] for name in config.cameras}
        day_start = self.calendar.now.timetable.day_start
        self.days = DayBook(known, day_start, self.outbox.days(), messages.now_us())
        self.outbox.add_all([], self.days.rows)

    def _build_rules(self) -> None:
        config, definitions = self._config, self.definitions
        store = RuleStore(path_beside_zones(config, "rules"), config.rules)
        memory = Memory(path_beside_zones(config, "alerts"))
        self.scenes = Scenes(config, definitions)
        self.alerts = Alerts(store.current.rules, self.scenes.of, config.cameras, memory.cameras)
        self.rules = RuleDesk(
            store,
            self.alerts,
            memory,
            lambda: {name: definitions[name] for name in config.cameras},
            self.detectors[0].class_names,
            self._tell_rules,
            lambda rules: self.homeassistant.set_rules(rules),
        )

    def _build_pipeline(self) -> None:
        config, batch = self._config, self._config.batch
        self.suspects = SuspectStore(
            path_beside_zones(config, "suspects"), config.cameras, self.detectors[0].class_names
        )
        detects = [
            Detect(
                one,
                config.cameras,
                self.live,
                batch.wait_ms / 1e3,
                batch.limit or one.usual_batch,
                stopwatch=None if self.meter is None else self.publisher.stopwatch,
            )
            for one in self.detectors
        ]
        self.pipeline = Pipeline(
            config,
            detects,
            self.publisher,
            self.live,
            self.definitions,
            self._stop,
            self.suspects.hunts,
            self.collector,
            self.meter,
            self.health,
        )
        self.calendar.watch(self.pipeline.watches, self.definitions)

    def _build_homeassistant(self) -> None:
        vitals = self.monitor.read()
        warm = [vitals.temperatures_c, *(gpu.temperature_c is not None for gpu in vitals.gpus)]
        self._calendar_sender = CalendarSender(self.composer.head, self.retain)
        self.homeassistant = HomeAssistant(
            self.client,
            with_definitions(self._config, self.definitions),
            thermometer=any(warm),
            rules=self.rules.rules,
            say_mode=lambda: self.calendar.keeper.show(self._calendar_sender.send_mode),
        )
        self.homeassistant.set_modes(self.calendar.now.calendar.modes)


def _monitoring(config: EdgeConfig, stack: ExitStack) -> Monitoring | None:
    """What answers monitors, already while the model is loaded; None where nobody asks."""
    if config.prometheus.port is None:
        return None
    # A node without it need not load asyncio and Prometheus' library: 0.2 s on a small processor.
    from edge_node.control.monitored import Monitoring

    return stack.enter_context(Monitoring(config.prometheus, config.node))
