"""The edge node's configuration, read from its layers: profile, file, environment and command line."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge_node.config import profiles
from edge_node.config.saved.cameras import CameraStore, laid_over
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source
from shared import settings
from shared.configuration import declared
from shared.definitions import calendar
from shared.definitions.consistent import refuse_contradictions, refuse_shared_names
from shared.errors import ConfigError
from shared.rules import texts
from shared.secrets.known import HIDDEN
from shared.secrets.redact import redact, redact_address

log = logging.getLogger("darner.settings")

ONLY = "camera"
"""The name of the camera that ``--source`` gives."""


def configuration(
    file: Path | None,
    overrides: Sequence[str],
    *,
    alone: bool = False,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
) -> EdgeConfig:
    """Read the configuration; it need not have any cameras.

    Args:
        file: A YAML file; None for none.
        overrides: ``key=value`` from the command line.
        alone: Leaves out the file's cameras, except for the one that ``--source`` is about.
        saved: Values of cameras' keys that were saved over MQTT, by camera; they replace the file's.

    Raises:
        ConfigError: A key or a value is wrong.
    """
    config = settings.load(
        EdgeConfig,
        file=file,
        environment=os.environ,
        overrides=overrides,
        base=_only_camera if alone else profiles.base,
        reshape=_leave_out_cameras if alone else partial(laid_over, saved=saved) if saved else None,
    )
    texts.refuse_nonsense(config.rules)
    calendar.refuse_nonsense(config.calendar)
    for name, camera in config.cameras.items():
        try:
            refuse_shared_names(camera.zones, camera.lines, camera.masks)
        except ConfigError as error:
            raise ConfigError(f"cameras.{name}: {error}") from None
        try:
            refuse_contradictions(camera.filters)
        except ConfigError as error:
            raise ConfigError(f"cameras.{name}.{error}") from None
    return config


def node(
    file: Path | None, source: str | None, overrides: Sequence[str], store: CameraStore | None = None
) -> EdgeConfig:
    """Read the configuration of a node. Without cameras, it must be one that waits for its first.

    Args:
        file: A YAML file; None for none.
        source: The only source to watch; None for the cameras of the configuration.
        overrides: ``key=value`` from the command line.
        store: The cameras that were saved over MQTT; they count only without `source`.

    Raises:
        ConfigError: A key or a value is wrong, or there is no camera and none can come.
        SourceError: A camera's file or folder is missing.
    """
    if source is not None:
        overrides = [*overrides, f"cameras.{ONLY}.source={source}"]
    config = configuration(file, overrides, alone=source is not None)
    if store is not None and source is None:
        saved = store.over(config)
        if saved:
            config = configuration(file, overrides, saved=saved)
        store.current = config.cameras
    if not config.cameras and not _may_wait(file, overrides, store):
        raise ConfigError(
            "no cameras: name one with --source (0 for a webcam, a file or a URL), "
            "or give a configuration that has cameras with --config; darner-edge discover finds them; "
            "a node with cameras: {} and a zones_file waits for its first camera from the viewer"
        )
    for name, camera in config.cameras.items():
        check_source(name, camera.source)
    return config


def _may_wait(file: Path | None, overrides: Sequence[str], store: CameraStore | None) -> bool:
    """Whether a node without cameras starts and waits for its first one over MQTT.

    Somebody must have wanted that: the configuration says ``cameras: {}``, or the last camera was removed.
    """
    if store is None or not store.keeps:
        return False
    said: list[bool] = []

    def base(raw: Mapping[str, Any]) -> settings.Base:
        said.append("cameras" in raw)
        return profiles.base(raw)

    settings.load(EdgeConfig, file=file, environment=os.environ, overrides=overrides, base=base)
    return store.version > 0 or said[0]


def as_yaml(config: EdgeConfig) -> str:
    """A configuration as a YAML file with every key; ``***`` stands for each secret."""
    text: str = yaml.safe_dump(_shown(EdgeConfig, config), sort_keys=False, allow_unicode=True)
    return text


def _shown(kind: Any, value: Any) -> Any:
    if isinstance(value, str):
        if declared.meta(kind, "secret"):
            return HIDDEN
        return redact_address(value) if declared.meta(kind, "address") else redact(value)
    items = list(declared.children(kind, value))
    if isinstance(value, (list, tuple)):
        return [_shown(child, item) for _, child, item in items]
    return {key: _shown(child, item) for key, child, item in items} if items else msgspec.to_builtins(value)


def _only_camera(raw: Mapping[str, Any]) -> settings.Base:
    """The profile of a configuration whose only camera is that of ``--source``.

    Raises:
        ConfigError: Another camera is set by a layer above the file, perhaps without a source of its own.
    """
    cameras = raw.get("cameras")
    if isinstance(cameras, dict) and (others := [f"cameras.{name}" for name in cameras if name != ONLY]):
        raise ConfigError(
            f"--source watches one camera, which is called '{ONLY}', but {', '.join(others)} is set as well, "
            "with --set or in the environment: leave that out, or name the source with "
            "--set cameras.NAME.source"
        )
    return profiles.base(raw)


def _leave_out_cameras(raw: dict[str, Any]) -> None:
    """Take the cameras out of what a file says, because ``--source`` watches one alone."""
    cameras = raw.get("cameras")
    if not isinstance(cameras, dict):
        return
    if others := [str(name) for name in cameras if name != ONLY]:
        log.info("--source: the file's cameras (%s) are not watched", ", ".join(others))
    raw["cameras"] = {name: camera for name, camera in cameras.items() if name == ONLY}
