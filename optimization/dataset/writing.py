"""From a dataset to a folder of COCO, YOLO or Pascal VOC, which appears when it is complete."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from optimization.dataset.formats import coco, voc, yolo
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.reading import Format
from optimization.dataset.texts import shown
from shared.errors import ConfigError, OutputError

Pictures = Literal["link", "copy", "refer"]
PICTURES = get_args(Pictures)
_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        lost: How many of what the format cannot hold, by kind.
        copied: Pictures that were copied although they should be linked, because they are on another disk.
    """

    lost: Counter[str]
    copied: int


def claim(folder: Path) -> None:
    """Check before the work that a dataset can be written after it.

    Raises:
        ConfigError: Something of that name is there, other than an empty folder, or its parent cannot be
            written to.
    """
    place = shown(folder)
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ConfigError(f"--out {place}: is no folder; name a new one")
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"--out {place}: is not empty, and a dataset is never written over another; name a new folder"
            )
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {place}: cannot be made ({error.strerror})") from None
    if not os.access(folder.absolute().parent, os.W_OK):
        raise ConfigError(f"--out {place}: cannot be made (permission denied)")


def write(dataset: Dataset, folder: Path, form: Format, pictures: Pictures = "link") -> Written:
    """Write a dataset.

    Args:
        dataset: The dataset.
        folder: A new or empty folder.
        form: The format.
        pictures: "link" gives each picture's file a second name, which takes no space, or copies it where
            that cannot be; "copy" copies it; "refer" makes symbolic links to where it is.

    Returns:
        What was lost or copied.

    Raises:
        ConfigError: The folder is not new, or the format does not know a split.
        OutputError: The disk does not take it, or a picture is gone; nothing is left behind.
    """
    odd = set(dataset.splits) - {"", *yolo.SPLITS}
    if form != "voc" and odd:
        raise ConfigError(
            f"{form} knows the splits {', '.join(yolo.SPLITS)}, and not {min(odd)!r}; dataset split makes "
            "new ones"
        )
    claim(folder)
    target = folder.absolute()
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        try:
            part.mkdir()
            written = _fill(dataset, part, form, pictures)
            if target.is_dir():
                target.rmdir()
            part.rename(target)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError) and error.filename
            about = f" ({shown(Path(error.filename))})" if gone else ""
            raise OutputError(f"{shown(folder)}: cannot be written: {error.strerror}{about}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return written


def _fill(dataset: Dataset, part: Path, form: Format, pictures: Pictures) -> Written:
    names = _file_names(dataset.items)
    crowds = sum(int(item.crowd.sum()) for item in dataset.items)
    copied = 0
    splits = dataset.splits
    for split in splits:
        kept = dataset.part(split)
        place = part / _picture_folder(form, split)
        place.mkdir(parents=True, exist_ok=True)
        for item in kept.items:
            copied += _place(item.path, place / names[item], pictures)
        _FILL[form](kept, part, split, names)
    if form == "yolo":
        folders = [(split or "train", str(_picture_folder(form, split))) for split in splits]
        _save(part / "data.yaml", yolo.data_yaml(dataset.names, folders).encode())
    if form == "voc":
        _save(part / voc.LABEL_MAP, voc.label_map(dataset.names).encode())
    return Written(Counter({"crowds": crowds} if form == "yolo" and crowds else {}), copied)


def _picture_folder(form: Format, split: str) -> Path:
    return Path("JPEGImages") if form == "voc" else Path("images") / split


def _fill_coco(kept: Dataset, part: Path, split: str, names: dict[Labelled, str]) -> None:
    file = f"instances_{split}.json" if split else "instances.json"
    _save(part / "annotations" / file, coco.document(kept, names))


def _fill_yolo(kept: Dataset, part: Path, split: str, names: dict[Labelled, str]) -> None:
    for item in kept.items:
        _save(part / "labels" / split / f"{Path(names[item]).stem}.txt", yolo.labels(item).encode())


def _fill_voc(kept: Dataset, part: Path, split: str, names: dict[Labelled, str]) -> None:
    for item in kept.items:
        name = names[item]
        _save(part / "Annotations" / f"{Path(name).stem}.xml", voc.annotation(item, kept.names, name))
    if split:
        stems = "".join(f"{Path(names[item]).stem}\n" for item in kept.items)
        _save(part / "ImageSets" / "Main" / f"{split}.txt", stems.encode())


_FILL = {"coco": _fill_coco, "yolo": _fill_yolo, "voc": _fill_voc}


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def _place(source: Path, target: Path, pictures: Pictures) -> int:
    """Put a picture's file into the dataset; 1 when it was copied for want of a link."""
    source = source.resolve(strict=True)
    if pictures == "refer":
        target.symlink_to(source)
    elif pictures == "copy":
        shutil.copyfile(source, target)
    else:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
            return 1
    return 0


def _file_names(items: Iterable[Labelled]) -> dict[Labelled, str]:
    """A name for each picture, unlike all others also without its suffix: label files have it, too."""
    taken: set[str] = set()
    names: dict[Labelled, str] = {}
    for item in items:
        stem = shown(item.path.with_suffix("")).rpartition("/")[2].replace("�", "_").strip() or "picture"
        while len(stem.encode()) > _NAME_BYTES:
            stem = stem[:-1]
        unique, number = stem, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{stem}_{number}"
        taken.add(unique.casefold())
        names[item] = unique + item.path.suffix
    return names
