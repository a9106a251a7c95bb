"""What names of files and folders say: which split a picture belongs to, and which video it comes from."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from optimization import pictures
from optimization.dataset.texts import shown
from shared.errors import SourceError

_SPLITS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
_SPLIT = re.compile(
    r"(?:(?:instances|annotations|images|labels)[-_])?"
    r"(train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)(?:[-_]?\d{4})?(?:[-_]images)?",
    re.IGNORECASE,
)
_LAYOUT = {
    *("images image img img1 imgs jpegimages labels annotations data dataset default frames".split()),
    *("obj_train_data train training val valid validation test testing trainval".split()),
}
"""Folders that say nothing about what is in them."""
_COPY = re.compile(r"^(.*)\.rf\.[0-9A-Za-z]{16,}$", re.DOTALL)
"""Roboflow's name of one of the altered copies of a picture."""
_NUMBERED = re.compile(r"^(.*?)(?:[-_. ]*(?:frame|img|f|t))?[-_. ]*\d+$", re.IGNORECASE | re.DOTALL)
_COUNTED = re.compile(
    r"^(?:img|image|dsc[fn]?|dscn?|pxl|p|pic|picture|photo|frame|screenshot|coco_\w+|[\d_.\- ]*)$",
    re.IGNORECASE,
)
"""What stands before a number that a camera or collection counts its pictures by, whatever they show."""


def split_name(text: str) -> str:
    """The split that a name stands for, such as ``val`` for ``instances_val2017``; else empty."""
    found = _SPLIT.fullmatch(text)
    return _SPLITS.get(found[1].lower(), found[1].lower()) if found else ""


def split_of(folder: Path) -> str:
    """The split that one of the folders of a path is named after, the innermost first; else empty."""
    return next((split for part in reversed(folder.parts) if (split := split_name(part))), "")


def group_name(path: Path, root: Path) -> str:
    """What a picture's name says about its video, camera or scene.

    Altered copies of one picture belong together, as do pictures that are numbered behind a name, such as
    ``gate_0001.jpg``, and pictures in a folder with a name of its own. Others are a group each.

    Args:
        path: The picture.
        root: The dataset's folder.
    """
    try:
        above = path.parent.relative_to(root).parts
    except ValueError:
        above = path.parent.parts[-1:]
    folder = "/".join(one for one in above if one.lower() not in _LAYOUT and not split_name(one))
    stem = path.stem
    if copy := _COPY.match(stem):
        stem = re.sub(r"_(?:jpe?g|png|bmp|webp)$", "", copy.group(1), flags=re.IGNORECASE)
    numbered = _NUMBERED.match(stem)
    prefix = numbered.group(1).rstrip("-_. ") if numbered else ""
    if prefix and not _COUNTED.match(prefix):
        return f"{folder}/{prefix}" if folder else prefix
    if folder:
        return folder
    return stem


def below(folder: Path, name: str, where: str) -> Path:
    """The file that annotations name, below a folder.

    Args:
        folder: Of the pictures.
        name: As it is written, also with Windows' backslashes or a Windows drive.
        where: What names it, for the error.

    Raises:
        SourceError: The name leaves the folder, or is none.
    """
    if "\\" in name and not (folder / name).exists():
        name = name.replace("\\", "/")
    if re.match(r"^[A-Za-z]:/", name):  # on somebody's own disk: only the file's name says something here
        name = name.rpartition("/")[2]
    pure = PurePosixPath(name)
    if not pure.name or "\0" in name:
        raise SourceError(f"{where} names a picture {shown(name)!r}, which is no name of a file")
    if ".." in pure.parts or pure.is_absolute():
        raise SourceError(
            f"{where} names the picture {shown(name)}, which is not below {shown(folder)}; put it there "
            "and name it by its path from there"
        )
    return folder / pure


def is_picture(path: Path) -> bool:
    """Whether a file's name ends as that of a picture that is read here."""
    return path.suffix.lower() in pictures.SUFFIXES


def find_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and all folders below, sorted; links to folders are not followed.

    Hidden folders are passed over, such as the one of a picture that was just deleted.
    """
    found = (path for path in folder.rglob("*") if is_picture(path) and path.is_file())
    return sorted(path for path in found if not any(p[0] == "." for p in path.relative_to(folder).parts[:-1]))


def is_numbered(picture: Path, group: str) -> bool:
    """Whether a picture belongs to a group for no other reason than its name before a number."""
    numbered = _NUMBERED.match(picture.stem)
    return numbered is not None and numbered.group(1).rstrip("-_. ") == group.rpartition("/")[2]
