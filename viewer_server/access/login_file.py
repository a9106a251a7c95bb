"""What logins need after a restart: the secret that signs cookies, ended sessions, known addresses.

Viewers that share a key may share this file, too: then each learns of the logouts at the others.
"""

from __future__ import annotations

import fcntl
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from werkzeug.security import generate_password_hash

from shared.files import PRIVATE, open_lock, private_folder, write_whole

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
        self._seen: tuple[int, int] | None = None
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

    def has_ended(self, session: str) -> bool:
        """Whether a session was ended, here or by a viewer that shares the file."""
        if self._path is not None and _stamp(self._path) != self._seen:
            with self._lock:
                self._learn()
        return session in self.ended

    def end(self, session: str, hours: float) -> None:
        """Refuse a session's cookie from now on."""
        with self._lock:
            now_s = time.time()
            self.ended = {one: until for one, until in self.ended.items() if until > now_s}
            self.ended[session] = now_s + hours * 3600
            self._save()

    def remember(self, address: str) -> None:
        """Note that somebody has just logged in from an address."""
        with self._lock:
            now_s = time.time()
            last_s = self.addresses.pop(address, 0.0)
            self.addresses[address] = now_s
            self._trim()
            if now_s - last_s > DAY_S:
                self._save()

    @property
    def lately(self) -> list[str]:
        """Addresses from which somebody logged in during the last weeks."""
        since_s = time.time() - KNOWN_S
        return [address for address, at_s in self.addresses.items() if at_s > since_s]

    def _load(self, path: Path) -> None:
        try:
            kept = self._read(path)
            self.secret = bytes.fromhex(kept["secret"])
            self.password_hash = kept["password_hash"]
        except FileNotFoundError:
            self._save()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be read (%s): everybody has to log in again", path, error)
            self._save()

    def _read(self, path: Path) -> dict[str, Any]:
        """The file's content; what it says of sessions and addresses is added to what is known."""
        seen = _stamp(path)
        kept: dict[str, Any] = orjson.loads(path.read_bytes())
        ended = {str(session): float(until) for session, until in kept["ended"].items()}
        known = kept.get("addresses", {})  # files of earlier versions have none
        addresses = {str(address): float(at_s) for address, at_s in known.items()}
        self.ended = ended | self.ended
        both = sorted((addresses | self.addresses).items(), key=lambda item: item[1])
        self.addresses = {address: max(at_s, addresses.get(address, at_s)) for address, at_s in both}
        self._trim()
        self._seen = seen
        return kept

    def _learn(self) -> None:
        """Take in what another viewer has written."""
        assert self._path is not None  # noqa: S101 - the callers have looked
        try:
            self._read(self._path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._seen = _stamp(self._path)  # the next change of ours mends it

    def _trim(self) -> None:
        """Keep within the bounds; the oldest go."""
        for kept, most in ((self.ended, MAX_ENDED), (self.addresses, MAX_KNOWN)):
            while len(kept) > most:
                kept.pop(next(iter(kept)))

    def _save(self) -> None:
        if self._path is None:
            self._trim()
            return
        try:
            with _alone(self._path):
                if self._seen not in (None, _stamp(self._path)):
                    self._learn()
                self._trim()
                content = {
                    "secret": self.secret.hex(),
                    "password_hash": self.password_hash,
                    "ended": self.ended,
                    "addresses": self.addresses,
                }
                write_whole(self._path, orjson.dumps(content), PRIVATE)
                self._seen = _stamp(self._path)
        except OSError as error:
            log.warning("%s cannot be written (%s): a restart ends every session", self._path, error)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let no other viewer write the file meanwhile."""
    private_folder(path.parent)
    with open_lock(path.with_name(f"{path.name}.lock")) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tells one version of a file from another; None when it is not there. Each is a new file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
