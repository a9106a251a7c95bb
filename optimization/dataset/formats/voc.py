"""Pascal VOC: an XML file for each picture, and lists of pictures for each split.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit". A VOC
difficult object is a crowd here: neither counts in scores. CVAT's `labelmap.txt` keeps the order of classes.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from optimization.dataset import contents, places
from optimization.dataset.formats.rows import Reading, Rows, made, picture_side
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.texts import read_text, shown
from shared.errors import SourceError

LABEL_MAP = "labelmap.txt"
_COMMENT = re.compile(r"# label:|#(?!.*:.*:.*:)")
"""The heading of that file, and comments. A class may begin with #, too, but its line has three colons."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FROM_ONE = ("The VOC", "PASCAL VOC")
"""How the source's name begins where the first pixel is 1, as the challenge counts; tools count from 0."""


def read(root: Path, files: Iterable[Path], reading: Reading) -> Dataset:
    """Read a dataset.

    Args:
        root: Its folder.
        files: The XML files.
        reading: Takes what has no place in the dataset.

    Raises:
        SourceError: A list of names or pictures cannot be read, or no picture is left.
    """
    files = list(files)
    splits, order = _splits(root, {file.stem for file in files}), _label_map(root)
    parsed: list[tuple[Path, Path, ET.Element, str]] = []
    seen: set[Path] = set()
    folders: set[Path] = set()
    for file in files:
        try:
            tree = _parse(file)
            picture = _picture(file, tree)
        except SourceError as error:
            reading.problem("line-broken", file, str(error).removeprefix(f"{shown(file)}: "))
            continue
        seen.add(picture)
        folders.add(picture.parent)
        if picture.is_file():
            parsed.append((file, picture, tree, splits.get(file.stem) or places.split_name(file.parent.name)))
        else:
            reading.problem("picture-missing", picture, f"is missing, and {shown(file)} describes it")
    names = order + sorted({name for _, _, tree, _ in parsed for name in _names(tree)} - set(order))
    class_ids = {name: kind for kind, name in enumerate(names)}
    items = []
    sizes = contents.sizes([picture for _, picture, _, _ in parsed])
    for (file, picture, tree, split), content in zip(parsed, sizes, strict=True):
        width, height = (picture_side(_number(tree.find(f"size/{side}"))) for side in ("width", "height"))
        if width < 1 or height < 1:
            width, height = content.width, content.height
        if content.damage or width < 1 or height < 1:
            reading.problem("picture-unreadable", picture, "is not a picture that can be read")
            continue
        xyxy, kinds, crowds = _rows(file, tree, class_ids, reading).arrays()
        group = places.group_name(picture, root)
        items.append(Labelled(picture, width, height, xyxy, kinds, crowds, group, split))
    there = {place for folder in folders if folder.is_dir() for place in places.find_pictures(folder)}
    reading.unlabelled += sorted(there - seen)
    return made(names, items, root, reading)


def _parse(file: Path) -> ET.Element:
    text = read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SourceError(
            f"{shown(file)}: declares a document type, which annotations do not need; take it out"
        )
    try:
        tree = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except (ET.ParseError, ValueError) as error:
        raise SourceError(f"{shown(file)}: is not XML ({error})") from None
    if tree.tag != "annotation":
        raise SourceError(f"{shown(file)}: is not a VOC annotation; its outer element must be <annotation>")
    return tree


def _picture(file: Path, tree: ET.Element) -> Path:
    """The picture that an XML file describes: the one it names, or else the one of the same name."""
    folder = file.parent.parent / "JPEGImages" if file.parent.name == "Annotations" else file.parent
    if file.parent.name == "Annotations" and not folder.is_dir():
        folder = next((one for one in (folder.parent / "images", folder.parent) if one.is_dir()), folder)
    name = (tree.findtext("filename") or "").strip()
    named = places.below(folder, name, shown(file)) if name else folder / file.stem
    if named.is_file():
        return named
    beside = (
        folder / f"{file.stem}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".JPG")
    )
    return next((one for one in beside if one.is_file()), named)


def _splits(root: Path, stems: set[str]) -> dict[str, str]:
    """The split of each picture, by the stem of its name. Lists of one class say no more."""
    found: dict[str, str] = {}
    for file in sorted((root / "ImageSets" / "Main").glob("*.txt")):
        split = places.split_name(file.stem) or file.stem
        if file.stem in ("default", "trainval") or "_" in file.stem:
            continue
        for line in read_text(file).splitlines():
            name = line.strip()
            found.setdefault(name if name in stems else re.sub(r"\s+-?[01]$", "", name), split)
    return found


def _label_map(root: Path) -> list[str]:
    file = root / LABEL_MAP
    if not file.is_file():
        return []
    lines = [line for line in read_text(file).splitlines() if line.strip() and not _COMMENT.match(line)]
    return [line.rsplit(":", 3)[0].strip() for line in lines]


def _names(tree: ET.Element) -> Iterable[str]:
    return (name for one in tree.iter("object") if (name := (one.findtext("name") or "").strip()))


def _rows(file: Path, tree: ET.Element, class_ids: dict[str, int], reading: Reading) -> Rows:
    rows = Rows()
    from_one = (tree.findtext("source/database") or "").startswith(_FROM_ONE)
    for number, one in enumerate(tree.iter("object"), 1):
        where = f"{shown(file)}: object {number}"
        name = (one.findtext("name") or "").strip()
        if not name:
            reading.problem("class-unknown", where, "has no name")
            continue
        corners = [_number(one.find(f"bndbox/{corner}")) for corner in _CORNERS]
        box = [corner for corner in corners if corner is not None]
        if from_one and len(box) == 4:
            box = [box[0] - 1, box[1] - 1, box[2], box[3]]
        crowd = bool(_number(one.find("difficult")))
        if len(box) != 4 or not rows.add(box, class_ids[name], crowd):
            reading.problem(
                "box-broken", where, f"needs a <bndbox> of four finite numbers: {', '.join(_CORNERS)}"
            )
            continue
        marks = (one.find("truncated"), one.find("occluded"))
        reading.lost.update(Counter({"marks of truncated or occluded objects": any(map(_number, marks))}))
    return rows


def _number(element: ET.Element | None) -> float | None:
    try:
        return None if element is None else float(element.text or "")
    except ValueError:
        return None


def annotation(item: Labelled, names: tuple[str, ...], file_name: str) -> bytes:
    """The XML file of one picture."""
    tree = ET.Element("annotation")
    _add(tree, "folder", "JPEGImages")
    _add(tree, "filename", file_name)
    size = _add(tree, "size")
    for name, value in (("width", item.width), ("height", item.height), ("depth", 3)):
        _add(size, name, str(value))
    _add(tree, "segmented", "0")
    for corners, kind, crowd in zip(
        item.xyxy.tolist(), item.class_id.tolist(), item.crowd.tolist(), strict=True
    ):
        one = _add(tree, "object")
        _add(one, "name", names[kind])
        _add(one, "pose", "Unspecified")
        _add(one, "truncated", "0")
        _add(one, "difficult", str(int(crowd)))
        box = _add(one, "bndbox")
        for corner, value in zip(_CORNERS, corners, strict=True):
            _add(box, corner, f"{value:.3f}".rstrip("0").rstrip("."))
    ET.indent(tree)
    return bytes(ET.tostring(tree, encoding="utf-8"))


def label_map(names: tuple[str, ...]) -> str:
    """CVAT's list of classes, in their order."""
    return "".join(("# label:color_rgb:parts:actions\n", *(f"{name}:::\n" for name in names)))


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    found = ET.SubElement(parent, name)
    found.text = text
    return found
