"""Webhooks: one HTTP request for each message, signed as Standard Webhooks says.

Source: the specification of Standard Webhooks (https://www.standardwebhooks.com): the headers webhook-id,
webhook-timestamp and webhook-signature, which is HMAC-SHA256 over "id.timestamp.body" in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timezone
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import urlsplit

import orjson

from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError
from shared.files import at_home
from shared.secrets import known
from viewer_server.notify.parcel import Answer, Parcel, iso, shown
from viewer_server.targets import TargetSettings

ANSWER_BYTES = 4096
"""How much of an answer is read."""
LONGEST_WAIT_S = 3600.0
_TAG = re.compile(r"<[^<>]*>")
_RECEIVER = {401, 403, 404, 405, 407, 408, 410, 425, 429}
"""Statuses of 400 to 499 that say something about the receiver, not about this message."""


class Webhook:
    """Sends to one address.

    Args:
        key: The configuration key of the target, for errors.
        settings: The target.
        now_s: The wall clock, seconds since 1970, for the signature.

    Raises:
        ConfigError: Address, key or certificates cannot work.
    """

    def __init__(self, key: str, settings: TargetSettings, now_s: Callable[[], float] = time.time) -> None:
        self._settings, self._now_s = settings, now_s
        parts = _address(key, one_of(key, "url", settings.url, settings.url_file) or "")
        self._host, self._port, self._tls, self._path = parts
        secret = one_of(key, "secret", settings.secret, settings.secret_file)
        self._key = _key(key, secret) if secret else None
        self._token = one_of(key, "token", settings.token, settings.token_file)
        if self._token and not (self._token.isascii() and self._token.isprintable()):
            raise ConfigError(f"{key}.token: has characters that a header cannot hold")
        self._context = _context(key, settings.ca_file) if self._tls else None

    def send(self, parcel: Parcel) -> Answer:
        """Make one attempt; it ends within the target's timeout, but for the search of the host's address.

        A receiver that finds the message too large gets it without its picture: words are better than none.
        """
        cut, note = _Cut(self._settings.timeout_s), ""
        try:
            with cut:
                answer = self._exchange(cut, parcel)
                if answer[0] == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE and self._has_picture(parcel):
                    answer = self._exchange(cut, replace(parcel, jpeg=None))
                    note = ", without the picture, which was too large for it"
        except (OSError, http.client.HTTPException, ValueError) as error:
            if cut.is_over:
                return Answer(delivered=False, detail=f"no answer within {self._settings.timeout_s:g} s")
            return Answer(delivered=False, detail=_reason(error))
        judged = _judged(*answer)
        return replace(judged, detail=judged.detail + note) if judged.delivered else judged

    def _has_picture(self, parcel: Parcel) -> bool:
        return parcel.jpeg is not None and self._settings.picture

    def _body(self, parcel: Parcel) -> bytes:
        data = parcel.described()
        picture = None
        if parcel.jpeg is not None and self._has_picture(parcel):
            picture = {"content_type": "image/jpeg", "base64": base64.b64encode(parcel.jpeg).decode()}
        kind = "test" if parcel.test else "alert"
        return orjson.dumps(
            {"type": kind, "timestamp": iso(parcel.first.occurred_us), "data": {**data, "picture": picture}}
        )

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        stamp = str(int(self._now_s()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"darner-viewer/{version('darner')}",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "Connection": "close",
        }
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, message_id, stamp, body)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _exchange(self, cut: _Cut, parcel: Parcel) -> tuple[int, str | None, bytes]:
        """Status, Retry-After and the begin of the answer's body."""
        body = self._body(parcel)
        headers = self._headers(parcel.message_id, body)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._settings.timeout_s)
        try:
            sock = socket.create_connection((self._host, self._port), self._settings.timeout_s)
            cut.watch(sock)
            if self._context is not None:
                sock = self._context.wrap_socket(
                    sock, server_hostname=self._host, do_handshake_on_connect=False
                )
                cut.watch(sock)
                sock.do_handshake()
            connection.sock = sock
            with suppress(OSError):  # who finds it too large may answer, and hang up, before it is sent
                connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            said = b"" if answer.status < 300 else answer.read(ANSWER_BYTES)
            return answer.status, answer.getheader("Retry-After"), said
        finally:
            cut.close()
            connection.close()


class _Cut:
    """Shuts a connection when its time is over: a receiver that drips would hold it for ever."""

    def __init__(self, timeout_s: float) -> None:
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True
        self._sock: socket.socket | None = None
        self.is_over = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def watch(self, sock: socket.socket) -> None:
        self._sock = sock
        if self.is_over:
            raise TimeoutError

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()

    def _end(self) -> None:
        self.is_over = True
        with suppress(OSError):
            if self._sock is not None:
                self._sock.shutdown(socket.SHUT_RDWR)


def signature(key: bytes, message_id: str, stamp: str, body: bytes) -> str:
    """The value of webhook-signature.

    Args:
        key: The secret, decoded.
        message_id: webhook-id.
        stamp: webhook-timestamp, seconds since 1970.
        body: The request's body, as it is sent.
    """
    signed = hmac.digest(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def one_of(key: str, name: str, value: str | None, file: str | None) -> str | None:
    """A setting that stands in the configuration or in a file of its own.

    Raises:
        ConfigError: Both are given, or the file cannot be read.
    """
    if value is not None and file is not None:
        raise ConfigError(f"{key}: {name} and {name}_file are both set: leave out one")
    return read_secret(f"{key}.{name}_file", file) if file is not None else value


def _address(key: str, url: str) -> tuple[str, int, bool, str]:
    """Host, port, whether it has TLS, and path."""
    if not url:
        raise ConfigError(f"{key}.url: is missing; give the address of the webhook, or url_file")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{key}.url: is no address, such as https://example.com/hook") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{key}.url: must begin with https:// or http://, and name a host")
    if parts.username is not None:
        raise ConfigError(f"{key}.url: has a user in it; give a token (token_file) instead")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path.isascii() and path.isprintable()) or " " in path:
        raise ConfigError(f"{key}.url: has characters that must be encoded as in %20")
    for secret in (url, path):
        if len(secret) > 8:
            known.keep(secret)
    tls = parts.scheme == "https"
    return parts.hostname, port or (443 if tls else 80), tls, path


def _key(key: str, secret: str) -> bytes:
    try:
        found = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not 24 <= len(found) <= 64:
        raise ConfigError(
            f"{key}.secret: must be whsec_ and 24 to 64 bytes in base64; make one with: "
            'echo "whsec_$(openssl rand -base64 32)"'
        )
    known.keep(secret.removeprefix("whsec_"))
    return found


def _context(key: str, ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(at_home(ca_file)) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{key}.ca_file {ca_file}: cannot be used: {error}") from None


def _judged(status: int, wait: str | None, said: bytes) -> Answer:
    text = _readable(said)
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    detail = f"answered {status} {phrase}".rstrip()
    if 200 <= status < 300:
        return Answer(delivered=True, detail=detail)
    if 300 <= status < 400:
        detail += ": it leads elsewhere, which is not followed; configure the address itself"
    elif text:
        detail += f": {text}"
    return Answer(
        delivered=False,
        detail=detail,
        wait_s=_asked_s(wait),
        receivers_fault=status >= 500 or status < 400 or status in _RECEIVER,
    )


def _asked_s(wait: str | None) -> float | None:
    """Seconds for which Retry-After asks us to wait, by number or by date (RFC 9110, 10.2.3)."""
    if wait is None:
        return None
    if wait.isascii() and wait.isdigit():
        return min(float(wait[:8]), LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(wait)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:  # "-0000"
        until = until.replace(tzinfo=timezone.utc)
    return min(max(0.0, until.timestamp() - time.time()), LONGEST_WAIT_S)


def _readable(said: bytes) -> str:
    """An answer in one line; of a page in HTML, the words."""
    text = said.decode(errors="replace")
    if text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        text = html.unescape(_TAG.sub(" ", text))
    return shown(text)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return shown(f"its certificate is not valid: {error.verify_message}")
    if isinstance(error, http.client.RemoteDisconnected):
        return "hung up without an answer"
    if isinstance(error, http.client.HTTPException):
        return f"answered something that is no HTTP ({type(error).__name__})"
    return shown(f"cannot be reached: {getattr(error, 'strerror', None) or error}")
