"""What is let through, what is dropped and why, and how it is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_node.frames import Detections
from edge_node.ignore.gate import IgnoreGate
from edge_node.ignore.rules import REASONS
from shared.wire.messages import FilterDefinition, MaskDefinition
from tests.edge_node.ignore.boxes import Box, detections, frame, rules
from tests.edge_node.scenes import CLASSES, square

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.2), (0.2, 0.2), (0.2, 1.0), (0.0, 1.0))


def mask(polygon: Any = LEFT, **other: Any) -> MaskDefinition:
    return MaskDefinition(polygon=polygon, **other)


def why(found: Detections, masks: Any = None, filters: Any = None) -> list[str | None]:
    """What dropped each detection: a mask or a key; None for those let through, which come first."""
    kept, ignored = IgnoreGate(rules(masks, filters), CLASSES).drop(found, frame())
    reasons: list[str | None] = [None] * len(kept)
    if ignored is not None:
        for reason, index in zip(ignored.reason.tolist(), ignored.mask.tolist(), strict=True):
            reasons.append(REASONS[reason] if index < 0 else ignored.masks[index])
    return reasons


@pytest.mark.parametrize(
    ("definition", "box", "dropped"),
    [
        pytest.param(mask(), (40, 20, 60, 60), True, id="feet inside"),
        pytest.param(mask(), (90, 20, 112, 60), False, id="feet outside, most of the box inside"),
        pytest.param(mask(), (89, 20, 111, 60), False, id="feet on the border belong to the other side"),
        pytest.param(mask(anchor="center_left"), (90, 20, 190, 60), True, id="another anchor"),
        pytest.param(
            mask(polygon=square(0.0, 1.0)), (40, 60, 60, 100), True, id="feet on the picture's edge"
        ),
        pytest.param(mask(by="overlap", overlap=0.5), (80, 20, 120, 60), True, id="exactly half"),
        pytest.param(mask(by="overlap", overlap=0.5), (81, 20, 121, 60), False, id="less than half"),
        pytest.param(mask(by="overlap", overlap=1.0), (60, 20, 100, 60), True, id="all of it"),
        pytest.param(mask(by="overlap", overlap=1.0), (61, 20, 101, 60), False, id="all but a pixel"),
        pytest.param(mask(by="overlap", overlap=0.01), (101, 20, 141, 60), False, id="beside it"),
        pytest.param(
            mask(L_SHAPE, by="overlap", overlap=0.3), (0, 0, 200, 100), True, id="0.36 of a concave one"
        ),
        pytest.param(
            mask(L_SHAPE, by="overlap", overlap=0.37), (0, 0, 200, 100), False, id="0.36 is below 0.37"
        ),
        pytest.param(mask(by="overlap"), (50, 50, 50, 50), False, id="a box without area is nowhere"),
        pytest.param(mask(classes=("car",)), (40, 20, 60, 60), False, id="another class"),
        pytest.param(mask(classes=("car", "person")), (40, 20, 60, 60), True, id="one of its classes"),
        pytest.param(
            mask(polygon=((-1.0, -1.0), (-0.1, -1.0), (-0.1, 2.0))), (0, 0, 9, 9), False, id="off the frame"
        ),
    ],
)
def test_a_mask_drops_what_is_inside_by_anchor_or_by_overlap(
    definition: MaskDefinition, box: Box, dropped: bool
) -> None:
    assert why(detections(box), {"m": definition}) == (["m"] if dropped else [None])


@pytest.mark.parametrize(
    ("definition", "box", "score", "reason"),
    [
        # Boxes are in a picture of 200x100 pixels, and sizes in fractions of its height.
        pytest.param({"min_size": 0.3}, (0, 0, 10, 29), 0.9, "min_size", id="too small"),
        pytest.param({"min_size": 0.3}, (0, 0, 10, 30), 0.9, None, id="as small as may be"),
        pytest.param({"min_size": 0.3}, (0, 0, 30, 10), 0.9, None, id="the longer side counts"),
        pytest.param({"max_size": 0.3}, (0, 0, 31, 10), 0.9, "max_size", id="too large"),
        pytest.param({"max_size": 0.3}, (0, 0, 30, 30), 0.9, None, id="as large as may be"),
        pytest.param({"min_aspect": 0.5}, (0, 0, 10, 21), 0.9, "min_aspect", id="too narrow"),
        pytest.param({"max_aspect": 2}, (0, 0, 21, 10), 0.9, "max_aspect", id="too wide"),
        pytest.param({"min_aspect": 0.5, "max_aspect": 2}, (0, 0, 20, 10), 0.9, None, id="between"),
        pytest.param({"max_aspect": 2}, (0, 0, 10, 0), 0.9, "max_aspect", id="without height"),
        pytest.param({"score": 0.3}, (0, 0, 10, 10), 0.3, None, id="a score of 32 bits is as meant"),
        pytest.param({"score": 0.7}, (0, 0, 10, 10), 0.7, None, id="also where it rounds down"),
        pytest.param({"score": 0.7}, (0, 0, 10, 10), 0.69, "score", id="doubtful"),
        pytest.param(
            {"score": 0.7, "min_size": 0.5}, (0, 0, 1, 1), 0.1, "score", id="the first reason counts"
        ),
        pytest.param({}, (0, 0, 10, 10), 0.01, None, id="without bounds"),
    ],
)
def test_a_filter_drops_what_is_beyond_its_bounds(
    definition: dict[str, float], box: Box, score: float, reason: str | None
) -> None:
    found = detections(box, score=score)
    assert why(found, filters={"person": FilterDefinition(**definition)}) == [reason]
    assert why(found, filters={"all": FilterDefinition(**definition)}) == [reason]
    assert why(found, filters={"car": FilterDefinition(**definition)}) == [None], "of another class"


def test_a_class_has_its_own_values_and_takes_the_others_from_all() -> None:
    filters = {"all": FilterDefinition(score=0.5, min_size=0.2), "car": FilterDefinition(score=0.1)}
    small, doubtful = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 50.0)
    assert why(detections(small, label="car"), filters=filters) == ["min_size"]
    assert why(detections(doubtful, score=0.3, label="car"), filters=filters) == [None]
    assert why(detections(doubtful, score=0.3), filters=filters) == ["score"]
    lifted = filters | {"car": FilterDefinition(score=0, min_size=0)}
    assert why(detections(small, score=0.01, label="car"), filters=lifted) == [None]


def test_a_class_id_without_a_name_is_masked_by_masks_of_all_classes_only() -> None:
    stranger = detections((40, 20, 60, 60))
    found = Detections(stranger.xyxy, stranger.score, np.array([99], np.int32))
    assert why(found, {"m": mask()}) == ["m"]
    assert why(found, {"m": mask(classes=CLASSES)}) == [None]
    assert why(found, filters={"all": FilterDefinition(score=0.95)}) == ["score"]
    assert why(found, filters={"person": FilterDefinition(score=0.95)}) == [None]


def test_what_is_dropped_is_counted_by_reason_and_by_mask() -> None:
    masks = {"tree": mask(classes=("person",)), "pond": mask()}
    gate = IgnoreGate(rules(masks, {"all": FilterDefinition(min_size=0.1)}), CLASSES)
    inside, outside, tiny = (40.0, 20.0, 60.0, 60.0), (140.0, 20.0, 160.0, 60.0), (0.0, 0.0, 2.0, 2.0)
    for _ in range(3):
        kept, ignored = gate.drop(detections(inside, outside, tiny, inside), frame())
        assert len(kept) == 1
        assert ignored is not None
        assert ignored.detections.xyxy.tolist() == [list(inside), list(tiny), list(inside)]
    gate.drop(detections(inside, label="car"), frame())
    assert gate.counts == {"mask": 7, "mask:tree": 6, "mask:pond": 1, "min_size": 3}


def test_counts_stay_over_a_change_and_go_with_their_mask() -> None:
    gate = IgnoreGate(rules({"a": mask(), "b": mask(classes=("car",))}), CLASSES)
    gate.drop(detections((40, 20, 60, 60)), frame())
    assert not gate.redefine(rules({"a": mask(), "b": mask(classes=("car",))}))
    assert gate.redefine(rules({"a": mask(), "c": mask()}))
    assert gate.counts == {"mask": 1, "mask:a": 1}
    for name in range(500):  # somebody who renames a mask for ever
        gate.redefine(rules({f"m{name}": mask()}))
        gate.drop(detections((40, 20, 60, 60)), frame())
    assert len(gate.counts) == 2
    assert gate.redefine(rules())
    assert gate.drop(detections((40, 20, 60, 60)), frame())[1] is None


def test_without_rules_detections_pass_as_they_are() -> None:
    gate, found = IgnoreGate(rules(), CLASSES), detections((40, 20, 60, 60))
    assert gate.drop(found, frame()) == (found, None)
    none = Detections.empty()
    assert IgnoreGate(rules({"m": mask()}), CLASSES).drop(none, frame()) == (none, None)


def test_many_masks_together_do_as_each_alone() -> None:
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 150, (200, 2)) * (1, 0.5)
    boxes = np.hstack((low, low + rng.uniform(1, 50, (200, 2))))
    found = detections(*map(tuple, boxes.tolist()))
    masks = {
        f"m{index}": mask(
            tuple(map(tuple, rng.uniform(0, 1, (3, 2)).tolist())),
            by=("anchor", "overlap")[index % 2],
            anchor=("center", "bottom_center", "top_center")[index % 3],
            overlap=0.1 + 0.05 * index,
        )
        for index in range(10)
    }
    alone = np.zeros(len(found), np.bool_)
    for definition in masks.values():
        kept, _ = IgnoreGate(rules({"one": definition}), CLASSES).drop(found, frame())
        alone |= ~(found.xyxy[:, None] == kept.xyxy[None]).all(axis=2).any(axis=1)
    kept, _ = IgnoreGate(rules(masks), CLASSES).drop(found, frame())
    assert 20 < alone.sum() < 180, "the scene tells something"
    assert kept.xyxy.tolist() == found.xyxy[~alone].tolist()
