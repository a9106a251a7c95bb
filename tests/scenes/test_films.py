"""The films of small people: their truth can be trusted, and a seed gives the same film everywhere."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimization.measure import mot
from tests.scenes.films import TEST, Photographs, Picture, Scene, film, save

SMALL = Scene(seed=5, people=20, frames=12, size=(960, 540))


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> Path:
    return shared_data / "data/coco_mini_val"


@pytest.fixture(scope="module")
def pictures(photographs: Path) -> list[Picture]:
    return list(film(SMALL, photographs))


def test_a_seed_gives_the_same_film_and_another_one_gives_another(
    pictures: list[Picture], photographs: Path
) -> None:
    again = list(film(SMALL, photographs))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(pictures, again, strict=True))
    assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(pictures, again, strict=True))
    other = next(film(replace(SMALL, seed=6), photographs))
    assert not np.array_equal(other.image, pictures[0].image)


def test_the_truth_says_where_the_picture_shows_somebody(pictures: list[Picture]) -> None:
    """What changes from frame to frame by more than the sensor's noise is somebody who walks."""
    first, last = pictures[0], pictures[-1]
    change = np.abs(first.image.astype(int) - last.image).max(axis=2) > 40
    known = np.zeros(change.shape, np.bool_)
    for picture in (first, last):
        for x1, y1, x2, y2 in picture.boxes.astype(int).tolist():
            known[y1:y2, x1:x2] = True
    assert change.sum() > 500
    assert known[change].mean() > 0.9, "the rest is of people who are hidden, mostly"


def test_people_have_the_wanted_heights_and_keep_their_ids(pictures: list[Picture]) -> None:
    everybody = np.concatenate([picture.boxes for picture in pictures])
    heights = (everybody[:, 3] - everybody[:, 1])[(everybody[:, 1] > 0) & (everybody[:, 3] < 540)]
    assert 20 < heights.min() < 32 < heights.max() <= 70
    assert (everybody[:, :2] >= 0).all()
    assert (everybody[:, 2:] <= (960, 540)).all()
    for before, after in itertools.pairwise(pictures):
        _, i, j = np.intersect1d(before.ids, after.ids, return_indices=True)
        assert len(i) > 10
        assert np.abs(before.boxes[i, :2] - after.boxes[j, :2]).max() < 12


def test_some_stand_some_walk_and_some_come_or_go(pictures: list[Picture]) -> None:
    _, i, j = np.intersect1d(pictures[0].ids, pictures[-1].ids, return_indices=True)
    way = np.abs(pictures[0].boxes[i, 0] - pictures[-1].boxes[j, 0])
    assert (way < 1).any()
    assert (way > 10).any()
    assert {*pictures[0].ids.tolist()} != {*pictures[-1].ids.tolist()}


def test_the_seeds_for_tests_show_other_people_and_backgrounds(photographs: Path) -> None:
    some, others = (Photographs(photographs, half).cutouts() for half in (0, 1))
    assert min(len(some), len(others)) > 20
    assert not {cutout.tobytes() for cutout in some} & {cutout.tobytes() for cutout in others}
    assert SMALL.seed not in TEST


def test_a_film_can_be_saved_for_other_programs(photographs: Path, tmp_path: Path) -> None:
    short = replace(SMALL, frames=2)
    folder, truth = save(short, photographs, tmp_path)
    assert len(list(folder.iterdir())) == 2
    rate, frames = mot.read_truth(truth)
    first = next(film(short, photographs))
    assert rate == SMALL.rate
    assert frames[0][0].tolist() == first.ids.tolist()
    assert np.allclose(frames[0][1], first.boxes, atol=0.01)
