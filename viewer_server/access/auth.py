"""Who may look: a password and a session cookie for people, a bearer token for programs.

On loopback neither is needed; on any other address the viewer does not start without one. The cookie is
signed (itsdangerous) with a key made from the password's hash and a secret: this viewer's own, or the one in
`http.key_file`, with which several viewers accept each other's cookies. So a new password ends every session.
Two things keep foreign pages from acting in a visitor's name: browsers say where a request
comes from (Fetch Metadata, W3C; `Origin`, RFC 6454), and they do not send our cookie with a foreign page's.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import ipaddress
import logging
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import flask
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer
from werkzeug.security import check_password_hash, generate_password_hash

from shared.configuration.secret_file import read_secret
from shared.errors import ConfigError
from viewer_server.access.addresses import owner_of
from viewer_server.access.attempts import Attempts
from viewer_server.access.key_file import read_key
from viewer_server.access.login_file import METHOD, LoginFile
from viewer_server.access.origin import Origins
from viewer_server.config import HttpSettings

log = logging.getLogger("darner.login")

PUBLIC = ("/login", "/health", "/ready")
LEAST = 8
"""Minimum length of a password, characters."""
RENEWED_AFTER = 0.02
"""Share of a session after which a visit prolongs it: not each request needs a new cookie."""
LOGGED_OUT = 4401
"""Close code of a websocket whose login ended: HTTP's 401 in the range for applications."""


class Closable(Protocol):
    """A websocket that can be closed."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""


class _Signer(TimestampSigner):
    """Signs cookies with the time of a given clock."""

    def __init__(self, *arguments: Any, clock: Callable[[], float], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


class Access:
    """Decides who may enter, and knows who is logged in.

    Args:
        settings: Password, token and the length of a login.
        kept: The secret, a generated password, and logins that were ended early.
        origins: Which pages are ours.
        port: Part of the cookie's name, because browsers send cookies to every port of a machine. Viewers
            that share a key have one name for it, whatever their ports.
        clock: Seconds since 1970.

    Raises:
        ConfigError: A password, token or key cannot be used.
    """

    def __init__(
        self,
        settings: HttpSettings,
        kept: LoginFile,
        origins: Origins,
        port: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept = kept
        self._origins = origins
        self._password = read_password(settings) or (
            kept.password_hash if settings.generate_password else None
        )
        self._token = read_token(settings)
        self.hours = settings.session_hours
        shared = read_key(settings)
        self.cookie = f"darner_{port}" if shared is None else f"darner_{_name_of(shared)}"
        self._clock = clock
        self.attempts = Attempts(known=kept.lately)
        self._hashing = threading.Lock()
        self._watching: dict[str, set[Closable]] = {}
        self._watching_lock = threading.Lock()
        key = hmac.digest(shared or kept.secret, (self._password or "").encode(), "sha256")
        self._signer = URLSafeTimedSerializer(
            key,
            salt="session",
            signer=_Signer,
            signer_kwargs={"digest_method": hashlib.sha256, "clock": clock},
        )

    @property
    def required(self) -> bool:
        """Whether a password or a token is needed."""
        return self._password is not None or self._token is not None

    @property
    def by_password(self) -> bool:
        """Whether there is a password to log in with."""
        return self._password is not None

    def password_is_right(self, password: str) -> bool:
        """Whether this is the password. One guess is checked at a time, since each takes 32 MB."""
        with self._hashing:
            return self._password is not None and check_password_hash(self._password, password[:1024])

    def token_is_right(self, request: flask.Request) -> bool:
        """Whether a request carries the token."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if self._token is None or kind.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self._token.encode())

    def session_of(self, request: flask.Request) -> str | None:
        """The session of a request's cookie; None without a cookie or a password, or when it has ended."""
        cookie = request.cookies.get(self.cookie, "")
        # Without a password nobody logs in, and the shared key alone would be enough to forge a cookie.
        if self._password is None or not cookie or len(cookie) > 512:
            return None
        try:
            session = self._signer.loads(cookie, max_age=int(self.hours * 3600))
        except BadSignature:
            return None
        return session if isinstance(session, str) and not self._kept.has_ended(session) else None

    def may_enter(self, request: flask.Request) -> bool:
        """Whether a request may be answered."""
        if not self.required or request.path in PUBLIC or request.path.startswith("/static/"):
            return True
        return self.token_is_right(request) or self.session_of(request) is not None

    def is_forged(self, request: flask.Request) -> bool:
        """Whether this request changes something, and a foreign page may have made the browser send it."""
        if request.method in ("GET", "HEAD", "OPTIONS") or self.token_is_right(request):
            return False
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site not in (None, "same-origin", "none"):
            return True
        if origin is not None:
            return not self._origins.page_is_ours(origin, request.headers.get("Host", ""))
        return site is None and self.cookie in request.cookies

    def succeeded(self, address: str | None) -> None:
        """Note that somebody at this address knew the password."""
        self.attempts.succeeded(address)
        self._kept.remember(owner_of(address))

    def log_in(self, response: flask.Response) -> None:
        """Give the browser a new session."""
        self._give(response, secrets.token_urlsafe(18))

    def visited(self, response: flask.Response) -> None:
        """Prolong the request's session once a part of it has passed: it ends after the last visit."""
        request = flask.request
        if request.path.startswith("/static/") or self.cookie in response.headers.get("Set-Cookie", ""):
            return
        session = self.session_of(request)
        if session is not None and self._age_s(request) > self.hours * 3600 * RENEWED_AFTER:
            self._give(response, session)

    def _age_s(self, request: flask.Request) -> float:
        """How long ago the cookie of a request that has a session was given."""
        cookie = request.cookies.get(self.cookie, "")
        _, given = self._signer.loads(cookie, return_timestamp=True)
        return self._clock() - float(given.timestamp())

    def _give(self, response: flask.Response, session: str) -> None:
        response.set_cookie(
            self.cookie,
            str(self._signer.dumps(session)),
            max_age=int(self.hours * 3600),
            httponly=True,
            samesite="Strict",
            secure=flask.request.is_secure,
            path=_cookie_path(),
        )

    def log_out(self, response: flask.Response) -> None:
        """End the request's session in all windows of the browser."""
        session = self.session_of(flask.request)
        response.delete_cookie(self.cookie, path=_cookie_path(), httponly=True, samesite="Strict")
        if session is None:
            return
        self._kept.end(session, self.hours)
        with self._watching_lock:
            for page in self._watching.pop(session, set()):
                page.close(LOGGED_OUT, "logged out")

    @contextmanager
    def watching(self, page: Closable) -> Iterator[None]:
        """Close a websocket when the request's session ends, for as long as the `with` block runs."""
        session = self.session_of(flask.request) or ""
        with self._watching_lock:
            self._watching.setdefault(session, set()).add(page)
        try:
            yield
        finally:
            with self._watching_lock:
                pages = self._watching.get(session, set())
                pages.discard(page)
                if not pages:
                    self._watching.pop(session, None)


def _name_of(key: bytes) -> str:
    """A name for a key, which tells nothing of it."""
    return hmac.digest(key, b"cookie", "sha256").hex()[:8]


def _cookie_path() -> str:
    """The path below which this viewer is: others on the same host have logins of their own."""
    return flask.request.root_path or "/"


def read_password(settings: HttpSettings) -> str | None:
    """The hash of the configured password; None when no password is configured.

    Raises:
        ConfigError: The configured value is not a hash, or its file cannot be read.
    """
    if settings.password_hash and settings.password_file:
        raise ConfigError("http.password_hash and http.password_file are both set: leave out one of them")
    found = settings.password_hash
    if settings.password_file is not None:
        found = read_secret("http.password_file", settings.password_file).strip()
    if found is not None and not _is_hash(found):
        name = (
            "http.password_hash" if settings.password_hash else f"http.password_file {settings.password_file}"
        )
        raise ConfigError(f"{name}: not a hash; make one with: python -m viewer_server --hash-password")
    return found


def _is_hash(text: str) -> bool:
    try:
        check_password_hash(text, "")
    except ValueError:
        return False
    return text.count("$") == 2


def read_token(settings: HttpSettings) -> str | None:
    """The configured bearer token; None when none is configured.

    Raises:
        ConfigError: It is too short to be safe, or its file cannot be read.
    """
    if settings.token and settings.token_file:
        raise ConfigError("http.token and http.token_file are both set: leave out one of them")
    found = settings.token
    if settings.token_file is not None:
        found = read_secret("http.token_file", settings.token_file)
    if found is not None and len(found) < 16:
        name = "http.token" if settings.token else f"http.token_file {settings.token_file}"
        raise ConfigError(f"{name}: needs at least 16 characters; make one with: openssl rand -hex 24")
    return found


def check_address(settings: HttpSettings, address: str) -> None:
    """Refuse an address that others can reach while nobody has to log in.

    Raises:
        ConfigError: There is neither a password nor a token, and the address is not loopback.
    """
    protected = settings.password_hash or settings.password_file or settings.token or settings.token_file
    if not (protected or settings.generate_password or ipaddress.ip_address(address).is_loopback):
        raise ConfigError(
            f"http.host {settings.host} can be reached by others: first set a password "
            "(python -m viewer_server --hash-password, http.password_file) or a token (http.token_file)"
        )


def ask_for_hash() -> str:
    """The hash of a new password, which is typed at the terminal or read from standard input.

    Raises:
        ConfigError: The password is too short, or the two entries differ.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise ConfigError("the two passwords differ; nothing was printed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < LEAST:
        raise ConfigError(f"a password needs at least {LEAST} characters")
    return generate_password_hash(password, METHOD)
