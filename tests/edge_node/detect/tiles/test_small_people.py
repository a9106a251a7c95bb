"""What the built-in model finds of small people in a large picture: whole, and with a budget of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from tests.scenes import scores
from tests.scenes.films import Scene, film

pytestmark = pytest.mark.long

SCENE = Scene(seed=102, people=30, frames=24, size=(1920, 1080))
"""A quarter of 4K, which takes a quarter of the time; people have the same size in pixels."""
PRECISION = 0.9


@pytest.fixture(scope="module")
def watched(shared_data: Path) -> dict[str, scores.Watched]:
    """The film, watched in both ways."""
    pictures = list(film(SCENE, shared_data / "data/coco_mini_val"))
    model = ModelSettings(classes=("person",), confidence=0.2)
    with Detector(model) as detector:
        return {
            name: scores.watch_film(
                pictures, SCENE.rate, detector, CameraSettings(source="film", tiles=tiles), model
            )
            for name, tiles in {"whole": None, "auto": TileSettings(runs=4)}.items()
        }


def test_a_budget_of_four_runs_finds_more_people_at_the_same_precision(
    watched: dict[str, scores.Watched],
) -> None:
    found = {name: scores.of_detections(one).found_at(PRECISION) for name, one in watched.items()}
    reported = {name: scores.of_tracks(one).found_at(PRECISION) for name, one in watched.items()}
    people = scores.of_tracks(watched["auto"]).people
    assert found["auto"] >= 2.5 * found["whole"]
    assert reported["auto"] >= 2.5 * reported["whole"]
    assert reported["auto"] >= people / 5, "in the first seconds, and with all who are half hidden"


def test_tracks_are_not_cut_by_tiles(watched: dict[str, scores.Watched], shared_data: Path) -> None:
    """Over two films: of the 20 people who are followed in one, two who swap their ids are a tenth."""
    model = ModelSettings(classes=("person",), confidence=0.2)
    camera = CameraSettings(source="film", tiles=TileSettings(runs=4))
    with Detector(model) as detector:
        pictures = film(replace(SCENE, seed=100), shared_data / "data/coco_mini_val")
        other = scores.watch_film(pictures, SCENE.rate, detector, camera, model)
    both = [scores.identities(one) for one in (watched["auto"], other)]
    assert all(ids.followed >= ids.people / 4 for ids in both)
    assert sum(ids.ids * ids.followed for ids in both) <= 1.1 * sum(ids.followed for ids in both)


def test_what_is_reported_is_there(watched: dict[str, scores.Watched]) -> None:
    assert scores.of_tracks(watched["auto"]).right.mean() >= PRECISION
