"""One connection to a broker, which comes back by itself: how it is made, tuned, lost and made again."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import sys
import threading
import time
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shared.errors import BrokerError
from shared.mqtt import terms, tls
from shared.mqtt.address import MqttSettings, addresses, check_secrets, read_password
from shared.mqtt.paho_client import PahoClient
from shared.mqtt.properties import PublishProperties
from shared.mqtt.troubles import BrokerTroubles
from shared.service.watchdog import LATE_S, Look

log = logging.getLogger("darner.mqtt")

CLOSE_WITHIN_S = 1.0
"""How long closing waits for unwritten messages: a network that takes nothing must not delay the exit."""
CUT_WITHIN_S = 0.5
"""How long closing then waits for the network thread, whose connection it has cut."""
NOT_SENT = 16_384
"""Bytes that the kernel holds for the network; with more, the socket takes no further message."""
MAX_QUEUED = 1000
"""Unacknowledged messages that paho holds; it refuses the next one."""
LIVES_S = 5.0
"""A connection that ends sooner has not worked; the waits between such connections grow."""
AWAY_S = 150.0
"""How long one attempt to connect may take, seconds; a name server that does not answer delays it."""
MAX_DESCRIPTOR = 1023
"""The highest file descriptor that paho can wait for, because it uses select()."""


class Connection:
    """A connection to a broker; `with` starts and ends it.

    Args:
        settings: The broker and how to speak to it.
        client_id: The name under which the broker knows this connection.
        will: Topic path and payload that the broker publishes (QoS 1, retained) when the connection is lost.
        on_refused: Called from the network thread with an error that waiting does not cure.
        on_accepted: Called from the network thread after each CONNACK, with what the broker allows. It sets
            `connected` when the connection may be used.
        on_lost: Called from the network thread after `connected` is cleared.

    Attributes:
        paho: Publishes and subscribes; its other callbacks are the owner's.
        connected: Set while the broker accepts messages, as far as is known.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        will: tuple[str, bytes] | None,
        on_refused: Callable[[BrokerError], None] | None,
        on_accepted: Callable[[terms.Terms], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._settings = settings
        reached = addresses(settings)
        check_secrets(settings, reached)
        first = random.choice(reached)
        self._host, self._port, self._tls = first.host, first.port, first.encrypted
        self._troubles = BrokerTroubles(self._host, self._port, on_refused, settings.version, client_id)
        self._on_accepted, self._on_lost = on_accepted, on_lost
        self._accepted_at = 0.0
        self._short_lived = 0
        self.connected = threading.Event()
        self.paho = self._make(client_id, will)

    def _make(self, client_id: str, will: tuple[str, bytes] | None) -> PahoClient:
        settings = self._settings
        client = PahoClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5 if settings.version == "5" else paho.MQTTv311,
        )
        client.suppress_exceptions = True  # an exception would end the network thread in silence
        client.connect_timeout = 3.0
        client.max_queued_messages_set(MAX_QUEUED)
        client.max_inflight_messages_set(terms.MAX_IN_FLIGHT)
        if settings.username is not None:
            client.username_pw_set(settings.username, read_password(settings))
        if self._tls:
            client.tls_set_context(tls.context(settings.ca_file, settings.cert_file, settings.key_file))
            client.on_log = self._on_log
        if will:
            path, payload = will
            properties = PublishProperties(settings.version).of_will()
            client.will_set(path, payload, qos=1, retain=True, properties=properties)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_socket_open = self._on_socket_open
        return client

    def __enter__(self) -> Connection:
        self.paho.reconnect_delay_set(*reconnect_delays())  # type: ignore[arg-type]  # seconds; floats work, the annotation says int
        if self._settings.version == "5":
            self.paho.connect_async(self._host, self._port, self._settings.keepalive_s, clean_start=True)
        else:
            self.paho.connect_async(self._host, self._port, self._settings.keepalive_s)
        self.paho.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        # In a thread of its own, because it waits for the network thread: until everything is written, or
        # until a name server that does not answer is given up.
        closing = threading.Thread(target=self.paho.loop_stop, name="mqtt end", daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)
        if closing.is_alive():
            self.abandon()
            closing.join(CUT_WITHIN_S)
        if closing.is_alive():
            log.debug("the connection to the broker was left as it was: its thread does not come back")
        else:
            self.paho.release()

    def look(self) -> Look:
        """What a watchdog sees of the network thread."""
        wait_s = LATE_S if self.connected.is_set() else AWAY_S
        return Look(self.paho.turns, wait_s, wait_s)

    def abandon(self) -> None:
        """Cut the connection for good, whatever its thread does: the broker then publishes the will."""
        self.paho.abandoned = True
        self.cut()

    def cut(self) -> None:
        """End the TCP connection without a word of MQTT, as a lost network does."""
        sock = self.paho.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):  # it has gone by itself
                sock.shutdown(socket.SHUT_RDWR)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002 - paho's signature
        flags: paho.ConnectFlags,  # noqa: ARG002 - paho calls it so
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._troubles.refused(str(reason), properties)
            return
        granted = terms.read(properties)
        if granted.lacking is not None:
            self._troubles.lacking(granted.lacking)
            self._short_lived += 1
            client.reconnect_delay_set(*reconnect_delays(self._short_lived))  # type: ignore[arg-type]  # as in __enter__
            self.cut()
            return
        self._troubles.over()
        self._accepted_at = time.monotonic()
        # Otherwise paho would resend what was in flight. Its owners do that, unless it is out of date by now.
        client.drop_out_messages()
        client.on_log = None  # it matters only before the CONNACK, and costs a line of text for each packet
        self.paho.allow_in_flight(granted.in_flight)
        self._on_accepted(granted)
        log.info("connected to the broker at %s:%d", self._host, self._port)

    def _on_connect_fail(self, client: paho.Client, userdata: object) -> None:  # noqa: ARG002 - paho calls it so
        self.paho.turns += 1
        self._troubles.unreachable(sys.exc_info()[1])  # paho calls this while it handles the exception

    def _on_log(self, client: paho.Client, userdata: object, level: int, text: str) -> None:  # noqa: ARG002 - paho calls it so
        # With TLS 1.3 the broker's verdict on our certificate comes with the first read; paho only logs it.
        if level == paho.MQTT_LOG_ERR and "ALERT" in text:
            self._troubles.untrusted("the broker refused our certificate" + tls.CERTIFICATE_FIX)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002 - paho calls it so
        flags: paho.DisconnectFlags,  # noqa: ARG002 - paho calls it so
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        was_connected = self.connected.is_set()
        self.connected.clear()
        self._on_lost()
        if was_connected:  # paho can call this twice for one connection
            lived = time.monotonic() - self._accepted_at >= LIVES_S
            self._short_lived = 0 if lived or not reason.is_failure else self._short_lived + 1
            if reason.is_failure:
                self._troubles.lost(str(reason), properties, self._short_lived)
            client.reconnect_delay_set(*reconnect_delays(self._short_lived))  # type: ignore[arg-type]  # as in __enter__
        elif reason.is_failure:
            self._troubles.hung_up()

    def _on_socket_open(self, client: paho.Client, userdata: object, sock: object) -> None:  # noqa: ARG002 - paho calls it so
        if not isinstance(sock, socket.socket):
            return
        self.paho.turns += 1
        if self.paho.abandoned:
            sock.close()
            return
        _tune(sock)
        if sock.fileno() > MAX_DESCRIPTOR:
            self._troubles.too_many_files(sock.fileno(), MAX_DESCRIPTOR)


def reconnect_delays(short_lived: int = 0) -> tuple[float, float]:
    """Seconds before the first attempt to reconnect, and the most that later ones wait: random, below 3 s.

    A thousand nodes must not return to a restarted broker in the same instant.

    Args:
        short_lived: How many connections in a row the broker has ended soon after it accepted them. From the
            fourth on, each wait is twice as long as the one before, up to 24 s.
    """
    longer = 2.0 ** min(max(0, short_lived - 3), 3)
    return random.uniform(0.3, 1.0) * longer, random.uniform(1.5, 3.0) * longer


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is an error after 5 s, not after minutes
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # a slow link must not hold old frames by the megabyte
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)
