"""What is wrong with a dataset, or may be: found in its files, its boxes, and between its splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from optimization.dataset import contents, mend
from optimization.dataset.contents import Content
from optimization.dataset.labelled import Labelled
from optimization.dataset.reading import Found
from optimization.dataset.texts import shown

NEAR = 6
"""Bits of 64 in which the fingerprints of one picture differ when it is scaled, compressed anew or brighter.

Measured on photos: a JPEG of quality 30, half the size, or a fifth brighter make 0 to 6 bits; of 12,000 pairs
of different photos, the closest differ in 16. Frames of a camera that stands still differ in few bits, too.
"""
TINY = 4.0
"""Pixels of the shorter side, below which a box shows nothing that a network can learn."""
_BEYOND = 1.0
"""Pixels by which rounding may move an edge out of the picture."""

FAULTS = {
    "picture-missing": "pictures that annotations name and that are missing",
    "picture-unreadable": "pictures that cannot be read",
    "picture-cut": "pictures that are cut short or damaged",
    "size-differs": "pictures of another size than their annotations say",
    "line-broken": "annotations that cannot be read",
    "class-unknown": "objects of an unknown class",
    "box-broken": "boxes that are no four numbers",
    "box-inverted": "boxes the wrong way round",
    "box-empty": "boxes without an area",
    "box-outside": "boxes outside their picture",
    "leak-exact": "pictures of one split that are in another, too",
}
WARNINGS = {
    "leak-near": "pictures of one split that look like one of another",
    "leak-group": "groups (videos, cameras, scenes) in several splits",
    "duplicate-exact": "pictures that are there already",
    "duplicate-near": "pictures that look like another one of their split",
    "picture-turned": "pictures that EXIF turns; tools that ignore EXIF put the boxes elsewhere",
    "picture-unlabelled": "pictures without annotations",
    "annotation-stray": "files of annotations without a picture",
    "box-beyond": "boxes that stick out of their picture",
    "box-tiny": f"boxes with a side below {TINY:g} pixels",
    "box-twice": "boxes that are in their picture already, with the same class",
    "class-unused": "classes without objects",
    "class-missing": "classes with objects in one split and none in another",
}
"""What users look at and may want; `--strict` makes faults of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """All findings of one kind.

    Attributes:
        kind: Such as "box-outside".
        level: Whether it is a fault.
        title: What it means.
        places: Where it was found, and how.
    """

    kind: str
    level: Literal["fault", "warning"]
    title: str
    places: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """All of it, for a report."""
        return {
            "kind": self.kind,
            "level": self.level,
            "count": len(self.places),
            "places": list(self.places),
        }


def check(found: Found, seen: Sequence[Content], near: int = NEAR) -> list[Finding]:
    """Examine a dataset.

    Args:
        found: What was read of it.
        seen: What the files of its pictures hold, in their order: `contents.contents`.
        near: Bits of 64 in which the fingerprints of pictures that look alike may differ.

    Returns:
        Faults first; nothing for a kind of which there is none.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for problem in found.problems:
        places[problem.kind].append(f"{problem.where} {problem.text}")
    places["picture-unlabelled"] += map(shown, found.unlabelled)
    places["annotation-stray"] += map(shown, found.stray)
    items = found.dataset.items
    for item, content in zip(items, seen, strict=True):
        _files(item, content, places)
        _boxes(item, found.dataset.names, places)
    _classes(found, places)
    _groups(items, places)
    _exact(items, seen, places)
    _near(items, seen, near, places)
    levels: tuple[tuple[Literal["fault", "warning"], dict[str, str]], ...] = (
        ("fault", FAULTS),
        ("warning", WARNINGS),
    )
    return [
        Finding(kind, level, title, tuple(places[kind]))
        for level, titles in levels
        for kind, title in titles.items()
        if places[kind]
    ]


def _files(item: Labelled, content: Content, places: dict[str, list[str]]) -> None:
    name = shown(item.path)
    if content.damage:
        places[f"picture-{content.damage}"].append(name)
    elif (content.width, content.height) != (item.width, item.height):
        text = f"{name} has {content.width}x{content.height}, annotated as {item.width}x{item.height}"
        turned = content.turned and (content.height, content.width) == (item.width, item.height)
        places["size-differs"].append(text + (": its EXIF turns it" if turned else ""))
    elif content.turned:
        places["picture-turned"].append(name)


def _boxes(item: Labelled, names: Sequence[str], places: dict[str, list[str]]) -> None:
    if not len(item.xyxy):
        return
    side = (item.xyxy[:, 2:] - item.xyxy[:, :2]).min(axis=1)
    visible = mend.inside(item)
    outside = (visible[:, 2:] - visible[:, :2]).min(axis=1) <= 0
    inverted, empty = side < 0, side == 0
    outside &= ~inverted & ~empty
    fine = ~inverted & ~empty & ~outside
    beyond = fine & (np.abs(visible - item.xyxy).max(axis=1) > _BEYOND)
    tiny = fine & (side < TINY)
    for kind, which in {
        "box-inverted": inverted,
        "box-empty": empty,
        "box-outside": outside,
        "box-beyond": beyond,
        "box-tiny": tiny,
        "box-twice": mend.repeated(item),
    }.items():
        for index in np.flatnonzero(which):
            corners = ", ".join(f"{corner:g}" for corner in item.xyxy[index].tolist())
            places[kind].append(
                f"{shown(item.path)} ({item.width}x{item.height}): {names[item.class_id[index]]} at {corners}"
            )


def _classes(found: Found, places: dict[str, list[str]]) -> None:
    dataset = found.dataset
    counts = {
        split: np.bincount(
            np.concatenate([item.class_id for item in dataset.items if item.split == split]),
            minlength=len(dataset.names),
        )
        for split in dataset.splits
    }
    for kind, name in enumerate(dataset.names):
        there = {split: int(count[kind]) for split, count in counts.items()}
        if not any(there.values()):
            places["class-unused"].append(name)
        elif lacking := [split for split, count in there.items() if not count]:
            places["class-missing"].append(f"{name}: none in {', '.join(lacking)}")


def _groups(items: Sequence[Labelled], places: dict[str, list[str]]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for item in items:
        splits[item.group].add(item.split)
    for group, found in sorted(splits.items()):
        if len(found) > 1:
            places["leak-group"].append(f"{shown(group)}: {', '.join(sorted(found))}")


def _exact(items: Sequence[Labelled], seen: Sequence[Content], places: dict[str, list[str]]) -> None:
    same: dict[str, list[Labelled]] = defaultdict(list)
    for item, content in zip(items, seen, strict=True):
        if content.digest:
            same[content.digest].append(item)
    for found in same.values():
        for one, other in combinations(found[:_MOST_COPIES], 2):
            if one.split != other.split:
                places["leak-exact"].append(_pair(one, other))
                break
        places["duplicate-exact"] += [
            _pair(other, found[0]) for other in found[1:] if other.split == found[0].split
        ]


_MOST_COPIES = 100
"""Copies of one picture among which splits are compared, two by two."""


def _near(
    items: Sequence[Labelled], seen: Sequence[Content], most: int, places: dict[str, list[str]]
) -> None:
    """Pairs that look alike: for each picture the first that was found, so that memory stays small."""
    known = [index for index, content in enumerate(seen) if content.fingerprint is not None]
    fingerprints = np.array([seen[index].fingerprint for index in known], np.uint64)
    kinds: dict[str, dict[int, int]] = {"leak-near": {}, "duplicate-near": {}}
    digests = np.unique([seen[index].digest for index in known], return_inverse=True)[1].reshape(-1)
    splits = np.unique([items[index].split for index in known], return_inverse=True)[1].reshape(-1)
    for ones, others in contents.near_pairs(fingerprints, most):
        different = digests[ones] != digests[others]
        apart = splits[ones] != splits[others]
        for kind, which in (("leak-near", different & apart), ("duplicate-near", different & ~apart)):
            later, earlier = np.maximum(ones, others)[which], np.minimum(ones, others)[which]
            new, first = np.unique(later, return_index=True)
            for one, other in zip(new.tolist(), earlier[first].tolist(), strict=True):
                kinds[kind].setdefault(one, other)
    for kind, pairs in kinds.items():
        places[kind] += [
            _pair(items[known[one]], items[known[other]]) for one, other in sorted(pairs.items())
        ]


def _pair(one: Labelled, other: Labelled) -> str:
    names = [
        shown(item.path) + (f" ({item.split})" if one.split != other.split else "") for item in (one, other)
    ]
    return " and ".join(names)
