"""Cameras that were added or changed over MQTT: kept in a file, and laid over the configuration.

The rule: what was saved of a camera holds until the configuration says something else about that camera than
it did when it was saved. A camera that only the file has stays until somebody removes it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from shared import limits, typed
from shared.errors import ConflictError, MessageError, OutputError
from shared.files import PRIVATE, at_home, make_private, set_aside, write_whole
from shared.storage import state_folder
from shared.wire.messages import CameraEdit, Count, Id

log = logging.getLogger("darner.cameras")

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
        self._file = _File()
        self._read_from: Path | None = None
        self.current: Mapping[str, CameraSettings] = {}

    @property
    def version(self) -> int:
        """Goes up with every change."""
        return self._file.version

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
            self._path = None if config.remote_cameras == "off" else path_beside_zones(config)
            self._configured = {name: _hash(camera) for name, camera in config.cameras.items()}
            if self._path != self._read_from:
                self._file, self._read_from = _read(self._path), self._path
            return {name: _values(one) for name, one in self._file.cameras.items() if self._holds(name)}

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
            if replacing != self._file.version:
                raise ConflictError(
                    f"the current version is {self._file.version}, not {replacing}: somebody else saved first"
                )
            kept = {name: one for name, one in self._file.cameras.items() if self._holds(name)}
            for name, change in changes.items():
                if change is not None:
                    edit = {key: getattr(change, key) for key in KEYS}
                    kept[name] = SavedCamera(**edit, configured=self._configured.get(name, ""))
                elif kept.pop(name, None) is None:
                    known = name in self._configured
                    where = (
                        "it stands in the node's configuration; remove it there"
                        if known
                        else "no such camera"
                    )
                    raise MessageError(f"cameras.{name}: cannot be removed: {where}")
            if (count := len(kept.keys() | self._configured.keys())) > limits.CAMERAS:
                raise MessageError(f"{count} cameras; a node has at most {limits.CAMERAS}")
            new = _File(version=self._file.version + 1, cameras=kept)
            self._write(new)
            self._file = new
            return new.version

    def _holds(self, camera: str) -> bool:
        saved = self._file.cameras.get(camera)
        return saved is not None and saved.configured == self._configured.get(camera, "")

    def _write(self, new: _File) -> None:
        if self._path is None:
            raise OutputError("zones_file is null, so the node has no place for cameras either; name a file")
        try:
            write_whole(self._path, orjson.dumps(new, option=orjson.OPT_INDENT_2), PRIVATE)
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot be written ({error.strerror}); nothing was changed"
            ) from None


def zones_path(config: EdgeConfig) -> Path | None:
    """The file that keeps zones; None: they are not kept."""
    if config.zones_file == "auto":
        return state_folder() / f"zones-{config.node}.json"
    return None if config.zones_file is None else at_home(config.zones_file)


def path_beside_zones(config: EdgeConfig, what: str = "cameras") -> Path | None:
    """The file that keeps cameras, or something else; None where zones are not kept either."""
    path = zones_path(config)
    return path and path.with_name(f"{what}-{config.node}.json")


def views_path(config: EdgeConfig) -> Path | None:
    """The folder that keeps the views of cameras; None where zones are not kept either."""
    path = zones_path(config)
    return path and path.with_name(f"views-{config.node}")


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


def _read(path: Path | None) -> _File:
    """The file. One that cannot be read is renamed, so that the node starts without it."""
    if path is None:
        return _File()
    make_private(path)
    try:
        return typed.decode(path.read_bytes(), _File)
    except (FileNotFoundError, NotADirectoryError):
        return _File()
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        log.warning(
            "%s: cannot be read (%s), %s; the configuration's cameras are used", path, error, set_aside(path)
        )
        return _File()
