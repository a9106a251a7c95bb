from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import pictures
from optimization.__main__ import main

pytestmark = pytest.mark.long

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
    code, scores = run(tmp_path, images, seen, "--against", "nanodet_g")
    assert code == 0
    assert scores["ap"] == scores["ap50"] == scores["ap75"] == 1.0
    assert set(scores["per_class"].values()) == {1.0}
    assert {value for value in scores["loss"].values() if value is not None} == {0.0}
    assert {"ap", "ap_small", "ar_1", "ar_large"} <= scores["loss"].keys()
    assert "loss, points" in capsys.readouterr().out
    shifted = json.loads(json.dumps(seen))
    for item in shifted["annotations"]:
        item["bbox"][0] += 0.15 * item["bbox"][2]  # IoU 0.74
    _, scores = run(tmp_path, images, shifted)
    assert scores["ap50"] > 0.9
    assert scores["ap75"] < 0.2
    assert 0.3 < scores["ap"] < 0.7


def test_several_models_are_fused_and_the_same_one_twice_scores_as_one(
    tmp_path: Path, images: Path, seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, scores = run(tmp_path, images, seen, "--model", "nanodet_g,nanodet_g", "--against", "nanodet_g")
    assert code == 0
    assert scores["ap"] == pytest.approx(scores["against"]["ap"], abs=0.02)
    assert [one["model"] for one in scores["fused"]] == ["nanodet_g", "nanodet_g"]
    assert "2 models, fused" in capsys.readouterr().out


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


def test_the_report_has_confusions_and_curves_and_the_folder_has_their_pictures(
    tmp_path: Path, images: Path, seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = json.loads(json.dumps(seen))
    categories = {item["name"]: item["id"] for item in mixed["categories"]}
    changed = next(item for item in mixed["annotations"] if item["category_id"] != categories["zebra"])
    was = next(name for name, id_ in categories.items() if id_ == changed["category_id"])
    changed["category_id"] = categories["zebra"]
    folder = tmp_path / "plots"
    words = ["--plots", str(folder), "--confidence", str(SURE)]
    code, scores = run(tmp_path, images, mixed, *words)
    assert code == 0
    told = capsys.readouterr().out
    assert f"zebra as {was} 1" in told
    assert "AP50" in told
    assert scores["confusion"]["counts"]["zebra"] == {was: 1}
    assert scores["confusion"]["confidence"] == SURE
    assert scores["classes"]["zebra"]["objects"] == 1
    assert scores["classes"]["zebra"]["ap"] < 0.5
    assert len(scores["curves"]["precision"]["0.50"]) == 101
    for name in ("precision_recall.png", "precision_recall_by_class.png", "confusion.png"):
        drawn = cv2.imread(str(folder / name))
        assert drawn is not None
        assert drawn.std() > 10, name
    assert main(["evaluate", "detector", *words, "--images", ".", "--annotations", "none.json"]) == 2
    assert "precision_recall.png: exists already; add --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--confidence", "0"], "--confidence 0.0: must be above 0", id="no confidence"),
        pytest.param(["--plots", "instances.json"], "is a file; name a folder", id="plots in a file"),
    ],
)
def test_options_that_cannot_be_used_are_one_clear_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    images: Path,
    seen: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _ = run(tmp_path, images, seen, *words)
    assert code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            {"annotations": [{"image_id": 1, "category_id": 100, "bbox": [0, 0, "9", 9]}]},
            "is not x, y, width and height in pixels",
            id="a box of words",
        ),
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
    assert 0.18 < scores["ap"] < 0.40, "all of it gives 0.261"
    assert scores["per_class"]["person"] > 0.25


def test_a_grid_keeps_what_the_whole_picture_shows_and_adds_to_it_and_benchmark_agrees(
    tmp_path: Path, images: Path, seen: dict[str, Any]
) -> None:
    code, scores = run(tmp_path, images, seen, "--tiles", "2x2")
    assert code == 0
    assert 0.6 < scores["ap50"] < 1.0, "the truth is what the whole picture shows"
    out, words = tmp_path / "times.json", ["benchmark", "--tiles", "2x2", "--rounds", "1"]
    truth = ["--images", str(images), "--annotations", str(tmp_path / "instances.json")]
    assert main([*words, *truth, "--json", str(out)]) == 0
    whole, grid = json.loads(out.read_text())["rows"]
    assert grid["accuracy"]["ap"] == scores["ap"]
    assert whole["accuracy"]["ap"] == 1.0


def test_where_to_look_cannot_be_chosen_in_single_pictures(
    tmp_path: Path, images: Path, seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(tmp_path, images, seen, "--tiles", "runs=4")
    assert code != 0
    assert "name a grid, for example 3x2" in capsys.readouterr().err
