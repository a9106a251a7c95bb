"""The dataset that a network learns from: examined first, then laid out as the trainer reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from optimization.dataset import check, contents, mend, reading, writing
from optimization.dataset.formats import coco
from optimization.dataset.labelled import Dataset, digest
from optimization.dataset.texts import shown
from optimization.measure.coco import Truth
from shared.errors import ConfigError, SourceError

SPLITS = ("train", "val")


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A dataset that is fit for training.

    Attributes:
        dataset: Pictures to learn from (train) and to choose by (val), boxes inside them.
        digest: Its SHA-256, in hexadecimal.
    """

    dataset: Dataset
    digest: str

    def pictures(self, split: str) -> list[Path]:
        """The files of one split."""
        return [item.path for item in self.dataset.items if item.split == split]

    def truth(self) -> Truth:
        """The pictures to choose by, as the evaluation takes them."""
        items = self.dataset.part("val").items
        names = {item: item.path.name for item in items}
        known = json.loads(coco.document(replace(self.dataset, items=items), names))
        return Truth(known, [(number, item.path) for number, item in enumerate(items, 1)])


def load(data: Path) -> Material:
    """Read a dataset and refuse what cannot be trained on.

    Args:
        data: Folder, COCO file or ``data.yaml``, as `dataset check` reads them.

    Raises:
        SourceError: It cannot be read, a picture is broken, or an annotation is wrong.
        ConfigError: It is not split, has no objects, or a class is missing in a split.
    """
    found = reading.find(data)
    seen = contents.contents([item.path for item in found.dataset.items])
    faults = [one for one in check.check(found, seen, near=-1) if one.level == "fault"]
    if faults:
        count = sum(len(one.places) for one in faults)
        raise SourceError(
            f"{shown(data)}: {faults[0].title}: {faults[0].places[0]}; {count} "
            f"{'fault' if count == 1 else 'faults'} in all, which dataset check lists and dataset split "
            "--mend leaves out"
        )
    dataset = found.dataset
    lacking = [split for split in SPLITS if split not in dataset.splits]
    if lacking:
        raise ConfigError(
            f"{shown(data)}: has no split {lacking[0]!r}; dataset split {shown(data)} --out DIR divides it "
            "into train, val and test"
        )
    dataset = replace(dataset, items=tuple(item for item in dataset.items if item.split in SPLITS))
    _check_classes(dataset, data)
    dataset, _ = mend.mended(dataset)
    return Material(dataset, digest(dataset))


def _check_classes(dataset: Dataset, data: Path) -> None:
    """Refuse a class that nothing teaches or nothing judges."""
    counts = {split: _objects(dataset.part(split)) for split in SPLITS}
    for split, count in counts.items():
        if not count.any():
            raise ConfigError(f"{shown(data)}: the pictures of {split} have no labelled objects")
    for kind, name in enumerate(dataset.names):
        there = [split for split in SPLITS if counts[split][kind]]
        if there == ["train"]:
            raise ConfigError(
                f"{shown(data)}: class {name!r} has no object in val, so nothing would tell whether it is "
                "learnt; dataset split makes new splits"
            )
        if there == ["val"]:
            raise ConfigError(
                f"{shown(data)}: class {name!r} has objects in val and none in train; dataset split makes "
                "new splits"
            )


def _objects(dataset: Dataset) -> np.typing.NDArray[np.intp]:
    """How many objects each class has, without crowds."""
    kinds = [item.class_id[~item.crowd] for item in dataset.items]
    return np.bincount(np.concatenate([np.zeros(0, np.int32), *kinds]), minlength=len(dataset.names))


def lay_out(material: Material, folder: Path) -> Path:
    """Write a dataset as the trainer reads it: YOLO's format, with links to the pictures, without crowds.

    Args:
        material: The dataset.
        folder: Is written anew.

    Returns:
        Its ``data.yaml``.

    Raises:
        OutputError: The disk does not take it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    dataset = material.dataset
    items = tuple(item.keep(~item.crowd) for item in dataset.items)
    writing.write(replace(dataset, items=items), folder, "yolo", "refer")
    return folder / "data.yaml"


def sample(paths: Sequence[Path], count: int) -> list[Path]:
    """At most so many of the files, spread evenly over all."""
    step = max(1, len(paths) // count)
    return list(paths[::step][:count])
