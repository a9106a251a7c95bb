"""A row of the API's table: its route, the check of its parameters, and the answers to errors."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import flask
import msgspec
import orjson
from werkzeug.exceptions import HTTPException

from shared import typed
from shared.asking.requests import BadAnswer, Busy, NoAnswer
from shared.errors import ConfigError, MessageError
from shared.wire.topics import check_id
from viewer_server.stored.reading import Unavailable

SAID = 200
"""How many characters of a wrong request an error repeats."""
Handler = Callable[..., Any]
Q = TypeVar("Q")


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is answered with an error.

    Args:
        status: HTTP status code.
        detail: What was wrong, and how to fix it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Endpoint:
    """One row of the table.

    Attributes:
        path: Below ``/api/v1``, with ``<name>`` for identifiers.
        handle: Called with the path's identifiers and `query`, all by name.
        query: Type of the query's parameters.
        answer: Type of the JSON answer, or the media type of an answer that is not JSON.
        summary: For the OpenAPI document.
        method: HTTP method.
        image: Whether the request's body is a picture.
        body: Type of the request's JSON body, for the document; the handler reads and checks the body itself.
        asks_node: Whether the handler asks an edge node, which may refuse or not answer.
    """

    path: str
    handle: Handler
    query: type
    answer: type | str
    summary: str
    method: Literal["GET", "POST"] = "GET"
    image: bool = False
    body: type | None = None
    asks_node: bool = False

    @property
    def name(self) -> str:
        """Flask's name of the route, and the document's operationId."""
        return self.handle.__name__


def register(routes: flask.Blueprint, table: typing.Iterable[Endpoint]) -> None:
    """Add the table's rows to a blueprint."""
    for row in table:
        routes.add_url_rule(row.path, row.name, _view(row), methods=[row.method])


def _view(row: Endpoint) -> Callable[..., flask.Response]:
    def view(**ids: str) -> flask.Response:
        try:
            for name, value in ids.items():
                check_id(name, value)
            if row.body is not None and not flask.request.is_json:  # a foreign page's form cannot send JSON
                raise Refused(415, "expected application/json")
            answer = row.handle(query=parameters(row.query), **ids)
        except Refused as refused:
            return problem(refused.status, refused.detail)
        except (MessageError, ConfigError) as error:
            return problem(400, str(error))
        except (Busy, Unavailable) as error:
            return problem(503, str(error))
        except BadAnswer as error:
            return problem(502, str(error))
        except NoAnswer as error:
            return problem(504, str(error))
        if isinstance(answer, flask.Response):
            return answer
        return flask.Response(orjson.dumps(answer), content_type="application/json")

    return view


def parameters(kind: type[Q]) -> Q:
    """The request's query parameters, checked.

    Raises:
        Refused: A parameter is unknown, missing, or not of its type.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # they are dataclasses
    raw: dict[str, Any] = {}
    for name, values in flask.request.args.lists():
        if name not in known:
            raise Refused(
                400, f"unknown parameter {name[:SAID]!r}; known: {', '.join(sorted(known)) or 'none'}"
            )
        many = typing.get_origin(hints[name]) is tuple
        if len(values) > 1 and not many:
            raise Refused(400, f"parameter {name!r} is given {len(values)} times")
        raw[name] = values if many else values[0]
    try:
        found = typed.convert(raw, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:  # a number of 5,000 digits is a ValueError
        raise Refused(400, f"parameters: {str(error)[:SAID]}") from None
    for name in known:
        value = getattr(found, name)
        if isinstance(value, float) and not math.isfinite(value):  # NaN is within any bounds
            raise Refused(400, f"parameter {name!r}: {value} is not a finite number")
    return found


def body(kind: type[Q]) -> Q:
    """The request's JSON, checked.

    Raises:
        Refused: It does not fit.
    """
    try:
        return typed.decode(flask.request.get_data(cache=False), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body does not fit: {str(error)[:SAID]}") from None


def jpeg(data: bytes) -> flask.Response:
    """A picture."""
    return flask.Response(data, content_type="image/jpeg")


def problem(status: int, detail: str, **headers: str) -> flask.Response:
    """An error as a JSON problem (RFC 9457)."""
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    answer = flask.Response(orjson.dumps(said), status, content_type="application/problem+json")
    answer.headers.update(headers)
    return answer


def from_exception(error: HTTPException) -> flask.Response:
    """An error of Flask's own, such as a path that does not exist, in the same form.

    Its headers stay: a 405 says which methods are allowed.
    """
    answer = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value
    return answer
