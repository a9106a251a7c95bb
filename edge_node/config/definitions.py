"""Zones and lines in force on each camera: the configuration's, or those saved since over MQTT.

What was changed last wins: saved definitions stay until the configuration's own change.
"""

from __future__ import annotations

import hashlib
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
from shared.errors import ConflictError, OutputError
from shared.files import write_whole
from shared.wire.messages import Count, Id, LineDefinition, ZoneDefinition

log = logging.getLogger("darner.definitions")


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """One camera's zones and lines.

    Attributes:
        version: Counts up with every change.
        zones: By name.
        lines: By name.
    """

    version: Count
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256)]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256)]


@dataclass(frozen=True, kw_only=True)
class _Saved(Definitions):
    configured: str = ""  # hash of the configuration that these replaced


@dataclass(frozen=True, kw_only=True)
class _File:
    cameras: dict[Id, _Saved] = field(default_factory=dict)


class DefinitionStore:
    """The definitions of every camera of a node.

    Args:
        path: Where changes are kept; None keeps them until the end of the run.
        cameras: The configuration.
    """

    def __init__(self, path: Path | None, cameras: Mapping[str, CameraSettings]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._configured = {name: _hash(camera) for name, camera in cameras.items()}
        saved = _read(path)
        self._in_force: dict[str, Definitions] = {}
        for name, camera in cameras.items():
            known = saved.get(name)
            if known is not None and known.configured == self._configured[name]:
                self._in_force[name] = known
                log.info("camera %s: zones and lines as saved in version %d", name, known.version)
            else:
                version = 1 if known is None else known.version + 1
                self._in_force[name] = Definitions(version=version, zones=camera.zones, lines=camera.lines)

    def __getitem__(self, camera: str) -> Definitions:
        """What is in force."""
        return self._in_force[camera]

    def save(
        self,
        camera: str,
        zones: dict[str, ZoneDefinition],
        lines: dict[str, LineDefinition],
        replacing: int,
    ) -> Definitions:
        """Put other definitions in force and keep them.

        Args:
            camera: One of the configuration's.
            zones: By name.
            lines: By name.
            replacing: The version that the author of the change has seen.

        Raises:
            ConflictError: Somebody else saved first; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: A zone and a line share a name.
        """
        refuse_shared_names(zones, lines)
        with self._lock:
            version = self._in_force[camera].version
            if replacing != version:
                raise ConflictError(
                    f"version {version} is in force, not {replacing}: somebody else saved first"
                )
            new = _Saved(version=version + 1, zones=zones, lines=lines, configured=self._configured[camera])
            changed = {**self._in_force, camera: new}
            self._write(changed)
            self._in_force = changed
        return new

    def configure(self, cameras: Mapping[str, CameraSettings]) -> dict[str, Definitions]:
        """Put the zones and lines of a configuration in force where they are others than in the last one.

        Returns:
            Those that came into force; where only MQTT has changed them, they stay.

        Raises:
            OutputError: The file cannot be written; nothing was changed.
        """
        with self._lock:
            hashes = {name: _hash(camera) for name, camera in cameras.items()}
            changed = {name: one for name, one in hashes.items() if one != self._configured[name]}
            new = {
                name: _Saved(
                    version=self._in_force[name].version + 1,
                    zones=cameras[name].zones,
                    lines=cameras[name].lines,
                    configured=configured,
                )
                for name, configured in changed.items()
            }
            if new:  # kept, too: the versions count up over a restart
                self._write({**self._in_force, **new})
                self._in_force = {**self._in_force, **new}
                self._configured |= changed
        return dict(new)

    def _write(self, in_force: Mapping[str, Definitions]) -> None:
        if self._path is None:
            return
        saved = {name: one for name, one in in_force.items() if isinstance(one, _Saved)}
        try:
            write_whole(self._path, orjson.dumps({"cameras": saved}, option=orjson.OPT_INDENT_2))
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror}); not changed") from None


def _hash(camera: CameraSettings) -> str:
    return hashlib.sha256(orjson.dumps({"zones": camera.zones, "lines": camera.lines})).hexdigest()


def _read(path: Path | None) -> dict[str, _Saved]:
    """What was saved; a file that cannot be read is set aside, for the node must start."""
    if path is None or not path.exists():
        return {}
    try:
        return msgspec.convert(orjson.loads(path.read_bytes()), _File).cameras
    except (OSError, ValueError, msgspec.ValidationError) as error:
        aside = path.with_suffix(".damaged")
        log.warning("%s: cannot be read (%s); set aside as %s", path, error, aside.name)
        try:
            path.replace(aside)
        except OSError:
            log.warning("%s: cannot be moved either", path)
        return {}
