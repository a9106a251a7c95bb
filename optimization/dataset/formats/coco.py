"""COCO: one JSON file with all annotations of a split, and a folder of pictures.

Source: the "Data format" page of cocodataset.org. Categories get class ids in the order of their ids, as in
pycocotools.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from optimization.dataset import contents, places
from optimization.dataset.formats.rows import Reading, Rows, made, picture_side
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.texts import read_bytes, shown
from shared import typed
from shared.errors import SourceError

JSON_BYTES = 1_000_000_000
"""The largest file: the training part of COCO itself has 450 MB."""
_Id = int | str


class _Picture(msgspec.Struct):
    id: _Id
    file_name: str
    width: float | None = None
    height: float | None = None
    video_id: _Id | None = None
    group: str | None = None


class _Object(msgspec.Struct):
    image_id: _Id
    category_id: _Id
    bbox: list[float] | None = None
    iscrowd: int | bool | None = 0
    ignore: int | bool | None = 0
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    keypoints: msgspec.Raw = msgspec.Raw(b"null")


class _Category(msgspec.Struct):
    id: _Id
    name: str
    supercategory: str | None = None


class _File(msgspec.Struct):
    images: list[_Picture]
    categories: list[_Category]
    annotations: list[_Object] = []


def read(files: Iterable[Path], root: Path, reading: Reading, pictures: Path | None = None) -> Dataset:
    """Read the files of a dataset, one for each split.

    Args:
        files: The JSON files.
        root: The dataset's folder.
        reading: Takes what has no place in the dataset.
        pictures: Folder of the pictures; None: it is looked for beside the files.

    Raises:
        SourceError: A file cannot be read, is not COCO's, or names pictures outside its folder.
    """
    documents = {path: _decoded(path) for path in files}
    names: dict[str, int] = {}
    for path, document in documents.items():
        _refuse_twice(path, "category id", (one.id for one in document.categories))
        for category in _used(document):
            names.setdefault(category.name, len(names))
    items: list[Labelled] = []
    folders: set[Path] = set()
    named: set[Path] = set()
    for path, document in documents.items():
        folder = pictures or _folder(path, document.images)
        folders.add(folder)
        named |= {places.below(folder, one.file_name, shown(path)) for one in document.images}
        items += _items(path, document, folder, root, names, reading)
    there = {place for folder in folders if folder.is_dir() for place in places.find_pictures(folder)}
    reading.unlabelled += sorted(there - named)
    return made(tuple(names), items, root, reading)


def _decoded(path: Path) -> _File:
    content = read_bytes(path, JSON_BYTES)
    try:
        return typed.decode(content, _File)
    except msgspec.ValidationError as error:
        raise SourceError(
            f"{shown(path)}: is not a COCO annotation file: {error}; it needs 'images' with id and "
            "file_name, 'annotations' with image_id, category_id and bbox, and 'categories' with id and name"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if b"NaN" in content or b"Infinity" in content:
            raise SourceError(
                f"{shown(path)}: holds NaN or Infinity, which JSON does not know; give every box four "
                "finite numbers"
            ) from None
        raise SourceError(f"{shown(path)}: is not JSON ({error})") from None


def _refuse_twice(path: Path, what: str, ids: Iterable[_Id]) -> None:
    twice = [one for one, count in Counter(ids).items() if count > 1]
    if twice:
        raise SourceError(f"{shown(path)}: the {what} {shown(str(twice[0]))} stands twice; give each its own")


def _used(document: _File) -> list[_Category]:
    """The categories by id, without Roboflow's, which is only the others' supercategory."""
    with_objects = {one.category_id for one in document.annotations}
    above = {one.supercategory for one in document.categories}
    kept = [
        one
        for one in document.categories
        if not (one.supercategory == "none" and one.name in above and one.id not in with_objects)
    ]
    return sorted(kept, key=lambda one: (isinstance(one.id, str), one.id))


def _items(
    path: Path, document: _File, folder: Path, root: Path, names: Mapping[str, int], reading: Reading
) -> list[Labelled]:
    _refuse_twice(path, "image id", (one.id for one in document.images))
    split = places.split_name(path.stem) or places.split_name(path.parent.name)
    where = {one.id: places.below(folder, one.file_name, shown(path)) for one in document.images}
    class_ids = {one.id: names[one.name] for one in _used(document)}
    rows = _rows(path, document, class_ids, reading)
    unsized = [one.id for one in document.images if not _has_size(one)]
    seen = dict(zip(unsized, contents.sizes([where[one] for one in unsized]), strict=True))
    items = []
    for one in document.images:
        place = where[one.id]
        if not place.is_file():
            reading.problem("picture-missing", place, f"is missing, and {shown(path)} names it")
            continue
        width, height = picture_side(one.width), picture_side(one.height)
        if one.id in seen:
            width, height = seen[one.id].width, seen[one.id].height
        if not width or not height:
            reading.problem("picture-unreadable", place, "is not a picture that can be read")
            continue
        group = one.group or (f"video {one.video_id}" if one.video_id is not None else "")
        xyxy, kinds, crowds = rows[one.id].arrays()
        group = group or places.group_name(place, root)
        items.append(Labelled(place, width, height, xyxy, kinds, crowds, group, split))
    return items


def _has_size(one: _Picture) -> bool:
    return picture_side(one.width) > 0 and picture_side(one.height) > 0


def _rows(path: Path, document: _File, class_ids: Mapping[_Id, int], reading: Reading) -> dict[_Id, Rows]:
    known = {one.id for one in document.images}
    rows: dict[_Id, Rows] = defaultdict(Rows)
    for number, one in enumerate(document.annotations):
        place = f"{shown(path)}: annotation {number}"
        if one.image_id not in known:
            reading.problem(
                "line-broken", place, f"belongs to the picture {one.image_id!r}, which is not listed"
            )
        elif one.category_id not in class_ids:
            reading.problem(
                "class-unknown", place, f"has the category {one.category_id!r}, which is not listed"
            )
        else:
            box = one.bbox
            if bytes(one.segmentation) not in (b"null", b"[]"):
                reading.lost["outlines"] += 1
                box = box or _around(one.segmentation)
            if bytes(one.keypoints) not in (b"null", b"[]"):
                reading.lost["sets of keypoints"] += 1
            corners = (
                () if box is None or len(box) != 4 else (box[0], box[1], box[0] + box[2], box[1] + box[3])
            )
            crowd = bool(one.iscrowd or one.ignore)
            if not corners or not rows[one.image_id].add(corners, class_ids[one.category_id], crowd):
                text = f"has the bbox {box!r}, which is not x, y, width and height in pixels"
                reading.problem("box-broken", place, text)
    return rows


def _around(outline: msgspec.Raw) -> list[float] | None:
    """The box around polygons, as x, y, width, height; None for what is none."""
    try:
        polygons = typed.decode(outline, list[list[float]])
    except msgspec.DecodeError:
        return None
    xs = [x for polygon in polygons for x in polygon[::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if xs and ys else None


def _folder(path: Path, images: list[_Picture]) -> Path:
    """Where the pictures of a file are: the usual place that holds the most of its first ones."""
    split = path.stem.removeprefix("instances_")
    above = path.parent.parent if path.parent.name == "annotations" else path.parent
    candidates = [
        path.parent,
        path.parent / "images",
        *(
            base / name
            for base in (above, above / "images")
            for name in (split, places.split_name(split), "")
        ),
        above / f"{split}_images",
        path.with_suffix(""),
    ]
    first = [one.file_name for one in images[:20]]

    def held(folder: Path) -> int:
        return sum(places.below(folder, name, shown(path)).is_file() for name in first)

    return max(candidates, key=held)


def document(dataset: Dataset, file_names: Mapping[Labelled, str]) -> bytes:
    """The JSON file of one split.

    Args:
        dataset: The pictures of the split.
        file_names: What the file calls each picture.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, item in enumerate(dataset.items, 1):
        images.append(
            {
                "id": number,
                "file_name": file_names[item],
                "width": item.width,
                "height": item.height,
                "group": shown(item.group),
            }
        )
        for corners, kind, crowd in zip(
            item.xyxy.tolist(), item.class_id.tolist(), item.crowd.tolist(), strict=True
        ):
            left, top, right, bottom = corners
            box = [round(one, 3) for one in (left, top, right - left, bottom - top)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kind + 1,
                    "bbox": box,
                    "area": round(box[2] * box[3], 3),
                    "iscrowd": int(crowd),
                }
            )
    categories = [{"id": kind, "name": name} for kind, name in enumerate(dataset.names, 1)]
    found = {"images": images, "annotations": annotations, "categories": categories}
    return json.dumps(found).encode()
