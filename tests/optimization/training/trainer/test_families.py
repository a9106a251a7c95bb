"""Only networks of permissive licences are trained, and a refusal says why."""

from __future__ import annotations

import pytest

from optimization.training.trainer import families
from optimization.training.trainer.recipe import Recipe
from shared.errors import ConfigError


def test_every_name_chooses_its_network() -> None:
    assert [families.choose(name).name for name in families.names()] == families.names()
    assert families.choose("YOLOX_Nano").side == 416


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("yolov8-n", "AGPL"),
        ("yolo11s", "AGPL"),
        ("yolonas-s", "forbids commercial use"),
        ("deimv2-s", "DINOv3"),
        ("yolox-huge", "is not known; use one of yolox-nano"),
    ],
)
def test_a_network_that_may_not_be_trained_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        families.choose(name)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 0}, "--epochs 0: must be from 1"),
        ({"batch": 0}, "--batch 0"),
        ({"rate": 0.0}, "--rate 0.0: must be above 0"),
        ({"rate": float("nan")}, "--rate nan"),
        ({"mosaic": 1.5}, "--mosaic 1.5: must be from 0 to 1"),
        ({"freeze": "head"}, "--freeze head: must be auto, trunk or none"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_a_recipe_refuses_what_makes_no_sense(values: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe(**values)  # type: ignore[arg-type]  # one of them is a text


@pytest.mark.parametrize("side", [100, 32, 4096])
def test_a_size_that_the_network_cannot_take_is_refused(side: int) -> None:
    with pytest.raises(ConfigError, match=f"--size {side}: yolox-nano takes multiples of 32 from 64 to 2048"):
        Recipe(side=side).sized(families.choose("yolox-nano"))


def test_the_rate_grows_with_the_batch() -> None:
    choice = families.choose("yolox-s")
    small, large = (Recipe(batch=batch).rated(choice, knows=False) for batch in (16, 32))
    assert large == 2 * small
    assert Recipe(batch=32, rate=0.003).rated(choice, knows=True) == 0.003


def test_a_network_that_knows_something_learns_gently() -> None:
    choice = families.choose("yolox-s")
    assert Recipe().rated(choice, knows=True) == Recipe().rated(choice, knows=False) / 10
