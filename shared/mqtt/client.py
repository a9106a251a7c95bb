"""The MQTT client: a connection that sends, subscribes, and hands what arrives to a channel.

What it adds to paho; each line answers a fault that was measured:

- A callback only hands an incoming message to a channel.
- At QoS 0 a small window of unwritten messages takes the place of an endless queue (`window.py`).
- Retained state is kept and published again after every connect. Where the network is too slow for all of it,
  only the newest state of each topic waits (`retained.py`).
- The limits that a broker announces are kept: on packets, and on messages in flight (`terms.py`).
- Reconnects are jittered, and a cut network is noticed within seconds (`connection.py`).
- A trouble that waiting does not cure, such as too many open files, is an error (`troubles.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Literal

from shared.channel import Channel, Closed
from shared.errors import BrokerError
from shared.mqtt.address import Address, MqttSettings
from shared.mqtt.link.connection import Connection
from shared.mqtt.link.terms import Terms
from shared.mqtt.received import Received
from shared.mqtt.sending import Sending
from shared.mqtt.subscriptions import Subscriptions
from shared.service.watchdog import Look
from shared.wire.topics import check_prefix

MAX_WAITING, MAX_WAITING_BYTES = 2000, 32_000_000
"""Messages, and their bytes, that may wait for a reader; 2,000 pictures would be hundreds of megabytes."""


class Client(Sending):
    """A connection that comes back by itself; `with` starts and ends it. What it sends is in `Sending`.

    Args:
        settings: The broker and how to speak to it.
        name: The client id begins with it.
        will: Topic path and payload that the broker publishes (QoS 1, retained) when this client vanishes.
        on_refused: Called from the network thread when the broker refuses the client for good.
        sink: Called from the network thread with each message of the subscriptions, instead of `received`
            getting it. When it must wait for room, it calls `still_here` now and then.

    Attributes:
        received: Messages of the subscriptions. When the reader is slow, the oldest are dropped and counted.
        connections: Number of connections so far. With each new one, messages in flight are forgotten.
        shares: Whether the broker of the newest connection says that it has shared subscriptions.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        name: str,
        will: tuple[str, bytes] | None = None,
        on_refused: Callable[[BrokerError], None] | None = None,
        sink: Callable[[Received], None] | None = None,
    ) -> None:
        check_prefix(settings.prefix)
        self._connection = Connection(
            settings,
            f"{name}-{secrets.token_hex(4)}",
            will=will,
            on_refused=on_refused,
            on_accepted=self._restore,
            on_lost=self._lost,
        )
        super().__init__(self._connection, settings.version)
        self._connection.paho.take = self._take
        self._subscriptions = Subscriptions(self._connection.paho, settings.version, settings.subscribe_qos)
        self._version = settings.version
        self.received: Channel[Received] = Channel(
            MAX_WAITING, room=MAX_WAITING_BYTES, size=lambda one: len(one.payload)
        )
        self._sink = sink
        self.connections = 0
        self.shares = False

    def __enter__(self) -> Client:
        self._connection.__enter__()
        self._state.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.close()
        self._connection.__exit__(kind, error, trace)
        with self._subscriptions.lock:
            self._subscriptions.close()
        self.received.close()

    @property
    def address(self) -> Address:
        """Where the connection leads, or is tried next."""
        return self._connection.address

    @property
    def trouble(self) -> str | None:
        """Why the last attempt to connect has failed; None while nothing is wrong."""
        return self._connection.trouble

    @property
    def subscribed(self) -> bool:
        """Whether the connection stands, and the broker has answered to every subscription."""
        with self._subscriptions.lock:
            return self.connected and self._subscriptions.settled

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the broker accepts us; False when it has not within `timeout` seconds."""
        return self._connection.connected.wait(timeout)

    def wait_subscribed(self, timeout: float) -> bool:
        """Wait until the broker has answered to every subscription; False if it has not in `timeout` seconds.

        Only then is a message that somebody else publishes sure to come. "Connected" does not say that.
        """
        deadline = time.monotonic() + timeout
        with self._subscriptions.changed:
            while not (self.connected and self._subscriptions.settled):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._subscriptions.changed.wait(min(left, 0.1))  # a lost connection notifies nobody
        return True

    def look(self) -> Look:
        """What a watchdog sees of the network thread."""
        return self._connection.look()

    def abandon(self) -> None:
        """Cut the connection for good, without waiting for any thread; the broker publishes the will."""
        self._connection.abandon()

    def still_here(self) -> None:
        """Keep the connection alive; for a sink that waits, from the thread that called it."""
        self._connection.paho.still_here()

    def cut(self) -> None:
        """End the TCP connection without a word of MQTT, as a lost network does; it is made again."""
        self._connection.cut()

    def subscribe(
        self, topic_filter: str | Iterable[str], qos: Literal[0, 1] = 0, *, as_published: bool = False
    ) -> None:
        """Receive what matches, now and after every reconnect.

        Args:
            topic_filter: May have wildcards. Several travel together.
            qos: The highest quality of service at which the broker may deliver.
            as_published: Live messages keep the retain flag of their publisher (MQTT 5 only).
        """
        filters = [topic_filter] if isinstance(topic_filter, str) else topic_filter
        with self._subscriptions.lock:
            self._subscriptions.add(filters, qos, as_published, now=self.connected)

    def unsubscribe(self, topic_filter: str | Iterable[str]) -> None:
        """Receive no longer what `subscribe` asked for by these filters."""
        filters = [topic_filter] if isinstance(topic_filter, str) else topic_filter
        with self._subscriptions.lock:
            self._subscriptions.remove(filters, now=self.connected)

    def _restore(self, terms: Terms) -> None:
        """Bring a new connection to where the last one was."""
        self._room.max_packet = terms.max_packet
        self.shares = terms.shared and self._version == "5"
        self.connections += 1
        # Under the lock: a filter that another thread adds before the flag is set would be forgotten.
        with self._subscriptions.lock:
            self._subscriptions.restore()
            self._state.restore()
            self._connection.connected.set()

    def _lost(self) -> None:
        self._state.lost()

    def _take(self, received: Received) -> None:
        with suppress(Closed):  # shutting down
            (self._sink or self.received.put_newest)(received)
