from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimization.dataset.labelled import Dataset, Labelled, digest
from optimization.dataset.mend import mended
from optimization.dataset.merge import merge
from optimization.dataset.reading import FORMATS, Format, find
from optimization.dataset.stats import stats
from optimization.dataset.writing import PICTURES, Pictures, write
from shared.errors import ConfigError, OutputError
from tests.optimization.dataset.drawn import labelled, paint


def small(folder: Path, *names: str) -> Dataset:
    items = [labelled(paint(folder / name, seed), 0, 1, split="train") for seed, name in enumerate(names)]
    return Dataset(("cat", "dog"), tuple(items))


@pytest.mark.parametrize("pictures", PICTURES)
def test_pictures_are_linked_copied_or_referred_to(tmp_path: Path, pictures: Pictures) -> None:
    dataset = small(tmp_path / "in", "a.png")
    write(dataset, tmp_path / "out", "yolo", pictures)
    there = tmp_path / "out" / "images" / "train" / "a.png"
    source = dataset.items[0].path
    assert there.read_bytes() == source.read_bytes()
    assert there.samefile(source) == (pictures != "copy")
    assert there.is_symlink() == (pictures == "refer")


@pytest.mark.parametrize("form", FORMATS)
def test_pictures_of_one_name_are_kept_apart_and_one_file_in_two_splits_too(
    tmp_path: Path, form: Format
) -> None:
    dataset = small(tmp_path / "in", "1/a.png", "2/a.png", "2/A.jpg", "b.png")
    leaked = replace(dataset.items[3], split="val")
    write(Dataset(dataset.names, (*dataset.items, leaked)), tmp_path / "out", form)
    found = find(tmp_path / "out")
    assert (found.problems, found.stray, found.unlabelled) == ((), (), ())
    assert [len(item.class_id) for item in found.dataset.items] == [2] * 5


def test_nothing_is_left_behind_when_writing_fails_and_nothing_is_written_over(tmp_path: Path) -> None:
    dataset = small(tmp_path / "in", "a.png", "b.png")
    dataset.items[1].path.unlink()
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"out: cannot be written: No such file or directory \(.*b.png\)"):
        write(dataset, out, "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        write(dataset, out, "coco")
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_split_that_a_format_does_not_know_is_refused_where_it_would_be_lost(tmp_path: Path) -> None:
    dataset = small(tmp_path / "in", "a.png")
    folds = Dataset(dataset.names, tuple(replace(item, split="fold1") for item in dataset.items))
    for form in ("coco", "yolo"):
        with pytest.raises(ConfigError, match=f"{form} knows the splits train, val, test, and not 'fold1'"):
            write(folds, tmp_path / "out", form)
    write(folds, tmp_path / "out", "voc")
    assert find(tmp_path / "out").dataset.splits == ("fold1",)


def test_the_digest_knows_objects_and_pixels_and_no_names_or_order(tmp_path: Path) -> None:
    dataset = small(tmp_path / "in", "a.png", "b.png")
    first = digest(dataset)
    moved = tuple(
        replace(item, path=item.path.rename(tmp_path / f"{n}.png"), group="g", split="")
        for n, item in enumerate(dataset.items)
    )
    swapped = [replace(item, xyxy=item.xyxy[::-1], class_id=1 - item.class_id[::-1]) for item in moved[::-1]]
    assert digest(Dataset(("dog", "cat", "none"), tuple(swapped))) == first
    for changed in (
        replace(moved[0], xyxy=moved[0].xyxy + np.float32(0.1)),
        replace(moved[0], class_id=moved[0].class_id[::-1]),
        replace(moved[0], crowd=np.array([True, False])),
        replace(moved[0], path=moved[1].path),
    ):
        assert digest(Dataset(("cat", "dog"), (changed, moved[1]))) != first


def test_merged_datasets_share_classes_by_name_and_take_copies_once(tmp_path: Path) -> None:
    one, other = small(tmp_path / "1", "a.png", "b.png"), small(tmp_path / "2", "a.png", "b.png", "c.png")
    names = ("hound", "cat")
    other = Dataset(names, tuple(replace(item, class_id=1 - item.class_id) for item in other.items))
    changed = replace(other.items[1], xyxy=other.items[1].xyxy + np.float32(5))
    merged = merge(
        [("1", one), ("2", Dataset(names, (other.items[0], changed, other.items[2])))], {"hound": "dog"}
    )
    assert merged.dataset.names == ("cat", "dog")
    assert [item.path for item in merged.dataset.items] == [
        *(item.path for item in one.items),
        other.items[2].path,
    ]
    assert merged.dataset.items[2].class_id.tolist() == [0, 1]
    assert merged.copies == 1
    assert merged.conflicts == (f"{changed.path} and {one.items[1].path}",)
    with pytest.raises(ConfigError, match="no dataset has a class 'bird'"):
        merge([("1", one), ("2", other)], {"bird": "cat"})


def test_mended_boxes_are_inside_their_picture_and_have_an_area(tmp_path: Path) -> None:
    boxes = [
        [-5, 5, 20, 30],
        [-7, 5, 20, 30],
        [10, 10, 30, 30],
        [10, 10, 30, 30],
        [30, 10, 10, 30],
        [95.5, 0, 200, 64],
        [0, 0, 9, 0],
    ]
    item = Labelled(
        tmp_path, 96, 64, np.array(boxes, np.float32), np.zeros(7, np.int32), np.zeros(7, np.bool_), "group"
    )
    dataset, counts = mended(Dataset(("cat",), (item,)))
    assert dataset.items[0].xyxy.tolist() == [[0, 5, 20, 30], [10, 10, 30, 30]]
    assert counts == {"clipped": 1, "left out": 5}


def test_stats_count_by_class_and_size_without_crowds(tmp_path: Path) -> None:
    sides = np.array([10, 32, 95.9, 96, 300], np.float32)
    boxes = np.column_stack([np.zeros((5, 2), np.float32), sides, sides])
    crowd = np.array([False, False, False, False, True])
    items = (
        Labelled(tmp_path, 640, 480, boxes, np.array([0, 0, 1, 1, 1], np.int32), crowd, ""),
        labelled(tmp_path / "none"),
    )
    told = stats(Dataset(("cat", "dog"), items)).document()
    assert told["classes"] == {
        "cat": {"objects": 2, "pictures": 1, "small": 1, "medium": 1, "large": 0},
        "dog": {"objects": 2, "pictures": 1, "small": 0, "medium": 1, "large": 1},
    }
    assert (told["pictures"], told["empty_pictures"], told["objects"], told["crowds"]) == (2, 1, 4, 1)
    assert told["objects_per_picture"]["mean"] == 2.0


@pytest.mark.parametrize(
    "change",
    [
        {"xyxy": np.full((2, 4), np.nan, np.float32)},
        {"class_id": np.zeros(3, np.int32)},
        {"crowd": np.zeros(2, np.int32)},
        {"width": 0},
    ],
)
def test_a_picture_that_cannot_be_is_refused_when_it_is_built(
    tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="Labelled"):
        replace(labelled(tmp_path, 0, 1), **change)  # type: ignore[arg-type] # wrong on purpose
