"""The broker's terms: what its CONNACK allows, and what to do about each of its refusals.

Nothing depends on the other properties of a CONNACK, so they are not read. Every connection starts a clean
session and brings its own client id; topic aliases, subscription identifiers, response information and
enhanced authentication are not used. paho keeps to Server Keep Alive by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_IN_FLIGHT = 20
"""Messages at QoS 1 that may be unacknowledged, unless the broker allows fewer."""

_RETAIN = (
    "Darner announces nodes, cameras and zones in retained messages: let the broker keep them "
    "(Mosquitto: retain_available true)"
)
_QOS = "Darner delivers events at QoS 1: let the broker take that (Mosquitto: max_qos 1)"
_WILDCARDS = "nodes and viewers subscribe with '+' and '#': let the broker take wildcards"
_LOGIN = "check mqtt.username, mqtt.password and mqtt.version"

HOPELESS = {
    "Bad user name or password": _LOGIN,
    "Not authorized": _LOGIN,
    "Banned": _LOGIN,
    "Bad authentication method": _LOGIN,
    "Unsupported protocol version": "set mqtt.version to {other_version!r}",
    "Malformed packet": "set mqtt.version to {other_version!r}",
    "Protocol error": "set mqtt.version to {other_version!r}",
    "Client identifier not valid": "let the broker take client ids such as {client_id!r}",
    "Topic name invalid": "let the broker take the topics below mqtt.prefix, or change mqtt.prefix",
    "Packet too large": "raise the broker's limit on packets to 1 MB (Mosquitto: max_packet_size 1048576)",
    "Retain not supported": _RETAIN,
    "QoS not supported": _QOS,
    "Wildcard subscription not supported": _WILDCARDS,
    "Use another server": "set mqtt.url to {server}",
    "Server moved": "set mqtt.url to {server}",
}
"""What to do about a refusal that waiting does not cure, by MQTT's name of its reason code."""

_PASSING = {
    "Quota exceeded": "raise the broker's limits for this user",
    "Connection rate exceeded": "raise the broker's limits for this user",
    "Message rate too high": "raise the broker's limits for this user, or publish less",
    "Receive maximum exceeded": "report this as a fault of Darner: it keeps to the Receive Maximum",
    "Session taken over": "another client uses the same client id",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a broker allows on a connection.

    Attributes:
        in_flight: Messages at QoS 1 that may be unacknowledged.
        max_packet: Size of the largest packet, bytes; None for no limit.
        lacking: What the broker lacks that Darner needs, with the cure; None if it lacks nothing.
        shared: Whether the broker has shared subscriptions; MQTT 3.1.1 has no word for it.
    """

    in_flight: int = MAX_IN_FLIGHT
    max_packet: int | None = None
    lacking: str | None = None
    shared: bool = True


def read(connack: object) -> Terms:
    """The terms in a CONNACK's properties as paho gives them; where it has none, the defaults hold."""
    lacking = None
    if getattr(connack, "RetainAvailable", 1) == 0:
        lacking = f"keeps no retained messages; {_RETAIN}"
    elif getattr(connack, "MaximumQoS", 2) == 0:
        lacking = f"takes messages at QoS 0 only; {_QOS}"
    elif getattr(connack, "WildcardSubscriptionAvailable", 1) == 0:
        lacking = f"takes no subscriptions with wildcards; {_WILDCARDS}"
    return Terms(
        in_flight=min(MAX_IN_FLIGHT, getattr(connack, "ReceiveMaximum", MAX_IN_FLIGHT)),
        max_packet=getattr(connack, "MaximumPacketSize", None),
        lacking=lacking,
        shared=getattr(connack, "SharedSubscriptionAvailable", 1) != 0,
    )


def cure(reason: str, properties: object, version: str, client_id: str) -> str:
    """What to do about a refusal, as the end of a sentence; empty where nothing is known to help.

    Args:
        reason: MQTT's name of the reason code.
        properties: Those of the CONNACK or DISCONNECT: the broker may say more there.
        version: The version of MQTT that we speak.
        client_id: How this client called itself.
    """
    said = _printable(getattr(properties, "ReasonString", ""))
    advice = HOPELESS.get(reason) or _PASSING.get(reason) or ""
    advice = advice.format(
        other_version="3.1.1" if version == "5" else "5",
        client_id=client_id,
        server=_printable(getattr(properties, "ServerReference", "")) or "the server that its operator names",
    )
    return (f" ({said})" if said else "") + (f"; {advice}" if advice else "")


def _printable(said: str) -> str:
    """What a broker says, as the part of a line."""
    return "".join(letter if letter.isprintable() else " " for letter in said[:200])
