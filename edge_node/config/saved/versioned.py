"""Something that the configuration says, and that people may replace over MQTT.

The latest change wins: what was saved stays until the configuration says something else than it did then.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import orjson

from shared.errors import ConflictError, OutputError
from shared.storage.state_file import StateFile
from shared.wire.messages import Count

log = logging.getLogger("darner.saved")


@dataclass(frozen=True, kw_only=True)
class Versioned:
    """What each of these files says besides its content.

    Attributes:
        version: Grows by one with every change; 0: the node never had any content.
        configured: Hash of what the configuration said when this was saved.
    """

    version: Count = 0
    configured: str = ""


V = TypeVar("V", bound=Versioned)


class VersionedStore(Generic[V]):
    """The base of a store: what holds now, and the file that keeps it. Any thread may read `current`.

    Args:
        file: Keeps it.
        configured: What the configuration says, with its hash.
        what: What people call it.

    Attributes:
        current: What holds now.
    """

    def __init__(self, file: StateFile[V], configured: V, what: str) -> None:
        self._file, self._lock = file, threading.Lock()
        self.current = configured
        saved = file.read()
        says_something = replace(configured, configured="") != type(configured)()
        if saved is not None and saved.configured == configured.configured:
            self.current = saved
            log.info("using the %s saved over MQTT or before (version %d)", what, saved.version)
        elif saved is not None and saved.version:
            self._renew(configured, saved.version + 1)
        elif says_something:
            self._renew(configured, 1)

    def _save(self, new: V, replacing: int) -> V:
        """Replace the content, unless somebody else was first; version and hash are set here."""
        with self._lock:
            refuse_outdated(replacing, self.current.version)
            new = replace(new, version=replacing + 1, configured=self.current.configured)
            self._file.write(new)
            self.current = new
        return new

    def _configure(self, configured: V) -> bool:
        """Use what the configuration says, if that has changed since the last time; whether it has."""
        with self._lock:
            if configured.configured == self.current.configured:
                return False
            self._renew(configured, self.current.version + 1)
        return True

    def _renew(self, configured: V, version: int) -> None:
        """Use what the configuration says; it is kept, too, so that versions keep growing after a restart."""
        self.current = replace(configured, version=version)
        try:
            self._file.write(self.current, "the configuration has it still")
        except OutputError as error:
            log.warning("%s", error)


def refuse_outdated(replacing: int, current: int) -> None:
    """Make sure that a change started from the current version.

    Raises:
        ConflictError: It did not.
    """
    if replacing != current:
        raise ConflictError(f"the current version is {current}, not {replacing}: somebody else saved first")


def hash_of(configured: Any) -> str:
    """A hash of a part of the configuration, to see whether it has changed since something was saved over it.

    Fields at their defaults do not count, so that a field that an upgrade brings changes no hash.
    """
    return hashlib.sha256(orjson.dumps(_without_defaults(configured))).hexdigest()


def _without_defaults(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            item.name: _without_defaults(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if getattr(value, item.name) != item.default
        }
    if isinstance(value, dict):
        return {name: _without_defaults(one) for name, one in value.items()}
    return [_without_defaults(one) for one in value] if isinstance(value, tuple) else value
