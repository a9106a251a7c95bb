"""`python -m viewer_server.api.openapi`: the API's OpenAPI 3.1 document, made from the routes' table."""

from __future__ import annotations

import argparse
import re
import sys
import typing
from collections.abc import Iterable
from contextlib import closing
from dataclasses import MISSING, fields
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson

from shared import limits
from shared.wire.messages import Id
from viewer_server.api.endpoint import Endpoint
from viewer_server.api.schemas.common import Problem, TrackNumber

FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
_REFERENCE = "#/components/schemas/{name}"
_PROBLEMS = {
    "400": "A parameter is unknown, missing or not of its type",
    "401": "The request has neither a session nor a token",
    "503": "The viewer, or a node, cannot answer now",
}
_OF_ANY = (
    "Errors that any request can have. 403: the host name is unknown, or a page of another site asks. "
    "405: the header `Allow` names the methods of this path. 408: the request did not arrive in time. "
    "413: the body is longer than 1 MiB, or comes in too many chunks. "
    "414: the address is longer than 4094 bytes. "
    "429: too many connections of one address. 431: more than 100 headers, or one longer than 8 kB. "
    "501: a `Transfer-Encoding` other than `chunked`. 417 and 505: an `Expect` or a version that is not known"
)
_OF_NODES = {
    "404": "The node, the camera, or what the request names does not exist",
    "422": "The node refused, and says why",
    "502": "The node's answer is not what is described here",
    "504": "The node did not answer in time",
}
_OF_BODIES = {"415": "The body is not JSON"}
_OF_VERSIONS = {"409": "Another version was saved meanwhile"}
_OF_IMAGES = {
    "409": "Several nodes are online, and none is named",
    "413": f"Over {limits.UPLOAD_BYTES} bytes or {limits.UPLOAD_PIXELS} pixels",
    "415": "Neither a JPEG nor a PNG",
}


def document(table: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        table: The endpoints.
    """
    rows = list(table)
    types = [row.answer for row in rows if not isinstance(row.answer, str)]
    types += [row.body for row in rows if row.body is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REFERENCE)
    by_type = dict(zip(types, schemas, strict=False))
    for component in components.values():
        if "description" in component:  # Python 3.13 takes the indentation out of docstrings
            component["description"] = " ".join(component["description"].split("Attributes:")[0].split())
    paths: dict[str, Any] = {}
    for row in rows:
        path = re.sub(r"<(\w+)>", r"{\1}", row.path)
        paths.setdefault(f"/api/v1{path}", {})[row.method.lower()] = _operation(row, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darner's viewer",
            "version": version("darner"),
            "description": "The newest messages on the broker, stored events and counts, zones, and a node's "
            "detections on a picture. Times are microseconds since 1970 UTC; coordinates are fractions of "
            "the picture.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "darner_8080"},
            },
        },
        "security": [{"token": []}, {"session": []}, {}],
    }


def _operation(row: Endpoint, by_type: dict[type, Any]) -> dict[str, Any]:
    content: dict[str, Any] = (
        {row.answer: {}}
        if isinstance(row.answer, str)
        else {"application/json": {"schema": by_type[row.answer]}}
    )
    reasons = _PROBLEMS | (_OF_IMAGES if row.image else {})
    if "<" in row.path:
        reasons |= {"404": "It does not exist"}
    if row.asks_node:
        reasons |= _OF_NODES
    if row.body is not None:
        reasons |= _OF_BODIES
        if "version" in row.body.__annotations__:  # the one that the body replaces
            reasons |= _OF_VERSIONS
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    operation: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "parameters": [*_path_parameters(row.path), *_query_parameters(row.query)],
        "responses": {
            "200": {"description": "As asked", "content": content},
            **{code: {"description": why, "content": problem} for code, why in sorted(reasons.items())},
            "default": {"description": _OF_ANY, "content": problem},
        },
    }
    if row.image:
        picture = {"type": "string", "format": "binary"}
        form = {"type": "object", "properties": {"image": picture, "file": picture}, "maxProperties": 1}
        operation["requestBody"] = {
            "required": True,
            "content": {"image/jpeg": {}, "image/png": {}, "multipart/form-data": {"schema": form}},
        }
    if row.body is not None:
        content = {"application/json": {"schema": by_type[row.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    made = []
    for name in re.findall(r"<(\w+)>", path):
        schema = msgspec.json.schema(TrackNumber if name == "track" else Id)
        parameter: dict[str, Any] = {"name": name, "in": "path", "required": True}
        if description := schema.pop("description", None):
            parameter["description"] = description
        made.append(parameter | {"schema": schema})
    return made


def _query_parameters(kind: type) -> list[dict[str, Any]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    made = []
    for field in fields(kind):
        schema = msgspec.json.schema(hints[field.name])
        parameter: dict[str, Any] = {"name": field.name, "in": "query", "schema": schema}
        if description := schema.pop("description", None):
            parameter["description"] = description
        if field.default is MISSING:
            parameter["required"] = True
        elif field.default is not None and field.default != ():
            schema["default"] = field.default
        made.append(parameter)
    return made


def encoded(table: Iterable[Endpoint]) -> bytes:
    """The document as it is served and kept in ``docs/``."""
    return orjson.dumps(document(table), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main() -> int:
    """Write ``docs/openapi.json``; with ``--check``, only say whether it is stale."""
    parser = argparse.ArgumentParser(prog="python -m viewer_server.api.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is stale")
    check: bool = parser.parse_args().check
    content = encoded(endpoints())
    if check and content != FILE.read_bytes():
        print(f"{FILE} is stale; run: python -m viewer_server.api.openapi", file=sys.stderr)
        return 1
    if not check:
        FILE.write_bytes(content)
    return 0


def endpoints() -> tuple[Endpoint, ...]:
    """The table, made without a broker or a database."""
    from shared.asking.requests import NodeRequests
    from shared.mqtt.address import MqttSettings
    from shared.mqtt.client import Client
    from viewer_server.api.routes import Parts, label_table, table
    from viewer_server.api.schemas.common import LoginInfo
    from viewer_server.config import HistorySettings
    from viewer_server.labelling.desk import Desk
    from viewer_server.live.hub import Hub
    from viewer_server.live.state import State
    from viewer_server.mqtt.interests import Interests
    from viewer_server.mqtt.media import Media
    from viewer_server.notify.alerting import Alerting
    from viewer_server.stored.history import History
    from viewer_server.stored.reading import Database
    from viewer_server.stored.versions import Versions
    from viewer_server.targets import NotifySettings

    settings, nothing = MqttSettings(), HistorySettings(path=None)
    hub, client = Hub(State(settings.prefix), 1, {}), Client(settings, name="openapi")
    interests = Interests(client, settings.prefix, "openapi", str, hub.online, 1)
    parts = Parts(
        hub=hub,
        requests=NodeRequests(client, settings),
        media=Media(client, settings.prefix, hub, interests),
        versions=Versions(None),
        history=Database(None),
        pictures=Database(None),
        alerting=Alerting(NotifySettings(), History(nothing), nothing, lambda _: {}),
        login=LoginInfo(login_required=False, version=version("darner")),
    )
    with TemporaryDirectory() as folder, closing(Desk(Path(folder))) as desk:
        return (*table(parts), *label_table(desk))


if __name__ == "__main__":
    sys.exit(main())
