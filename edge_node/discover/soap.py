"""One question to one camera: a SOAP request over HTTP, to the address that answered and to no other."""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from edge_node.capture.readers.web import body
from edge_node.config.sources import printable
from edge_node.discover.markup import MAX_BYTES, Element, MarkupError, parse
from edge_node.discover.patience import Http, Https, Patience
from shared.errors import SourceError

TIMEOUT_S = 5.0
_LONGEST_WORDS = 200
"""Characters of a camera's own words that an error repeats."""
_NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tr2="http://www.onvif.org/ver20/media/wsdl"'
)
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"


@dataclass(frozen=True, slots=True)
class Login:
    """User and password of a camera."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a camera's service is. A camera may name any host; ours is always the one that answered.

    Attributes:
        host: The IP address that answered.
        port: Of the service.
        path: Of the service, with its query.
        secure: Whether it speaks HTTPS.
    """

    host: str
    port: int
    path: str
    secure: bool = False

    @property
    def url(self) -> str:
        """The address of the service."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{shown}:{self.port}{self.path}"

    def elsewhere(self, named: str) -> Endpoint:
        """The service that a camera names, on the host that answered.

        Raises:
            SourceError: It is no HTTP address.
        """
        try:
            parts = urlsplit(named)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https"):
            raise SourceError("it names a service whose address is not HTTP")
        secure = parts.scheme == "https"
        path = printable(parts.path + (f"?{parts.query}" if parts.query else "")) or "/"
        return Endpoint(self.host, port or (443 if secure else 80), path, secure)


class DeniedError(SourceError):
    """A camera wants a login, or not this one."""


class Conversation:
    """Asks the services of one camera.

    Args:
        login: User and password; None: ask without.
        patience: Ends it early.

    Attributes:
        ahead: How far the camera's clock is ahead of ours. A camera refuses a login from another time.
    """

    def __init__(self, login: Login | None, patience: Patience | None = None) -> None:
        self._login, self._patience = login, patience or Patience()
        self.ahead = timedelta()

    def ask(self, endpoint: Endpoint, action: str, inner: str, *, anonymous: bool = False) -> Element:
        """Send one request.

        Args:
            endpoint: The service.
            action: The address of the operation, in the service's own notation.
            inner: The request itself, as XML with the prefixes tds, trt, tr2 and tt.
            anonymous: Leave user and password out.

        Returns:
            The body of the answer.

        Raises:
            DeniedError: The camera wants a login, or not this one.
            SourceError: It does not answer, or its answer is not SOAP.
        """
        login = None if anonymous else self._login
        header = "" if login is None else _security(login, datetime.now(timezone.utc) + self.ahead)
        envelope = (
            f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {_NAMESPACES}>{header}'
            f"<s:Body>{inner}</s:Body></s:Envelope>"
        )
        request = urllib.request.Request(  # noqa: S310 - `Endpoint.url` has the scheme http or https
            endpoint.url,
            envelope.encode(),
            {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'},
        )
        try:
            return self._answer(request, endpoint, login)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = "it takes too long to answer" if self._patience.over else _why(error)
            raise SourceError(f"{endpoint.host}: {why}") from None

    def _answer(self, request: urllib.request.Request, endpoint: Endpoint, login: Login | None) -> Element:
        try:
            opener = _opener(endpoint, login, self._patience)
            with closing(opener.open(request, timeout=TIMEOUT_S)) as answer:
                document, code = body(answer, MAX_BYTES, TIMEOUT_S), 200
        except urllib.error.HTTPError as error:
            with closing(error):  # where urllib itself gives up a login, some Pythons (3.11.2) put text there
                document = body(error, MAX_BYTES, TIMEOUT_S) if hasattr(error, "read1") else b""
            code = error.code
        try:
            root = parse(document)
        except MarkupError:
            if code in (401, 403):
                raise _denied(endpoint, login) from None
            if code != 200:
                raise SourceError(f"{endpoint.host}: it answers {code}") from None
            raise
        if (fault := root.first("Fault")) is not None or code != 200:
            if code in (401, 403) or _is_denial(fault):
                raise _denied(endpoint, login)
            words = "" if fault is None else printable(fault.read("Text") or fault.read("faultstring"))
            raise SourceError(f"{endpoint.host}: it answers {code} {words[:_LONGEST_WORDS]}".rstrip())
        found = root.first("Envelope", "Body")
        if found is None:
            raise SourceError(f"{endpoint.host}: its answer is not SOAP")
        return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A camera that answers is asked; whoever it points to is not."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nobody."""
        return


def _opener(endpoint: Endpoint, login: Login | None, patience: Patience) -> urllib.request.OpenerDirector:
    """Asks one camera: directly, by HTTP digest where it wants that, and never with a readable password."""
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({}),
        Http(patience),
        Https(patience),
        _NoRedirect(),
    ]
    if login is not None:
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, endpoint.url, login.user, login.password)
        handlers.append(urllib.request.HTTPDigestAuthHandler(known))
    return urllib.request.build_opener(*handlers)


def _security(login: Login, now: datetime) -> str:
    """The header of a WS-UsernameToken with a digest, as ONVIF asks for it."""
    nonce, created = secrets.token_bytes(16), now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    # SHA-1 is what the standard says; the password itself is not sent.
    digest = hashlib.sha1(nonce + created.encode() + login.password.encode(), usedforsecurity=False).digest()
    return (
        f'<s:Header><w:Security s:mustUnderstand="1" xmlns:w="{_WSS}wssecurity-secext-1.0.xsd">'
        f"<w:UsernameToken><w:Username>{escape(login.user)}</w:Username>"
        f'<w:Password Type="{_WSS}username-token-profile-1.0#PasswordDigest">{_base64(digest)}</w:Password>'
        f'<w:Nonce EncodingType="{_WSS}soap-message-security-1.0#Base64Binary">{_base64(nonce)}</w:Nonce>'
        f'<u:Created xmlns:u="{_WSS}wssecurity-utility-1.0.xsd">{created}</u:Created>'
        "</w:UsernameToken></w:Security></s:Header>"
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_denial(fault: Element | None) -> bool:
    if fault is None:
        return False
    codes = [one.text.rpartition(":")[2] for one in (*fault.all("Value"), *fault.all("faultcode"))]
    return any(code in ("NotAuthorized", "FailedAuthentication") for code in codes)


def _denied(endpoint: Endpoint, login: Login | None) -> DeniedError:
    if login is None:
        return DeniedError(f"{endpoint.host}: it wants a user and a password")
    return DeniedError(f"{endpoint.host}: it rejects the user or the password")


def _why(error: Exception) -> str:
    if isinstance(error, MarkupError):
        return str(error)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(reason, OSError):
        return printable(reason.strerror or str(reason))[:_LONGEST_WORDS]
    if isinstance(reason, UnicodeError):
        return "it wants HTTP digest, for which Python takes only users and passwords of ASCII characters"
    if isinstance(reason, ValueError):
        return "it wants a login that is not Digest"
    return "it does not speak HTTP"
