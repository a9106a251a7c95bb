"""Cameras that were added or changed over MQTT: kept in a file, and laid over the configuration.

The rule: what was saved of a camera holds until the configuration says something else about that camera than
it did when it was saved. A camera that only the file has stays until somebody removes it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.paths import path_beside_zones
from edge_node.config.saved.versioned import refuse_outdated
from edge_node.config.settings import EdgeConfig
from shared import limits
from shared.errors import MessageError, OutputError
from shared.storage.state_file import StateFile
from shared.wire.messages import CameraEdit, Count, Id

KEYS = ("name", "source", "transport", "reader", "detect_every", "max_fps", "schedule")
"""The settings of a camera that can be changed over MQTT."""
_LONGEST = 8192
"""Characters of a source with user and password, percent-encoded."""
Origin = Literal["configuration", "changed", "added"]


@dataclass(frozen=True, kw_only=True)
class SavedCamera(CameraEdit):
    """What was saved of a camera.

    Attributes:
        source: With user and password.
        configured: Hash of what the configuration said of it then; empty: it was not there.
    """

    source: Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
    configured: str = ""


@dataclass(frozen=True, kw_only=True)
class _File:
    version: Count = 0
    cameras: dict[Id, SavedCamera] = field(default_factory=dict)


class CameraStore:
    """The cameras that were saved over MQTT. Every read of the configuration passes through it.

    Attributes:
        current: The cameras of the last read, with what was saved laid over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._configured: Mapping[str, str] = {}
        self._saved = _File()
        self._read_from: Path | None = None
        self.current: Mapping[str, CameraSettings] = {}

    @property
    def version(self) -> int:
        """Goes up with every change."""
        return self._saved.version

    @property
    def keeps(self) -> bool:
        """Whether there is a file to keep cameras in."""
        return self._path is not None

    def over(self, config: EdgeConfig) -> dict[str, dict[str, Any]]:
        """What was saved that holds over a configuration: the values of keys, by camera.

        Args:
            config: As configured, without what was saved.
        """
        with self._lock:
            self._path = None if config.remote_cameras == "off" else path_beside_zones(config, "cameras")
            self._configured = {name: _hash(camera) for name, camera in config.cameras.items()}
            if self._path != self._read_from:
                self._saved, self._read_from = _file(self._path).read() or _File(), self._path
            return {name: _values(one) for name, one in self._saved.cameras.items() if self._holds(name)}

    def origin(self, camera: str) -> Origin:
        """Where a camera's settings come from."""
        if not self._holds(camera):
            return "configuration"
        return "changed" if camera in self._configured else "added"

    def save(self, changes: Mapping[str, CameraEdit | None], replacing: int) -> int:
        """Keep changes for good; the next read has them.

        Args:
            changes: By camera, each with its whole source; None forgets what was saved of a camera.
            replacing: The version that the author of the change started from.

        Returns:
            The new version.

        Raises:
            ConflictError: `replacing` is not the current version; nothing was changed.
            MessageError: Too many cameras, or nothing was saved of one that is to be forgotten.
            OutputError: The file cannot be written; nothing was changed.
        """
        with self._lock:
            refuse_outdated(replacing, self._saved.version)
            kept = self._with(changes)
            if self._path is None:
                raise OutputError(
                    "zones_file is null, so the node has no place for cameras either; name a file"
                )
            new = _File(version=self._saved.version + 1, cameras=kept)
            _file(self._path).write(new)
            self._saved = new
            return new.version

    def _with(self, changes: Mapping[str, CameraEdit | None]) -> dict[str, SavedCamera]:
        """What is kept of each camera after changes.

        Raises:
            MessageError: As `save` says.
        """
        kept = {name: one for name, one in self._saved.cameras.items() if self._holds(name)}
        for name, change in changes.items():
            if change is not None:
                edit = {key: getattr(change, key) for key in KEYS}
                kept[name] = SavedCamera(**edit, configured=self._configured.get(name, ""))
            elif kept.pop(name, None) is None:
                known = name in self._configured
                where = (
                    "it stands in the node's configuration; remove it there" if known else "no such camera"
                )
                raise MessageError(f"cameras.{name}: cannot be removed: {where}")
        if (count := len(kept.keys() | self._configured.keys())) > limits.CAMERAS:
            raise MessageError(f"{count} cameras; a node has at most {limits.CAMERAS}")
        return kept

    def _holds(self, camera: str) -> bool:
        saved = self._saved.cameras.get(camera)
        return saved is not None and saved.configured == self._configured.get(camera, "")


def _file(path: Path | None) -> StateFile[_File]:
    return StateFile(path, _File, "the configuration's cameras are used")


def laid_over(raw: dict[str, Any], saved: Mapping[str, Mapping[str, Any]]) -> None:
    """Lay what was saved over what a configuration file says.

    Args:
        raw: The file's content, which is changed.
        saved: Values of keys, by camera.
    """
    cameras = raw.get("cameras")
    known = cameras if isinstance(cameras, dict) else {}
    raw["cameras"] = known | {
        name: (known[name] if isinstance(known.get(name), dict) else {}) | dict(values)
        for name, values in saved.items()
    }


def with_values(camera: CameraSettings | None, edit: CameraEdit) -> CameraSettings:
    """A camera's settings with an edit; None: a new camera's."""
    values = _values(edit)
    return CameraSettings(**values) if camera is None else replace(camera, **values)


def _values(edit: CameraEdit) -> dict[str, Any]:
    return {key: getattr(edit, key) for key in KEYS}


def _hash(camera: CameraSettings) -> str:
    said = {key: getattr(camera, key) for key in KEYS}
    if camera.schedule is None:
        del said["schedule"]  # files of older versions have hashes without it
    return hashlib.sha256(orjson.dumps(said)).hexdigest()
