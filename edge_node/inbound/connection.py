"""The connection to the broker that has a camera's messages: what came, in order, and never much of it."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from edge_node.mqtt_source import MqttSource
from shared import clock, limits
from shared.channel import Channel
from shared.errors import BrokerError
from shared.mqtt.address import Address, MqttSettings, addresses, parse_url
from shared.mqtt.client import Client
from shared.mqtt.received import Received

_WAITING = 32
"""Messages that may wait; the oldest make room. A second at usual rates: what is older is not live."""
_WAITING_BYTES = 8_000_000
_AVAILABLE = "/available"

Arrived = tuple[bytes, int, int]
"""A payload, and when it arrived: on the monotonic clock and on the wall clock, nanoseconds."""


class Connection:
    """Messages of one topic; `with` starts and ends the connection, which comes back by itself.

    Args:
        camera: The camera's name.
        source: Which topic of which broker.
        own: The node's broker, for sources that name none.
        counts: Counts what was left out, by reason.

    Attributes:
        refused: Why the broker does not take us; None while it does.
        offline: Whether the sender has said that it is away.
    """

    def __init__(self, camera: str, source: MqttSource, own: MqttSettings, counts: Counter[str]) -> None:
        self._source, self._counts = source, counts
        self._waiting: Channel[Arrived] = Channel(_WAITING, room=_WAITING_BYTES, size=lambda one: len(one[0]))
        self._client = Client(
            settings_of(source, own), name=f"darner-in-{camera}", on_refused=self._on_refused, sink=self._take
        )
        self._available = ""
        if source.form == "frigate" and source.topic.endswith("/events"):
            self._available = source.topic.removesuffix("/events") + _AVAILABLE
        self.refused: str | None = None
        self.offline = False

    def __enter__(self) -> Connection:
        self._client.subscribe(self._source.topic, 1)
        if self._available:
            self._client.subscribe(self._available, 1)
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)
        self._waiting.close()

    @property
    def stands(self) -> bool:
        """Whether messages can come now."""
        return self._client.subscribed

    @property
    def dropped(self) -> int:
        """Messages that newer ones replaced before they were read."""
        return sum(dict(self._waiting.dropped).values())

    def get(self, timeout: float) -> Arrived | None:
        """The next message; None if none comes within `timeout` seconds."""
        try:
            return self._waiting.get(timeout)
        except TimeoutError:
            return None

    def _take(self, received: Received) -> None:
        """Let a message wait; runs in the network thread."""
        if received.topic == self._available:
            self.offline = received.payload == b"offline"
        elif received.retain:  # it tells how things were when somebody published it
            self._counts["retained"] += 1
        elif len(received.payload) > limits.PAYLOAD_BYTES:
            self._counts["too_large"] += 1
        else:
            self._waiting.put_newest((received.payload, time.monotonic_ns(), clock.now_ns()))

    def _on_refused(self, error: BrokerError) -> None:
        self.refused = str(error)


def settings_of(source: MqttSource, own: MqttSettings) -> MqttSettings:
    """How to reach a source's broker.

    A broker that the source names gets nothing of the node's own secrets but the authority that it trusts.
    """
    if not source.host:
        return own
    return MqttSettings(
        url=source.url,
        version=own.version,
        username=source.username,
        password=source.password,
        ca_file=own.ca_file if source.encrypted else None,
        keepalive_s=own.keepalive_s,
    )


def is_own(source: MqttSource, own: MqttSettings, path: str) -> bool:
    """Whether a source is what the camera itself publishes, as far as addresses tell."""
    return source.topic == path and (not source.host or Address(*parse_url(source.url)) in addresses(own))
