"""From a folder or file to a dataset: finds out which format it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from optimization.dataset import places
from optimization.dataset.formats import coco, voc, yolo
from optimization.dataset.formats.rows import Problem, Reading
from optimization.dataset.labelled import Dataset
from optimization.dataset.texts import shown
from shared.collected import ANNOTATIONS
from shared.errors import SourceError
from shared.program import need

Format = Literal["coco", "yolo", "voc"]
FORMATS = get_args(Format)
_YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
_WANTED = (
    "a COCO file (.json) beside its pictures, a data.yaml, pictures with YOLO's text files, or the "
    "folders Annotations and JPEGImages of Pascal VOC"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and what was not.

    Attributes:
        dataset: The pictures and their objects.
        format: The format that was found.
        problems: What was skipped, because a dataset has no place for it.
        lost: How many of what a dataset does not hold, such as outlines, by kind.
        unlabelled: Pictures without annotations.
        stray: Files of annotations without a picture.
    """

    dataset: Dataset
    format: Format
    problems: tuple[Problem, ...]
    lost: Counter[str]
    unlabelled: tuple[Path, ...]
    stray: tuple[Path, ...]


def read(path: Path) -> Dataset:
    """Read a dataset in COCO's, YOLO's or Pascal VOC's format, whichever it has.

    Args:
        path: Its folder, a COCO file or a `data.yaml`.

    Raises:
        SourceError: It is none of these, or something in it cannot be read: the text names the first.
    """
    found = find(path)
    if found.problems:
        first = found.problems[0]
        others = (
            f"; {len(found.problems) - 1} more problems: dataset check lists them"
            if found.problems[1:]
            else ""
        )
        raise SourceError(f"{first.where} {first.text}{others}")
    return found.dataset


def find(path: Path, pictures: Path | None = None) -> Found:
    """Read a dataset, and skip what cannot be read.

    Args:
        path: Its folder, a COCO file or a `data.yaml`.
        pictures: Folder of the pictures that a COCO file names; None: it is looked for beside the file.

    Raises:
        SourceError: It has no known format, or nothing in it can be read; or a folder of pictures is named
            for another format than COCO's.
        ConfigError: Pillow is not installed.
    """
    need("PIL", extra="optimize")
    reading = Reading()
    try:
        kind, take = _recognised(path, pictures)
        dataset = take(reading)
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read ({error.strerror})") from None
    return Found(
        dataset,
        kind,
        tuple(reading.problems),
        +reading.lost,
        tuple(reading.unlabelled),
        tuple(reading.stray),
    )


def annotated(folder: Path) -> Found | None:
    """Read the annotations of a folder; None for one that has pictures and none of these.

    Raises:
        SourceError: There are annotations, and they cannot be read.
    """
    if not _has_annotations(folder):
        return None
    read(folder)  # which says what the first problem is
    return find(folder)


def _has_annotations(folder: Path) -> bool:
    yamls = any((folder / name).is_file() for name in _YAMLS)
    texts = (folder / "labels").is_dir() or any(yolo.label_file(one).is_file() for one in _some(folder))
    return yamls or texts or bool(_voc_files(folder) or _coco_files(folder))


def _recognised(path: Path, pictures: Path | None) -> tuple[Format, Callable[[Reading], Dataset]]:
    """The format of a dataset, and what reads it."""
    if path.is_file() and path.suffix.lower() == ".json":
        return "coco", lambda reading: coco.read([path], pictures or path.parent, reading, pictures)
    if pictures is not None:
        raise SourceError(
            f"{shown(path)}: is no COCO file (.json), and only such a file has its pictures elsewhere"
        )
    if path.is_file():
        if path.suffix.lower() in (".yaml", ".yml"):
            return "yolo", lambda reading: yolo.read_yaml_dataset(path, reading)
        raise SourceError(f"{shown(path)}: is no dataset; name {_WANTED}")
    if not path.is_dir():
        raise SourceError(f"{shown(path)}: no such dataset; name {_WANTED}")
    if (path / ANNOTATIONS).is_file():  # what people labelled counts, whatever else is there
        return "coco", lambda reading: coco.read([path / ANNOTATIONS], path, reading)
    yamls = [file for name in _YAMLS if (file := path / name).is_file()]
    if yamls:
        return "yolo", lambda reading: yolo.read_yaml_dataset(yamls[0], reading)
    if files := _voc_files(path):
        return "voc", lambda reading: voc.read(path, files, reading)
    if files := _coco_files(path):
        return "coco", lambda reading: coco.read(files, path, reading)
    if (path / "labels").is_dir() or any(yolo.label_file(picture).is_file() for picture in _some(path)):
        return "yolo", lambda reading: yolo.read_folder(path, reading)
    if not any(path.iterdir()):
        raise SourceError(f"{shown(path)}: is empty; a dataset is {_WANTED}")
    lacks = (
        "pictures, but no annotations (dataset label makes them)"
        if _some(path)
        else "neither pictures nor annotations"
    )
    raise SourceError(f"{shown(path)}: holds {lacks}; a dataset is {_WANTED}")


def _some(folder: Path) -> list[Path]:
    return places.find_pictures(folder)[:50]


def _voc_files(root: Path) -> list[Path]:
    """The XML files of annotations: in their own folder, or beside the pictures."""
    own = root / "Annotations"
    if own.is_dir():
        return sorted(own.glob("*.xml"))
    folders = (root, root / "train", root / "valid", root / "val", root / "test")
    return [file for folder in folders for file in sorted(folder.glob("*.xml"))]


def _coco_files(root: Path) -> list[Path]:
    """The JSON files of annotations: Roboflow's beside the pictures, COCO's in a folder of their own."""
    folders = (root, root / "train", root / "valid", root / "val", root / "test")
    roboflow = [file for folder in folders if (file := folder / "_annotations.coco.json").is_file()]
    if roboflow:
        return roboflow
    beside = [
        path for path in sorted(root.glob("*.json")) if not path.with_suffix(".jpg").exists()
    ]  # sidecars
    files = sorted((root / "annotations").glob("*.json")) or beside
    instances = [file for file in files if file.name.startswith("instances")]
    return instances or [file for file in files if not file.name.startswith(("captions", "person_keypoints"))]
