"""Whether a node is as well after a change as it was before."""

from __future__ import annotations

from dataclasses import dataclass

from shared.fleet.inventory import Node

SETTLED_S = 6.0
"""After so long, a metrics message is about the time after the change alone: it is sent every 5 s."""
SLOW_FPS = 0.5
"""A camera that is analysed less often than this may well have no frame between two metrics messages."""


@dataclass(frozen=True)
class Before:
    """How a node was when its turn came.

    Attributes:
        session: Its session, that after the change.
        streaming: The cameras that streamed.
        reason: What it said was wrong; None: nothing.
        changed_at: When the change was over, by the monotonic clock, s.
    """

    session: str
    streaming: tuple[str, ...]
    reason: str | None
    changed_at: float


def streaming(node: Node) -> tuple[str, ...]:
    """The cameras of a node that stream now."""
    return tuple(one for one in node.listed if node.state_of(one) == "streaming")


def complaints(before: Before, node: Node) -> list[str]:
    """What is worse than before the change; a sentence for each."""
    if not node.online:
        why = "" if node.status is None or node.status.reason is None else f": {node.status.reason}"
        return [f"it is offline{why}"]
    if node.session != before.session:
        return ["it has started again by itself"]
    found = []
    for camera in before.streaming:
        state = node.state_of(camera)
        paused = (known := node.cameras.get(camera)) and known.settings and known.settings.paused
        if state not in ("streaming", "ended") and not paused:
            status = known.status if known else None
            why = f": {status.reason}" if status and status.reason else ""
            found.append(f"camera {camera} was streaming and is {state or 'silent'} now{why}")
        elif state == "streaming" and not paused and _stands_still(before, node, camera):
            found.append(f"camera {camera} is said to stream, and no frame is analysed")
    reason = node.status.reason if node.status else None
    if reason is not None and reason != before.reason:
        found.append(f"it says: {reason}")
    return found


def _stands_still(before: Before, node: Node, camera: str) -> bool:
    if node.metrics is None or node.metrics_at < before.changed_at + SETTLED_S:
        return False
    entry = None if node.saved is None else node.saved.cameras.get(camera)
    if entry is not None and 0 < entry.max_fps < SLOW_FPS:
        return False
    counted = node.metrics.cameras.get(camera)
    return counted is not None and counted.fps_out == 0
