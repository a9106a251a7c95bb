from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.collect.scenes import Scene, Scenes
from edge_node.pictures import U8
from tests.edge_node.collect.shown import landscape
from tests.edge_node.scenes import HEIGHT, WIDTH

HERE = landscape()


def with_person(picture: U8) -> U8:
    picture = picture.copy()
    cv2.rectangle(picture, (600, 300), (680, 560), (20, 20, 200), cv2.FILLED)
    return picture


def noisy(picture: U8) -> U8:
    noise = np.random.default_rng(1).normal(0, 12, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def lorry(picture: U8) -> U8:
    picture = picture.copy()
    cv2.rectangle(picture, (300, 100), (1000, 620), (250, 250, 250), cv2.FILLED)
    return picture


@pytest.mark.parametrize(
    ("other", "new"),
    [
        (HERE, False),
        (with_person(HERE), False),
        (noisy(HERE), False),
        (landscape(light=0.55), False),  # a cloud
        (landscape(light=0.65), True),  # noon
        (landscape(light=0.2), True),  # dusk
        (np.asarray(HERE // 3 + 85, np.uint8), True),  # fog: the same, with a third of its contrast
        (np.ascontiguousarray(HERE[:, ::-1]), True),  # the camera was turned
        (lorry(HERE), True),
        (np.zeros_like(HERE), True),
    ],
    ids=["same", "person", "noise", "cloud", "noon", "dusk", "fog", "turned", "lorry", "black"],
)
def test_only_what_looks_different_as_a_whole_is_a_new_scene(other: U8, new: bool) -> None:
    scenes = Scenes()
    scenes.learn(Scene.of(HERE))
    assert scenes.is_new(Scene.of(other)) == new


def test_the_first_picture_is_new_and_two_flat_ones_are_alike() -> None:
    scenes = Scenes()
    black = Scene.of(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert scenes.is_new(black)
    scenes.learn(black)
    assert not scenes.is_new(Scene.of(np.full((HEIGHT, WIDTH, 3), 6, np.uint8)))


def test_light_is_the_mean_brightness() -> None:
    assert Scene.of(np.full((HEIGHT, WIDTH, 3), 51, np.uint8)).light == pytest.approx(0.2, abs=0.005)


def test_few_scenes_are_remembered() -> None:
    scenes = Scenes()
    tiny = [np.random.default_rng(seed).integers(0, 256, (18, 32), np.uint8) for seed in range(100)]
    for picture in tiny:
        scenes.learn(Scene.of_grey(picture))
    assert scenes.is_new(Scene.of_grey(tiny[0]))
    assert not scenes.is_new(Scene.of_grey(tiny[99]))
