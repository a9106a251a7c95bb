"""Saving zones and lines from the page, and the versions that were in force before."""

from __future__ import annotations

import time
from typing import Any

import flask
import orjson

from shared.errors import ConfigError, MessageError
from shared.wire.topics import check_id
from viewer_server.api.endpoint import problem
from viewer_server.live.hub import Hub
from viewer_server.mqtt.asking import Busy, NoAnswer, NodeRequests
from viewer_server.stored.versions import Versions

NEWS_S = 1.0
"""How long another author's version may take to reach us after the node has refused ours for it."""

Answer = flask.Response | dict[str, Any]


def blueprint(hub: Hub, commands: NodeRequests, versions: Versions) -> flask.Blueprint:
    """Routes below ``/zones/NODE/CAMERA``.

    Args:
        hub: Knows the cameras and what is in force on them.
        commands: For asking the node.
        versions: What was in force.
    """
    routes = flask.Blueprint("zones", __name__, url_prefix="/zones/<node>/<camera>")

    @routes.before_request
    def refuse() -> flask.Response | None:
        return _refusal(hub)

    @routes.get("/versions")
    def earlier(node: str, camera: str) -> dict[str, Any]:
        return {"versions": versions.of(node, camera)}

    @routes.post("")
    def save(node: str, camera: str) -> Answer:
        try:
            wanted = orjson.loads(flask.request.get_data())
            version = wanted["version"]
            body = {"camera": camera, "version": version, "zones": wanted["zones"], "lines": wanted["lines"]}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return problem(400, "expected a JSON object with version, zones and lines")
        try:
            response = commands.ask(node, "zones.set", body)
        except MessageError as error:
            return problem(422, str(error))
        except Busy as error:
            return problem(503, str(error))
        except NoAnswer as error:
            return problem(504, str(error))
        if response.error is None:
            return {**response.result, "saved": True}
        # The reason is the node's to word, so it is not read: a conflict is when another version is in force.
        conflict = _in_force_is_not(hub, node, camera, version)
        return problem(409 if conflict else 422, response.error)

    return routes


def _refusal(hub: Hub) -> flask.Response | None:
    request = flask.request
    ids = request.view_args or {}
    try:
        for name, value in ids.items():
            check_id(name, value)
    except ConfigError as error:
        return problem(404, str(error))
    if hub.zones_version(ids["node"], ids["camera"]) is None:
        return problem(404, f"no camera {ids['camera']} with zones on a node {ids['node']}")
    if request.method == "POST" and not request.is_json:  # what a foreign page's form cannot send
        return problem(415, "expected application/json")
    return None


def _in_force_is_not(hub: Hub, node: str, camera: str, version: object) -> bool:
    deadline = time.monotonic() + NEWS_S
    while hub.zones_version(node, camera) == version:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
