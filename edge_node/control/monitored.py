"""Shows a running node to monitors: what /metrics, /health and /ready say of its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from edge_node import __version__
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import PrometheusSettings
from edge_node.control.late_stages import LateStages
from edge_node.flow.pipeline import Pipeline
from edge_node.monitoring.exporter import Exporter
from edge_node.monitoring.families import Now
from edge_node.monitoring.health import Condition, Health
from edge_node.monitoring.meter import Meter
from edge_node.monitoring.serving import HttpServer
from edge_node.publish.publisher import Publisher
from shared.mqtt.client import Client
from shared.secrets.redact import redact
from shared.service.watchdog import Watchdog, says
from shared.wire.messages import CameraProblem, Metrics, ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The parts of a running node that monitors ask about.

    Attributes:
        client: The connection.
        publisher: Knows the cameras' states and newest frames.
        pipeline: Knows whether its stages are alive.
        watchdog: Knows whether they get on.
        late: Knows which do not.
        definitions: Zones and lines.
        problems: Gives what is wrong with the picture of each camera that is judged.
        meter: Counts on the frame path.
        running: Gives the model, its engine and its devices.
        stopping: Says whether the node is about to end.
    """

    client: Client
    publisher: Publisher
    pipeline: Pipeline
    watchdog: Watchdog
    late: LateStages
    definitions: DefinitionStore
    problems: Callable[[], Mapping[str, Sequence[CameraProblem]]]
    meter: Meter
    running: Callable[[], tuple[ModelInfo, str, str]]
    stopping: Callable[[], bool]


class Monitoring:
    """Answers monitors; `with` opens the port.

    Until `begin`, the node is alive and not ready, and has no metrics.

    Args:
        settings: Where to listen.
        node: The node's identifier.

    Raises:
        ConfigError: On entering: the port cannot be opened.
    """

    def __init__(self, settings: PrometheusSettings, node: str) -> None:
        assert settings.port is not None  # noqa: S101 - without a port, nobody builds this
        self._health, self._exporter = Health(node), Exporter(node)
        pages = {
            "/health": self._health.health,
            "/ready": self._health.ready,
            "/metrics": self._exporter.metrics,
        }
        self._server = HttpServer(settings.host, settings.port, pages)

    def __enter__(self) -> Monitoring:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def port(self) -> int:
        """The port in use."""
        return self._server.port

    def begin(self, parts: Shown) -> None:
        """Show these parts from now on."""
        self._exporter.look = lambda: _now(parts)
        self._health.look = lambda: _condition(parts)

    def update(self, message: Metrics) -> None:
        """Show this metrics message from now on."""
        self._exporter.update(message)


def _now(parts: Shown) -> Now:
    model, backend, device = parts.running()
    publisher = parts.publisher
    states = publisher.state.camera_states()
    newest = {camera: item for camera in states if (item := publisher.newest(camera)) is not None}
    return Now(
        about={
            "name": publisher.state.manifest.node_name(),
            "version": __version__,
            "model": model.name,
            "backend": backend,
            "device": device,
        },
        names=publisher.state.manifest.camera_names(),
        definitions={camera: parts.definitions[camera] for camera in states},
        connected=parts.client.connected,
        connections=parts.client.connections,
        states={camera: state for camera, (state, _) in states.items()},
        reconnects=dict(publisher.state.reconnects),
        problems=parts.problems(),
        newest=newest,
        days=publisher.days,
        stages=dict(publisher.stopwatch.histograms or {}),
        meter=parts.meter,
    )


def _condition(parts: Shown) -> Condition:
    stopping = parts.stopping()
    faults = []
    if parts.pipeline.error is not None:
        faults.append(redact(str(parts.pipeline.error)) or type(parts.pipeline.error).__name__)
    elif not stopping and not parts.pipeline.done.is_set() and not parts.pipeline.healthy:
        faults.append("a stage of the pipeline has ended")
    if not parts.watchdog.well:
        faults.append(_late(parts.late.late) or "a stage has work to do and stands still")
    return Condition(
        faults=faults,
        connected=parts.client.connected,
        cameras=parts.publisher.state.camera_states(),
        stopping=stopping,
    )


def _late(late: Mapping[str, float]) -> str | None:
    return says(late) if late else None
