"""The calendar of a node: as configured, or as saved over MQTT since.

The latest change wins: a saved calendar stays until that of the configuration changes.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import orjson

from edge_node.config.changes import hash_of
from shared import typed
from shared.definitions.calendar import refuse_nonsense
from shared.errors import ConfigError, ConflictError, OutputError
from shared.files import PRIVATE, make_private, set_aside, write_whole
from shared.wire.messages import CalendarDefinition, Count

log = logging.getLogger("darner.calendar")


@dataclass(frozen=True, kw_only=True)
class Versioned:
    """A calendar and its version; version 0: the node has had none yet."""

    version: Count = 0
    calendar: CalendarDefinition = field(default_factory=CalendarDefinition)


@dataclass(frozen=True, kw_only=True)
class _Saved(Versioned):
    configured: str = ""  # hash of the configuration's calendar when this was saved


class CalendarStore:
    """The calendar of a node, and the file that keeps it.

    Args:
        path: The file that keeps a saved calendar; None keeps it until the node stops.
        configured: The configuration's calendar.
    """

    def __init__(self, path: Path | None, configured: CalendarDefinition) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._configured = hash_of(configured)
        saved = _read(path)
        if saved is not None and saved.configured == self._configured:
            self._current: Versioned = saved
            log.info("using the calendar saved over MQTT (version %d)", saved.version)
        else:
            version = 0 if saved is None else saved.version
            is_new = saved is not None or configured != CalendarDefinition()
            self._current = Versioned(version=version + is_new, calendar=configured)

    @property
    def current(self) -> Versioned:
        """The calendar in force."""
        return self._current

    def save(self, calendar: CalendarDefinition, replacing: int) -> Versioned:
        """Replace the calendar, and keep the new one.

        Args:
            calendar: The whole calendar.
            replacing: The version that the author of the change started from.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: The calendar cannot be followed.
        """
        refuse_nonsense(calendar)
        with self._lock:
            current = self._current.version
            if replacing != current:
                raise ConflictError(
                    f"the current version is {current}, not {replacing}: somebody else saved first"
                )
            return self._replace(calendar)

    def configure(self, calendar: CalendarDefinition) -> bool:
        """Use a configuration's calendar if the configuration has changed it; whether that is so.

        Raises:
            OutputError: The file cannot be written; nothing was changed.
        """
        with self._lock:
            before, self._configured = self._configured, hash_of(calendar)
            if self._configured == before:
                return False
            try:
                self._replace(calendar)  # saved too, so that versions keep growing after a restart
            except OutputError:
                self._configured = before
                raise
        return True

    def _replace(self, calendar: CalendarDefinition) -> Versioned:
        new = _Saved(version=self._current.version + 1, calendar=calendar, configured=self._configured)
        if self._path is not None:
            try:
                write_whole(self._path, orjson.dumps(new, option=orjson.OPT_INDENT_2), PRIVATE)
            except OSError as error:
                raise OutputError(
                    f"{self._path}: cannot be written ({error.strerror}); nothing was changed"
                ) from None
        self._current = new
        return new


def _read(path: Path | None) -> _Saved | None:
    """The saved calendar. A file that cannot be used is renamed, so that the node starts without it."""
    if path is None:
        return None
    make_private(path)
    try:
        saved = typed.decode(path.read_bytes(), _Saved)
        refuse_nonsense(saved.calendar)
        return saved
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError, msgspec.DecodeError, ConfigError) as error:
        kept = set_aside(path)
        log.warning("%s: cannot be read (%s), %s; the configuration's calendar is used", path, error, kept)
        return None
