"""Writes what is in force as files of a folder: to begin with, or to take over what somebody has drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.errors import ConfigError, MessageError, OutputError
from shared.files import write_whole
from shared.fleet.folder import DEFINITIONS
from shared.fleet.inventory import Node, plain
from shared.wire.messages import Zones


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _short(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    """Points and lists of words stand in one line."""
    flow = not any(isinstance(one, dict) for one in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


_Dumper.add_representer(list, _short)


def export(nodes: Iterable[Node], folder: Path) -> list[Path]:
    """Write a file for each camera: FOLDER/NODE/CAMERA.yaml, with its zones, lines, masks and filters.

    Returns:
        The files.

    Raises:
        ConfigError: A file is there already; nothing was written.
        OutputError: A file cannot be written.
    """
    texts: dict[Path, str] = {}
    for node in nodes:
        for name, camera in sorted(node.cameras.items()):
            if name in node.listed and camera.zones:
                try:
                    texts[folder / node.name / f"{name}.yaml"] = _text(node.name, name, camera.definitions())
                except MessageError as error:
                    raise OutputError(f"{node.name}/{name}: its zones cannot be read: {error}") from None
    there = [path for path in texts if path.exists()]
    if there:
        raise ConfigError(
            f"{there[0]}: is there already; name another folder, or remove it first. Nothing was written"
        )
    for path, text in texts.items():
        try:
            write_whole(path, text.encode())
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
    return list(texts)


def _text(node: str, camera: str, zones: Zones) -> str:
    content: dict[str, Any] = {"nodes": node, "cameras": camera}
    for key in DEFINITIONS:
        content[key] = {name: _without_defaults(one) for name, one in getattr(zones, key).items()}
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _without_defaults(definition: Any) -> Mapping[str, Any]:
    """A definition as people write it: what has its default is left out."""
    return {
        item.name: plain(value)
        for item in dataclasses.fields(definition)
        if (value := getattr(definition, item.name)) != item.default
    }
