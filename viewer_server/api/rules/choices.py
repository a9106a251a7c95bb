"""What the rules of a node can be about: its cameras, zones, classes and schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from viewer_server.api.newest import messages
from viewer_server.live.hub import Hub

CAPABILITY = "rules"
"""What a node with rules says in its description."""
_EMPTY: dict[str, Any] = {
    "name": None,
    "online": False,
    "can": False,
    "rules": None,
    "cameras": [],
    "classes": [],
    "schedules": [],
}
_SAYS = (("loitering", "loitering_s"), ("queue", "queue"), ("crowd", "crowd"), ("presence", "presence"))


def about(hub: Hub, nodes: Iterable[str]) -> list[dict[str, Any]]:
    """Nodes, their rules, and what these can be about, as in `said.NodeRules`; in the given order."""
    found: dict[str, dict[str, Any]] = {node: _EMPTY | {"node": node} for node in nodes}
    cameras: dict[str, dict[str, dict[str, Any]]] = {node: {} for node in found}
    for message in messages(hub, "status", "info", "rules", "calendar", nodes=found):
        node, said = message["node"], message["message"]
        match message["type"]:
            case "status":
                found[node]["online"] = said["status"] == "online"
            case "info":
                found[node] |= {"name": said["name"], "can": CAPABILITY in said["capabilities"]}
                found[node]["classes"] = sorted(set(said["model"]["classes"]))
                cameras[node] = {one["camera"]: _camera(one) for one in said["cameras"]}
            case "calendar":
                found[node]["schedules"] = [
                    {"schedule": schedule, "name": one["name"]} for schedule, one in said["schedules"].items()
                ]
            case "rules":
                found[node]["rules"] = said
    for message in messages(hub, "zones", nodes=found):
        camera = cameras[message["node"]].get(message["camera"])
        if camera is not None:
            camera["places"] = list(_places(message["message"]))
    for node, one in found.items():
        one["cameras"] = [camera for _, camera in sorted(cameras[node].items())]
    return list(found.values())


def _camera(info: Mapping[str, Any]) -> dict[str, Any]:
    return {"camera": info["camera"], "name": info["name"], "places": []}


def _places(definitions: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for kind in ("zone", "line"):
        for zone, one in definitions[f"{kind}s"].items():
            says = [word for word, field in _SAYS if one.get(field)]
            yield {"zone": zone, "name": one["name"], "kind": kind, "says": says}
