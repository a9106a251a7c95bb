"""What people are told about masks and filters that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from shared.definitions.ignored import problems
from shared.wire.messages import FilterDefinition, MaskDefinition
from tests.edge_node.scenes import CLASSES, square

FINE = MaskDefinition(polygon=square(0.2, 0.8))


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        pytest.param({}, None, id="as it should be"),
        pytest.param(
            {"polygon": square(1.1, 1.5)},
            "can never ignore anything: it lies outside the frame",
            id="outside",
        ),
        pytest.param(
            {"polygon": ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9))},
            "can never ignore anything: its polygon has no area",
            id="flat",
        ),
        pytest.param(
            {"polygon": ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))},
            "crosses itself: list its corners in order around the shape",
            id="crossed",
        ),
        pytest.param(
            {"polygon": square(0.0, 1.0)},
            "covers the whole picture: nothing is reported any more",
            id="whole",
        ),
        pytest.param(
            {"polygon": square(-0.5, 1.5), "classes": ("car",)},
            "covers the whole picture: nothing of car is reported any more",
            id="whole for a class",
        ),
        pytest.param(
            {"classes": ("person", "unicorn")},
            "asks for class 'unicorn', which the model does not have",
            id="class",
        ),
    ],
)
def test_a_mask_that_makes_no_sense_is_named_with_the_reason(mask: dict[str, Any], says: str | None) -> None:
    definition = MaskDefinition(**({"polygon": FINE.polygon} | mask))
    found = problems({"fine": FINE, "tree": definition}, {}, CLASSES, 0.1)
    assert found == ([f"mask 'tree' {says}"] if says else [])


@pytest.mark.parametrize(
    ("label", "bounds", "says"),
    [
        pytest.param("person", {"min_size": 0.1, "score": 0.5}, None, id="as it should be"),
        pytest.param("person", {"min_size": 0.0}, None, id="what lifts a bound of all"),
        pytest.param(
            "unicorn",
            {"min_size": 0.1},
            "filters.unicorn: the model has no class 'unicorn'; it has person, car, dog",
            id="class",
        ),
        pytest.param(
            "person",
            {},
            "filters.person: drops nothing, because it has no bound; give min_size, max_size or another one",
            id="empty",
        ),
        pytest.param(
            "all",
            {"min_size": 20.0},
            "filters.all.min_size: 20 drops everything: it is a fraction of the frame's height",
            id="pixels",
        ),
        pytest.param(
            "all",
            {"max_size": 0.0},
            "filters.all.max_size: 0 drops everything; leave it out for no bound",
            id="no size",
        ),
        pytest.param(
            "car",
            {"max_aspect": 0.0},
            "filters.car.max_aspect: 0 drops everything; leave it out for no bound",
            id="no width",
        ),
        pytest.param(
            "car",
            {"score": 1.0},
            "filters.car.score: 1 drops everything: no detector is that sure",
            id="score 1",
        ),
        pytest.param(
            "car",
            {"score": 0.05},
            "filters.car.score: 0.05 drops nothing: detections below 0.1 are dropped before "
            "(model.confidence)",
            id="score below the confidence",
        ),
        pytest.param("car", {"score": 0.0}, None, id="a score that lifts that of all"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_by_its_key(
    label: str, bounds: dict[str, float], says: str | None
) -> None:
    found = problems({}, {label: FilterDefinition(**bounds)}, CLASSES, 0.1)
    assert found == ([says] if says else [])


def test_nothing_is_said_of_classes_and_scores_that_are_not_known_yet() -> None:
    masks = {"tree": MaskDefinition(polygon=FINE.polygon, classes=("unicorn",))}
    assert problems(masks, {"unicorn": FilterDefinition(score=0.01)}) == []
