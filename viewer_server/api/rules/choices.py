"""What the rules of a node can be about: its cameras, zones, classes and schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from viewer_server.api.newest import NodeSays, messages, what_nodes_say
from viewer_server.live.hub import Hub

CAPABILITY = "rules"
"""What a node with rules says in its description."""
_SAYS = (("loitering", "loitering_s"), ("queue", "queue"), ("crowd", "crowd"), ("presence", "presence"))


def about(hub: Hub, nodes: Iterable[str]) -> list[dict[str, Any]]:
    """Nodes, their rules, and what these can be about, as in `said.NodeRules`; in the given order."""
    known = what_nodes_say(hub, nodes, "rules", "calendar")
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for message in messages(hub, "zones", nodes=known):
        places[message["node"], message["camera"]] = list(_places(message["message"]))
    return [_node(node, one, places) for node, one in known.items()]


def _node(
    node: str, says: NodeSays, places: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> dict[str, Any]:
    info = says.info or {"model": {"classes": []}, "cameras": []}
    cameras = {
        one["camera"]: {
            "camera": one["camera"],
            "name": one["name"],
            "places": places.get((node, one["camera"]), []),
        }
        for one in info["cameras"]
    }
    schedules = says.said.get("calendar", {"schedules": {}})["schedules"]
    return {
        "node": node,
        "name": says.name,
        "online": says.online,
        "can": says.can(CAPABILITY),
        "rules": says.said.get("rules"),
        "cameras": [camera for _, camera in sorted(cameras.items())],
        "classes": sorted(set(info["model"]["classes"])),
        "schedules": [{"schedule": schedule, "name": one["name"]} for schedule, one in schedules.items()],
    }


def _places(definitions: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for kind in ("zone", "line"):
        for zone, one in definitions[f"{kind}s"].items():
            says = [word for word, field in _SAYS if one.get(field)]
            yield {"zone": zone, "name": one["name"], "kind": kind, "says": says}
