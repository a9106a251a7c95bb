"""Addresses of cameras as people write them, made fit for FFmpeg, GStreamer and HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]+)(:[0-9]*)?(?=[/?#]|$)")
_NUMERIC = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[0-9]{1,3}(\.[0-9]{1,3}){3})(:[0-9]*)?(?=[/?#]|$)")
_PORTS = range(1, 65536)
_KEPT = "%/:;=&?~#+!$,'@()*[]|"
"""Characters of a path and query that are sent as they are; `%` because they may be encoded already."""


@dataclass(frozen=True, slots=True)
class Address:
    """A camera's address in parts.

    Attributes:
        scheme: In small letters, such as ``rtsp``.
        login: User and password as they are, not encoded; None when the address names none.
        place: Host, port, path and query.
    """

    scheme: str
    login: tuple[bytes, bytes] | None
    place: str

    @property
    def bare(self) -> str:
        """The address without user and password."""
        return f"{self.scheme}://{self.place}"

    @property
    def full(self) -> str:
        """The address with user and password percent-encoded, as every reader understands it."""
        if self.login is None:
            return self.bare
        user, password = (quote(part, safe="") for part in self.login)
        return f"{self.scheme}://{user}:{password}@{self.place}"

    @property
    def host(self) -> tuple[str, int | None]:
        """Host and port; None for the scheme's own port."""
        found = _HOST.match(self.place)
        if found is None:
            return "", None
        # Seven digits are enough to see that a number is too large for a port.
        return found[1].strip("[]"), int(found[2][1:8]) if found[2] and found[2] != ":" else None

    @property
    def wrong_port(self) -> str | None:
        """What is wrong with the port; None if nothing is. Python would take a large one modulo 65536."""
        port = self.host[1]
        if port is None or port in _PORTS:
            return None
        return "its port is not a number from 1 to 65535; correct the address"


def parse(url: str) -> Address:
    """Take an address apart.

    User and password may have any characters, encoded or not. What FFmpeg takes for the host is one if it can
    be; only an IP address further on is a better one than a name without a dot.
    """
    scheme, _, rest = url.partition("://")
    login, place = None, rest
    at = _login_end(rest)
    if at >= 0:
        user, _, password = rest[:at].partition(":")
        login, place = (unquote_to_bytes(user), unquote_to_bytes(password)), rest[at + 1 :]
    return Address(scheme.lower(), login, quote(place, safe=_KEPT))


def _login_end(rest: str) -> int:
    """Index of the ``@`` behind user and password; -1 where there are none."""
    end = next((found.start() for found in re.finditer("[/?#]", rest)), len(rest))
    at = rest.rfind("@", 0, end)
    found = _HOST.match(rest, at + 1)
    if found is not None and (at < 0 or "." in found[1] or "[" in found[1] or found[2]):
        return at
    later = [one.end() for one in re.finditer("@", rest) if one.start() > at]
    for host in (_NUMERIC, _HOST) if found is None else (_NUMERIC,):
        for start in later:
            if host.match(rest, start):
                return start - 1
    return at
