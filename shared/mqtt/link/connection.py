"""One connection to a broker, which comes back by itself: how it is made, tuned, lost and made again."""

from __future__ import annotations

import logging
import math
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
from shared.mqtt.address import Address, MqttSettings, addresses, check_secrets, read_password
from shared.mqtt.link import route, terms, tls
from shared.mqtt.link.paho_client import PahoClient
from shared.mqtt.link.troubles import BrokerTroubles
from shared.mqtt.properties import PublishProperties
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
AWAY_S = 60.0
"""How long one attempt to connect and the wait before it may take, seconds."""
MAX_DESCRIPTOR = 1023
"""The highest file descriptor that paho can wait for, because it uses select()."""


class Connection:
    """A connection to a broker or to a member of a cluster; `with` starts and ends it.

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
        self._tls = reached[0].encrypted
        self._route = route.Route(reached)
        self._troubles = BrokerTroubles(self._route, on_refused, settings.version, client_id)
        self._trying = self._closing = False
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
        self._aim(route.reconnect_delays())
        self.paho.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
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

    @property
    def address(self) -> Address:
        """The address that is in use, or that is tried next."""
        return self._route.address

    @property
    def trouble(self) -> str | None:
        """Why the last attempt has failed; None while nothing is wrong."""
        return self._troubles.last

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
        self.paho.cut()

    def _aim(self, delays: tuple[float, float]) -> None:
        """Let the next attempt go to the address that the route names, and wait before it."""
        if self._closing:
            return
        self.paho.reconnect_delay_set(*delays)  # type: ignore[arg-type]  # seconds; floats work, the annotation says int
        self.paho.patience_s = self._route.patience_s
        at = self._route.address
        # At 3.1.1, paho reads `clean_start` nowhere.
        self.paho.connect_async(at.host, at.port, self._settings.keepalive_s, clean_start=True)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002 - paho's signature
        flags: paho.ConnectFlags,  # noqa: ARG002 - paho calls it so
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.paho.give_up_at = math.inf
        if reason.is_failure:
            self._troubles.refused(str(reason), properties)
            return
        granted = terms.read(properties)
        if granted.lacking is not None:
            self._troubles.lacking(granted.lacking)
            self._short_lived += 1
            self.cut()
            return
        self._troubles.over()
        self._accepted_at = time.monotonic()
        # Otherwise paho would resend what was in flight. Its owners do that, unless it is out of date by now.
        client.drop_out_messages()
        client.on_log = None  # it matters only before the CONNACK, and costs a line of text for each packet
        self.paho.allow_in_flight(granted.in_flight)
        self._on_accepted(granted)
        of = "" if self._route.alone else f", one of {self._route.size} addresses"
        log.info("connected to the broker at %s%s", self._route.address, of)

    def _on_connect_fail(self, client: paho.Client, userdata: object) -> None:  # noqa: ARG002 - paho calls it so
        self.paho.turns += 1
        failure = sys.exc_info()[1]  # paho calls this while it handles the exception
        self._troubles.unreachable(failure)
        self._aim(self._route.failed(late=isinstance(failure, TimeoutError), short_lived=self._short_lived))

    def _on_log(self, client: paho.Client, userdata: object, level: int, text: str) -> None:  # noqa: ARG002 - paho calls it so
        # With TLS 1.3 the broker's verdict on our certificate comes with the first read; paho only logs it.
        if level == paho.MQTT_LOG_ERR and "ALERT" in text:
            self._troubles.untrusted("the broker refused our certificate" + tls.CERTIFICATE_FIX)

    def _on_disconnect(
        self,
        client: paho.Client,  # noqa: ARG002 - paho calls it so
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
            self._aim(self._route.lost(self._short_lived))
        elif self._trying and reason.is_failure:
            late = self.paho.gave_up
            self._troubles.hung_up(late=late)
            self._aim(self._route.failed(late=late, short_lived=self._short_lived))
        self._trying = False

    def _on_socket_open(self, client: paho.Client, userdata: object, sock: object) -> None:  # noqa: ARG002 - paho calls it so
        if not isinstance(sock, socket.socket):
            return
        self.paho.turns += 1
        if self.paho.abandoned:
            sock.close()
            return
        self._trying = True
        _tune(sock)
        if sock.fileno() > MAX_DESCRIPTOR:
            self._troubles.too_many_files(sock.fileno(), MAX_DESCRIPTOR)


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is an error after 5 s, not after minutes
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # a slow link must not hold old frames by the megabyte
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)
