"""Several datasets made one: classes by name, copies of pictures once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_node.frames import I32
from optimization.dataset.labelled import Dataset, Labelled, file_digests
from optimization.dataset.texts import shown
from shared.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of several datasets.

    Attributes:
        dataset: All pictures.
        copies: Pictures that were there already, with the same objects, and were left out.
        conflicts: Pictures that are there with different objects; the first has won.
    """

    dataset: Dataset
    copies: int
    conflicts: tuple[str, ...]


def merge(datasets: Sequence[tuple[str, Dataset]], renamed: Mapping[str, str] | None = None) -> Merged:
    """Join datasets.

    Class ids are those of the first dataset; the others' classes follow by name. Groups of the same name stay
    apart, because two datasets may have a camera 1 each.

    Args:
        datasets: What each is called, and its content.
        renamed: New names of classes; classes with one name become one.

    Raises:
        ConfigError: A class to rename is in none of them.
    """
    renamed = renamed or {}
    every = {name for _, dataset in datasets for name in dataset.names}
    for name in renamed:
        if name not in every:
            raise ConfigError(
                f"--rename {name}={renamed[name]}: no dataset has a class {name!r}; they have {_some(every)}"
            )
    names: dict[str, int] = {}
    for _, dataset in datasets:
        for name in dataset.names:
            names.setdefault(renamed.get(name, name), len(names))
    there: dict[str, Labelled] = {}
    items: list[Labelled] = []
    copies, conflicts = 0, []
    for title, dataset in datasets:
        ids = np.array([names[renamed.get(name, name)] for name in dataset.names], np.int32)
        digests = file_digests([item.path for item in dataset.items])
        for digest, item in zip(digests, dataset.items, strict=True):
            kinds: I32 = ids[item.class_id] if len(ids) else item.class_id
            moved = replace(item, class_id=kinds, group=f"{title}/{item.group}")
            first = there.setdefault(digest, moved)
            if first is moved:
                items.append(moved)
                continue
            copies += 1
            if not _same(first, moved):
                conflicts.append(f"{shown(item.path)} and {shown(first.path)}")
    return Merged(Dataset(tuple(names), tuple(items)), copies - len(conflicts), tuple(conflicts))


def only(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The dataset with the objects of these classes only, which keep the order given; pictures stay.

    Raises:
        ConfigError: It has no such class, or a name stands twice.
    """
    if len(set(names)) != len(names):
        raise ConfigError("--classes: a name stands twice; leave one out")
    for name in names:
        if name not in dataset.names:
            raise ConfigError(
                f"--classes: no class is called {name!r}; there are {_some(set(dataset.names))}"
            )
    ids = np.full(len(dataset.names), -1, np.int32)
    for kind, name in enumerate(names):
        ids[dataset.names.index(name)] = kind
    items = []
    for item in dataset.items:
        kept = item.keep(ids[item.class_id] >= 0)
        items.append(replace(kept, class_id=ids[kept.class_id]))
    return Dataset(tuple(names), tuple(items))


def _same(one: Labelled, other: Labelled) -> bool:
    """Whether two pictures have the same objects, up to a rounding of half a pixel, in any order."""
    if len(one.class_id) != len(other.class_id):
        return False
    rows = []
    for item in (one, other):
        order = np.lexsort((*np.round(item.xyxy).T, item.class_id))
        rows.append(np.column_stack([item.class_id[order] * 1e6, item.crowd[order] * 1e6, item.xyxy[order]]))
    return bool(np.abs(rows[0] - rows[1]).max(initial=0.0) <= 1.0)


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
