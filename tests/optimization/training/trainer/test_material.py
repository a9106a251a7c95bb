"""Datasets that cannot teach a network are refused in one sentence; others are laid out for the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from optimization.training.trainer import material
from shared.errors import DarnerError
from tests.optimization.training.trainer.conftest import write_dataset


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": {"red": 3, "blue": 3}, "val": {"red": 2}}, "class 'blue' has no object in val"),
        (
            {"train": {"red": 3}, "val": {"red": 1, "blue": 2}},
            "class 'blue' has objects in val and none in train",
        ),
        ({"train": {"": 3}, "val": {"red": 1}}, "the pictures of train have no labelled objects"),
        ({"train": {"red": 3}, "val": {"": 2}}, "the pictures of val have no labelled objects"),
        ({"train": {"red": 3}}, "has no split 'val'; dataset split"),
    ],
)
def test_a_dataset_that_cannot_teach_is_refused(
    tmp_path: Path, splits: dict[str, dict[str, int]], said: str
) -> None:
    with pytest.raises(DarnerError, match=said):
        material.load(write_dataset(tmp_path / "data", splits))


def test_a_broken_picture_is_named(data: Path) -> None:
    (data / "images" / "train" / "train_2.png").write_bytes(b"no picture")
    with pytest.raises(DarnerError, match=r"cannot be read: .*train_2\.png; 1 fault in all"):
        material.load(data)


def test_a_picture_that_teaches_and_judges_is_refused(data: Path) -> None:
    picture = (data / "images" / "train" / "train_1.png").read_bytes()
    (data / "images" / "val" / "val_1.png").write_bytes(picture)
    with pytest.raises(DarnerError, match="pictures of one split that are in another"):
        material.load(data)


def test_the_trainer_gets_boxes_as_yolo_has_them(data: Path, tmp_path: Path) -> None:
    found = material.load(data)
    laid_out = material.lay_out(found, tmp_path / "laid_out")
    document = yaml.safe_load(laid_out.read_text())
    assert document["names"] == {0: "red", 1: "blue"}
    assert len(list((laid_out.parent / document["train"]).iterdir())) == 8
    labels = sorted((laid_out.parent / "labels" / "val").iterdir())
    kind, *box = labels[0].read_text().split()
    truth = next(item for item in found.dataset.items if item.path.stem == labels[0].stem)
    left, top, right, bottom = (truth.xyxy[0] / 96).tolist()
    assert int(kind) == truth.class_id[0]
    assert [float(one) for one in box] == pytest.approx(
        [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], abs=1e-5
    )


def test_the_digest_tells_datasets_apart(data: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "other", {"train": {"red": 4, "blue": 3}, "val": {"red": 2, "blue": 2}})
    assert material.load(data).digest == material.load(data).digest != material.load(other).digest
