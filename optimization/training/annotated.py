"""Pictures that people have annotated, to be learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_node.pictures import U8
from optimization import pictures
from optimization.dataset import reading
from optimization.dataset.labelled import Labelled, digest
from optimization.dataset.mend import mended
from optimization.training import material
from optimization.training.augment import Boxes
from optimization.training.material import Still
from shared.errors import ConfigError

_LEARN, _JUDGE = ("train",), ("val", "test")
_LEAST_JUDGES = 4
"""One or two pictures, drawn again and again, would show no chance: any gain there would count."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """Annotated pictures.

    Attributes:
        stills: The pictures.
        truth: What is in each of them, with the model's class ids.
        known: The model's classes that the annotations are about.
        parts: Places of the pictures to learn from, and of those that judge, where the dataset is split.
        digest: The dataset's SHA-256.
    """

    stills: list[Still]
    truth: list[Boxes]
    known: list[int]
    parts: tuple[list[int], list[int]] | None
    digest: str


def read(labels: Path, folder: Path | None, names: Sequence[str], say: Callable[[str], None]) -> Annotated:
    """Read a dataset in COCO's, YOLO's or Pascal VOC's format.

    Args:
        labels: Its folder, a COCO file or a ``data.yaml``.
        folder: Where its pictures are; None: where it says.
        names: Of the model's classes.
        say: Is told what is left out.

    Raises:
        ConfigError: None of its classes is one of the model's, or too few pictures are there or judge.
        DarnerError: It cannot be read.
    """
    found = reading.find(labels, folder)
    if found.problems:
        say(f"{labels}: {len(found.problems)} entries are left out; dataset check lists them")
    dataset, _ = mended(found.dataset)
    kinds = [names.index(name) if name in names else -1 for name in dataset.names]
    if max(kinds, default=-1) < 0:
        raise ConfigError(
            f"--labels {labels}: none of its classes ({', '.join(dataset.names[:5])}) is one of the model's"
        )
    if found.unlabelled:
        say(f"{len(found.unlabelled)} pictures are not labelled, and are left out")
    items = sorted(dataset.items, key=lambda item: (item.group, str(item.path)))
    material.enough(len(items), labels)
    ids = np.array(kinds, np.int32)
    return Annotated(
        [Still(item.path.name, _reader(item.path), item.path.read_bytes, None, item.group) for item in items],
        [_boxes(item, ids) for item in items],
        sorted({kind for kind in kinds if kind >= 0}),
        _parts(items),
        digest(replace(dataset, items=tuple(items))),
    )


def _parts(items: Sequence[Labelled]) -> tuple[list[int], list[int]] | None:
    parts = [
        [place for place, item in enumerate(items) if item.split in splits] for splits in (_LEARN, _JUDGE)
    ]
    if not all(parts):
        return None
    if len(parts[1]) < _LEAST_JUDGES:
        raise ConfigError(
            f"--labels: val and test have {len(parts[1])} pictures, and judging needs {_LEAST_JUDGES}: move "
            "more there, or give the dataset without a split"
        )
    return parts[0], parts[1]


def _boxes(item: Labelled, ids: np.ndarray) -> Boxes:
    kinds = ids[item.class_id]
    keep = kinds >= 0
    return Boxes(item.xyxy[keep], kinds[keep], (~item.crowd[keep]).astype(np.int32))


def _reader(path: Path) -> Callable[[], U8]:
    return lambda: pictures.read(path)
