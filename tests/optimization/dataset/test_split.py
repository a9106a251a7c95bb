from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from optimization.dataset import contents, scenes, split
from optimization.dataset.check import NEAR
from optimization.dataset.labelled import Dataset, Labelled
from optimization.dataset.places import group_name
from shared.errors import ConfigError
from tests.optimization.dataset.drawn import labelled, paint

SHARES = {"train": 0.8, "val": 0.2}


def many(classes: int = 4, groups: int = 60, seed: int = 3) -> tuple[Dataset, scenes.Groups]:
    """Pictures of groups of different sizes, whose classes are of different frequency; there are no files."""
    random = np.random.default_rng(seed)
    items: list[Labelled] = []
    numbers = []
    for group in range(groups):
        own = random.integers(0, classes, 2)
        for _ in range(int(random.integers(1, 9))):
            kinds = random.choice(own, int(random.integers(0, 4)))
            items.append(labelled(Path(f"{group}/{len(items)}.jpg"), *kinds.tolist(), group=str(group)))
            numbers.append(group)
    return Dataset(tuple("abcdefgh"[:classes]), tuple(items)), np.array(numbers, np.intp)


def test_every_split_gets_its_share_of_pictures_and_of_each_class_and_no_group_is_torn() -> None:
    dataset, groups = many()
    done = split.divide(dataset, groups, SHARES, seed=1)
    val = done.dataset.part("val")
    assert {item.group for item in val.items}.isdisjoint(
        item.group for item in done.dataset.part("train").items
    )
    assert 0.17 < len(val.items) / len(dataset.items) < 0.23
    for kind in range(4):
        share, whole = (sum((item.class_id == kind).sum() for item in one.items) for one in (val, dataset))
        assert 0.14 < share / whole < 0.26
    assert done.lacking == {}


def test_classes_of_few_objects_reach_the_small_split() -> None:
    for seed in range(3):
        random = np.random.default_rng(seed)
        kinds = [random.choice(24, int(random.integers(1, 4)), replace=False).tolist() for _ in range(80)]
        items = [labelled(Path(f"{n}.jpg"), *there, group=str(n)) for n, there in enumerate(kinds)]
        done = split.divide(
            Dataset(tuple("abcdefghijklmnopqrstuvwx"), tuple(items)), np.arange(80), SHARES, 0
        )
        assert len(done.dataset.part("val").items) == 16
        assert len(done.lacking) <= 3  # of 24 classes, which have about 7 objects each


def test_the_same_seed_gives_the_same_splits_and_another_gives_others() -> None:
    dataset, groups = many()
    splits = [
        [item.split for item in split.divide(dataset, groups, SHARES, seed).dataset.items]
        for seed in (1, 1, 2)
    ]
    assert splits[0] == splits[1] != splits[2]


def test_a_class_in_one_group_only_is_named_and_too_few_groups_are_refused() -> None:
    items = [labelled(Path(f"{n}.jpg"), 1 if n == 3 else 0, group=str(n)) for n in range(10)]
    dataset = Dataset(("cat", "dog"), tuple(items))
    assert split.divide(dataset, np.arange(10), SHARES, 0).lacking.keys() == {"dog"}
    with pytest.raises(ConfigError, match="too few groups for 2 splits: 1, of 10 pictures; --blocks"):
        split.divide(dataset, np.zeros(10, np.intp), SHARES, 0)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("train/images/gate_0001.jpg", "gate"),
        ("gate/000001.jpg", "gate"),
        ("MOT17-02/img1/000001.jpg", "MOT17-02"),
        ("north/gate-12.jpg", "north/gate"),
        ("street_frame12.jpg", "street"),
        ("images/000000001234.jpg", "000000001234"),  # COCO
        ("JPEGImages/2007_000027.jpg", "2007_000027"),
        ("COCO_train2014_000000000009.jpg", "COCO_train2014_000000000009"),
        ("IMG_4711.jpg", "IMG_4711"),
        ("train/dog_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "dog"),
    ],
)
def test_names_say_which_pictures_belong_together(name: str, group: str) -> None:
    assert group_name(Path("/data") / name, Path("/data")) == group


@pytest.fixture
def pictures(tmp_path: Path) -> Dataset:
    """Four frames of one camera, which stands still, and two cats; a copy of a frame with another name."""
    for number in range(1, 5):
        frame = cv2.imread(str(paint(tmp_path / "x" / f"gate_{number}.png", 7)))
        assert frame is not None
        cv2.circle(frame, (20 * number, 30), 2, (255, 255, 255), -1)
        cv2.imwrite(str(tmp_path / "x" / f"gate_{number}.png"), frame)
    paths = sorted((tmp_path / "x").iterdir())
    paths += [paint(tmp_path / "x" / f"cat_{number}.png", 20 + number) for number in (1, 2)]
    paths.append(tmp_path / "other.png")
    paths[-1].write_bytes(paths[1].read_bytes())
    return Dataset(
        ("cat",), tuple(labelled(path, 0, group=group_name(path, tmp_path / "x")) for path in paths)
    )


@pytest.mark.parametrize(
    ("way", "near", "groups"),
    [
        ("auto", NEAR, ["gate_1 gate_2 gate_3 gate_4 other", "cat_1", "cat_2"]),
        ("auto", -1, ["gate_1 gate_2 gate_3 gate_4 other", "cat_1", "cat_2"]),
        ("picture", NEAR, ["gate_1 gate_2 gate_3 gate_4 other", "cat_1", "cat_2"]),
        ("picture", -1, ["gate_1", "gate_2 other", "gate_3", "gate_4", "cat_1", "cat_2"]),
        ("folder", -1, ["gate_1 gate_2 gate_3 gate_4 cat_1 cat_2 other"]),
        (r"([a-z]+)[_\d]*\.png", -1, ["gate_1 gate_2 gate_3 gate_4 other", "cat_1 cat_2"]),
    ],
)
def test_frames_of_a_camera_stay_together_and_cats_do_not(
    pictures: Dataset, way: str, near: int, groups: list[str]
) -> None:
    seen = contents.contents([item.path for item in pictures.items], progress=False)
    found = scenes.scenes(pictures, seen, way, near)
    names = [item.path.stem for item in pictures.items]
    together = [" ".join(np.array(names)[found == group]) for group in range(int(found.max()) + 1)]
    assert sorted(together) == sorted(groups)


def test_blocks_go_by_numbers_that_have_no_leading_zeros() -> None:
    items = tuple(labelled(Path(f"gate_{number}.jpg"), group="gate") for number in range(1, 13))
    found = scenes.blocks(Dataset(("a",), items), np.zeros(12, np.intp), 3)
    assert found.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_blocks_cut_a_film_into_neighbours(pictures: Dataset) -> None:
    frames = Dataset(("cat",), pictures.items[:4])
    assert scenes.blocks(frames, np.zeros(4, np.intp), 2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("way", "says"), [("(", "nor a regular expression"), ("dog", "finds nothing in")])
def test_a_pattern_that_cannot_group_is_refused(pictures: Dataset, way: str, says: str) -> None:
    seen = contents.contents([item.path for item in pictures.items], progress=False)
    with pytest.raises(ConfigError, match=says):
        scenes.scenes(pictures, seen, way, NEAR)
