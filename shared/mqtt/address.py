"""How to reach a broker: its address, our user name, and where the secrets are."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from shared.configuration.declared import ADDRESS, FILE, SECRET
from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError
from shared.secrets.redact import redact_address
from shared.wire.topics import DEFAULT_PREFIX

log = logging.getLogger("darner.mqtt")

MOST_ADDRESSES = 16
"""Addresses that one list may have; each may cost some seconds when all are tried."""
_HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class MqttSettings:
    """How to reach the broker."""

    url: Annotated[
        str | tuple[Annotated[str, Meta(extra=ADDRESS)], ...],
        Meta(
            description="mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS; default ports 1883 and 8883. A list "
            "has up to 16 addresses of one cluster: the first is chosen at random, another one after each "
            "failed or lost connection",
            extra=ADDRESS,
        ),
    ] = "mqtt://127.0.0.1:1883"
    prefix: Annotated[str, Meta(description="First levels of every topic, without wildcards")] = (
        DEFAULT_PREFIX
    )
    version: Annotated[
        Literal["5", "3.1.1"],
        Meta(description="Version of MQTT: 5, or 3.1.1, which has no user properties"),
    ] = "5"
    username: Annotated[str | None, Meta(description="User name; null: no login")] = None
    password: Annotated[
        str | None,
        Meta(
            description="Password; prefer password_file, which keeps it out of this file",
            extra=SECRET,
        ),
    ] = field(default=None, repr=False)
    password_file: Annotated[
        str | None, Meta(description="File that holds the password and nothing else", extra=FILE)
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(
            description="Certificate of the authority that signed the broker's; null: the system's",
            extra=FILE,
        ),
    ] = None
    cert_file: Annotated[str | None, Meta(description="This client's certificate (PEM)", extra=FILE)] = None
    key_file: Annotated[
        str | None,
        Meta(
            description="Private key of that certificate (PEM), where cert_file does not hold it", extra=FILE
        ),
    ] = None
    # Mosquitto gives a silent client up after 1.5 times as long, and looks every 5 s: it publishes the will
    # within 18 s.
    keepalive_s: Annotated[
        int,
        Meta(
            ge=5,
            le=300,
            description="Seconds between signs of life; the broker gives up a client that is silent for "
            "1.5 times as long",
        ),
    ] = 8

    subscribe_qos: Annotated[
        int,
        Meta(
            ge=0,
            le=1,
            description="Quality of service asked for what is received. 0 suits NATS, which stores all "
            "messages of each subscription at 1, and in a JetStream cluster takes seconds to begin. An "
            "archive loses nothing by it: the outbox sends again what it has not stored",
        ),
    ] = 1

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of the broker, or of the members of its cluster."""
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def shown(self) -> str:
        """The addresses as one text for people, without what should not stand in them."""
        return ", ".join(map(redact_address, self.urls))


@dataclass(frozen=True, slots=True)
class Address:
    """Where one broker listens."""

    host: str
    port: int
    encrypted: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as `mqtt.url` has it."""
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{self}"


def addresses(settings: MqttSettings) -> tuple[Address, ...]:
    """All addresses, in the order of the settings.

    Raises:
        ConfigError: One is no address of a broker, or they do not go together.
    """
    if not 1 <= len(settings.urls) <= MOST_ADDRESSES:
        raise ConfigError(
            f"mqtt.url: has {len(settings.urls)} addresses; write 1 to {MOST_ADDRESSES} addresses of one "
            "broker or cluster"
        )
    found = tuple(Address(*parse_url(url)) for url in settings.urls)
    twice = [one for index, one in enumerate(found) if one in found[:index]]
    if twice:
        raise ConfigError(f"mqtt.url: names {twice[0]} twice; leave out one of them")
    if len({one.encrypted for one in found}) > 1:
        plain = next(one for one in found if not one.encrypted)
        raise ConfigError(
            f"mqtt.url: has addresses with TLS and {plain} without; write all with mqtts:// or all with "
            "mqtt://, so that chance does not decide what travels unencrypted"
        )
    return found


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether the connection uses TLS.

    Raises:
        ConfigError: The URL is not of the form ``mqtt://host:port`` or ``mqtts://host:port``.
    """
    shown = redact_address(url)
    form = "expected mqtt://HOST:PORT or mqtts://HOST:PORT"
    if "@" in url:
        raise ConfigError("mqtt.url: put the user and password into mqtt.username and mqtt.password_file")
    if "," in url:
        raise ConfigError("mqtt.url: has several addresses in one; write a list, each as mqtt://HOST:PORT")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"mqtt.url {shown!r}: {form}") from None
    if parts.scheme in ("ws", "wss"):
        raise ConfigError(f"mqtt.url {shown!r}: MQTT over websockets is not supported; {form}")
    host = parts.hostname or ""
    besides = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("mqtt", "mqtts") or [host] != host.split() or besides or port == 0:
        raise ConfigError(f"mqtt.url {shown!r}: {form}")
    encrypted = parts.scheme == "mqtts"
    return host, port or (8883 if encrypted else 1883), encrypted


def read_password(settings: MqttSettings) -> str | None:
    """The password; from its file, if one is named.

    Raises:
        ConfigError: The file cannot be read, or does not hold one line of text.
    """
    if settings.password_file is None:
        return settings.password
    return read_secret("mqtt.password_file", settings.password_file)


def check_secrets(settings: MqttSettings, reached: tuple[Address, ...]) -> None:
    """Refuse secrets that would not be used, and warn about a password that travels unencrypted.

    Raises:
        ConfigError: A certificate is set without TLS, a key without certificate, a password without user, or
            two passwords.
    """
    encrypted = all(one.encrypted for one in reached)
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(settings, key) and not encrypted:
            raise ConfigError(
                f"mqtt.{key} is set, but mqtt.url {settings.shown!r} is not encrypted: use mqtts://"
            )
    if settings.key_file and not settings.cert_file:
        raise ConfigError("mqtt.key_file is set and mqtt.cert_file is not: a client certificate needs both")
    if settings.password and settings.password_file:
        raise ConfigError("mqtt.password and mqtt.password_file are both set: leave out one of them")
    if settings.username is None and (settings.password or settings.password_file):
        raise ConfigError("mqtt.password is set and mqtt.username is not")
    away = ", ".join(str(one.host) for one in reached if one.host not in _HERE)
    if settings.username is not None and not encrypted and away:
        log.warning("the password for %s travels unencrypted; use mqtts://", away)
