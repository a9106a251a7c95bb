"""Which host names and pages the viewer answers.

A foreign page must not open our websocket; its `Origin` header gives it away. Nor may it make the viewer work
by embedding our pictures or our API: browsers say where a request comes from (Fetch Metadata, W3C). They say
so to loopback and over TLS only; elsewhere nobody enters without a login, and our cookie stays with our own
pages.

With DNS rebinding, a foreign name points to this machine: `Origin` and `Host` agree, and only the name is
wrong. So the viewer answers known names only. IP addresses are always allowed, because they cannot be
rebound.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

from shared.errors import ConfigError

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class Origins:
    """The names and origins of this viewer.

    Args:
        allowed: ``http.allowed_origins``.

    Raises:
        ConfigError: An entry is not an origin.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = {_checked(origin) for origin in allowed}
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own.split('.')[0]}.local"}
        self._names |= {str(urlsplit(origin).hostname) for origin in self._allowed}

    def host_is_ours(self, host: str) -> bool:
        """Whether this Host header names this viewer."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].strip("[]").lower().rstrip(".")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True

    def page_is_ours(self, origin: str | None, host: str) -> bool:
        """Whether a page from `origin` may open a websocket; programs other than browsers send no origin."""
        if origin is None:
            return True
        return origin.lower() in self._allowed or origin.lower().partition("://")[2] == host.lower()

    def works_for_a_foreign_page(self, headers: Headers, method: str, is_page: bool) -> bool:
        """Whether a page of another site, or of another port of this machine, makes a browser ask for this.

        A link from elsewhere to one of our pages is welcome: its answer is small, and nobody but the visitor
        sees it. Programs other than browsers do not say where they come from.

        Args:
            headers: The request's.
            method: The request's.
            is_page: Whether it asks for a page, and not for data.
        """
        if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            return False
        origin = headers.get("Origin")
        if origin is not None and self.page_is_ours(origin, headers.get("Host", "")):
            return False
        follows_a_link = (
            headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
        )
        return not (is_page and follows_a_link and method in ("GET", "HEAD"))


def _checked(origin: str) -> str:
    try:
        parts = urlsplit(origin)
        whole = parts.scheme in ("http", "https") and parts.hostname and f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        whole = None
    if not whole or whole != origin.rstrip("/") or "@" in parts.netloc:
        raise ConfigError(
            f"http.allowed_origins {origin!r}: expected http://HOST[:PORT] or https://HOST[:PORT]"
        )
    return whole.lower()
