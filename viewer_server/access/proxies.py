"""Believes what the configured proxies say about the browsers behind them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from shared.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """WSGI middleware: replaces a request's address and scheme with the last ones a trusted proxy forwarded.

    Args:
        app: Answers the requests.
        trusted: ``http.trusted_proxies``.

    Raises:
        ConfigError: An entry is no address or network.
    """

    def __init__(self, app: WSGIApplication, trusted: Sequence[str]) -> None:
        self._app = app
        self._behind = ProxyFix(app, x_for=1, x_proto=1, x_host=0)
        try:
            self._trusted = [ipaddress.ip_network(name, strict=False) for name in trusted]
        except ValueError as error:
            raise ConfigError(f"http.trusted_proxies: {error}") from None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        app = self._behind if self._is_trusted(environ.get("REMOTE_ADDR", "")) else self._app
        return app(environ, start_response)

    def _is_trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)
