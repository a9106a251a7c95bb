"""Which pictures are learnt from, and which ones judge."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from optimization.dataset.labelled import Dataset, Labelled, digest
from optimization.training import material
from optimization.training.augment import Boxes
from shared.errors import ConfigError


def folder(path: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        cv2.imwrite(str(path / name), np.full((32, 48, 3), 5 * number, np.uint8))
    return path


def test_the_pictures_of_one_hour_are_on_one_side(tmp_path: Path) -> None:
    names = [f"20260801{hour:02}_{number:05}.jpg" for hour in range(10) for number in range(4)]
    stills = material.of_folder(folder(tmp_path, names))
    learn, held = material.split(stills)
    assert len(learn) + len(held) == 40
    assert len(held) == 8
    assert not {stills[place].group for place in learn} & {stills[place].group for place in held}


def test_the_last_pictures_of_one_scene_judge_and_those_before_are_left_out(tmp_path: Path) -> None:
    stills = material.of_folder(folder(tmp_path, [f"gate_{number:03}.jpg" for number in range(40)]))
    assert material.split(stills) == (list(range(30)), list(range(32, 40)))


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 3 pictures; adapting needs 20"):
        material.of_folder(folder(tmp_path, ["a.jpg", "b.jpg", "c.jpg"]))


def test_the_digest_is_that_of_a_dataset_with_the_same_pictures_and_boxes(tmp_path: Path) -> None:
    stills = material.of_folder(folder(tmp_path, [f"{number:03}.png" for number in range(20)]))
    box, kind = np.array([[1, 2, 30, 20.5]], np.float32), np.zeros(1, np.int32)
    items = [
        Labelled(tmp_path / still.name, 48, 32, box, kind, np.array([number % 2 == 1]), still.name)
        for number, still in enumerate(stills)
    ]
    truth = [Boxes(box, kind, np.array([1 - number % 2], np.int32)) for number in range(20)]
    assert material.digest(stills, truth, ("dog",)) == digest(Dataset(("dog",), tuple(items)))
