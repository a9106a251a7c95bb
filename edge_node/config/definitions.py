"""The zones and lines of each camera: those of the configuration, or those saved over MQTT since.

The latest change wins: saved definitions stay until the configuration's zones or lines change.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings, refuse_shared_names
from shared import limits
from shared.errors import ConfigError, ConflictError, OutputError
from shared.files import PRIVATE, make_private, write_whole
from shared.wire.messages import Count, Id, LineDefinition, ZoneDefinition

log = logging.getLogger("darner.definitions")


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """One camera's zones and lines.

    Attributes:
        version: Grows by one with every change.
        zones: By name.
        lines: By name.
    """

    version: Count
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=limits.ZONES)]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=limits.ZONES)]


@dataclass(frozen=True, kw_only=True)
class _Saved(Definitions):
    configured: str = ""  # hash of the zones and lines in the configuration when these were saved


@dataclass(frozen=True, kw_only=True)
class _File:
    cameras: dict[Id, _Saved] = field(default_factory=dict)


class DefinitionStore:
    """The definitions of every camera of a node.

    Args:
        path: The file that keeps saved definitions; None keeps them until the node stops.
        cameras: The configured cameras by name.

    Raises:
        ConfigError: The zones and lines of a camera do not fit a message.
    """

    def __init__(self, path: Path | None, cameras: Mapping[str, CameraSettings]) -> None:
        self._path = path
        self._lock = threading.Lock()
        for name, camera in cameras.items():
            refuse_too_much(name, camera.zones, camera.lines)
        self._configured = {name: _hash(camera) for name, camera in cameras.items()}
        saved = _read(path)
        self._current: dict[str, Definitions] = {}
        for name, camera in cameras.items():
            known = saved.get(name)
            if known is not None and known.configured == self._configured[name]:
                self._current[name] = known
                log.info("camera %s: using zones and lines saved over MQTT (version %d)", name, known.version)
            else:
                version = 1 if known is None else known.version + 1
                self._current[name] = Definitions(version=version, zones=camera.zones, lines=camera.lines)

    def __contains__(self, camera: str) -> bool:
        """Whether this is a configured camera."""
        return camera in self._current

    def __getitem__(self, camera: str) -> Definitions:
        """The current zones and lines of a camera."""
        return self._current[camera]

    def save(
        self,
        camera: str,
        zones: dict[str, ZoneDefinition],
        lines: dict[str, LineDefinition],
        replacing: int,
    ) -> Definitions:
        """Replace a camera's zones and lines, and keep the new ones.

        Args:
            camera: Name of a configured camera.
            zones: By name.
            lines: By name.
            replacing: The version that the author of the change started from.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: A zone and a line share a name, or all of them do not fit a message.
        """
        refuse_shared_names(zones, lines)
        refuse_too_much(camera, zones, lines)
        with self._lock:
            version = self._current[camera].version
            if replacing != version:
                raise ConflictError(
                    f"the current version is {version}, not {replacing}: somebody else saved first"
                )
            new = _Saved(version=version + 1, zones=zones, lines=lines, configured=self._configured[camera])
            changed = {**self._current, camera: new}
            self._write(changed)
            self._current = changed
        return new

    def configure(self, cameras: Mapping[str, CameraSettings]) -> dict[str, Definitions]:
        """Use a configuration's zones and lines on the cameras for which it has changed them.

        On all other cameras, zones and lines saved over MQTT stay.

        Returns:
            The new definitions of the cameras that have changed.

        Raises:
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: The zones and lines of a camera do not fit a message; nothing was changed.
        """
        for name, camera in cameras.items():
            refuse_too_much(name, camera.zones, camera.lines)
        with self._lock:
            hashes = {name: _hash(camera) for name, camera in cameras.items()}
            changed = {name: one for name, one in hashes.items() if one != self._configured[name]}
            new = {
                name: _Saved(
                    version=self._current[name].version + 1,
                    zones=cameras[name].zones,
                    lines=cameras[name].lines,
                    configured=configured,
                )
                for name, configured in changed.items()
            }
            if new:  # saved too, so that versions keep growing after a restart
                self._write({**self._current, **new})
                self._current = {**self._current, **new}
                self._configured |= changed
        return dict(new)

    def _write(self, current: Mapping[str, Definitions]) -> None:
        if self._path is None:
            return
        saved = {name: one for name, one in current.items() if isinstance(one, _Saved)}
        try:
            write_whole(self._path, orjson.dumps({"cameras": saved}, option=orjson.OPT_INDENT_2), PRIVATE)
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot be written ({error.strerror}); nothing was changed"
            ) from None


def refuse_too_much(
    camera: str, zones: Mapping[str, ZoneDefinition], lines: Mapping[str, LineDefinition]
) -> None:
    """Make sure that a camera's zones and lines fit the message that tells everybody of them.

    Raises:
        ConfigError: They do not.
    """
    size = len(orjson.dumps({"zones": zones, "lines": lines}))
    if size > limits.DEFINITIONS_BYTES:
        raise ConfigError(
            f"camera {camera}: its zones and lines take {size} bytes, and a message has room for "
            f"{limits.DEFINITIONS_BYTES}: use fewer of them, or fewer corners or classes"
        )


def _hash(camera: CameraSettings) -> str:
    return hashlib.sha256(orjson.dumps({"zones": camera.zones, "lines": camera.lines})).hexdigest()


def _read(path: Path | None) -> dict[str, _Saved]:
    """The saved definitions. A file that cannot be read is renamed, so that the node starts without it."""
    if path is None:
        return {}
    make_private(path)
    try:
        return msgspec.convert(_loaded(path.read_bytes()), _File).cameras
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
            kept = f"renamed to {aside.name}"
        except OSError:
            kept = "and cannot be renamed"
        log.warning(
            "%s: cannot be read (%s), %s; the configuration's zones and lines are used", path, error, kept
        )
        return {}


def _loaded(content: bytes) -> object:
    """JSON in which no name stands twice: somebody may have edited the file, and would lose the first one."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{twice!r} stands twice")
        return found

    orjson.loads(content)  # stricter: it refuses NaN, and what is nested too deeply
    return json.loads(content, object_pairs_hook=once)
