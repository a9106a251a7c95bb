"""Writes what is in force as files of a folder: to begin with, or to take over what somebody has drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.errors import ConfigError, MessageError, OutputError
from shared.files import write_whole
from shared.fleet.inventory import Node, plain
from shared.fleet.node_wide import whole_calendar
from shared.fleet.wanted.reading import DEFINITIONS
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
    """Write what nodes have.

    A camera has a file, FOLDER/NODE/CAMERA.yaml, with its zones, lines, masks and filters. A node with a
    calendar or rules has one, too: FOLDER/NODE.yaml.

    Returns:
        The files.

    Raises:
        ConfigError: A file is there already; nothing was written.
        OutputError: A file cannot be written.
    """
    texts: dict[Path, str] = {}
    for node in nodes:
        if node.calendar or node.rules:
            texts[folder / f"{node.name}.yaml"] = _yaml({"nodes": node.name, **_node_wide(node)})
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
    return _yaml(content)


def _node_wide(node: Node) -> dict[str, Any]:
    """The calendar and the rules of a node, as a file has them."""
    content: dict[str, Any] = {}
    if node.calendar is not None:
        whole = {key: one for key, one in whole_calendar(node).items() if one is not None}
        for key in ("modes", "schedules"):
            named = getattr(node.calendar, key)
            whole[key] = {name: _without_defaults(one) for name, one in named.items()}
        content["calendar"] = whole
    if node.rules is not None:
        content["rules"] = {name: _without_defaults(one) for name, one in node.rules.rules.items()}
    return content


def _yaml(content: Mapping[str, Any]) -> str:
    text: str = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _without_defaults(definition: Any) -> Mapping[str, Any]:
    """A definition as people write it: what has its default is left out."""
    return {
        item.name: _without_defaults(value) if dataclasses.is_dataclass(value) else plain(value)
        for item in dataclasses.fields(definition)
        if (value := getattr(definition, item.name)) != item.default
    }
