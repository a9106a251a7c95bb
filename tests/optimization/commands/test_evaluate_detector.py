from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import pictures
from optimization.__main__ import main

SURE = 0.4


@pytest.fixture(scope="module")
def seen(images: Path) -> dict[str, Any]:
    """What the built-in model is sure of in the pictures, as COCO would annotate it."""
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    with Detector(ModelSettings()) as detector:
        names = detector.class_names
        for index, path in enumerate(pictures.find(images)):
            document["images"].append({"id": index, "file_name": path.name})
            found, _ = detector.detect(pictures.read(path), SURE)
            for (left, top, right, bottom), kind in zip(
                found.xyxy.tolist(), found.class_id.tolist(), strict=True
            ):
                box = [left, top, right - left, bottom - top]
                document["annotations"].append(
                    {
                        "id": len(document["annotations"]) + 1,
                        "image_id": index,
                        "category_id": 100 + kind,  # ids of its own: they are matched by name
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
    if not document["annotations"]:
        pytest.skip("the pictures that can be had here show nothing")
    document["categories"] = [{"id": 100 + kind, "name": name} for kind, name in enumerate(names)]
    return document


def run(folder: Path, images: Path, document: dict[str, Any], *words: str) -> tuple[int, dict[str, Any]]:
    annotations = folder / "instances.json"
    annotations.write_text(json.dumps(document))
    out = folder / "scores.json"
    truth = ["--images", str(images), "--annotations", str(annotations)]
    code = main(["evaluate", "detector", *truth, "--json", str(out), "--force", *words])
    return code, json.loads(out.read_text()) if out.exists() else {}


def test_a_detector_that_is_its_own_truth_scores_one_and_a_shifted_truth_less(
    tmp_path: Path, images: Path, seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, scores = run(tmp_path, images, seen, "--against", "nanodet_g_416")
    assert code == 0
    assert scores["ap"] == scores["ap50"] == scores["ap75"] == 1.0
    assert set(scores["per_class"].values()) == {1.0}
    assert scores["loss"] == {"ap": 0.0, "ap50": 0.0, "ap75": 0.0}
    assert "loss, points" in capsys.readouterr().out
    shifted = json.loads(json.dumps(seen))
    for item in shifted["annotations"]:
        item["bbox"][0] += 0.15 * item["bbox"][2]  # IoU 0.74
    _, scores = run(tmp_path, images, shifted)
    assert scores["ap50"] > 0.9
    assert scores["ap75"] < 0.2
    assert 0.3 < scores["ap"] < 0.7


def test_classes_are_matched_by_name_and_a_mismatch_is_named(
    tmp_path: Path, images: Path, seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = json.loads(json.dumps(seen))
    renamed["categories"][4]["name"] = "aeroplane"
    code, _ = run(tmp_path, images, renamed)
    assert code == 2
    error = capsys.readouterr().err
    assert "no class 'aeroplane'" in error
    assert "airplane" in error
    used = {item["category_id"] for item in seen["annotations"]}
    name = next(item["name"] for item in seen["categories"] if item["id"] in used)
    code, scores = run(tmp_path, images, renamed, "--classes", name)
    assert code == 0
    assert scores["per_class"] == {name: 1.0}
    code, _ = run(tmp_path, images, seen, "--classes", "persn")
    assert code == 2
    assert "did you mean 'person'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            {"images": [{"id": 1, "file_name": "none.jpg"}]}, "missing, such as none.jpg", id="picture"
        ),
        pytest.param(
            {"annotations": []}, "is not a COCO annotation file; it needs 'annotations'", id="nothing in it"
        ),
        pytest.param({"categories": [{"id": 1}]}, "each with id, name", id="a category without a name"),
    ],
)
def test_annotations_that_cannot_be_used_are_one_clear_line(
    tmp_path: Path,
    images: Path,
    seen: dict[str, Any],
    change: dict[str, Any],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _ = run(tmp_path, images, seen | change)
    assert code == 1
    assert says in capsys.readouterr().err


def test_a_coco_sample_scores_what_the_model_is_known_for(shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "data" / "coco_mini_val"
    document = json.loads((sample / "instances.json").read_text())
    document["images"] = document["images"][::3]
    chosen = {item["id"] for item in document["images"]}
    document["annotations"] = [item for item in document["annotations"] if item["image_id"] in chosen]
    code, scores = run(tmp_path, sample / "images", document)
    assert code == 0
    assert 0.18 < scores["ap"] < 0.40, "all of it gives 0.242"
    assert scores["per_class"]["person"] > 0.25
