"""The pictures of a night: what a node has collected, linked into a folder where nobody deletes them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from optimization.dataset.formats import coco
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.reading import find
from shared import collected
from shared.errors import DarnerError, SourceError

MOST = 600
"""Most pictures of a night; more would take longer and say little more."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is there to learn from.

    Attributes:
        pictures: In the order in which they were captured.
        labels: What is in them, by file name; empty: a teacher says it.
        seen: A short hash of each picture's labels, by file name.
        new: How many of them the last model has not seen.
    """

    pictures: tuple[Path, ...]
    labels: Dataset | None
    seen: dict[str, str]
    new: int


def gather(folder: Path, known: dict[str, str], least: int) -> Gathered:
    """Find the pictures of a camera.

    Where enough pictures with objects are labelled, these are taken with their labels, and no others.

    Args:
        folder: Where the node collects them.
        known: What the last model has seen.
        least: How many labelled pictures with objects are enough.

    Raises:
        SourceError: The folder is not there, or cannot be read.
    """
    try:
        found = sorted(collected.pictures(folder), key=lambda path: collected.when(path) or (0, 0))
    except OSError as error:
        raise SourceError(f"--collected {folder}: cannot be read ({error.strerror})") from None
    labelled = _labelled(folder, {path.name for path in found})
    labels = {item.path.name: item for item in labelled.items} if labelled else {}
    if labelled is not None and sum(len(item.class_id) > 0 for item in labelled.items) >= least:
        found = [path for path in found if path.name in labels]
    else:
        labelled = None
    seen = {path.name: _mark(labels[path.name]) if labelled else "" for path in found}
    new = {name for name, mark in seen.items() if known.get(name) != mark}
    chosen = _chosen(found, new)
    if labelled is not None:
        labelled = replace(labelled, items=tuple(labels[path.name] for path in chosen))
    return Gathered(tuple(chosen), labelled, seen, len(new))


def place(gathered: Gathered, folder: Path) -> tuple[Path, Path | None]:
    """Give the pictures' files a second name in a new folder, by which the hours they are from can be told.

    Returns:
        The folder with the pictures, and the COCO file of their labels.

    Raises:
        SourceError: The disk does not take them.
    """
    names: dict[str, str] = {}
    pictures = folder / "pictures"
    try:
        pictures.mkdir(parents=True, mode=0o700)
        for number, path in enumerate(gathered.pictures):
            captured_us, _ = collected.when(path) or (0, 0)
            hour = datetime.fromtimestamp(captured_us / 1e6, timezone.utc).strftime("%Y%m%d%H")
            name = f"{hour}_{number:05}{path.suffix}"
            if _link(path, pictures / name):
                names[path.name] = name
        if gathered.labels is None:
            return pictures, None
        items = tuple(item for item in gathered.labels.items if item.path.name in names)
        kept = replace(gathered.labels, items=items)
        labels = folder / "labels.json"
        labels.write_bytes(coco.document(kept, {item: names[item.path.name] for item in items}))
    except OSError as error:
        raise SourceError(f"{folder}: the night's pictures cannot be put there ({error.strerror})") from None
    return pictures, labels


def _labelled(folder: Path, names: set[str]) -> Dataset | None:
    """The pictures that somebody has labelled, in a file beside them or above them; None where nobody has.

    Raises:
        SourceError: There is a file, and it cannot be read.
    """
    there = [path for path in (folder, folder.parent) if (path / collected.ANNOTATIONS).is_file()]
    if not there:
        return None
    try:
        found = find(there[0] / collected.ANNOTATIONS).dataset
    except DarnerError as error:
        raise SourceError(f"{error}; mend the labels, or take the file away") from None
    own = folder.resolve()
    items = [item for item in found.items if item.path.name in names and item.path.parent.resolve() == own]
    return replace(found, items=tuple(items))


def _mark(item: Labelled) -> str:
    rows = sorted(zip(item.class_id.tolist(), item.xyxy.round(1).tolist(), item.crowd.tolist(), strict=True))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:12]


def _chosen(found: Sequence[Path], new: set[str]) -> list[Path]:
    """At most `MOST`: the new ones first, and old ones spread evenly over their time."""
    fresh = [path for path in found if path.name in new][-MOST:]
    old = [path for path in found if path.name not in new]
    room = min(MOST - len(fresh), len(old))
    kept = {old[place * len(old) // room] for place in range(room)} | set(fresh)
    return [path for path in found if path in kept]


def _link(path: Path, target: Path) -> bool:
    """Link or copy a file; False: the node has just taken it away."""
    try:
        try:
            os.link(path, target, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
