"""One file of the folder: which nodes and cameras it is for, and what it wants of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shared import settings
from shared.definitions import ignored, problems
from shared.definitions.consistent import refuse_contradictions, refuse_shared_names
from shared.errors import ConfigError
from shared.fleet.wanted.content import Content
from shared.fleet.wanted.globs import PATTERN, check_globs, matches
from shared.rules.texts import refuse_bad_texts

DEFINITIONS = ("zones", "lines", "masks", "filters")
OF_NODES = {"model": "a model", "calendar": "a calendar", "rules": "a list of rules"}
"""The keys about a whole node, and what each is."""
_SECTIONS = ("settings", "camera", "model", "calendar")


@dataclass(frozen=True)
class Entry:
    """A file and what it says.

    Attributes:
        file: Its path within the folder.
        nodes: Patterns; none: every node.
        cameras: Patterns; none: every camera.
        values: By key, such as ``zones`` or ``settings.confidence``.
    """

    file: str
    nodes: tuple[str, ...]
    cameras: tuple[str, ...]
    values: Mapping[str, Any]

    @property
    def rank(self) -> int:
        """A higher one holds over a lower one."""
        named = 2 if self.named else 1 if self.nodes else 0
        return (3 if self.cameras else 0) + named

    @property
    def named(self) -> bool:
        """Whether it names its nodes in full."""
        return bool(self.nodes) and not any(PATTERN & set(glob) for glob in self.nodes)

    def concerns(self, node: str) -> bool:
        """Whether it holds for a node, or some cameras of it."""
        return matches(node, self.nodes or ("*",))


def read(path: Path, folder: Path) -> Entry:
    """Read a file.

    Raises:
        ConfigError: It is wrong; the text names file and key.
    """
    content = settings.load(Content, file=path)
    file = str(path.relative_to(folder))
    nodes = check_globs(content.nodes, f"{file}: nodes")
    cameras = check_globs(content.cameras, f"{file}: cameras")
    values = dict(_values(content))
    for key, what in OF_NODES.items():
        if cameras and any(one.partition(".")[0] == key for one in values):
            raise ConfigError(
                f"{file}: {key}: {what} is that of a whole node; move it to a file without cameras"
            )
    if not values:
        raise ConfigError(
            f"{file}: wants nothing; give zones, lines, masks, filters, settings, camera, model, calendar or "
            "rules, or remove the file"
        )
    _refuse_nonsense(content, file)
    return Entry(file, nodes, cameras, values)


def _values(content: Content) -> Iterator[tuple[str, Any]]:
    for key in (*DEFINITIONS, "rules"):
        if getattr(content, key) is not None:
            yield key, getattr(content, key)
    for section in _SECTIONS:
        inner = getattr(content, section)
        for item in fields(inner) if inner is not None else ():
            if getattr(inner, item.name) is not None:
                yield f"{section}.{item.name}", getattr(inner, item.name)


def _refuse_nonsense(content: Content, file: str) -> None:
    """Refuse what a node would only warn of: in a fleet, nobody would read the warnings."""
    zones, lines, masks = content.zones or {}, content.lines or {}, content.masks or {}
    filters = content.filters or {}
    try:
        refuse_shared_names(zones, lines, masks)
        refuse_contradictions(filters)
        refuse_bad_texts(content.rules or {})
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    for problem in [*problems.problems(zones, lines), *ignored.problems(masks, filters)]:
        raise ConfigError(f"{file}: {problem}")
