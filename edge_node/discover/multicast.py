"""WS-Discovery: one question to everybody in the network, and who answers (ONVIF Core, section 7)."""

from __future__ import annotations

import logging
import select
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import psutil

from edge_node.config.sources import printable
from edge_node.discover.markup import Element, MarkupError, parse
from edge_node.discover.soap import Endpoint
from shared.errors import ConfigError, SourceError

log = logging.getLogger("darner.discover")

GROUP, PORT = "239.255.255.250", 3702
MAX_DEVICES = 256
"""The most cameras that are listened to; what answers after them is left out."""
_LONGEST_DATAGRAM = 65_535
_LONGEST_NAME = 100
_AGAIN_S = 0.5
"""After this time everybody is asked once more: a datagram may be lost."""
_PROBE = (
    '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:{message}</w:MessageID>'
    '<w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>'
    '<w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action>'
    "</e:Header><e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A camera that has answered.

    Attributes:
        service: Where its device service is.
        name: What it calls itself; empty if it does not say.
        hardware: What it says it is; empty if it does not say.
    """

    service: Endpoint
    name: str = ""
    hardware: str = ""


def interfaces(wanted: Sequence[str]) -> list[str]:
    """The IPv4 addresses from which to ask.

    Args:
        wanted: Names or IPv4 addresses of interfaces; empty: all but loopback.

    Raises:
        ConfigError: There is no such interface, or it has no IPv4 address.
    """
    here: dict[str, list[str]] = {
        name: [one.address for one in addresses if one.family == socket.AF_INET]
        for name, addresses in psutil.net_if_addrs().items()
    }
    if not wanted:
        return sorted({one for many in here.values() for one in many if not one.startswith("127.")})
    found = []
    for word in wanted:
        addresses = here.get(word) or [one for many in here.values() for one in many if one == word]
        if not addresses:
            known = ", ".join(name for name, many in here.items() if many)
            raise ConfigError(
                f"--interface {word}: no interface has this name or IPv4 address; here are {known}"
            )
        found += addresses
    return found


def search(sources: Iterable[str], within_s: float, port: int = PORT) -> list[Answer]:
    """Ask everybody, and listen for a while.

    Args:
        sources: IPv4 addresses of the interfaces to ask from.
        within_s: How long to listen, seconds.
        port: Where cameras listen.

    Returns:
        One answer for each address, in the order of the addresses.
    """
    sockets = [asking for source in sources if (asking := _socket(source)) is not None]
    found: dict[str, Answer] = {}
    now = time.monotonic()
    until, due = now + within_s, [now, now + _AGAIN_S]
    try:
        while sockets and (now := time.monotonic()) < until:
            if due and now >= due[0]:
                due.pop(0)
                for asking in sockets:
                    _send(asking, port)
            ready, _, _ = select.select(sockets, [], [], max(0.0, min([until, *due]) - now))
            for asking in ready:
                _listen(asking, found)
    finally:
        for asking in sockets:
            asking.close()
    return [found[host] for host in sorted(found, key=_by_number)]


def _socket(source: str) -> socket.socket | None:
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        asking.setblocking(False)
        asking.bind((source, 0))
    except OSError as error:
        asking.close()
        log.warning("cannot ask from %s: %s", source, error.strerror)
        return None
    return asking


def _send(asking: socket.socket, port: int) -> None:
    try:
        asking.sendto(_PROBE.format(message=uuid.uuid4()).encode(), (GROUP, port))
    except OSError as error:
        log.warning("cannot ask from %s: %s", asking.getsockname()[0], error.strerror)


def _listen(asking: socket.socket, found: dict[str, Answer]) -> None:
    try:
        datagram, (host, _) = asking.recvfrom(_LONGEST_DATAGRAM)
    except OSError:
        return
    if host in found or len(found) >= MAX_DEVICES:
        return
    try:
        answer = read(datagram, host)
    except (MarkupError, SourceError) as error:
        log.debug("%s answers, and cannot be used: %s", host, error)  # as often as a stranger likes
        return
    if answer is not None:
        found[host] = answer


def read(datagram: bytes, host: str) -> Answer | None:
    """What one answer says; None when it is no answer to our question.

    Args:
        datagram: The answer.
        host: The address that it came from.

    Raises:
        MarkupError: It is not XML that can be read.
        SourceError: It names no service over HTTP.
    """
    match = parse(datagram).first("ProbeMatches", "ProbeMatch")
    if match is None:
        return None
    here = Endpoint(host, 80, "/onvif/device_service")
    services = match.read("XAddrs").split()
    if not services:
        raise SourceError("it names no service")
    own = [
        one for one in services if _host(one) == host
    ]  # else it has several networks, and answers in this one
    scopes = _scopes(match)
    return Answer(here.elsewhere((own or services)[0]), scopes.get("name", ""), scopes.get("hardware", ""))


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _scopes(match: Element) -> dict[str, str]:
    """What stands in ``onvif://www.onvif.org/KEY/VALUE``; of several values, the first."""
    found: dict[str, str] = {}
    for scope in match.read("Scopes").split():
        before, _, rest = scope.partition("//www.onvif.org/")
        key, _, value = rest.partition("/")
        if before == "onvif:" and value:
            found.setdefault(key.lower(), printable(unquote(value))[:_LONGEST_NAME])
    return found


def _by_number(host: str) -> bytes:
    return socket.inet_aton(host)
