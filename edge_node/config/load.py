"""The edge node's configuration from its layers: profile, file, environment and flags."""

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
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import check_source
from shared import settings
from shared.errors import ConfigError
from shared.log import redact

_SECRET = re.compile(r"(^|_)password$")


def configuration(file: Path | None, overrides: Sequence[str]) -> EdgeConfig:
    """The configuration, with or without cameras.

    Raises:
        ConfigError: Something in it cannot work.
    """
    config = settings.load(
        EdgeConfig, file=file, environment=os.environ, overrides=overrides, base=profiles.base
    )
    for name, camera in config.cameras.items():
        shared_names = camera.zones.keys() & camera.lines.keys()
        if shared_names:
            raise ConfigError(
                f"cameras.{name}: {sorted(shared_names)[0]!r} is both a zone and a line; rename one"
            )
    return config


def node(file: Path | None, source: str | None, overrides: Sequence[str]) -> EdgeConfig:
    """The configuration of a node that runs.

    Args:
        file: YAML.
        source: Watch only this.
        overrides: ``key=value``.

    Raises:
        ConfigError: Something in it cannot work.
        SourceError: A file or folder to read is missing.
    """
    if source is not None:
        overrides = [*overrides, f"cameras={{camera: {{source: {json.dumps(source)}}}}}"]
    config = configuration(file, overrides)
    if not config.cameras:
        raise ConfigError(
            "no cameras: give --source 0 (a webcam), a file or a URL, or a configuration with --config"
        )
    for name, camera in config.cameras.items():
        check_source(name, camera.source)
    return config


def as_yaml(config: EdgeConfig) -> str:
    """Every key and its value, as a file could say it; without passwords."""
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
    return redact(value) if isinstance(value, str) else value
