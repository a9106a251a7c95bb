"""Endpoints that ask an edge node over MQTT: zones, detections on a picture, a heatmap."""

from __future__ import annotations

from typing import Any

import flask
import orjson

from shared.errors import MessageError
from shared.wire.messages import Response
from viewer_server.api.endpoint import Refused
from viewer_server.api.newest import messages
from viewer_server.api.schemas import CameraQuery, DetectQuery, Nothing
from viewer_server.api.uploads import picture_of
from viewer_server.live.hub import Hub
from viewer_server.mqtt.asking import NodeRequests
from viewer_server.stored.versions import Versions

HEATMAP_S = 5.0
STATUS = {"busy": 503, "conflict": 409, "unknown": 404}
"""HTTP's status for a node's error code; 422 for any other."""


class Asked:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes and their cameras.
        requests: Asks a node.
        versions: Earlier definitions of zones and lines.
    """

    def __init__(self, hub: Hub, requests: NodeRequests, versions: Versions) -> None:
        self._hub = hub
        self._requests = requests
        self._versions = versions

    def save_zones(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """Save zones and lines; 409 when the defined version is not the one that the request replaces."""
        self._check_camera(node, camera)
        try:
            wanted = orjson.loads(flask.request.get_data())
            version = wanted["version"]
            body = {"camera": camera, "version": version, "zones": wanted["zones"], "lines": wanted["lines"]}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise Refused(400, "expected a JSON object with version, zones and lines") from None
        try:
            answer = self._requests.ask(node, "zones.set", body)
        except MessageError as error:
            raise Refused(422, str(error)) from None
        if answer.error is not None and answer.code is None:  # an older node sends no code
            is_conflict = self._hub.zones_version(node, camera) != version
            raise Refused(409 if is_conflict else 422, answer.error)
        return {**_result(answer), "saved": True}

    def zone_versions(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """The saved versions, newest first, including the one that is defined now."""
        self._check_camera(node, camera)
        return {"versions": self._versions.of(node, camera)}

    def heatmap(self, query: CameraQuery) -> dict[str, Any]:
        """The node's heatmap of a camera."""
        self._check_node(query.node)
        answer = self._requests.ask(query.node, "heatmap", {"camera": query.camera}, deadline_s=HEATMAP_S)
        result = _result(answer)
        return {"node": query.node, "camera": query.camera, "seconds": result.get("seconds", [])}

    def detect(self, query: DetectQuery) -> dict[str, Any]:
        """What a node sees on the request's picture; the node does not learn who sent it."""
        image = picture_of(flask.request)
        node = query.node
        if node is None:
            node = self._first_online()
        else:
            self._check_node(node)
        body = {} if query.confidence is None else {"confidence": query.confidence}
        answer = self._requests.ask(node, "detect", body, image, query.deadline_s)
        return {"node": node} | _result(answer)

    def _check_camera(self, node: str, camera: str) -> None:
        if self._hub.zones_version(node, camera) is None:
            raise Refused(404, f"node {node!r} has no camera {camera!r} with zones")

    def _check_node(self, node: str) -> None:
        if not any(one["node"] == node for one in messages(self._hub, "status")):
            raise Refused(404, f"no node {node!r} has announced itself")

    def _first_online(self) -> str:
        online = (
            one["node"] for one in messages(self._hub, "status") if one["message"]["status"] == "online"
        )
        node = min(online, default=None)
        if node is None:
            raise Refused(503, "no edge node is online")
        return str(node)


def _result(answer: Response) -> dict[str, Any]:
    if answer.error is not None:
        raise Refused(STATUS.get(answer.code or "", 422), answer.error)
    return dict(answer.result)
