"""What is wanted: a folder of YAML files, each of which says for which nodes and cameras it holds.

A file for some cameras holds over one for all cameras of its nodes, and one that names its nodes in full over
one with patterns. Two files of the same rank must not say different things of the same camera.
"""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shared import settings
from shared.definitions import ignored, problems
from shared.definitions.consistent import refuse_contradictions, refuse_shared_names
from shared.errors import ConfigError
from shared.fleet.content import Content, Globs

DEFINITIONS = ("zones", "lines", "masks", "filters")
_GLOB = re.compile(r"[A-Za-z0-9_*?!\[\]-]{1,128}")
_PATTERN = frozenset("*?[")
_MOST_FILES = 20_000


@dataclass(frozen=True)
class Rule:
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
        return bool(self.nodes) and not any(_PATTERN & set(glob) for glob in self.nodes)

    def concerns(self, node: str) -> bool:
        """Whether it holds for a node, or some cameras of it."""
        return matches(node, self.nodes or ("*",))


@dataclass(frozen=True)
class Wanted:
    """What a camera, or a node, shall have.

    Attributes:
        values: By key.
        files: Which file says so, by key.
    """

    values: Mapping[str, Any]
    files: Mapping[str, str]

    def section(self, name: str) -> dict[str, Any]:
        """The values below a key, by what follows it."""
        return {key.partition(".")[2]: one for key, one in self.values.items() if key.startswith(f"{name}.")}


class Folder:
    """The rules of a folder.

    Args:
        path: The folder; the files in it end in .yaml or .yml, and may lie in folders of it.

    Raises:
        ConfigError: There is no such folder, or a file in it is wrong; the text names file and key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rules = [_read(file, path) for file in _files(path)]
        self._common: list[Rule] = []
        self._of_node: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules:
            if rule.named:
                for node in dict.fromkeys(rule.nodes):
                    self._of_node[node].append(rule)
            else:
                self._common.append(rule)

    def rules_of(self, node: str) -> list[Rule]:
        """The rules that concern a node."""
        return [*(rule for rule in self._common if rule.concerns(node)), *self._of_node.get(node, ())]

    def of_node(self, node: str) -> Wanted:
        """What a node itself shall have: its model.

        Raises:
            ConfigError: Two files contradict each other.
        """
        return _resolved([rule for rule in self.rules_of(node) if not rule.cameras], ("model.",), node)

    def of_camera(self, node: str, camera: str) -> Wanted:
        """What a camera shall have.

        Raises:
            ConfigError: Two files contradict each other.
        """
        rules = [rule for rule in self.rules_of(node) if matches(camera, rule.cameras or ("*",))]
        wanted = _resolved(rules, (*DEFINITIONS, "settings.", "camera."), f"{node}/{camera}")
        twice = [f"{section}.detect_every" for section in ("settings", "camera")]
        if all(key in wanted.values for key in twice):
            first, second = (wanted.files[key] for key in twice)
            raise ConfigError(
                f"{first}: settings.detect_every and camera.detect_every ({second}) both hold for "
                f"{node}/{camera}: leave out the first, which lasts only until the node ends"
            )
        return wanted

    def refuse_strangers(self, cameras_by_node: Mapping[str, Iterable[str]], *, everybody: bool) -> None:
        """Make sure that every file means some node and camera.

        Args:
            cameras_by_node: The cameras of every known node that the rollout is for.
            everybody: Whether these are all known nodes.

        Raises:
            ConfigError: A file is for a node or camera that nobody has.
        """
        for rule in self.rules:
            nodes = [node for node in cameras_by_node if rule.concerns(node)]
            lost = _lost(rule.nodes, nodes)
            if everybody and lost:
                raise ConfigError(
                    f"{rule.file}: nodes: no node that the broker knows is called {lost!r}; correct it or "
                    "start that node once"
                )
            lost = _lost(rule.cameras, [one for node in nodes for one in cameras_by_node[node]])
            if nodes and lost:
                raise ConfigError(
                    f"{rule.file}: cameras: none of the {len(nodes)} nodes that the file is for has a "
                    f"camera {lost!r}; correct it, or add the camera first"
                )


def _lost(globs: Sequence[str], names: Sequence[str]) -> str | None:
    """What nobody is called: a full name, or a pattern if none of the others fits anybody either."""
    unused = [glob for glob in globs if not any(matches(name, (glob,)) for name in names)]
    full = [glob for glob in unused if not _PATTERN & set(glob)]
    return next(iter(full or (unused if len(unused) == len(globs) else [])), None)


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether an identifier fits one of some patterns; capitals count."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def check_globs(globs: Globs, where: str) -> tuple[str, ...]:
    """Patterns of identifiers, each of which can fit one.

    Raises:
        ConfigError: One cannot; the text begins with `where`.
    """
    listed = (globs,) if isinstance(globs, str) else globs
    for glob in listed:
        if not _GLOB.fullmatch(glob):
            raise ConfigError(
                f"{where}: {glob[:80]!r} fits no identifier; use letters, digits, '_', '-', * and ?"
            )
    return listed


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; name the folder that holds the YAML files of the rollout"
        )
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise ConfigError(f"{folder}: has no file that ends in .yaml; nothing is wanted")
    if len(found) > _MOST_FILES:
        raise ConfigError(
            f"{folder}: {len(found)} files; at most {_MOST_FILES} are read. Is this the folder?"
        )
    return found


def _read(path: Path, folder: Path) -> Rule:
    content = settings.load(Content, file=path)
    file = str(path.relative_to(folder))
    nodes = check_globs(content.nodes, f"{file}: nodes")
    cameras = check_globs(content.cameras, f"{file}: cameras")
    if content.model is not None and cameras:
        raise ConfigError(
            f"{file}: model: a model is that of a whole node; move it to a file without cameras"
        )
    values = dict(_values(content))
    if not values:
        raise ConfigError(
            f"{file}: wants nothing; give zones, lines, masks, filters, settings, camera or model, or "
            "remove the file"
        )
    _refuse_nonsense(content, file)
    return Rule(file, nodes, cameras, values)


def _values(content: Content) -> Iterator[tuple[str, Any]]:
    for key in DEFINITIONS:
        if getattr(content, key) is not None:
            yield key, getattr(content, key)
    for section in ("settings", "camera", "model"):
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
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    for problem in [*problems.problems(zones, lines), *ignored.problems(masks, filters)]:
        raise ConfigError(f"{file}: {problem}")


def _resolved(rules: Sequence[Rule], keys: tuple[str, ...], what: str) -> Wanted:
    values: dict[str, Any] = {}
    said: dict[str, Rule] = {}
    for rule in sorted(rules, key=lambda one: one.rank):
        for key, value in rule.values.items():
            if not key.startswith(keys):
                continue
            before = said.get(key)
            if before is not None and before.rank == rule.rank and values[key] != value:
                raise ConfigError(
                    f"{rule.file}: {key}: {before.file} says something else for {what}; leave out one, or "
                    "give nodes or cameras in the file that is to win"
                )
            values[key], said[key] = value, rule
    return Wanted(values, {key: rule.file for key, rule in said.items()})
