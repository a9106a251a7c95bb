"""The pages beside the live page, login and logout."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import flask
from werkzeug.wrappers import Response

from viewer_server.access.auth import Access

log = logging.getLogger("darner.login")

_OURS = re.compile(r"/(?:(?!\.\.?(?:/|$))[A-Za-z0-9_.-]+/?)*")
"""Where a login may lead: to a path of this viewer, never to another address."""


PAGES = {
    "./": "Live",
    "analytics": "Analytics",
    "events": "Events",
    "alerts": "Alerts",
    "schedules": "Schedules",
    "cameras": "Cameras",
    "system": "System",
}
"""Names of the pages that every viewer with a broker has, by address."""
LABEL = {"label": "Label"}
BELOW = {"rules": "alerts"}
"""Pages that are reached from another one, by address, with the address of that one."""


def blueprint(access: Access, shown: Mapping[str, str]) -> flask.Blueprint:
    """The routes of these pages.

    Args:
        access: Decides who may look.
        shown: Names of the pages that there are, by address.
    """
    routes = flask.Blueprint("pages", __name__)

    @routes.app_context_processor
    def about() -> dict[str, object]:
        logged_in = access.session_of(flask.request) is not None
        entered = logged_in or not access.required
        return {
            "logged_in": access.required and logged_in,
            "entered": entered,
            "pages": shown,
            "below": BELOW,
        }

    @routes.after_app_request
    def visited(response: flask.Response) -> flask.Response:
        access.visited(response)
        return response

    below = {name for name, above in BELOW.items() if above in shown}
    for name in (shown.keys() | below) - {"./"}:
        routes.add_url_rule(f"/{name}", name, _page(f"{name}.html"))
    home = _page("index.html") if "./" in shown else lambda: _to(next(iter(shown)))
    routes.add_url_rule("/", "home", home)

    @routes.get("/login")
    def login() -> str | Response:
        if not access.required or access.session_of(flask.request) is not None:
            return _to(_next(flask.request.args.get("next")))
        return _form(access, flask.request.args.get("next"), "")

    @routes.post("/login")
    def log_in() -> Response:
        target = flask.request.form.get("next")
        wait_s = access.attempts.begin(flask.request.remote_addr)
        if wait_s:
            text = f"Too many attempts. Try again in {wait_s} s."
            answer = flask.make_response(_form(access, target, text), HTTPStatus.TOO_MANY_REQUESTS)
            answer.headers["Retry-After"] = str(wait_s)
            return answer
        if not access.password_is_right(flask.request.form.get("password", "")):
            log.warning("a wrong password from %s", flask.request.remote_addr)
            text = "That is not the password."
            return flask.make_response(_form(access, target, text), HTTPStatus.UNAUTHORIZED)
        access.succeeded(flask.request.remote_addr)
        entered = flask.make_response(_to(_next(target)))
        access.log_in(entered)
        return entered

    @routes.post("/logout")
    def log_out() -> Response:
        left = flask.make_response(_to("/login"))
        access.log_out(left)
        return left

    return routes


def login_address(path: str) -> str:
    """The login page's address; a login leads back to `path`."""
    return from_here("/login") + ("" if path == "/" else f"?next={quote(path)}")


def from_here(path: str) -> str:
    """A path of this viewer, relative to the request's own: so it is right below any path of a proxy."""
    return "../" * (flask.request.path.count("/") - 1) + (path.lstrip("/") or "./")


def _to(path: str) -> Response:
    return flask.redirect(from_here(path), HTTPStatus.SEE_OTHER)


def _page(template: str) -> flask.typing.RouteCallable:
    return lambda: flask.render_template(template)


def _form(access: Access, target: str | None, error: str) -> str:
    return flask.render_template(
        "login.html", target=_next(target), error=error, by_password=access.by_password
    )


def _next(target: str | None) -> str:
    return target if target and len(target) < 200 and _OURS.fullmatch(target) else "/"
