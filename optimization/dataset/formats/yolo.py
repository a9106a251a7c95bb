"""YOLO: a text file for each picture, with a line for each object, and `data.yaml` with the names.

Source: the "Object Detection Datasets Overview" of Ultralytics' documentation, and Darknet's README. A line
is a class number and the box's centre, width and height in fractions of the picture, or the corners of
an outline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from optimization.dataset import contents, places
from optimization.dataset.formats.rows import Reading, Rows, made
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.texts import read_text, shown
from shared.configuration.yaml_file import mapping
from shared.errors import ConfigError, SourceError

SPLITS = ("train", "val", "test")
NAMES = ("classes.txt", "obj.names", "predefined_classes.txt")
"""Files of class names, one a line, where there is no `data.yaml`."""
_OTHER_TEXTS = {*NAMES, "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt", "readme.txt"}
_HINT = (
    "write the class number and the box's centre x, centre y, width and height in fractions of the picture"
)


def read_yaml_dataset(file: Path, reading: Reading) -> Dataset:
    """Read the dataset that a `data.yaml` describes.

    Raises:
        SourceError: The file says too little, or a folder or list that it names is missing.
    """
    try:
        document = mapping(read_text(file), shown(file))
    except ConfigError as error:
        raise SourceError(str(error)) from None
    names = _names(file, document)
    base = file.parent / str(document.get("path") or "")
    base = base if base.is_dir() else file.parent
    found: dict[Path, str] = {}
    for split in SPLITS:
        given = document.get(split) or (document.get("valid") if split == "val" else None)
        for entry in given if isinstance(given, list) else [given] if given else []:
            for picture in _pictures(file, base, str(entry)):
                found.setdefault(picture, split)
    if not found:
        raise SourceError(f"{shown(file)}: has no 'train', 'val' or 'test' that holds pictures")
    pose = "kpt_shape" in document
    return _dataset(found, file.parent, names, reading, pose=pose)


def read_folder(root: Path, reading: Reading) -> Dataset:
    """Read pictures and their text files, without a `data.yaml`; classes without names are called by number.

    Raises:
        SourceError: There are no pictures, or the file of names cannot be read.
    """
    found = {
        picture: places.split_of(picture.parent.relative_to(root)) for picture in places.find_pictures(root)
    }
    files = (folder / name for folder in (root, root / "labels") for name in NAMES)
    names = next((_lines(read_text(file)) for file in files if file.is_file()), None)
    return _dataset(found, root, names, reading, pose=False)


def label_file(picture: Path) -> Path:
    """The text file of a picture: in the folder `labels` in place of `images`, or else beside the picture."""
    parts = picture.parts
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            there = Path(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")
            if there.is_file() or not picture.with_suffix(".txt").is_file():
                return there
            break
    return picture.with_suffix(".txt")


def _names(file: Path, document: Mapping[str, Any]) -> list[str]:
    given = document.get("names")
    if isinstance(given, dict):
        numbers = sorted(int(key) for key in given if str(key).isdigit())
        if not given or len(numbers) != len(given) or numbers != list(range(len(given))):
            raise SourceError(f"{shown(file)}: 'names' must number the classes from 0 without a gap")
        by_number = {int(key): str(name) for key, name in given.items()}
        names = [by_number[number] for number in numbers]
    elif isinstance(given, list) and given:
        names = [str(name) for name in given]
    else:
        raise SourceError(f"{shown(file)}: has no 'names'; list the classes' names there")
    count = str(document.get("nc") or len(names))
    if count != str(len(names)):
        raise SourceError(
            f"{shown(file)}: 'nc' is {shown(count)}, but 'names' has {len(names)}; make them agree"
        )
    return names


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pictures(file: Path, base: Path, entry: str) -> Iterator[Path]:
    """The pictures of a folder or of a list.

    Roboflow writes paths from a folder that is not there, with a `../` too many.
    """
    entry = entry.replace("\\", "/")
    tried = (base / entry, base / entry.removeprefix("../"), file.parent / entry)
    place = next((one for one in tried if one.exists()), None)
    if place is None:
        raise SourceError(
            f"{shown(file)}: names {shown(entry)!r}, which is neither below {shown(base)} nor a full path"
        )
    if place.is_dir():
        yield from places.find_pictures(place)
        return
    for line in _lines(read_text(place)):
        name = Path(line.replace("\\", "/"))
        yield place.parent / name if line.startswith("./") else base / name


def _dataset(
    found: Mapping[Path, str], root: Path, names: list[str] | None, reading: Reading, *, pose: bool
) -> Dataset:
    items: list[Labelled] = []
    seen_labels: set[Path] = set()
    most = -1
    for (picture, split), content in zip(found.items(), contents.sizes(list(found)), strict=True):
        labels = label_file(picture)
        seen_labels.add(labels)
        if content.damage == "missing":
            reading.problem("picture-missing", picture, "is missing, and a list names it")
            continue
        if content.damage:
            reading.problem("picture-unreadable", picture, "is not a picture that can be read")
            continue
        rows = Rows()
        if labels.is_file():
            _read_labels(labels, content.width, content.height, names, rows, reading, pose=pose)
        else:
            reading.unlabelled.append(picture)
        xyxy, kinds, crowds = rows.arrays()
        most = max(most, int(kinds.max(initial=-1)))
        group = places.group_name(picture, root)
        items.append(Labelled(picture, content.width, content.height, xyxy, kinds, crowds, group, split))
    for folder in sorted({labels.parent for labels in seen_labels}):
        if folder.is_dir():
            texts = (
                path for path in folder.iterdir() if path.suffix == ".txt" and path.name not in _OTHER_TEXTS
            )
            reading.stray += sorted(set(texts) - seen_labels)
    return made(names or [str(number) for number in range(most + 1)], items, root, reading)


def _read_labels(
    file: Path, width: int, height: int, names: list[str] | None, rows: Rows, reading: Reading, *, pose: bool
) -> None:
    try:
        lines = read_text(file).splitlines()
    except SourceError as error:
        reading.problem("line-broken", file, str(error).removeprefix(f"{shown(file)}: "))
        return
    most = 10_000 if names is None else len(names)
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        where = f"{shown(file)}: line {number}"
        try:
            class_id, values = float(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            reading.problem("line-broken", where, f"is {shown(line[:60])!r}; {_HINT}")
            continue
        if not class_id.is_integer() or not 0 <= class_id < most:
            text = f"has the class {shown(words[0])}; the names go from 0 to {most - 1}"
            reading.problem("class-unknown", where, text)
            continue
        box = _box(values, reading, pose=pose)
        if box is None:
            reading.problem("line-broken", where, f"has {len(words)} numbers; {_HINT}")
        elif not rows.add(
            [one * side for one, side in zip(box, (width, height) * 2, strict=True)], int(class_id)
        ):
            reading.problem(
                "box-broken", where, f"is {shown(line[:60])!r}, whose numbers are no place; {_HINT}"
            )


def _box(values: Sequence[float], reading: Reading, *, pose: bool) -> list[float] | None:
    """Left, top, right and bottom in fractions; None when the number of values fits nothing."""
    if pose and len(values) > 4:
        reading.lost["sets of keypoints"] += 1
        values = values[:4]
    if len(values) == 4:
        x, y, w, h = values
        return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    if len(values) >= 6 and len(values) % 2 == 0:
        reading.lost["outlines"] += 1
        return [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]
    return None


def labels(item: Labelled) -> str:
    """The lines of one picture's text file; crowds, which YOLO does not know, are left out."""
    lines = []
    for (left, top, right, bottom), kind in zip(
        item.xyxy[~item.crowd].tolist(), item.class_id[~item.crowd].tolist(), strict=True
    ):
        numbers = (
            (left + right) / 2 / item.width,
            (top + bottom) / 2 / item.height,
            (right - left) / item.width,
            (bottom - top) / item.height,
        )
        lines.append(" ".join([str(kind), *(f"{one:.8f}".rstrip("0").rstrip(".") for one in numbers)]) + "\n")
    return "".join(lines)


def data_yaml(names: Sequence[str], folders: Iterable[tuple[str, str]]) -> str:
    """The file that describes the dataset.

    Args:
        names: Of the classes.
        folders: Each split, and its folder of pictures.
    """
    document = {**dict(folders), "names": dict(enumerate(names))}
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
