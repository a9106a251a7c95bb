"""The edge node's configuration, read from its layers: profile, file, environment and command line."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge_node.config import profiles
from edge_node.config.camera_settings import refuse_shared_names
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source
from shared import settings
from shared.errors import ConfigError
from shared.secrets.redact import redact_address

_SECRET = re.compile(r"(^|_)password$")


def configuration(file: Path | None, overrides: Sequence[str]) -> EdgeConfig:
    """Read the configuration; it need not have any cameras.

    Args:
        file: A YAML file; None for none.
        overrides: ``key=value`` from the command line.

    Raises:
        ConfigError: A key or a value is wrong.
    """
    config = settings.load(
        EdgeConfig, file=file, environment=os.environ, overrides=overrides, base=profiles.base
    )
    for name, camera in config.cameras.items():
        try:
            refuse_shared_names(camera.zones, camera.lines)
        except ConfigError as error:
            raise ConfigError(f"cameras.{name}: {error}") from None
    return config


def node(file: Path | None, source: str | None, overrides: Sequence[str]) -> EdgeConfig:
    """Read the configuration of a node, which has at least one camera.

    Args:
        file: A YAML file; None for none.
        source: The only source to watch; None for the cameras of the configuration.
        overrides: ``key=value`` from the command line.

    Raises:
        ConfigError: A key or a value is wrong, or there is no camera.
        SourceError: A camera's file or folder is missing.
    """
    if source is not None:
        overrides = [*overrides, f"cameras={{camera: {{source: {json.dumps(source)}}}}}"]
    config = configuration(file, overrides)
    if not config.cameras:
        raise ConfigError(
            "no cameras: name one with --source (0 for a webcam, a file or a URL), "
            "or give a configuration that has cameras with --config"
        )
    for name, camera in config.cameras.items():
        check_source(name, camera.source)
    return config


def as_yaml(config: EdgeConfig) -> str:
    """A configuration as a YAML file with every key; ``***`` stands for each password."""
    shown = _shown(msgspec.to_builtins(dataclasses.asdict(config)))
    text: str = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    return text


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "***" if item and _SECRET.search(str(key)) else _shown(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    return redact_address(value) if isinstance(value, str) else value
