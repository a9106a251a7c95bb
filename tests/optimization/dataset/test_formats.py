from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from optimization.dataset.formats import coco as coco_format
from optimization.dataset.labelled import Dataset, digest
from optimization.dataset.reading import FORMATS, Format, find, read
from optimization.dataset.writing import write
from shared.errors import SourceError
from tests.optimization.dataset.drawn import CAT, DOG, HEIGHT, WIDTH, coco, objects, paint

YOLO_LINE = "0 0.5 0.5 0.25 0.5\n"
"""A box around the middle of a picture."""
BOX = (36.0, 16.0, 60.0, 48.0)
"""The same in pixels."""
VOC = """<annotation><filename>{name}</filename><source><database>{source}</database></source>
<size><width>96</width><height>64</height></size>
<object><name>dog</name><difficult>{difficult}</difficult>
<bndbox><xmin>{left}</xmin><ymin>17</ymin><xmax>60</xmax><ymax>48</ymax></bndbox></object></annotation>"""


def source(folder: Path) -> Dataset:
    """Two splits, a first class without objects, crowds, fractions, a picture without objects."""
    zebra = {"categories": [{"id": n, "name": name} for n, name in enumerate(("zebra", "cat", "dog"))]}
    coco(
        folder,
        {
            "a.png": [(CAT, 1.25, 2.5, 30.125, 20), (DOG, 40, 10, 50, 50)],
            "b.png": [],
            "ç 1.png": [(DOG, 0, 0, 96, 64)],
        },
        "annotations/instances_train.json",
        zebra,
    )
    coco(
        folder,
        {"d.png": [(CAT, 5, 5, 9, 9), (CAT, 1, 1, 90, 60, 1)]},
        "annotations/instances_val.json",
        zebra,
    )
    return read(folder)


@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_a_dataset_survives_two_formats(tmp_path: Path, first: Format, second: Format) -> None:
    before = source(tmp_path / "in")
    lost = (
        write(before, tmp_path / "1", first).lost + write(read(tmp_path / "1"), tmp_path / "2", second).lost
    )
    found = find(tmp_path / "2")
    after = found.dataset
    assert found.format == second
    assert (found.problems, found.unlabelled, found.stray) == ((), (), ())
    assert after.names == before.names == ("zebra", "cat", "dog")
    assert {item.path.stem: item.split for item in after.items} == {
        "a": "train", "b": "train", "ç 1": "train", "d": "val"
    }  # fmt: skip
    crowds = {one for one in objects(before) if one[-1]}
    assert len(crowds) == 1
    if "yolo" in (first, second):
        assert objects(after) == objects(before) - crowds
        assert lost == {"crowds": 1}
    else:
        assert objects(after) == objects(before)
        assert not lost
        assert digest(after) == digest(before)


def _roboflow_coco(root: Path) -> None:
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "dog", "supercategory": "pets"},
    ]
    for folder, split in (("train", "train"), ("valid", "val")):
        boxes = {f"{split}.png": [(1, 36, 16, 24, 32)]}
        coco(root / folder, boxes, "_annotations.coco.json", {"categories": categories})
        (root / folder / "images" / f"{split}.png").rename(root / folder / f"{split}.png")


def _coco_2017(root: Path) -> None:
    for split in ("train", "val"):
        coco(root, {f"{split}.png": [(DOG, 36, 16, 24, 32)]}, f"annotations/instances_{split}2017.json",
             {"categories": [{"id": DOG, "name": "dog"}]})  # fmt: skip
        (root / f"{split}2017").mkdir()
        (root / "images" / f"{split}.png").rename(root / f"{split}2017" / f"{split}.png")
    (root / "annotations" / "captions_val2017.json").write_text("{}")


def _yolo(root: Path, yaml: str, label: str = YOLO_LINE) -> None:
    for split in ("train", "val"):
        paint(root / split / "images" / f"{split}.png", len(split))
        (root / split / "labels").mkdir()
        (root / split / "labels" / f"{split}.txt").write_text(label)
    (root / "data.yaml").write_text(yaml)


def _yolo_lists(root: Path) -> None:
    _yolo(root, "path: .\ntrain: [train.txt]\nval: val/images\nnames: [dog]\n")
    (root / "train.txt").write_text(f"\n{root}/train/images/train.png\n")


def _yolo_beside(root: Path) -> None:
    for split in ("train", "val"):
        paint(root / split / f"{split}.png", len(split))
        (root / split / f"{split}.txt").write_text(YOLO_LINE)
    (root / "classes.txt").write_text("dog\n")


def _voc(root: Path, left: int, origin: str) -> None:
    for split in ("train", "val"):
        paint(root / "JPEGImages" / f"{split}.png", len(split))
        for folder in ("Annotations", "ImageSets/Main"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        text = VOC.format(name=f"C:\\photos\\{split}.png", source=origin, difficult=0, left=left)
        text = text if left == 37 else text.replace("17<", "16<")
        (root / "Annotations" / f"{split}.xml").write_text(text)
        (root / "ImageSets/Main" / f"{split}.txt").write_text(f"{split}\n")
        (root / "ImageSets/Main" / f"dog_{split}.txt").write_text(f"{split}  1\n")


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "Roboflow's COCO": _roboflow_coco,
    "COCO 2017": _coco_2017,
    "YOLO, names as a list": lambda root: _yolo(
        root, "train: train/images\nval: val/images\nnc: 1\nnames: ['dog']\n"
    ),
    "YOLO, names by number": lambda root: _yolo(
        root, "train: train/images\nval: val/images\nnames:\n  0: dog\n"
    ),
    "YOLO, a path with ../ too many": lambda root: _yolo(
        root, "train: ../train/images\nvalid: ../val/images\nnames: [dog]"
    ),
    "YOLO, outlines": lambda root: _yolo(
        root, "train: train/images\nval: val/images\nnames: [dog]", "0 0.375 0.25 0.625 0.5 0.5 0.75\n"
    ),
    "YOLO, a list of files": _yolo_lists,
    "YOLO, text files beside the pictures": _yolo_beside,
    "VOC, counted from 1": lambda root: _voc(root, 37, "The VOC2012 Database"),
    "VOC, counted from 0": lambda root: _voc(root, 36, "Unknown"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_that_tools_write_are_read(tmp_path: Path, layout: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    LAYOUTS[layout](root)
    found = find(root)
    assert (found.problems, found.unlabelled, found.stray) == ((), (), ())
    assert found.dataset.names == ("dog",)
    assert objects(found.dataset) == {(split, "dog", *BOX, False) for split in ("train", "val")}
    assert {item.path.stem: item.split for item in found.dataset.items} == {"train": "train", "val": "val"}


def test_class_names_that_look_like_comments_numbers_or_yaml_keep_their_order(tmp_path: Path) -> None:
    names = ("#1 van", "zebra: crossing", '"a" & <b>', "yes", "1", "null", "# note")
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    boxes = [(number, 1, 2, 30, 40) for number in range(1, len(names))]
    coco(tmp_path / "source", {"a.png": boxes}, changes={"categories": categories})
    for form in FORMATS:
        write(read(tmp_path / "source"), tmp_path / form, form)
        found = read(tmp_path / form)
        assert found.names == names
        assert objects(found) == objects(read(tmp_path / "source"))


def test_what_a_dataset_has_no_place_for_is_counted(tmp_path: Path) -> None:
    file = coco(tmp_path, {"a.png": [(CAT, 1, 1, 9, 9)]})
    document = json.loads(file.read_text())
    document["annotations"][0] |= {"segmentation": [[1, 1, 9, 1, 9, 9]], "keypoints": [1, 2, 2]}
    document["annotations"].append(
        {"image_id": 1, "category_id": DOG, "segmentation": [[3, 4, 30, 4, 30, 24]]}
    )
    file.write_text(json.dumps(document))
    found = find(file)
    assert found.lost == {"outlines": 2, "sets of keypoints": 1}
    assert ("a", "dog", 3.0, 4.0, 30.0, 24.0, False) in objects(found.dataset)


def _broken(text: str | bytes, name: str = "instances.json") -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        coco(root, {"a.png": [(CAT, 1, 1, 9, 9)]})
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return root / name

    return make


def _document(**changes: object) -> Callable[[Path], Path]:
    return lambda root: coco(root, {"a.png": [(CAT, 1, 1, 9, 9)]}, changes=changes)


def _labels(line: str | bytes) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        _yolo(root, "train: train/images\nval: val/images\nnames: [dog]\n")
        (root / "train/labels/train.txt").write_bytes(line if isinstance(line, bytes) else line.encode())
        return root

    return make


def _pipe(root: Path) -> Path:
    os.mkfifo(root / "instances.json")
    return root


def _xml(text: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        _voc(root, 36, "Unknown")
        (root / "Annotations" / "train.xml").write_text(text)
        return root

    return make


def _image(name: str) -> dict[str, object]:
    return {"id": 1, "file_name": name, "width": WIDTH, "height": HEIGHT}


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda root: root / "none", "no such dataset"),
    "an empty folder": (lambda root: root, "is empty"),
    "pictures alone": (lambda root: paint(root / "a.png", 1).parent, "pictures, but no annotations"),
    "not JSON": (_broken("{"), "is not JSON"),
    "NaN": (_broken('{"images": [{"id": 1, "file_name": "a.png", "width": NaN}]}'), "NaN"),
    "not UTF-8": (_broken(b'{"images": [{"id": 1, "file_name": "\xe4"}]}'), "is not"),
    "another JSON": (_broken('{"images": []}'), "not a COCO annotation file"),
    "a name that leaves the folder": (_document(images=[_image("../../etc/a.png")]), "is not below"),
    "a full path": (_document(images=[_image("/etc/a.png")]), "is not below"),
    "an id twice": (_document(images=[_image("a.png"), _image("b.png")]), "image id 1 stands twice"),
    "a box of three numbers": (
        _document(annotations=[{"image_id": 1, "category_id": CAT, "bbox": [1, 2, 3]}]),
        "not x, y, width and height",
    ),
    "a far box": (
        _document(annotations=[{"image_id": 1, "category_id": CAT, "bbox": [1, 2, 1e300, 3]}]),
        "not x, y, width and height",
    ),
    "an unknown category": (
        _document(annotations=[{"image_id": 1, "category_id": 99, "bbox": [1, 2, 3, 4]}]),
        "category 99",
    ),
    "a class name that clears the screen": (
        _document(categories=[{"id": CAT, "name": "\x1b[2J"}]),
        "cannot be shown",
    ),
    "a class twice": (_document(categories=[{"id": n, "name": "cat"} for n in (1, 2)]), ""),
    "no picture": (_document(images=[_image("gone.png")]), "gone.png is missing"),
    "a pipe": (_pipe, "no regular file"),
    "a NaN box": (_labels("0 nan 0.5 0.1 0.1\n"), "line 1"),
    "words": (_labels("dog 0.5 0.5 0.1 0.1\n"), "line 1"),
    "a class without a name": (_labels(YOLO_LINE + "1 0.5 0.5 0.1 0.1\n"), "line 2 has the class 1"),
    "too few numbers": (_labels("0 0.5 0.5\n"), "3 numbers"),
    "text that is not UTF-8": (_labels(b"0 \xff\xfe"), "not UTF-8"),
    "a yaml without names": (_broken("train: images\n", "data.yaml"), "'names'"),
    "a yaml that counts wrong": (_broken("train: images\nnames: [a]\nnc: 3\n", "data.yaml"), "'nc' is 3"),
    "a yaml that names nothing": (_broken("train: none\nnames: [a]\n", "data.yaml"), "'none'"),
    "not XML": (_xml("<annotation>"), "is not XML"),
    "entities": (_xml('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'), "document type"),
    "an infinite box": (_xml(VOC.format(name="train.png", source="", difficult=0, left="inf")), "<bndbox>"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_ends_in_one_sentence(tmp_path: Path, what: str) -> None:
    make, says = BAD[what]
    if what == "a class twice":
        assert read(make(tmp_path)).names == ("cat",)  # two categories of one name are one class
        return
    with pytest.raises(SourceError) as error:
        read(make(tmp_path))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = coco(tmp_path, {"a.png": []})
    os.truncate(file, coco_format.JSON_BYTES + 1)  # takes no space: the rest is a hole
    with pytest.raises(SourceError, match="at most 1000 MB"):
        read(file)


def test_difficult_objects_are_crowds_and_sizes_come_from_pictures_where_annotations_have_none(
    tmp_path: Path,
) -> None:
    _voc(tmp_path, 36, "Unknown")
    text = VOC.format(name="train.png", source="", difficult=1, left=36).replace("96<", "0<")
    (tmp_path / "Annotations" / "train.xml").write_text(text)
    item = next(item for item in read(tmp_path).items if item.split == "train")
    assert item.crowd.tolist() == [True]
    assert (item.width, item.height) == (WIDTH, HEIGHT)
    assert item.xyxy.dtype == np.float32
