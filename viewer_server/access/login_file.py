"""What logins need after a restart: the secret that signs cookies, ended sessions, known addresses."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from pathlib import Path

import orjson
from werkzeug.security import generate_password_hash

from shared.files import PRIVATE, write_whole

log = logging.getLogger("darner.login")

MAX_ENDED = 10_000
MAX_KNOWN = 256
DAY_S = 86_400.0
KNOWN_S = 60 * DAY_S
"""How long an address is known after a login."""
METHOD = "scrypt:32768:8:1"
"""werkzeug's default: a guess takes 32 MB and about 50 ms."""
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""The characters of generated passwords; those that look alike are left out."""


class LoginFile:
    """A file that only the viewer's user may read; when it cannot be written, a restart ends every session.

    Args:
        path: The file; None keeps everything in memory.

    Attributes:
        secret: The key that signs cookies is made from it.
        password_hash: Hash of the generated password; None when none was generated.
        ended: When each ended session's cookie would have expired, seconds since 1970.
        addresses: When somebody last logged in from an address, seconds since 1970; the newest last.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.secret = secrets.token_bytes(32)
        self.password_hash: str | None = None
        self.ended: dict[str, float] = {}
        self.addresses: dict[str, float] = {}
        if path is not None:
            self._load(path)

    def generate_password(self) -> str | None:
        """Make a password of 80 random bits, and keep its hash; None when a hash exists already."""
        if self.password_hash is not None:
            return None
        groups = ("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
        password = "-".join(groups)
        self.password_hash = generate_password_hash(password, METHOD)
        self._save()
        return password

    def end(self, session: str, hours: float) -> None:
        """Refuse a session's cookie from now on."""
        with self._lock:
            now_s = time.time()
            self.ended = {one: until for one, until in self.ended.items() if until > now_s}
            while len(self.ended) >= MAX_ENDED:
                self.ended.pop(next(iter(self.ended)))
            self.ended[session] = now_s + hours * 3600
            self._save()

    def remember(self, address: str) -> None:
        """Note that somebody has just logged in from an address."""
        with self._lock:
            now_s = time.time()
            last_s = self.addresses.pop(address, 0.0)
            self.addresses[address] = now_s
            while len(self.addresses) > MAX_KNOWN:
                self.addresses.pop(next(iter(self.addresses)))
            if now_s - last_s > DAY_S:
                self._save()

    @property
    def lately(self) -> list[str]:
        """Addresses from which somebody logged in during the last weeks."""
        since_s = time.time() - KNOWN_S
        return [address for address, at_s in self.addresses.items() if at_s > since_s]

    def _load(self, path: Path) -> None:
        try:
            kept = orjson.loads(path.read_bytes())
            self.secret = bytes.fromhex(kept["secret"])
            self.password_hash = kept["password_hash"]
            self.ended = {str(session): float(until) for session, until in kept["ended"].items()}
            known = kept.get("addresses", {})  # files of earlier versions have none
            self.addresses = {str(address): float(at_s) for address, at_s in known.items()}
        except FileNotFoundError:
            self._save()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be read (%s): everybody has to log in again", path, error)
            self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        content = {"secret": self.secret.hex(), "password_hash": self.password_hash, "ended": self.ended}
        content["addresses"] = self.addresses
        try:
            write_whole(self._path, orjson.dumps(content), PRIVATE)
        except OSError as error:
            log.warning("%s cannot be written (%s): a restart ends every session", self._path, error)
