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


@dataclass(frozen=True, kw_only=True)
class MqttSettings:
    """How to reach the broker."""

    url: Annotated[
        str,
        Meta(
            description="mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS; default ports 1883 and 8883",
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


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether the connection uses TLS.

    Raises:
        ConfigError: The URL is not of the form ``mqtt://host:port`` or ``mqtts://host:port``.
    """
    shown = redact_address(url)
    form = "expected mqtt://HOST:PORT or mqtts://HOST:PORT"
    if "@" in url:
        raise ConfigError("mqtt.url: put the user and password into mqtt.username and mqtt.password_file")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"mqtt.url {shown!r}: {form}") from None
    if parts.scheme in ("ws", "wss"):
        raise ConfigError(f"mqtt.url {shown!r}: MQTT over websockets is not supported; {form}")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigError(f"mqtt.url {shown!r}: {form}")
    encrypted = parts.scheme == "mqtts"
    return parts.hostname, port or (8883 if encrypted else 1883), encrypted


def read_password(settings: MqttSettings) -> str | None:
    """The password; from its file, if one is named.

    Raises:
        ConfigError: The file cannot be read, or does not hold one line of text.
    """
    if settings.password_file is None:
        return settings.password
    return read_secret("mqtt.password_file", settings.password_file)


def check_secrets(settings: MqttSettings, host: str, encrypted: bool) -> None:
    """Refuse secrets that would not be used, and warn about a password that travels unencrypted.

    Raises:
        ConfigError: A certificate is set without TLS, a key without certificate, a password without user, or
            two passwords.
    """
    for key in ("ca_file", "cert_file", "key_file"):
        if getattr(settings, key) and not encrypted:
            raise ConfigError(
                f"mqtt.{key} is set, but mqtt.url {redact_address(settings.url)!r} is not encrypted: "
                "use mqtts://"
            )
    if settings.key_file and not settings.cert_file:
        raise ConfigError("mqtt.key_file is set and mqtt.cert_file is not: a client certificate needs both")
    if settings.password and settings.password_file:
        raise ConfigError("mqtt.password and mqtt.password_file are both set: leave out one of them")
    if settings.username is None and (settings.password or settings.password_file):
        raise ConfigError("mqtt.password is set and mqtt.username is not")
    if settings.username is not None and not encrypted and host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("the password for %s travels unencrypted; use mqtts://", host)
