"""Builds what keeps alerts and sends them, with what this wing knows about nodes."""

from __future__ import annotations

from shared.rules.scene import Times
from viewer_server.api.called import called
from viewer_server.api.endpoint import Refused
from viewer_server.api.rules.standing import times
from viewer_server.config import ViewerConfig
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.notify.alert import KeptAlert
from viewer_server.notify.alerting import Alerting
from viewer_server.notify.offline import Offline
from viewer_server.stored.history import History


def alerting_of(config: ViewerConfig, hub: Hub, metrics: ViewerMetrics, history: History) -> Alerting:
    """All targets of a viewer.

    Raises:
        ConfigError: A target cannot work.
    """

    def naming(alert: KeptAlert) -> dict[str, str | None]:
        return called(hub, {alert.node}).of(alert.node, alert.camera, alert.zone)

    def surroundings(node: str) -> tuple[str | None, Times]:
        name = called(hub, {node}).nodes.get(node)
        try:
            return name, times(hub, node)
        except Refused:  # a calendar that this machine cannot use: its rules hold always
            return name, Times()

    offline = Offline(hub, lambda: metrics.broker_connected, surroundings)
    return Alerting(config.notify, history, config.history, naming, offline, metrics)
