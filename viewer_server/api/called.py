"""What people call nodes, cameras, zones and lines now; the past is stored under their identifiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from viewer_server.api.newest import messages
from viewer_server.live.hub import Hub


@dataclass(frozen=True, kw_only=True)
class Called:
    """The names that there are.

    Attributes:
        nodes: By node.
        cameras: By node and camera.
        zones: Those of zones and lines, by node, camera and zone.
    """

    nodes: dict[str, str] = field(default_factory=dict)
    cameras: dict[tuple[str, str], str] = field(default_factory=dict)
    zones: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def of(self, node: str, camera: str | None, zone: str | None) -> dict[str, str | None]:
        """The names beside an event; null where there is none."""
        return {
            "node_name": self.nodes.get(node),
            "camera_name": self.cameras.get((node, camera or "")),
            "zone_name": self.zones.get((node, camera or "", zone or "")),
        }


def called(hub: Hub, nodes: Iterable[str] | None = None) -> Called:
    """The names that these nodes have announced; None stands for all nodes."""
    found = Called()
    for one in messages(hub, "info", nodes=nodes):
        node, info = one["node"], one["message"]
        _note(found.nodes, node, info)
        for camera in info["cameras"]:
            _note(found.cameras, (node, camera["camera"]), camera)
    for one in messages(hub, "zones", nodes=nodes):
        for kind in ("zones", "lines"):
            for zone, definition in one["message"][kind].items():
                _note(found.zones, (one["node"], one["camera"], zone), definition)
    return found


def _note(names: dict[Any, str], key: object, described: dict[str, Any]) -> None:
    if described.get("name") is not None:
        names[key] = described["name"]
