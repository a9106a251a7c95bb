"""Which pictures must stay together when a dataset is split: those of one video, camera or scene."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from optimization.dataset import contents, places
from optimization.dataset.contents import Content
from optimization.dataset.labelled import Dataset, Labelled
from shared.errors import ConfigError

Groups = npt.NDArray[np.intp]
"""The number of each picture's group, in the order of the pictures."""
WAYS = ("auto", "folder", "picture")
_SEQUENCE = 20
"""Bits of 64 in which neighbours in a video differ at most, in the median; different photos differ in 32."""


def scenes(dataset: Dataset, seen: Sequence[Content], way: str, near: int) -> Groups:
    """Join pictures into groups.

    Args:
        dataset: The pictures.
        seen: What their files hold.
        way: "auto" takes the groups of the dataset, but does not believe the names of files whose pictures
            show something else each; "folder" takes folders, "picture" takes each picture by itself. Anything
            else is a regular expression: what its first group, or all of it, finds in a picture's path.
        near: Bits of 64 in which the fingerprints of pictures that look alike may differ; they are joined,
            too. Below 0, only copies are joined.

    Raises:
        ConfigError: The regular expression is none, or does not fit a picture.
    """
    names = np.array(_names(dataset.items, seen, way), object)
    labels: Groups = np.unique(names.astype(str), return_inverse=True)[1].reshape(-1)
    digests = np.array([content.digest or f"{index}" for index, content in enumerate(seen)])
    _, copies = np.unique(digests, return_inverse=True)
    labels = _joined(labels, np.arange(len(labels)), _first(copies.reshape(-1)))
    if near < 0:
        return labels
    known = np.array(
        [index for index, content in enumerate(seen) if content.fingerprint is not None], np.intp
    )
    fingerprints = np.array([seen[index].fingerprint for index in known.tolist()], np.uint64)
    for ones, others in contents.near_pairs(fingerprints, near):
        labels = _joined(labels, known[ones], known[others])
    return labels


def blocks(dataset: Dataset, groups: Groups, count: int) -> Groups:
    """Cut each group into parts of neighbours, in the order of their names, each a group of its own."""
    keys = [_natural(item.path.as_posix()) for item in dataset.items]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)
    found = np.zeros(len(groups), np.intp)
    for group in range(int(groups.max()) + 1):
        there = order[groups[order] == group]
        found[there] = group * count + np.arange(len(there)) * count // max(1, len(there))
    return np.asarray(np.unique(found, return_inverse=True)[1].reshape(-1), np.intp)


def _names(items: Sequence[Labelled], seen: Sequence[Content], way: str) -> list[str]:
    if way == "picture":
        return [str(index) for index in range(len(items))]
    if way == "folder":
        return [str(item.path.parent) for item in items]
    if way == "auto":
        return _believed(items, seen)
    try:
        pattern = re.compile(way)
    except re.error as error:
        raise ConfigError(
            f"--group {way}: is neither {', '.join(WAYS)} nor a regular expression ({error})"
        ) from None
    found = [pattern.search(item.path.as_posix()) for item in items]
    for item, one in zip(items, found, strict=True):
        if one is None:
            raise ConfigError(
                f"--group {way}: finds nothing in {item.path}; it must fit the path of each picture"
            )
    return [(one.group(1) if pattern.groups else one.group()) or "" for one in found if one is not None]


def _believed(items: Sequence[Labelled], seen: Sequence[Content]) -> list[str]:
    """The groups of the pictures; each picture by itself where only numbered names say they belong together.

    `cat_1.jpg` and `cat_2.jpg` are two cats, `gate_1.jpg` and `gate_2.jpg` one camera: neighbours of a film
    look alike.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        members[item.group].append(index)
    names = [item.group for item in items]
    for group, there in members.items():
        if len(there) > 1 and all(places.is_numbered(items[index].path, group) for index in there):
            there.sort(key=lambda index: _natural(items[index].path.stem))
            fingerprints = [seen[index].fingerprint for index in there]
            apart = [
                bin(a ^ b).count("1") for a, b in pairwise(fingerprints) if a is not None and b is not None
            ]
            if apart and np.median(apart) > _SEQUENCE:
                for index in there:
                    names[index] = f"{group} {index}"
    return names


def _natural(text: str) -> list[tuple[int, str]]:
    """Orders `a9` before `a10`."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _first(labels: Groups) -> Groups:
    """The place of the first of each label's members, for every member."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first[inverse.reshape(-1)], np.intp)


def _joined(labels: Groups, ones: Groups, others: Groups) -> Groups:
    """Labels under which both of each pair are the same."""
    count = int(labels.max()) + 1
    edges = coo_array((np.ones(len(ones), np.bool_), (labels[ones], labels[others])), shape=(count, count))
    return np.asarray(connected_components(edges, directed=False)[1][labels], np.intp)
