"""The rules of a node: as configured, or as saved over MQTT since.

The latest change wins: saved rules stay until those of the configuration change.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
from msgspec import Meta

from edge_node.config.changes import hash_of
from shared import limits, typed
from shared.errors import ConfigError, ConflictError, OutputError
from shared.files import PRIVATE, make_private, set_aside, write_whole
from shared.rules.texts import refuse_bad_texts, refuse_nonsense
from shared.wire.messages import Count, Id, RuleDefinition

log = logging.getLogger("darner.rules")


@dataclass(frozen=True, kw_only=True)
class SavedRules:
    """The rules, and what they go back to.

    Attributes:
        version: Grows by one with every change; 0: the node never had any rule.
        rules: By identifier.
        configured: Hash of the configuration's rules when these were saved.
    """

    version: Count = 0
    rules: Annotated[dict[Id, RuleDefinition], Meta(max_length=limits.RULES)] = field(default_factory=dict)
    configured: str = ""


class RuleStore:
    """The rules of a node. Any thread may read `current`.

    Args:
        path: The file that keeps them; None keeps them until the node stops.
        configured: The configuration's rules.

    Attributes:
        current: The rules now, and their version.
    """

    def __init__(self, path: Path | None, configured: Mapping[str, RuleDefinition]) -> None:
        self._path, self._lock = path, threading.Lock()
        self.current = _read(path)
        self._configured = self.current.configured
        if self.current.version and self.current.configured == hash_of(configured):
            log.info("using the rules saved over MQTT or before (version %d)", self.current.version)
        elif self.current.version or configured:
            self.configure(configured)
        else:
            self._configured = hash_of(configured)

    def save(self, rules: Mapping[str, RuleDefinition], replacing: int) -> SavedRules:
        """Replace the rules, and keep the new ones.

        Args:
            rules: All rules.
            replacing: The version that the author of the change started from.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: A text cannot be filled in, or they do not fit a message.
        """
        refuse_nonsense(rules)
        with self._lock:
            if replacing != self.current.version:
                now = self.current.version
                raise ConflictError(
                    f"the current version is {now}, not {replacing}: somebody else saved first"
                )
            new = SavedRules(version=replacing + 1, rules=dict(rules), configured=self._configured)
            try:
                self._write(new)
            except OSError as error:
                raise OutputError(
                    f"{self._path}: cannot be written ({error.strerror}); nothing was changed"
                ) from None
            self.current = new
        return new

    def configure(self, rules: Mapping[str, RuleDefinition]) -> bool:
        """Use a configuration's rules, if they are not those of the last time; whether they are not."""
        with self._lock:
            if (configured := hash_of(rules)) == self._configured:
                return False
            self._configured = configured
            new = SavedRules(version=self.current.version + 1, rules=dict(rules), configured=configured)
            try:
                self._write(new)
            except OSError as error:  # the configuration has them still
                log.warning("%s: cannot be written (%s)", self._path, error.strerror)
            self.current = new
        return True

    def _write(self, new: SavedRules) -> None:
        if self._path is not None:
            write_whole(self._path, orjson.dumps(new, option=orjson.OPT_INDENT_2), PRIVATE)


def _read(path: Path | None) -> SavedRules:
    """The saved rules. A file that cannot be read is renamed, so that the node starts without it."""
    if path is None:
        return SavedRules()
    make_private(path)
    try:
        found = typed.decode(path.read_bytes(), SavedRules)
        refuse_bad_texts(found.rules)
    except (FileNotFoundError, NotADirectoryError):
        return SavedRules()
    except (OSError, ValueError, RecursionError, msgspec.DecodeError, ConfigError) as error:
        log.warning(
            "%s: cannot be read (%s), %s; the configuration's rules are used", path, error, set_aside(path)
        )
        return SavedRules()
    return found
