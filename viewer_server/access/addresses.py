"""Addresses of clients: whose one is, and whether a network that the configuration names has it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence


def owner_of(address: str | None) -> str:
    """The name of an address's owner; empty for what is no address.

    It is the address itself, or a /64 of IPv6, because one customer has all of its 2**64 addresses. An IPv4
    address that is mapped to IPv6 is the IPv4 address.
    """
    found = _parsed(address or "")
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return "" if found is None else str(found)


class Networks:
    """Addresses and networks, such as ``http.trusted_proxies``.

    Args:
        names: As in 192.0.2.1 or 2001:db8::/32.

    Raises:
        ValueError: One is neither an address nor a network.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names]

    def __contains__(self, address: str) -> bool:
        """Whether one of the networks has an address."""
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
