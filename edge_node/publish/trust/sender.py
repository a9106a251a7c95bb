"""Says over MQTT what is wrong with the pictures of cameras: as state, and as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.health.report import Report
from edge_node.publish.compose import Composer
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import CameraProblem, Event


class HealthSender:
    """Publishes reports of cameras' health.

    Args:
        client: The connection.
        composer: Makes the messages.
        node: The node's identifier.
        prefix: Of the node's topics.
        happened: Sends an event.
    """

    def __init__(
        self, client: Client, composer: Composer, node: str, prefix: str, happened: Callable[[Event], object]
    ) -> None:
        self._client, self._composer, self._happened = client, composer, happened
        self._node, self._prefix = node, prefix

    def tell(self, report: Report) -> None:
        """Publish what has changed on a camera; never waits."""
        health = messages.Health(
            **self._composer.head(),
            camera=report.camera,
            problems=report.problems,
            paused=report.pauses is not None,
            reference_us=report.reference_us,
        )
        self._say(report.camera, messages.encode(health) if report.watched else b"")
        for one in report.started:
            self._happened(self._event("problem_started", report, one, one.since_us))
        for one in report.ended:
            self._happened(self._event("problem_ended", report, one, report.at_us))

    def _say(self, camera: str, payload: bytes) -> None:
        path = topics.HEALTH.path(self._prefix, node=self._node, camera=camera)
        self._client.set_state(topics.HEALTH, path, payload)

    def _event(self, kind: messages.EventType, report: Report, one: CameraProblem, at_us: int) -> Event:
        head: dict[str, Any] = self._composer.head()
        return messages.Event(
            **head,
            camera=report.camera,
            seq=report.seq,
            captured_us=report.captured_us,
            event_id="",
            type=kind,
            occurred_us=at_us,
            problem=one.problem,
            shift=one.shift,
        )
