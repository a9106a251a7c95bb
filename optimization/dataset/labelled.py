"""What a dataset is: pictures, the objects in them, and the names of their classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_node.frames import I32
from optimization.dataset.texts import shown
from shared.errors import SourceError
from shared.geometry import F32, Bool

_THREADS = 4
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One picture and the objects in it.

    Attributes:
        path: The picture's file.
        width: Pixels, as the annotations say it, or else as the file has them once it is turned as its EXIF
            says.
        height: Pixels, likewise.
        xyxy: ``(N, 4)``: left, top, right, bottom in pixels. Boxes are as they were annotated: they may stick
            out of the picture, and even be empty; `mend.mended` sees to that.
        class_id: ``(N,)``: places in the dataset's names.
        crowd: ``(N,)``: which boxes scoring and training leave out: crowds (COCO) and difficult objects
            (VOC).
        group: What a split must not tear apart: a video, a camera, a scene.
        split: Such as ``train``; empty when the dataset is not split.

    Raises:
        ValueError: An array has another shape or type, a corner is not finite, or the picture has no size.
    """

    path: Path
    width: int
    height: int
    xyxy: F32
    class_id: I32
    crowd: Bool
    group: str
    split: str = ""

    def __post_init__(self) -> None:
        count = len(self.xyxy)
        for name, shape, dtype in (
            ("xyxy", (count, 4), np.float32),
            ("class_id", (count,), np.int32),
            ("crowd", (count,), np.bool_),
        ):
            value = getattr(self, name)
            if value.shape != shape or value.dtype != dtype:
                raise ValueError(
                    f"Labelled.{name}: expected {np.dtype(dtype).name} {shape}, got {value.dtype} "
                    f"{value.shape}"
                )
        if not np.isfinite(self.xyxy).all():
            raise ValueError("Labelled.xyxy: a corner is not a finite number")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"Labelled: {self.width}x{self.height} is not the size of a picture")

    def keep(self, which: Bool) -> Labelled:
        """The same picture with some of its objects."""
        return replace(self, xyxy=self.xyxy[which], class_id=self.class_id[which], crowd=self.crowd[which])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures whose classes have the same names.

    Attributes:
        names: Of the classes, by class id; no name stands twice.
        items: The pictures.

    Raises:
        ValueError: A name stands twice, or an object has a class without a name.
    """

    names: tuple[str, ...]
    items: tuple[Labelled, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError("Dataset.names: a name stands twice")
        for item in self.items:
            if len(item.class_id) and not 0 <= item.class_id.min() <= item.class_id.max() < len(self.names):
                raise ValueError(
                    f"Dataset: {item.path} has a class id that is none of {len(self.names)} classes"
                )

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its splits, in the order train, val, test, others; `("",)` when it is not split."""
        order = {"train": 0, "val": 1, "test": 2}
        return tuple(sorted({item.split for item in self.items}, key=lambda name: (order.get(name, 3), name)))

    @property
    def objects(self) -> int:
        """How many objects all pictures have together."""
        return sum(len(item.class_id) for item in self.items)

    def part(self, split: str) -> Dataset:
        """The pictures of one split."""
        return replace(self, items=tuple(item for item in self.items if item.split == split))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        SourceError: It cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read ({error.strerror})") from None
    return found.hexdigest()


def file_digests(paths: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file.

    Raises:
        SourceError: One cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(file_digest, paths))


def digest(dataset: Dataset) -> str:
    """What tells one set of training data from another: a SHA-256, in hexadecimal.

    It covers the pictures' bytes and the objects: class names, corners to a hundredth of a pixel, crowds.
    Names of files, folders, groups and splits, the order of pictures and boxes, and classes without objects
    change nothing.

    Raises:
        SourceError: A picture cannot be read.
    """
    rows = []
    pictures = file_digests([item.path for item in dataset.items])
    for picture, item in zip(pictures, dataset.items, strict=True):
        corners = np.round(item.xyxy.astype(np.float64) * 100).astype(np.int64).tolist()
        objects = sorted(
            f"{dataset.names[kind]!r} {corner} {crowd:d}"
            for kind, corner, crowd in zip(item.class_id.tolist(), corners, item.crowd.tolist(), strict=True)
        )
        rows.append("\n".join((picture, *objects)))
    return hashlib.sha256("\n\n".join(sorted(rows)).encode("utf-8", "surrogatepass")).hexdigest()
