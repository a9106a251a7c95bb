"""`adapt` refuses in a sentence what it cannot do, and leaves no file behind."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from optimization.__main__ import main

pytest.importorskip("torch", reason="the extra train is not installed")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(20):
        cv2.imwrite(str(folder / f"{number:02d}.png"), np.full((64, 64, 3), 9 * number, np.uint8))
    return folder


def labels(path: Path, *, pictures: int = 20, category: str = "person", objects: int = 0) -> str:
    document = {
        "images": [{"id": number, "file_name": f"{number:02d}.png"} for number in range(pictures)],
        "categories": [{"id": 7, "name": category}],
        "annotations": [
            {"id": number + 1, "image_id": number, "category_id": 7, "bbox": [5, 5, 30, 50]}
            for number in range(objects)
        ],
    }
    path.write_text(json.dumps(document))
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `adapt` says when it refuses."""
    assert main(["adapt", *words]) != 0
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0]


def test_it_asks_for_what_is_missing(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "new.onnx"))
    assert "--out: name the file" in refused(capsys, "--pictures", str(pictures))
    assert "either a folder of pictures or a video" in refused(capsys, *out)
    assert "either labels or a teacher" in refused(capsys, *out, "--pictures", str(pictures))
    assert "--frames: goes with --video" in refused(
        capsys, *out, "--pictures", str(pictures), "--frames", "9"
    )
    assert "--keep-images: goes with --keep-on" in refused(capsys, *out, "--keep-images", str(pictures))
    assert "--rate 2.0: must be" in refused(capsys, *out, "--rate", "2", "--pictures", str(pictures))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"pictures": 19, "objects": 1}, "has 19 pictures; adapting needs 20"),
        ({"category": "unicorn", "objects": 20}, "none of its classes (unicorn) is one of the model's"),
        ({"objects": 1}, "there is no sure object to learn, or none to judge by"),
    ],
)
def test_labels_that_are_no_use_are_refused(
    tmp_path: Path,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    keys: dict[str, object],
    says: str,
) -> None:
    found = labels(tmp_path / "labels.json", **keys)  # type: ignore[arg-type] # a table of keywords
    out = tmp_path / "new.onnx"
    assert says in refused(capsys, "--pictures", str(pictures), "--labels", found, "--out", str(out))
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


@pytest.mark.parametrize("option", ["--keep", "--classes"])
def test_a_class_that_the_model_lacks_is_refused(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    words = ("--pictures", str(pictures), "--teacher", "self", "--out", str(tmp_path / "new.onnx"))
    assert f"{option}: the model has no class 'dgo'" in refused(capsys, *words, option, "car,dgo")


def test_a_dataset_whose_split_leaves_too_few_judges_is_refused(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = sorted(pictures.iterdir())
    for split, chosen in (("train", places[:-1]), ("val", places[-1:])):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        for path in chosen:
            (tmp_path / "images" / split / path.name).write_bytes(path.read_bytes())
            (tmp_path / "labels" / split / f"{path.stem}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    config = tmp_path / "data.yaml"
    config.write_text("train: images/train\nval: images/val\nnames: [person]\n")
    said = refused(capsys, "--labels", str(config), "--out", str(tmp_path / "new.onnx"))
    assert "val and test have 1 pictures, and judging needs 4" in said


def test_annotations_to_keep_classes_on_are_read_before_teachers_look(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--pictures", str(pictures), "--teacher", "no.onnx", "--out", str(tmp_path / "new.onnx"))
    assert "gone.json: cannot be read" in refused(capsys, *words, "--keep-on", str(tmp_path / "gone.json"))


def test_a_video_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = ("--video", str(broken), "--teacher", "self", "--out", str(tmp_path / "new.onnx"))
    assert "is not a video" in refused(capsys, *words)
