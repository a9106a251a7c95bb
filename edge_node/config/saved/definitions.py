"""The zones, lines, masks and filters of each camera: as configured, or as saved over MQTT since.

The latest change wins: saved definitions stay until those of the configuration change.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import orjson
from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.versioned import refuse_outdated
from edge_node.config.settings import EdgeConfig
from shared import limits, typed
from shared.definitions.consistent import refuse_contradictions, refuse_shared_names, refuse_too_much
from shared.storage.state_file import StateFile
from shared.wire.messages import (
    Count,
    FilterDefinition,
    Id,
    Label,
    LineDefinition,
    MaskDefinition,
    ZoneDefinition,
    as_before_names,
)

log = logging.getLogger("darner.definitions")

KEYS = ("zones", "lines", "masks", "filters")


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """What is counted in one camera's picture, and what is ignored there.

    Attributes:
        version: Grows by one with every change.
        zones: By name.
        lines: By name.
        masks: By name.
        filters: By class, or under "all".
    """

    version: Count
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=limits.ZONES)]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=limits.ZONES)]
    masks: Annotated[dict[Id, MaskDefinition], Meta(max_length=limits.ZONES)] = field(default_factory=dict)
    filters: Annotated[dict[Label, FilterDefinition], Meta(max_length=limits.FILTERS)] = field(
        default_factory=dict
    )

    def by_key(self) -> dict[str, Any]:
        """The definitions by the key that messages and configurations have for them."""
        return {name: getattr(self, name) for name in KEYS}


@dataclass(frozen=True, kw_only=True)
class _Saved(Definitions):
    configured: str = ""  # hash of the configuration's definitions when these were saved


@dataclass(frozen=True, kw_only=True)
class _File:
    cameras: dict[Id, _Saved] = field(default_factory=dict)


class DefinitionStore:
    """The definitions of every camera of a node.

    Args:
        path: The file that keeps saved definitions; None keeps them until the node stops.
        cameras: The configured cameras by name.

    Raises:
        ConfigError: The definitions of a camera do not fit a message.
    """

    def __init__(self, path: Path | None, cameras: Mapping[str, CameraSettings]) -> None:
        self._file = StateFile(
            path, _File, "the configuration's zones and lines are used", decode=_without_twins
        )
        self._lock = threading.Lock()
        configured = {name: configured_definitions(camera) for name, camera in cameras.items()}
        for name, one in configured.items():
            refuse_too_much(name, one)
        self._configured = {name: _hash(one) for name, one in configured.items()}
        saved = (self._file.read() or _File()).cameras
        self._current: dict[str, Definitions] = {}
        for name, one in configured.items():
            known = saved.get(name)
            if known is not None and known.configured == self._configured[name]:
                self._current[name] = known
                log.info(
                    "camera %s: using the zones, lines and masks saved over MQTT (version %d)",
                    name,
                    known.version,
                )
            else:
                version = 1 if known is None else known.version + 1
                self._current[name] = replace(one, version=version)

    def __contains__(self, camera: str) -> bool:
        """Whether this is a configured camera."""
        return camera in self._current

    def __getitem__(self, camera: str) -> Definitions:
        """The current definitions of a camera."""
        return self._current[camera]

    def save(
        self,
        camera: str,
        zones: dict[str, ZoneDefinition],
        lines: dict[str, LineDefinition],
        replacing: int,
        masks: dict[str, MaskDefinition] | None = None,
        filters: dict[str, FilterDefinition] | None = None,
    ) -> Definitions:
        """Replace a camera's definitions, and keep the new ones.

        Args:
            camera: Name of a configured camera.
            zones: By name.
            lines: By name.
            replacing: The version that the author of the change started from.
            masks: By name; None leaves the masks as they are.
            filters: By class; None leaves the filters as they are.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: Two of them share a name, a filter contradicts itself, or they do not fit a message.
        """
        with self._lock:
            current = self._current[camera]
            new = _Saved(
                version=current.version + 1,
                zones=zones,
                lines=lines,
                masks=current.masks if masks is None else masks,
                filters=current.filters if filters is None else filters,
                configured=self._configured[camera],
            )
            refuse_shared_names(new.zones, new.lines, new.masks)
            refuse_contradictions(new.filters)
            refuse_too_much(camera, new)
            refuse_outdated(replacing, current.version)
            changed = {**self._current, camera: new}
            self._write(changed)
            self._current = changed
        return new

    def configure(self, cameras: Mapping[str, CameraSettings]) -> dict[str, Definitions]:
        """Use a configuration's definitions on the cameras for which it has changed them.

        On all other cameras, those saved over MQTT stay.

        Returns:
            The new definitions of the cameras that have changed.

        Raises:
            OutputError: The file cannot be written; nothing was changed.
            ConfigError: The definitions of a camera do not fit a message; nothing was changed.
        """
        wanted = {name: configured_definitions(camera) for name, camera in cameras.items()}
        for name, one in wanted.items():
            refuse_too_much(name, one)
        with self._lock:
            hashes = {name: _hash(one) for name, one in wanted.items()}
            changed = {name: one for name, one in hashes.items() if one != self._configured[name]}
            new = {
                name: _Saved(
                    version=self._current[name].version + 1, **wanted[name].by_key(), configured=configured
                )
                for name, configured in changed.items()
            }
            if new:  # saved too, so that versions keep growing after a restart
                self._write({**self._current, **new})
                self._current = {**self._current, **new}
                self._configured |= changed
        return dict(new)

    def _write(self, current: Mapping[str, Definitions]) -> None:
        saved = {name: one for name, one in current.items() if isinstance(one, _Saved)}
        self._file.write(_File(cameras=saved))


def configured_definitions(camera: CameraSettings) -> Definitions:
    """The definitions of a camera's configuration, as version 1."""
    return Definitions(version=1, **{name: getattr(camera, name) for name in KEYS})


def with_definitions(config: EdgeConfig, definitions: DefinitionStore) -> EdgeConfig:
    """The configuration with the current definitions, which may have been saved over MQTT."""
    cameras = {name: replace(camera, **definitions[name].by_key()) for name, camera in config.cameras.items()}
    return replace(config, cameras=cameras)


def _hash(definitions: Definitions) -> str:
    # Masks, filters, names and what came later only where there are some: else an upgrade would take the
    # saved zones for outdated.
    hashed: dict[str, Any] = {
        key: one for key, one in definitions.by_key().items() if one or key in ("zones", "lines")
    }
    hashed |= {key: as_before_names(hashed[key]) for key in ("zones", "lines", "masks") if key in hashed}
    return hashlib.sha256(orjson.dumps(hashed)).hexdigest()


def _without_twins(content: bytes, kind: type[_File]) -> _File:
    """Read JSON in which no name stands twice: who has edited the file by hand would lose the first one."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{twice!r} stands twice")
        return found

    orjson.loads(content)  # stricter: it refuses NaN, and what is nested too deeply
    return typed.convert(json.loads(content, object_pairs_hook=once), kind)
