"""Endpoints that ask an edge node over MQTT: zones, masks, suspects, detections on a picture, a heatmap."""

from __future__ import annotations

from typing import Any

import flask
import msgspec
import orjson

from shared import limits, typed
from shared.asking.requests import NodeRequests
from shared.configuration.explain import in_our_words
from shared.errors import MessageError
from shared.wire.messages import Response, check_json
from viewer_server.api.endpoint import Refused
from viewer_server.api.newest import messages
from viewer_server.api.schemas.asked import (
    DetectAnswer,
    DetectQuery,
    HeatmapAnswer,
    SuspectDismissed,
    ZonesSaved,
)
from viewer_server.api.schemas.common import CameraQuery, Nothing
from viewer_server.api.uploads import picture_of
from viewer_server.live.hub import Hub
from viewer_server.stored.versions import Versions

HEATMAP_S = 5.0
NAMED = 20
"""Maximum number of nodes that an error names."""
STATUS = {"busy": 503, "conflict": 409, "unknown": 404}
"""HTTP's status for a node's error code; 422 for any other."""


class Asked:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes and their cameras.
        requests: Asks a node.
        versions: Earlier definitions of zones, lines, masks and filters.
    """

    def __init__(self, hub: Hub, requests: NodeRequests, versions: Versions) -> None:
        self._hub = hub
        self._requests = requests
        self._versions = versions

    def save_zones(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """Save definitions; 409 when the defined version is not the one that the request replaces."""
        self._check_camera(node, camera)
        wanted = body_of("version, zones and lines")
        try:
            version = wanted["version"]
            body = {"camera": camera, "version": version, "zones": wanted["zones"], "lines": wanted["lines"]}
        except KeyError:
            raise Refused(400, "expected a JSON object with version, zones and lines") from None
        ignoring = {name: wanted[name] for name in ("masks", "filters") if wanted.get(name) is not None}
        if any(ignoring.values()) and not self._can_ignore(node):
            raise Refused(
                422,
                f"node {node!r} is of an older version, which has no masks and filters: update it, or save "
                "without them",
            )
        body |= ignoring
        try:
            answer = self._requests.ask(node, "zones.set", body)
        except MessageError as error:
            raise Refused(422, str(error)) from None
        if answer.error is not None and answer.code is None:  # an older node sends no code
            is_conflict = self._hub.zones_version(node, camera) != version
            raise Refused(409 if is_conflict else 422, answer.error)
        return checked(ZonesSaved, answer, saved=True)

    def dismiss_suspect(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """Tell the node that a suspect is real."""
        self._check_camera(node, camera)
        wanted = body_of("id")
        if not isinstance(wanted.get("id"), str):
            raise Refused(400, "expected a JSON object with id, the suspect's identifier")
        try:
            answer = self._requests.ask(node, "suspects.dismiss", {"camera": camera, "id": wanted["id"]})
        except MessageError as error:
            raise Refused(422, str(error)) from None
        return checked(SuspectDismissed, answer, id=wanted["id"])

    def zone_versions(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """The saved versions, newest first, including the one that is defined now."""
        self._check_camera(node, camera)
        return {"versions": self._versions.of(node, camera)}

    def heatmap(self, query: CameraQuery) -> dict[str, Any]:
        """The node's heatmap of a camera."""
        self._check_node(query.node)
        answer = self._requests.ask(query.node, "heatmap", {"camera": query.camera}, deadline_s=HEATMAP_S)
        return checked(HeatmapAnswer, answer, node=query.node, camera=query.camera)

    def detect(self, query: DetectQuery) -> dict[str, Any]:
        """What a node sees on the request's picture; the node does not learn who sent it."""
        image = picture_of(flask.request)
        node = query.node or self._only_online()
        self._check_node(node)
        body = {} if query.confidence is None else {"confidence": query.confidence}
        answer = self._requests.ask(node, "detect", body, image, query.deadline_s)
        return checked(DetectAnswer, answer, node=node)

    def _check_camera(self, node: str, camera: str) -> None:
        if self._hub.zones_version(node, camera) is None:
            raise Refused(404, f"node {node!r} has no camera {camera!r} with zones")

    def _check_node(self, node: str) -> None:
        if not any(messages(self._hub, "status", nodes=[node])):
            raise Refused(404, f"no node {node!r} has announced itself")

    def _can_ignore(self, node: str) -> bool:
        """Whether a node has masks and filters; true where it has not described itself."""
        infos = (one["message"] for one in messages(self._hub, "info", nodes=[node]))
        return all("masks" in info["capabilities"] for info in infos)

    def _only_online(self) -> str:
        online = sorted(name for name, is_online in self._hub.online().items() if is_online)
        if not online:
            raise Refused(503, "no edge node is online")
        if len(online) > 1:  # whoever sends a picture decides who gets it
            named = ", ".join(online[:NAMED]) + (", ..." if len(online) > NAMED else "")
            raise Refused(409, f"{len(online)} edge nodes are online: name one as `node`: {named}")
        return online[0]


def body_of(expected: str) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        wanted = orjson.loads(flask.request.get_data())
    except orjson.JSONDecodeError as error:
        raise Refused(
            400, f"expected a JSON object with {expected}, and the body is no JSON: {error}"
        ) from None
    if not isinstance(wanted, dict):
        raise Refused(400, f"expected a JSON object with {expected}")
    try:
        check_json(wanted)
    except ValueError as error:
        raise Refused(422, str(error)) from None
    return wanted


def body_as(kind: type[Any]) -> dict[str, Any]:
    """The request's JSON object, which has the fields of `kind`; what else it has is left out."""
    wanted = body_of(", ".join(kind.__dataclass_fields__))
    try:
        typed.convert(wanted, kind)
    except msgspec.ValidationError as error:
        raise Refused(422, in_our_words(kind, wanted, str(error))) from None
    return {key: wanted[key] for key in kind.__dataclass_fields__ if key in wanted}


def asked_of(
    requests: NodeRequests, node: str, command: str, body: dict[str, Any], deadline_s: float | None = None
) -> Response:
    """A node's answer to a command.

    Args:
        requests: Asks it.
        node: Its identifier.
        command: Such as calendar.set.
        body: The request's fields.
        deadline_s: How long it may take; None: as long as is usual.

    Raises:
        Refused: The request cannot be sent.
    """
    try:
        return requests.ask(node, command, body, deadline_s=deadline_s)
    except MessageError as error:
        raise Refused(422, str(error)) from None


def checked(kind: type[Any], answer: Response, **ours: Any) -> dict[str, Any]:
    """A node's answer as the API has declared it; what the viewer knows better replaces what the node says.

    Raises:
        Refused: The node has refused, or its answer is not as declared.
    """
    if answer.error is not None:
        raise Refused(STATUS.get(answer.code or "", 422), answer.error)
    try:
        found = typed.convert({**answer.result, **ours}, kind)
    except msgspec.ValidationError as error:
        text = limits.clipped(str(error), 200)
        raise Refused(502, f"node {answer.node!r} gave an answer that breaks the contract: {text}") from None
    fields: dict[str, Any] = msgspec.to_builtins(found)
    return fields
