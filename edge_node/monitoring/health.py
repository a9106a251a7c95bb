"""What /health and /ready say: whether a node gets on, and whether it does all that it is there for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_node.monitoring.serving import Answer, as_json
from shared.wire.messages import CameraState

AT_WORK: frozenset[CameraState | None] = frozenset(("streaming", "paused", "ended"))
"""States of a camera in which nothing is wrong: somebody paused it, or its film is over."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a node is.

    Attributes:
        faults: Why it does not get on, in sentences; none while it does.
        connected: Whether the broker is connected.
        cameras: State and reason of each camera; no state: it has none yet.
        stopping: Whether the node is about to end.
    """

    faults: Sequence[str] = ()
    connected: bool = False
    cameras: Mapping[str, tuple[CameraState | None, str | None]] = field(default_factory=dict)
    stopping: bool = False


class Health:
    """Answers /health and /ready.

    Args:
        node: The node's identifier.

    Attributes:
        look: Gives the node's condition; None while its parts are being built. It must not wait.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self.look: Callable[[], Condition] | None = None

    def health(self) -> Answer:
        """200 while every stage gets on, also while the node starts; else 503: a restart may help."""
        faults = [] if self.look is None else list(self.look().faults)
        return self._said("failing" if faults else "ok", faults)

    def ready(self) -> Answer:
        """200 while the broker is connected and every camera at work; else 503: it may be so later."""
        if self.look is None:
            return self._said("starting", ["the model is being loaded"])
        condition = self.look()
        reasons = list(condition.faults)
        if condition.stopping:
            reasons.append("the node is stopping")
        if not condition.connected:
            reasons.append("the broker is not connected")
        for camera, (state, why) in condition.cameras.items():
            if state not in AT_WORK:
                reasons.append(f"camera {camera} is {state or 'starting'}" + (f": {why}" if why else ""))
        return self._said("not ready" if reasons else "ready", reasons)

    def _said(self, status: str, reasons: list[str]) -> Answer:
        content = {"status": status, "node": self._node, "reasons": reasons}
        return as_json(content, 200 if status in ("ok", "ready") else 503)
