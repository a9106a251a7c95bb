"""Who asks: connections and requests are counted by address, or by network where an address costs nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from gunicorn.http.message import Request


def network_of(address: str) -> str:
    """The network of an address's owner: one customer of IPv6 has 2**64 addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(found)


class Peers:
    """Tells who asks, also behind a proxy.

    Args:
        trusted: ``http.trusted_proxies``, checked already.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ipaddress.ip_network(name, strict=False) for name in trusted]

    def is_proxy(self, address: str) -> bool:
        """Whether a connection comes from a proxy, and so speaks for many."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found in network for network in self._trusted)

    def asker(self, address: str, request: Request) -> str:
        """The network that sent a request: what a trusted proxy says, or the connection's own."""
        if self.is_proxy(address):
            for name, value in reversed(request.headers):
                if name == "X-FORWARDED-FOR":
                    return network_of(value.rpartition(",")[2].strip()) or network_of(address)
        return network_of(address)
