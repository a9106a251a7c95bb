"""Who asks: the owner of the connection, or whom a proxy speaks for."""

from __future__ import annotations

from collections.abc import Sequence

from gunicorn.http.message import Request

from viewer_server.access.addresses import Networks, owner_of


class Peers:
    """Tells whose connections and requests they are, also behind a proxy; these are counted by owner.

    Args:
        trusted: ``http.trusted_proxies``, checked already.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = Networks(trusted)

    def is_proxy(self, address: str) -> bool:
        """Whether a connection comes from a proxy, and so speaks for many."""
        return address in self._trusted

    def asker(self, address: str, request: Request) -> str:
        """The owner of the address that sent a request: what a trusted proxy says, or the connection's."""
        if self.is_proxy(address):
            for name, value in reversed(request.headers):
                if name == "X-FORWARDED-FOR":
                    return owner_of(value.rpartition(",")[2].strip()) or owner_of(address)
        return owner_of(address)
