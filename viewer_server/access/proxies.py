"""Believes what the configured proxies say about the browsers behind them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from shared.errors import ConfigError
from shared.log import Once
from viewer_server.access.addresses import Networks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("darner.viewer")

FRAMED = "darner.framed"
"""In a request's environment when Home Assistant shows the viewer in a frame of its own pages."""
_PREFIX = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9_.~-]{1,128}){1,8}")
"""The path below which a proxy serves the viewer. It goes into addresses, so it has no other characters."""


class TrustedProxies:
    """WSGI middleware: believes a trusted proxy about a request's address, its scheme and its path.

    Of several forwarded values the last one counts. The proxy takes the path away before it passes a request
    on, and names it in X-Forwarded-Prefix, as Home Assistant's ingress does in X-Ingress-Path.

    Args:
        app: Answers the requests.
        trusted: ``http.trusted_proxies``.

    Raises:
        ConfigError: An entry is no address or network.
    """

    def __init__(self, app: WSGIApplication, trusted: Sequence[str]) -> None:
        self._app = app
        self._once = Once()
        self._behind = ProxyFix(app, x_for=1, x_proto=1, x_host=0)
        try:
            self._trusted = Networks(trusted)
        except ValueError as error:
            raise ConfigError(f"http.trusted_proxies: {error}") from None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        environ["SCRIPT_NAME"] = ""
        if environ.get("REMOTE_ADDR", "") not in self._trusted:
            return self._app(environ, start_response)
        ingress = environ.get("HTTP_X_INGRESS_PATH", "")
        named = environ.get("HTTP_X_FORWARDED_PREFIX", "").rpartition(",")[2] or ingress
        prefix = named.strip().rstrip("/")
        if _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix
            environ[FRAMED] = bool(ingress)
        elif prefix and self._once("prefix"):
            log.warning("a proxy named the path %r, which is left out of addresses (said once)", prefix[:100])
        return self._behind(environ, start_response)
