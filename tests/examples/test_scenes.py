"""The pictures that the notebook draws are as their truth says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from examples import scenes
from optimization.dataset.check import check
from optimization.dataset.contents import contents
from optimization.dataset.reading import find


@pytest.mark.parametrize("kind", range(len(scenes.NAMES)))
def test_a_things_outline_is_where_the_picture_shows_it(kind: int) -> None:
    thing = scenes.Thing(kind, 160.0, 120.0, 25.0, 0.4, (255, 255, 255))
    with_it = scenes.draw([thing], 3).astype(int)
    changed = np.abs(with_it - scenes.draw([], 3)).max(axis=2) > 24
    rows, columns = np.nonzero(changed)
    shown = [columns.min(), rows.min(), columns.max(), rows.max()]
    truth = [*thing.outline().min(axis=0), *thing.outline().max(axis=0)]
    np.testing.assert_allclose(shown, truth, atol=2.0)


def test_a_dataset_is_without_faults_has_every_class_and_depends_on_its_seed(tmp_path: Path) -> None:
    said = [scenes.dataset(tmp_path / name, 12, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    found = find(said[0])
    assert [one.kind for one in check(found, contents([item.path for item in found.dataset.items]))] == []
    assert {name for item in found.dataset.items for name in item.class_id.tolist()} == {0, 1, 2}
    assert said[0].read_text() == said[1].read_text() != said[2].read_text()


def test_night_is_darker_and_shows_the_same(tmp_path: Path) -> None:
    day, night = (scenes.dataset(tmp_path / str(dark), 2, 1, night=dark) for dark in (False, True))
    boxes = [json.loads(path.read_text())["annotations"] for path in (day, night)]
    assert boxes[0] == boxes[1]
    light = [cv2.imread(str(next((path.parent / "images").iterdir()))) for path in (day, night)]
    assert light[1] is not None
    assert light[0] is not None
    assert light[1].mean() < 0.5 * light[0].mean()


def test_a_film_lasts_until_its_last_thing_has_left(tmp_path: Path) -> None:
    seconds = scenes.film(tmp_path / "film.avi", 1, ["ball", "cone"])
    reader = cv2.VideoCapture(str(tmp_path / "film.avi"))
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1].astype(int))
    empty = frames[-1]
    there = [bool((np.abs(frame - empty).max(axis=2) > 90).any()) for frame in frames[10:]]
    assert len(frames) == round(seconds * scenes.FPS)
    assert there[0]
    assert not there[-1]
