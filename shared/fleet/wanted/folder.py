"""What is wanted: a folder of YAML files, each of which says for which nodes and cameras it holds.

A file for some cameras holds over one for all cameras of its nodes, and one that names its nodes in full over
one with patterns. Two files of the same rank must not say different things of the same camera.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.fleet.wanted.globs import matches, unused
from shared.fleet.wanted.reading import DEFINITIONS, OF_NODES, Entry, read

_MOST_FILES = 20_000


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
    """The files of a folder.

    Args:
        path: The folder; the files in it end in .yaml or .yml, and may lie in folders of it.

    Raises:
        ConfigError: There is no such folder, or a file in it is wrong; the text names file and key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = [read(file, path) for file in _files(path)]
        self._common: list[Entry] = []
        self._of_node: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            if entry.named:
                for node in dict.fromkeys(entry.nodes):
                    self._of_node[node].append(entry)
            else:
                self._common.append(entry)

    def entries_of(self, node: str) -> list[Entry]:
        """The files that concern a node."""
        common = (entry for entry in self._common if entry.concerns(node))
        return [*common, *self._of_node.get(node, ())]

    def of_node(self, node: str) -> Wanted:
        """What a node itself shall have: its model, calendar and rules.

        Raises:
            ConfigError: Two files contradict each other.
        """
        entries = [entry for entry in self.entries_of(node) if not entry.cameras]
        return _resolved(entries, tuple(OF_NODES), node)

    def of_camera(self, node: str, camera: str) -> Wanted:
        """What a camera shall have.

        Raises:
            ConfigError: Two files contradict each other.
        """
        entries = [entry for entry in self.entries_of(node) if matches(camera, entry.cameras or ("*",))]
        wanted = _resolved(entries, (*DEFINITIONS, "settings.", "camera."), f"{node}/{camera}")
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
        for entry in self.entries:
            nodes = [node for node in cameras_by_node if entry.concerns(node)]
            lost = unused(entry.nodes, nodes)
            if everybody and lost:
                raise ConfigError(
                    f"{entry.file}: nodes: no node that the broker knows is called {lost!r}; correct it or "
                    "start that node once"
                )
            lost = unused(entry.cameras, [one for node in nodes for one in cameras_by_node[node]])
            if nodes and lost:
                raise ConfigError(
                    f"{entry.file}: cameras: none of the {len(nodes)} nodes that the file is for has a "
                    f"camera {lost!r}; correct it, or add the camera first"
                )


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


def _resolved(entries: Sequence[Entry], keys: tuple[str, ...], what: str) -> Wanted:
    values: dict[str, Any] = {}
    said: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda one: one.rank):
        for key, value in entry.values.items():
            if not key.startswith(keys):
                continue
            before = said.get(key)
            if before is not None and before.rank == entry.rank and values[key] != value:
                raise ConfigError(
                    f"{entry.file}: {key}: {before.file} says something else for {what}; leave out one, or "
                    "give nodes or cameras in the file that is to win"
                )
            values[key], said[key] = value, entry
    return Wanted(values, {key: entry.file for key, entry in said.items()})
