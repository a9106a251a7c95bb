"""Saving zones and lines from the page, and the versions that were in force before."""

from __future__ import annotations

import time
from typing import Any

import flask
import orjson

from shared.errors import ConfigError, MessageError
from shared.topics import check_id
from viewer_server.commands import Busy, Commands, NoAnswer
from viewer_server.hub import Hub
from viewer_server.origin import Origins
from viewer_server.versions import Versions

NEWS_S = 1.0
"""How long another author's version may take to reach us after the node has refused ours for it."""

Answer = tuple[dict[str, Any], int]


def blueprint(hub: Hub, commands: Commands, versions: Versions, origins: Origins) -> flask.Blueprint:
    """Routes below ``/zones/NODE/CAMERA``.

    Args:
        hub: Knows the cameras and what is in force on them.
        commands: For asking the node.
        versions: What was in force.
        origins: Which pages may save.
    """
    routes = flask.Blueprint("zones", __name__, url_prefix="/zones/<node>/<camera>")

    @routes.before_request
    def refuse() -> Answer | None:
        return _refusal(hub, origins)

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
            return {"error": "expected a JSON object with version, zones and lines"}, 400
        try:
            response = commands.ask(node, "zones.set", body)
        except MessageError as error:
            return {"error": str(error)}, 422
        except Busy as error:
            return {"error": str(error)}, 503
        except NoAnswer as error:
            return {"error": str(error)}, 504
        if response.error is None:
            return {**response.result, "saved": True}, 200
        # The reason is the node's to word, so it is not read: a conflict is when another version is in force.
        conflict = _in_force_is_not(hub, node, camera, version)
        return {"error": response.error, "conflict": conflict}, 409 if conflict else 422

    return routes


def _refusal(hub: Hub, origins: Origins) -> Answer | None:
    request = flask.request
    ids = request.view_args or {}
    try:
        for name, value in ids.items():
            check_id(name, value)
    except ConfigError as error:
        return {"error": str(error)}, 404
    if hub.zones_version(ids["node"], ids["camera"]) is None:
        return {"error": f"no camera {ids['camera']} with zones on a node {ids['node']}"}, 404
    if request.method == "POST":
        if not origins.page_is_ours(request.headers.get("Origin"), request.headers.get("Host", "")):
            return {"error": "this page may not change anything here (http.allowed_origins)"}, 403
        if not request.is_json:  # what a foreign page's form cannot send
            return {"error": "expected application/json"}, 415
    return None


def _in_force_is_not(hub: Hub, node: str, camera: str, version: object) -> bool:
    deadline = time.monotonic() + NEWS_S
    while hub.zones_version(node, camera) == version:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
