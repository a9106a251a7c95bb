"""Endpoints about now: the newest messages of nodes, cameras and zones that are on the broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import flask
import orjson

from shared.wire.messages import now_us
from viewer_server.api import find
from viewer_server.api.endpoint import Refused, jpeg
from viewer_server.api.schemas.common import CameraQuery, CamerasQuery, FindQuery, Nothing, ZonesQuery
from viewer_server.live import updates
from viewer_server.live.hub import Hub
from viewer_server.mqtt.media import WAIT_S, Media
from viewer_server.stored import series
from viewer_server.stored.reading import Database


class Newest:
    """The endpoints, one method each.

    Args:
        hub: Knows the newest message of everything.
        history: Knows zones and lines that are not defined any more.
        media: Receives the pictures that somebody asks for.
    """

    def __init__(self, hub: Hub, history: Database, media: Media) -> None:
        self._hub, self._media = hub, media
        self._history = history

    def nodes(self, query: FindQuery) -> dict[str, Any]:
        """Status, description and metrics of each node."""
        names = sorted(find.nodes(self._hub.names(), query.words))
        wanted = query.cut(names)
        found = {name: {"node": name, "status": None, "info": None, "metrics": None} for name in wanted}
        for message in messages(self._hub, "status", "info", "metrics", nodes=wanted):
            found[message["node"]][message["type"]] = message["message"]
        known = self._hub.online()
        return {
            "now_us": now_us(),
            "nodes": list(found.values()),
            "total": len(names),
            "limits": [
                {
                    "node": one.node or None,
                    "limit": one.limit,
                    "allowed": one.allowed,
                    "count": one.count,
                    "last_us": one.last_us,
                    "says": one.says,
                }
                for one in self._hub.state.quotas.reached()
                if one.node in found or one.node not in known
            ],
        }

    def metrics(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """The nodes' metrics, as they send them."""
        return {"now_us": now_us(), "metrics": [one["message"] for one in messages(self._hub, "metrics")]}

    def cameras(self, query: CamerasQuery) -> dict[str, Any]:
        """From the nodes' descriptions and the cameras' own status."""
        wanted: list[tuple[str, str]] | None = None
        total = 0
        if not query.is_all:  # only of cameras that have said something: others cannot be looked at
            names = sorted(find.cameras(self._hub.names(), query.words, query.node))
            wanted, total = query.cut(names), len(names)
        found: dict[tuple[str, str], dict[str, Any]] = {}
        of_one = None if query.node is None else {query.node}
        nodes = of_one if wanted is None else {node for node, _ in wanted}
        for message in messages(self._hub, "info", "camera_status", "health", nodes=nodes):
            if message["type"] == "info":
                for about in message["message"]["cameras"]:
                    one = _camera(found, message["node"], about["camera"])
                    one |= {name: about[name] for name in ("name", "source", "zones", "lines")}
                    one["node_name"] = message["message"]["name"]
            else:
                name = "health" if message["type"] == "health" else "status"
                _camera(found, message["node"], message["camera"])[name] = message["message"]
        if wanted is None:
            return {"cameras": [found[key] for key in sorted(found)], "total": len(found)}
        return {"cameras": [_camera(found, *key) for key in wanted], "total": total}

    def camera_picture(self, query: Nothing, node: str, camera: str) -> flask.Response:  # noqa: ARG002
        """The picture of the newest frame whose boxes have arrived; if nobody watches, it waits for one."""
        about = f"camera {camera} of node {node}"
        if not self._hub.shown([(node, camera)]):
            raise Refused(404, f"no picture of {about}: the viewer knows no such camera")
        silent = self._silent(node, camera)
        frame = self._media.picture((node, camera), 0.0 if silent else WAIT_S)
        if frame is None and silent:
            raise Refused(404, f"no picture of {about}: {silent}")
        if frame is None:
            raise Refused(504, f"no picture of {about} within {WAIT_S:g} s; its thumbnail.fps may be 0")
        picture = updates.jpeg_of(frame.payload)
        if not picture:
            raise Refused(
                404, f"camera {camera} of node {node} has no pictures: its detections come over MQTT"
            )
        return jpeg(picture)

    def _silent(self, node: str, camera: str) -> str | None:
        """Why no picture is to be expected; None where one is."""
        node_says = self._said("status", node)
        if node_says.get("status", "online") != "online":
            return "the node is offline"
        status = self._said("camera_status", node, camera).get("status", "streaming")
        return None if status == "streaming" else f"the camera is {status}"

    def _said(self, *key: str) -> dict[str, Any]:
        payload = self._hub.entry(*key)
        said: dict[str, Any] = {} if payload is None else orjson.loads(updates.content(payload))["message"]
        return said

    def paths(self, query: CameraQuery) -> dict[str, Any]:
        """The last finished tracks of a camera, which nodes tell of where that is turned on."""
        tracks = self._hub.paths.of(query.node, query.camera)
        return {"node": query.node, "camera": query.camera, "tracks": tracks}

    def suspects(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """What the nodes take for static false positives."""
        return {"cameras": [one["message"] for one in messages(self._hub, "suspects")]}

    def zones(self, query: ZonesQuery) -> dict[str, Any]:
        """Defined zones and lines with their numbers, and those that only the history knows."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        nodes = None if query.node is None else [query.node]
        for message in messages(self._hub, "zones", nodes=nodes):
            for kind in ("zone", "line"):
                for name, definition in message["message"][f"{kind}s"].items():
                    key = message["node"], message["camera"], name
                    found[key] = _zone(*key, kind) | {
                        "name": definition["name"],
                        "current": True,
                        "queue": definition.get("queue", False),
                        "classes": definition["classes"],
                    }
        live = live_sessions(self._hub, nodes)
        for message in messages(self._hub, "zone", nodes=nodes):
            numbers, key = message["message"], (message["node"], message["camera"], message["zone"])
            zone = found.setdefault(key, _zone(*key, numbers["kind"]))
            zone |= {name: numbers[name] for name in ("entered", "exited")}
            now = live.get(key[:2]) == numbers["session"]
            zone["paused"] = numbers["paused"] if now else None
            is_live = now and numbers["kind"] == "zone" and numbers["paused"] is None
            zone["occupancy"] = numbers["occupancy"] if is_live else None
        if self._history.exists:
            with self._history.reading() as db:
                for place in series.places(db):
                    key = place.node, place.camera, place.zone
                    found.setdefault(key, _zone(*key, place.kind))
        wanted = (query.node, query.camera)
        return {
            "zones": [
                found[key]
                for key in sorted(found)
                if all(want in (None, has) for want, has in zip(wanted, key, strict=False))
            ]
        }


def messages(hub: Hub, *kinds: str, nodes: Iterable[str] | None = None) -> Iterable[dict[str, Any]]:
    """The newest messages of these kinds, such as "status", as browsers get them; of all or some nodes."""
    for update in hub.known(*kinds, nodes=nodes):
        message: dict[str, Any] = orjson.loads(updates.content(update.payload))
        yield message


@dataclass(slots=True)
class NodeSays:
    """What a node says of itself, for pages that show and change a part of it.

    Attributes:
        online: Whether it is online.
        info: Its description; None: it has not described itself.
        said: Its newest messages of other kinds, by kind.
    """

    online: bool = False
    info: dict[str, Any] | None = None
    said: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """What people call the node; None: its identifier."""
        return None if self.info is None else self.info["name"]

    def can(self, capability: str) -> bool:
        """Whether it has a capability; older nodes have fewer."""
        return self.info is not None and capability in self.info["capabilities"]


def what_nodes_say(hub: Hub, nodes: Iterable[str], *kinds: str) -> dict[str, NodeSays]:
    """Status, description and messages of these kinds, of each of these nodes; in the given order."""
    found = {node: NodeSays() for node in nodes}
    for message in messages(hub, "status", "info", *kinds, nodes=found):
        one, said = found[message["node"]], message["message"]
        if message["type"] == "status":
            one.online = said["status"] == "online"
        elif message["type"] == "info":
            one.info = said
        else:
            one.said[message["type"]] = said
    return found


def live_sessions(hub: Hub, nodes: Iterable[str] | None) -> dict[tuple[str, str], str]:
    """The session of each camera whose numbers are of now (docs/reference/wire.md: live, or left over)."""
    online: dict[str, str] = {}
    live: dict[tuple[str, str], str] = {}
    for message in messages(hub, "status", "camera_status", nodes=nodes):
        said = message["message"]
        if message["type"] == "status":
            online[message["node"]] = said["session"] if said["status"] == "online" else ""
        elif said["status"] in ("streaming", "paused"):
            live[message["node"], message["camera"]] = said["session"]
    return {key: session for key, session in live.items() if session == online.get(key[0])}


def _camera(found: dict[tuple[str, str], dict[str, Any]], node: str, camera: str) -> dict[str, Any]:
    empty = {
        "node": node,
        "camera": camera,
        "name": None,
        "node_name": None,
        "status": None,
        "health": None,
        "source": None,
        "zones": 0,
        "lines": 0,
        "picture_url": f"{flask.request.root_path}/api/v1/cameras/{node}/{camera}/picture",
    }
    return found.setdefault((node, camera), empty)


def _zone(node: str, camera: str, zone: str, kind: str) -> dict[str, Any]:
    return {
        "node": node,
        "camera": camera,
        "zone": zone,
        "name": None,
        "kind": kind,
        "current": False,
        "queue": False,
        "classes": [],
        "occupancy": None,
        "paused": None,
        "entered": None,
        "exited": None,
    }
