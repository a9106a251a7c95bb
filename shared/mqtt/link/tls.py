"""TLS for the MQTT client: a context that always verifies, and advice when verification fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from shared.errors import ConfigError
from shared.files import at_home

CERTIFICATE_FIX = (
    "; check mqtt.cert_file and mqtt.key_file; a CA that the broker trusts must have signed the certificate"
)


def problem(error: ssl.SSLError) -> str:
    """What is wrong, and how to fix it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message
        if "match" in said or "valid for" in said:
            return f"{said}; use a name in mqtt.url that the broker's certificate carries"
        if "expired" in said or "not yet valid" in said:
            return f"{said}; renew the broker's certificate, or set this machine's clock"
        return f"{said}; mqtt.ca_file must be the CA that signed the broker's certificate"
    if "ALERT" in (error.reason or ""):
        return f"{error.reason}{CERTIFICATE_FIX}"
    return f"{error.reason or error}; does the broker speak TLS on that port (mqtt.url)?"


class HandshakeError(ConnectionError):
    """The other side ended the connection instead of the TLS handshake."""


class LateHandshakeError(TimeoutError):
    """The other side did not do its part of the TLS handshake in time."""


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError as error:
            self.close()
            if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
                raise HandshakeError("the TLS handshake was cut") from error
            if isinstance(error, TimeoutError):
                raise LateHandshakeError("the TLS handshake took too long") from error
            raise


def context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """A verifying TLS context; there is no way to turn verification off.

    Raises:
        ConfigError: A certificate or key file cannot be read.
    """
    with _named("mqtt.ca_file", ca_file, "a certificate"):
        made = ssl.create_default_context(cafile=_path(ca_file))
    made.sslsocket_class = _TlsSocket
    if cert_file:
        for key, name in (("mqtt.cert_file", cert_file), ("mqtt.key_file", key_file)):
            with _named(key, name, "a certificate"):
                if name is not None:
                    at_home(name).read_bytes()
        with _named("mqtt.cert_file", cert_file, "a certificate with its own, unencrypted key"):
            # An encrypted key must be an error: otherwise OpenSSL asks for its password at the terminal.
            made.load_cert_chain(cast(str, _path(cert_file)), _path(key_file), lambda: "")
    return made


def _path(name: str | None) -> str | None:
    return name and str(at_home(name))


@contextmanager
def _named(key: str, name: str | None, what: str) -> Iterator[None]:
    """Turn what goes wrong with a file into an error that names its key.

    Raises:
        ConfigError: The file cannot be read, or is not what it should be.
    """
    try:
        yield
    except ssl.SSLError as error:
        raise ConfigError(f"{key} {name}: is not {what} in PEM form ({error.reason or error})") from None
    except (OSError, ValueError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"{key} {name}: cannot be read: {said}") from None
