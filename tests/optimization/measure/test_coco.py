from __future__ import annotations

import contextlib
import copy
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge_node.frames import Detections
from optimization.measure.coco import Truth

TWELVE = "ap ap50 ap75 ap_small ap_medium ap_large ar_1 ar_10 ar_100 ar_small ar_medium ar_large".split()
NAMES = ("cat", "dog", "owl")
PICTURES = 12
_NOTHING = ((0, 400), (0, 400), (10, 200))
"""Left, top and side of boxes that show nothing."""


def scene(seed: int, *, small: bool = True) -> dict[str, Any]:
    """Annotated pictures with objects of every size and a few crowds; the owl is never there."""
    random = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    for image in range(PICTURES):
        for _ in range(int(random.integers(1, 14))):
            side = float(random.choice([14, 20, 60, 80, 150, 240] if small else [150, 240]))
            box = [*random.uniform(0, 400, 2).tolist(), side, side * float(random.uniform(0.6, 1.4))]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(random.choice([3, 7])),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(random.random() < 0.08),
                }
            )
    categories = [{"id": id_, "name": name} for id_, name in zip((3, 7, 9), NAMES, strict=True)]
    images = [{"id": image, "file_name": f"{image}.jpg"} for image in range(PICTURES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def detections(document: dict[str, Any], seed: int) -> list[Detections]:
    """Shifted copies of most objects, some of another class, and boxes of nothing."""
    random = np.random.default_rng(seed)
    found = []
    for image in range(PICTURES):
        rows = []
        for item in document["annotations"]:
            if item["image_id"] == image and random.random() < 0.8:
                left, top, width, height = item["bbox"]
                left, top = left + random.normal() * width / 14, top + random.normal() * height / 14
                kind = [3, 7].index(item["category_id"]) if random.random() < 0.85 else 1
                rows.append((left, top, left + width, top + height, random.uniform(0.2, 1), kind))
        for _ in range(int(random.integers(0, 150))):
            left, top, side = (float(random.uniform(low, high)) for low, high in _NOTHING)
            kind = int(random.integers(0, 3))
            rows.append((left, top, left + side, top + side, random.uniform(0, 0.7), kind))
        table = np.array(rows).reshape(-1, 6)
        found.append(
            Detections(
                table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int32)
            )
        )
    return found


def summarised(document: dict[str, Any], found: list[Detections], categories: list[int]) -> list[float]:
    """The twelve numbers that pycocotools itself prints."""
    rows = [
        {
            "image_id": image,
            "category_id": (3, 7, 9)[int(kind)],
            "bbox": [float(x) for x in (left, top, right - left, bottom - top)],
            "score": float(score),
        }
        for image, seen in enumerate(found)
        for (left, top, right, bottom), score, kind in zip(
            seen.xyxy.astype(np.float64), seen.score, seen.class_id, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(document)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.params.catIds = categories
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def truth_of(document: dict[str, Any]) -> Truth:
    return Truth(document, [(item["id"], Path(item["file_name"])) for item in document["images"]])


def given(scores: Any) -> list[float]:
    """Our numbers as pycocotools writes them."""
    return [-1 if getattr(scores, key) is None else getattr(scores, key) for key in TWELVE]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("small", [True, False], ids=["every size", "large objects only"])
def test_the_twelve_numbers_are_those_that_pycocotools_summarises(seed: int, small: bool) -> None:
    document = scene(seed, small=small)
    found = detections(document, seed)
    truth = truth_of(document)
    scores = truth.score(found, truth.match(NAMES))
    expected = summarised(document, found, [3, 7, 9])
    assert given(scores) == pytest.approx(expected, abs=6e-5)
    assert (scores.ap_small is None) == (not small), "no such object is no score of 0"
    assert 0.1 < scores.ap < 0.9
    assert scores.per_class.keys() == scores.classes.keys() == {"cat", "dog"}
    for name, category in (("cat", 3), ("dog", 7)):
        one = scores.classes[name]
        alone = dict(zip(TWELVE, summarised(document, found, [category]), strict=True))
        mine = {key: -1 if value is None else value for key, value in asdict(one).items()}
        for key in ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_100"):
            assert mine[key] == pytest.approx(alone[key], abs=6e-5), (name, key)
        objects = [a for a in document["annotations"] if a["category_id"] == category and not a["iscrowd"]]
        assert one.objects == len(objects)


def test_a_detector_that_finds_nothing_scores_zero_where_there_is_something() -> None:
    document = scene(4, small=False)
    truth = truth_of(document)
    nothing = [Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))]
    scores = truth.score(nothing * PICTURES, truth.match(NAMES))
    assert (scores.ap, scores.ar_100, scores.ap_large) == (0, 0, 0)
    assert scores.ap_small is None
    assert scores.per_class == {"cat": 0.0, "dog": 0.0}


def test_annotations_may_lack_what_boxes_tell_and_count_from_zero() -> None:
    document = scene(5)
    found = detections(document, 5)
    for item in document["annotations"]:
        item["iscrowd"] = 0
    bare = copy.deepcopy(document)
    for number, item in enumerate(bare["annotations"]):
        del item["area"], item["iscrowd"]
        item["id"] = number  # pycocotools takes a match with the object 0 for none
    scores = truth_of(bare).score(found, truth_of(bare).match(NAMES))
    assert given(scores) == pytest.approx(summarised(document, found, [3, 7, 9]), abs=6e-5)


def test_an_object_with_the_id_zero_can_be_found() -> None:
    box = {"id": 0, "image_id": 1, "category_id": 3, "bbox": [10, 10, 50, 50]}
    document = {"images": [{"id": 1}], "annotations": [box], "categories": [{"id": 3, "name": "cat"}]}
    truth = Truth(document, [(1, Path("one.jpg"))])
    corners, score = np.array([[10, 10, 60, 60]], np.float32), np.array([0.9], np.float32)
    found = Detections(corners, score, np.zeros(1, np.int32))
    assert truth.score([found], truth.match(["cat"])).ap == 1.0


def test_the_curves_are_those_whose_means_are_the_scores() -> None:
    document = scene(6)
    truth = truth_of(document)
    evaluation = truth.evaluate(detections(document, 6), truth.match(NAMES))
    scores, curves = evaluation.scores(), evaluation.curves()
    assert curves.mean.mean(axis=1) == pytest.approx([scores.ap50, scores.ap75, scores.ap], abs=6e-5)
    for name, precision in curves.by_class.items():
        assert precision.mean() == pytest.approx(scores.classes[name].ap50, abs=6e-5)
        assert (np.diff(precision) <= 0).all(), "precision is the best at this recall or a higher one"
    told = curves.document()
    assert len(told["recall"]) == len(told["precision"]["0.50:0.95"]) == 101
    assert told["recall"][-1] == 1.0
