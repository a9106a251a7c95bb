"""Addresses of cameras as people write them, made fit for FFmpeg, GStreamer and HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s\[\]@:/?#]+)(:\d*)?(?=[/?#]|$)")
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
        return found[1].strip("[]"), int(found[2][1:]) if found[2] and found[2] != ":" else None


def parse(url: str) -> Address:
    """Take an address apart.

    User and password may have any characters, encoded or not: they reach to the first ``@`` behind which
    there is a host. FFmpeg alone would end them at the first ``/``, and GStreamer at the first ``@``.
    """
    scheme, _, rest = url.partition("://")
    login, place = None, rest
    end = len(re.match(r"[^/?#]*", rest)[0])  # type: ignore[index]  # the pattern matches every text
    inside = rest.rfind("@", 0, end)
    if inside < 0 and not _HOST.match(rest):
        inside = next((at.start() for at in re.finditer("@", rest) if _HOST.match(rest, at.end())), -1)
    if inside >= 0:
        user, _, password = rest[:inside].partition(":")
        login, place = (unquote_to_bytes(user), unquote_to_bytes(password)), rest[inside + 1 :]
    return Address(scheme.lower(), login, quote(place, safe=_KEPT))
