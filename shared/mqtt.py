"""The MQTT client: the only file that knows paho.

What it adds to paho (each a trap that was measured): incoming messages are only handed to a channel in the
callback; QoS 0 has a small window of unwritten messages instead of an endless queue; retained state is kept
here and published again after every connect, so a broker that lost everything is refilled; reconnects are
jittered; a cut network is noticed in seconds; a broker's packet limit is respected before sending.
"""

from __future__ import annotations

import logging
import random
import secrets
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from msgspec import Meta
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from shared.channel import Channel, Closed
from shared.errors import BrokerError, ConfigError
from shared.log import Once
from shared.topics import DEFAULT_PREFIX, Topic, check_prefix

log = logging.getLogger("darner.mqtt")

WINDOW = 8
"""QoS 0 messages that may wait for the socket; more would only be stale ones."""

# Waiting does not cure these: the first CONNACK that carries one is an error for the user.
_HOPELESS = {
    "Bad user name or password",
    "Not authorized",
    "Banned",
    "Bad authentication method",
    "Client identifier not valid",
    "Unsupported protocol version",
}


@dataclass(frozen=True, kw_only=True)
class MqttSettings:
    """How to reach the broker."""

    url: str = "mqtt://127.0.0.1:1883"
    prefix: str = DEFAULT_PREFIX
    version: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=300)] = 10


@dataclass(frozen=True, slots=True)
class Received:
    """One message from the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: Mapping[str, str]
    response_topic: str | None = None
    correlation: bytes | None = None
    content_type: str | None = None
    expiry_s: int | None = None
    """What is left of the message expiry interval."""


class Client:
    """A connection that comes back by itself; `with` starts and ends it.

    Args:
        settings: The broker and how to speak to it.
        name: Begins the client id.
        will: Topic path and payload the broker publishes (QoS 1, retained) when we vanish.
        on_refused: Called from the network thread when the broker refuses us for good.

    Attributes:
        received: Messages of the subscriptions; when the reader is slow the oldest are dropped and counted.
        dropped: Messages not sent, by topic name.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        name: str,
        will: tuple[str, bytes] | None = None,
        on_refused: Callable[[BrokerError], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_refused = on_refused
        self._host, self._port, self._tls = parse_url(settings.url)
        check_prefix(settings.prefix)
        self._subscriptions: dict[str, tuple[int, bool]] = {}
        self._state: dict[str, tuple[Topic, bytes]] = {}
        self._state_lock = threading.Lock()
        self._unwritten: deque[paho.MQTTMessageInfo] = deque()
        self._max_packet: int | None = None
        self._ever_connected = False
        self._unreachable_said = False
        self._connected = threading.Event()
        self._once = Once()
        self.received: Channel[Received] = Channel(depth=2000)
        self.dropped: Counter[str] = Counter()
        self._paho = self._make(f"{name}-{secrets.token_hex(4)}", will)

    def _make(self, client_id: str, will: tuple[str, bytes] | None) -> paho.Client:
        settings = self._settings
        v5 = settings.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
        )
        client.suppress_exceptions = True  # an exception would end the network thread in silence
        client.connect_timeout = 3.0
        client.max_queued_messages_set(1000)
        client.max_inflight_messages_set(20)
        if settings.username is not None:
            client.username_pw_set(settings.username, read_password(settings))
        if self._tls:
            client.tls_set_context(tls_context(settings))
        if will:
            about = None
            if v5:
                about = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]  # paho has no type there
                about.ContentType = "application/json"
            client.will_set(will[0], will[1], qos=1, retain=True, properties=about)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = _tune_socket
        return client

    def __enter__(self) -> Client:
        self._jitter()
        if self._settings.version == "5":
            self._paho.connect_async(self._host, self._port, self._settings.keepalive_s, clean_start=True)
        else:
            self._paho.connect_async(self._host, self._port, self._settings.keepalive_s)
        self._paho.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()
        self.received.close()

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us and the connection still stands, as far as is known."""
        return self._connected.is_set()

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the broker accepted us; False when it did not in `timeout` seconds."""
        return self._connected.wait(timeout)

    def subscribe(self, topic_filter: str, qos: Literal[0, 1] = 0, *, as_published: bool = False) -> None:
        """Receive what matches, now and after every reconnect.

        Args:
            topic_filter: May have wildcards.
            qos: The most that is asked for.
            as_published: Live messages keep the retain flag of their publisher (MQTT 5 only).
        """
        with self._state_lock:
            self._subscriptions[topic_filter] = (qos, as_published)
            connected = self.connected
        if connected:
            self._subscribe(topic_filter, qos, as_published)

    def publish(
        self,
        topic: Topic,
        path: str,
        payload: bytes,
        *,
        user_properties: Mapping[str, str] | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Send a message that is not retained.

        QoS 0: waits for room in the window of unwritten messages, at most until the connection is given up,
        so call it from a thread that may wait and keep only the newest behind it. QoS 1: returns at once.

        Returns:
            False when the message was dropped, which is counted under the topic's name.
        """
        if not self._fits(path, payload) or (topic.qos == 0 and not self._room()):
            self.dropped[topic.name] += 1
            return False
        info = self._paho.publish(
            path, payload, topic.qos, False, self._properties(topic, user_properties, correlation)
        )
        if topic.qos == 0:
            self._unwritten.append(info)
            sent = info.rc == paho.MQTT_ERR_SUCCESS
        else:
            sent = info.rc != paho.MQTT_ERR_QUEUE_SIZE  # NO_CONN means "queued" here
        if not sent:
            self.dropped[topic.name] += 1
        return sent

    def republish(self, message: Received) -> bool:
        """Send a recorded message as it was: topic, QoS, retain flag and properties.

        Waits for room in the window at both QoS, which keeps the order; False when the connection was lost.
        """
        if not self._fits(message.topic, message.payload) or not self._room():
            return False
        properties = None
        if self._settings.version == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no type there
            for name, value in (
                ("ContentType", message.content_type),
                ("MessageExpiryInterval", message.expiry_s),
                ("ResponseTopic", message.response_topic),
                ("CorrelationData", message.correlation),
                ("UserProperty", list(message.user_properties.items()) or None),
            ):
                if value is not None:
                    setattr(properties, name, value)
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        sent = info.rc == paho.MQTT_ERR_SUCCESS
        if sent:
            self._unwritten.append(info)
        return sent

    def flush(self, timeout: float) -> bool:
        """Wait until what was sent is written or acknowledged; False when it was not in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._unwritten and time.monotonic() < deadline and self.connected:
            if self._unwritten[0].is_published():
                self._unwritten.popleft()
            else:
                self._unwritten[0].wait_for_publish(0.1)
        return not self._unwritten

    def set_state(self, topic: Topic, path: str, payload: bytes) -> None:
        """Publish retained state, now and again after every reconnect; empty clears it on the broker."""
        if not self._fits(path, payload):
            self.dropped[topic.name] += 1
            return
        with self._state_lock:
            self._state[path] = (topic, payload)
        if self.connected:
            self._paho.publish(path, payload, topic.qos, True, self._properties(topic))

    def finish(self, timeout: float) -> bool:
        """Wait until everything at QoS 1 was acknowledged; False when it was not in `timeout` seconds."""
        if not self.connected:
            return False
        # A last QoS 1 message is acknowledged after all before it: the broker answers in order.
        with self._state_lock:
            last = next(reversed(self._state.items()), None)
        if last is None:
            return True
        path, (topic, payload) = last
        info = self._paho.publish(path, payload, topic.qos, True, self._properties(topic))
        try:
            info.wait_for_publish(timeout)
        except (RuntimeError, ValueError):
            return False
        return info.is_published()

    def _room(self) -> bool:
        while self.connected:
            while self._unwritten and self._unwritten[0].is_published():
                self._unwritten.popleft()
            if len(self._unwritten) < WINDOW:
                return True
            try:
                self._unwritten[0].wait_for_publish(0.1)
            except (RuntimeError, ValueError):  # lost with the connection
                self._unwritten.popleft()
        self._unwritten.clear()
        return False

    def _fits(self, path: str, payload: bytes) -> bool:
        if self._max_packet is None or len(payload) + len(path) + 256 <= self._max_packet:
            return True
        if self._once(path):
            log.error(
                "%s: %d bytes do not fit the broker's max_packet_size of %d; raise it or publish less",
                path,
                len(payload),
                self._max_packet,
            )
        return False

    def _properties(
        self, topic: Topic, user: Mapping[str, str] | None = None, correlation: bytes | None = None
    ) -> Properties | None:
        if self._settings.version != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no type there
        properties.ContentType = "image/jpeg" if topic.payload == "jpeg" else "application/json"
        if topic.expiry_s is not None:
            properties.MessageExpiryInterval = topic.expiry_s
        if user:
            properties.UserProperty = list(user.items())
        if correlation is not None:
            properties.CorrelationData = correlation
        return properties

    def _subscribe(self, topic_filter: str, qos: int, as_published: bool) -> None:
        if self._settings.version == "5":
            options = SubscribeOptions(qos=qos, retainAsPublished=as_published)
            self._paho.subscribe(topic_filter, options=options)
        else:
            self._paho.subscribe(topic_filter, qos)

    def _jitter(self) -> None:
        # A thousand nodes must not return to a restarted broker in the same instant; within 4 s all the same.
        self._paho.reconnect_delay_set(random.uniform(0.3, 1.0), random.uniform(2.0, 4.0))  # type: ignore[arg-type]  # seconds; floats work, the annotation says int

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002 - paho's signature
        flags: paho.ConnectFlags,  # noqa: ARG002
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refused(str(reason))
            return
        self._max_packet = getattr(properties, "MaximumPacketSize", None)
        # Under the lock, or what another thread adds between the two loops and the flag would reach nobody.
        with self._state_lock:
            for topic_filter, (qos, as_published) in self._subscriptions.items():
                self._subscribe(topic_filter, qos, as_published)
            for path, (topic, payload) in self._state.items():
                client.publish(path, payload, topic.qos, True, self._properties(topic))
            self._connected.set()
        log.info("connected to the broker at %s:%d", self._host, self._port)
        self._ever_connected = True
        self._unreachable_said = False

    def _refused(self, reason: str) -> None:
        text = f"the broker at {self._host}:{self._port} refused the connection: {reason}"
        if reason in _HOPELESS and not self._ever_connected and self._on_refused:
            self._on_refused(BrokerError(f"{text}; check mqtt.username, mqtt.password and mqtt.version"))
        elif self._once(text):
            log.warning("%s; trying again", text)

    def _on_connect_fail(self, client: paho.Client, userdata: object) -> None:  # noqa: ARG002
        if not self._unreachable_said:
            self._unreachable_said = True
            log.warning(
                "no broker answers at %s:%d; is it running there (mqtt.url)? Trying again until it does",
                self._host,
                self._port,
            )

    def _on_disconnect(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        flags: paho.DisconnectFlags,  # noqa: ARG002
        reason: ReasonCode,
        properties: Properties | None,  # noqa: ARG002
    ) -> None:
        was_connected = self._connected.is_set()
        self._connected.clear()
        if was_connected:  # paho can call this twice
            if reason.is_failure:
                log.warning("lost the broker (%s); reconnecting", reason)
            self._jitter()

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        received = Received(
            message.topic,
            bytes(message.payload),
            message.qos,
            message.retain,
            dict(getattr(message.properties, "UserProperty", ())),
            getattr(message.properties, "ResponseTopic", None),
            getattr(message.properties, "CorrelationData", None),
            getattr(message.properties, "ContentType", None),
            getattr(message.properties, "MessageExpiryInterval", None),
        )
        try:
            self.received.put_newest(received)
        except Closed:
            return  # shutting down

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        mid: int,  # noqa: ARG002
        reason: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        if reason.is_failure and self._once(f"publish {reason}"):
            log.error("the broker refused a message: %s; check its access control list", reason)


def _tune_socket(client: paho.Client, userdata: object, sock: object) -> None:  # noqa: ARG001
    if not isinstance(sock, socket.socket):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is an error after 5 s, not after minutes
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is meant.

    Raises:
        ConfigError: Not of the form ``mqtt://host:port`` or ``mqtts://host:port``.
    """
    form = "expected mqtt://HOST:PORT or mqtts://HOST:PORT"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"mqtt.url {url!r}: {form}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigError(f"mqtt.url {url!r}: {form}")
    if parts.username or parts.password:
        raise ConfigError("mqtt.url: put the user and password into mqtt.username and mqtt.password_file")
    tls = parts.scheme == "mqtts"
    return parts.hostname, port or (8883 if tls else 1883), tls


def read_password(settings: MqttSettings) -> str | None:
    """The password, from its file when one is named.

    Raises:
        ConfigError: The file cannot be read.
    """
    if settings.password_file is None:
        return settings.password
    try:
        return Path(settings.password_file).read_text().strip()
    except OSError as error:
        raise ConfigError(f"mqtt.password_file {settings.password_file}: {error.strerror}") from None


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """A verifying TLS context; there is no way to turn verification off.

    Raises:
        ConfigError: A certificate or key file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"mqtt.ca_file {settings.ca_file}, mqtt.cert_file {settings.cert_file}: {error}"
        ) from None
    return context
