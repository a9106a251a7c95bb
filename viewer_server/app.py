"""The Flask application: the page, the websocket, health and metrics."""

from __future__ import annotations

import mimetypes
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import flask
import orjson
from flask.typing import ResponseReturnValue
from flask_sock import Sock
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response
from wsproto.utilities import RemoteProtocolError

from shared.wire.messages import now_us
from viewer_server import pages
from viewer_server.access.auth import LOGGED_OUT, Access
from viewer_server.access.headers import HEADERS
from viewer_server.access.origin import Origins
from viewer_server.access.proxies import FRAMED
from viewer_server.api import endpoint, openapi, uploads
from viewer_server.api.endpoint import Endpoint
from viewer_server.live import updates, websocket
from viewer_server.live.hub import MAX_WATCHED, Full, Hub
from viewer_server.live.mailbox import Mailbox
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.mqtt.subscriber import Subscriber

NAMES = "names"

# Browsers refuse modules of any other type, and some systems' tables say text/plain.
mimetypes.add_type("text/javascript", ".js")


def create_app(
    hub: Hub,
    metrics: ViewerMetrics,
    subscriber: Subscriber | None,
    origins: Origins,
    access: Access,
    table: Sequence[Endpoint],
    shown: Mapping[str, str],
) -> flask.Flask:
    """The application, ready to be served.

    Args:
        hub: Fills the browsers' mailboxes.
        metrics: Answers /metrics, and counts refused websockets.
        subscriber: /health and /ready say whether it runs; None for a viewer without a broker, which has no
            live page.
        origins: Which names and pages are answered.
        access: Decides who may look.
        table: The endpoints below ``/api/v1``.
        shown: Names of the pages that there are, by address.
    """
    app = flask.Flask(__name__)
    app.config["SOCK_SERVER_OPTIONS"] = websocket.OPTIONS
    app.config["MAX_CONTENT_LENGTH"] = uploads.BODY_BYTES
    sock = Sock(app)

    app.jinja_env.globals["history"] = subscriber is not None and subscriber.keeps_history
    app.register_blueprint(pages.blueprint(access, shown))
    app.register_blueprint(_rest(table))

    @app.before_request
    def refuse_strangers() -> ResponseReturnValue | None:
        return _refusal(origins, access, metrics)

    @app.after_request
    def secure(response: flask.Response) -> flask.Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if flask.request.environ.get(FRAMED):  # the frame's page has our own origin
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
            policy = response.headers["Content-Security-Policy"]
            response.headers["Content-Security-Policy"] = policy.replace(
                "frame-ancestors 'none'", "frame-ancestors 'self'"
            )
        return response

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> ResponseReturnValue:
        return endpoint.from_exception(error) if flask.request.path.startswith("/api/") else error

    @app.errorhandler(RemoteProtocolError)
    def bad_handshake(error: RemoteProtocolError) -> tuple[str, int]:
        return f"not a websocket handshake: {error}\n", 400

    @app.get("/health")
    def health() -> tuple[Response, int]:
        return _health(hub, metrics, subscriber)

    @app.get("/ready")
    def ready() -> tuple[str, int, dict[str, str]]:
        return _ready(metrics, subscriber)

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    if subscriber is not None:

        @sock.route("/ws")  # type: ignore[untyped-decorator]  # flask-sock has no types
        def live(ws: Any) -> None:
            _live(ws, hub, metrics, access)

    return app


def _rest(table: Sequence[Endpoint]) -> flask.Blueprint:
    api = flask.Blueprint("api", __name__, url_prefix="/api/v1")
    endpoint.register(api, table)
    document = openapi.encoded(table)

    @api.get("/openapi.json")
    def openapi_json() -> flask.Response:
        below, here = flask.request.root_path, document
        if below:  # its paths are those of a viewer that has a host of its own
            here = orjson.dumps(orjson.loads(document) | {"servers": [{"url": below}]})
        return flask.Response(here, content_type="application/json")

    return api


def _refusal(origins: Origins, access: Access, metrics: ViewerMetrics) -> ResponseReturnValue | None:
    request = flask.request
    # Containers, monitors and proxies ask under any name; the answers tell nothing that could be stolen.
    if request.path not in ("/health", "/ready") and (refusal := _stranger(origins, metrics)):
        return refusal
    if not access.may_enter(request):
        return _turn_away(request)
    if access.is_forged(request):
        return endpoint.problem(403, "this page may not change anything here (http.allowed_origins)")
    if request.path == "/ws":
        if not isinstance(request.environ["gunicorn.socket"], socket.socket):  # it asks for no upgrade
            return _plain("Not a websocket handshake.\n", 400)
        if (first := request.args.get("first", NAMES)) != NAMES:
            return _plain(f"first={first[:40]!r} is unknown: say first=names, or nothing.\n", 400)
        websocket.refuse_compression(request.environ)
        websocket.wrap(request.environ)
    return None


def _turn_away(request: flask.Request) -> ResponseReturnValue:
    """Send people to the login page, and tell programs the reason."""
    if request.method == "GET" and _is_page(request):
        return flask.redirect(pages.login_address(request.path), HTTPStatus.SEE_OTHER)
    challenge = {"WWW-Authenticate": 'Bearer realm="darner"'}
    return endpoint.problem(
        401, "log in at /login, or send the header Authorization: Bearer TOKEN", **challenge
    )


def _is_page(request: flask.Request) -> bool:
    return not request.path.startswith(("/api/", "/metrics", "/ws", "/health", "/ready", "/static/"))


def _stranger(origins: Origins, metrics: ViewerMetrics) -> flask.Response | None:
    request = flask.request
    host = request.headers.get("Host", "")
    if not origins.host_is_ours(host):
        hint = f"add the address you opened, such as http://{host}, to http.allowed_origins"
        return _plain(f"This viewer does not know itself as {host!r}; {hint}.\n", 403)
    if request.path == "/ws" and not origins.page_is_ours(request.headers.get("Origin"), host):
        metrics.turned_away.labels("origin").inc()
        return _plain("This page may not open the viewer's websocket (http.allowed_origins).\n", 403)
    embedded = origins.works_for_a_foreign_page(request.headers, request.method, _is_page(request))
    if embedded and request.path != "/ws":
        metrics.turned_away.labels("foreign").inc()
        return endpoint.problem(403, "a page of another site asked for this; open the address by itself")
    return None


def _plain(text: str, status: int) -> flask.Response:
    return flask.Response(text, status, content_type="text/plain; charset=utf-8")


def _health(hub: Hub, metrics: ViewerMetrics, subscriber: Subscriber | None) -> tuple[Response, int]:
    """200 as long as a restart would not help: the viewer waits for a missing broker by itself."""
    alive, census = subscriber is None or subscriber.alive, hub.census()
    body = {
        "status": "ok"
        if alive and (subscriber is None or metrics.broker_connected)
        else "waiting for the broker"
        if alive
        else "broken",
        "broker_connected": metrics.broker_connected,
        "nodes": census["nodes"],
        "cameras": census["cameras"],
        "browsers": len(hub),
    }
    return flask.Response(orjson.dumps(body), content_type="application/json"), 200 if alive else 503


def _ready(metrics: ViewerMetrics, subscriber: Subscriber | None) -> tuple[str, int, dict[str, str]]:
    """200 while the viewer can show what happens, for a proxy that has other viewers to choose from."""
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    if subscriber is None or (subscriber.alive and metrics.broker_connected):
        return "ready\n", 200, plain
    return "waiting for the broker\n", 503, plain


def _live(ws: Any, hub: Hub, metrics: ViewerMetrics, access: Access) -> None:
    request = flask.request._get_current_object()  # type: ignore[attr-defined]  # the proxy has it
    sock = flask.request.environ["gunicorn.socket"]
    mailbox = Mailbox(ws.event, sock.close, names_first="first" in flask.request.args)
    try:
        hub.join(mailbox, now_us())
    except Full as reason:
        metrics.turned_away.labels("full").inc()
        mailbox.close(1013, str(reason))

    def listen(message: str | bytes) -> None:
        heard = _read(message)
        match heard.get("type"):
            case "ready" if isinstance(heard.get("frames"), int):
                mailbox.allow(heard["frames"])
            case "show":
                hub.show(mailbox, _cameras(heard.get("cameras")) or ())
            case "watch":
                hub.watch(mailbox, _cameras(heard.get("cameras")))
            case "ping" if isinstance(heard.get("client_ms"), (int, float)):
                sock.send(updates.text("pong", client_ms=heard["client_ms"], server_us=now_us()))

    def check() -> None:
        if not access.may_enter(request):
            mailbox.close(LOGGED_OUT, "the session has ended")

    try:
        with access.watching(mailbox):
            websocket.serve(ws, sock, mailbox, listen, check)
    finally:
        hub.leave(mailbox)


def _cameras(named: object) -> list[updates.Key] | None:
    """Node and camera of each named camera; None, which stands for all, when `named` is no list."""
    if not isinstance(named, list):
        return None
    return [
        (str(pair[0]), str(pair[1]))
        for pair in named[:MAX_WATCHED]
        if isinstance(pair, list) and len(pair) == 2
    ]


def _read(message: str | bytes) -> dict[str, Any]:
    """A browser's message; empty when it is no JSON object."""
    try:
        heard = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return heard if isinstance(heard, dict) else {}
