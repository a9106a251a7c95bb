"""`adapt` from end to end: a small detector learns, is written with where it comes from, and goes back."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization.__main__ import main
from optimization.dataset import reading, writing
from optimization.dataset.labelled import digest
from tests.conftest import REPO
from tests.optimization.training.dense import NAMES, square, write_model, write_pictures

torch = pytest.importorskip("torch", reason="the extra train is not installed")

from edge_node.assets.download import sha256  # noqa: E402
from optimization.graph import graphs  # noqa: E402 - after the skip
from optimization.training import lineage  # noqa: E402
from shared.errors import ConfigError  # noqa: E402

torch.set_num_threads(1)  # more fight for the cores with the tests beside
LEARN = ("--rate", "0.01", "--epochs", "16", "--batch", "4", "--minutes", "0", "--device", "cpu")


@dataclass(frozen=True)
class Bench:
    """A model, annotated pictures, and the words that adapt the one to the other."""

    folder: Path
    model: Path
    labels: Path

    def words(self, out: Path, *more: str) -> list[str]:
        given = ["--model", str(self.model), "--labels", str(self.labels), "--out", str(out)]
        return ["adapt", *given, *LEARN, *more]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    document = write_pictures(folder / "pictures", 40)
    (folder / "pictures" / "annotations.json").write_text(json.dumps(document))
    return Bench(folder, write_model(folder / "model.onnx"), folder / "pictures")


@pytest.fixture(scope="module")
def adapted(bench: Bench) -> Path:
    out = bench.folder / "adapted.onnx"
    assert main(bench.words(out, "--json", str(bench.folder / "adapted.json"))) == 0
    return out


def test_the_new_file_finds_what_the_old_one_did_not(adapted: Path, bench: Bench) -> None:
    image, (left, top, width, height) = square(1234)

    def overlap(model: Path) -> float:
        with Detector(ModelSettings(name=str(model), confidence=0.3)) as detector:
            found, _ = detector.detect(image)
        if not len(found):
            return 0.0
        there = np.array([left, top, left + width, top + height])
        sides = np.minimum(found.xyxy[0, 2:], there[2:]) - np.maximum(found.xyxy[0, :2], there[:2])
        shared = float(sides.clip(0).prod())
        return shared / (float((found.xyxy[0, 2:] - found.xyxy[0, :2]).prod()) + width * height - shared)

    assert overlap(bench.model) < 0.3
    assert overlap(adapted) > 0.5


def test_the_new_file_says_where_it_comes_from(adapted: Path, bench: Bench) -> None:
    about = {item.key: item.value for item in onnx.load(adapted).metadata_props}
    assert about["darner.parent"] == sha256(bench.model)
    assert about["darner.data"] == digest(reading.read(bench.labels))
    assert about["darner.made"] and "adapt" in about["darner.by"]
    assert about["names"] == str(dict(enumerate(NAMES)))
    figures = json.loads((bench.folder / "adapted.json").read_text())
    assert figures["verdict"]["after"] > figures["verdict"]["before"]
    assert figures["taught"] == ["square"]


def test_the_same_seed_gives_the_same_weights_and_other_formats_the_same_data(
    adapted: Path, bench: Bench, tmp_path: Path
) -> None:
    writing.write(reading.read(bench.labels), tmp_path / "yolo", "yolo", "copy")
    again = Bench(tmp_path, bench.model, tmp_path / "yolo")
    assert main(again.words(tmp_path / "again.onnx")) == 0
    first, second = (onnx.load(path) for path in (adapted, tmp_path / "again.onnx"))
    for one, other in zip(first.graph.initializer, second.graph.initializer, strict=True):
        assert one.SerializeToString() == other.SerializeToString()


def test_the_replaced_file_is_kept_and_rolling_back_swaps_them(adapted: Path, tmp_path: Path) -> None:
    model = tmp_path / "yard.onnx"
    model.write_bytes(b"old")
    lineage.replace(model, onnx.load(adapted))
    kept = tmp_path / "yard.onnx.previous"
    assert kept.read_bytes() == b"old"
    new = model.read_bytes()
    assert main(["adapt", "--rollback", str(model)]) == 0
    assert (model.read_bytes(), kept.read_bytes()) == (b"old", new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["yard.onnx", "yard.onnx.previous"]


def test_a_full_disk_leaves_the_files_as_they_were(adapted: Path, tmp_path: Path) -> None:
    model, kept = tmp_path / "yard.onnx", tmp_path / "yard.onnx.previous"
    model.write_bytes(b"old")
    kept.write_bytes(b"older")
    made = graphs.load(adapted)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            lineage.replace(model, made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (model.read_bytes(), kept.read_bytes()) == (b"old", b"older")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_no_file(bench: Bench, tmp_path: Path, number: signal.Signals) -> None:
    words = bench.words(tmp_path / "new.onnx", "--epochs", "100000")
    # A process in the background of a shell ignores SIGINT, and hands that on.
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = start + "from optimization.__main__ import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, *words],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "learning square" in process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert not list(tmp_path.iterdir())
    if number == signal.SIGKILL:
        return
    assert process.returncode == 130
    assert [line for line in said.splitlines() if "error" in line] == [
        "error: interrupted; what was not complete was not kept"
    ]
    assert "Traceback" not in said


def test_pictures_without_labels_are_counted_and_left_out(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = write_pictures(tmp_path / "pictures", 40)
    for key in ("images", "annotations"):
        document[key] = document[key][:37]  # type: ignore[index] # lists
    (tmp_path / "labels.json").write_text(json.dumps(document))
    partly = Bench(tmp_path, bench.model, tmp_path / "labels.json")
    out = tmp_path / "new.onnx"
    main(partly.words(out, "--pictures", str(tmp_path / "pictures"), "--epochs", "1"))
    said = capsys.readouterr().out
    assert "3 pictures are not labelled, and are left out" in said
    assert "from 29 pictures; 8 others judge" in said


def test_a_teacher_teaches_and_the_classes_to_keep_are_scored(
    adapted: Path, bench: Bench, tmp_path: Path
) -> None:
    document = write_pictures(tmp_path / "kept", 4)
    document["categories"] = [{"id": 1, "name": "other"}]
    (tmp_path / "kept" / "labels.json").write_text(json.dumps(document))
    figures = tmp_path / "figures.json"
    given = ["--model", str(bench.model), "--pictures", str(bench.labels), "--teacher", str(adapted)]
    kept = ["--keep-on", str(tmp_path / "kept" / "labels.json"), "--json", str(figures)]
    assert main(["adapt", *given, *LEARN, *kept, "--out", str(tmp_path / "pupil.onnx")]) == 0
    found = json.loads(figures.read_text())
    assert found["others"]["ap_after"] >= found["others"]["ap_before"] - 1
    assert found["verdict"]["low"] > 0


def test_a_class_that_no_picture_shows_that_judges_is_refused_by_name(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = write_pictures(tmp_path / "pictures", 40)
    document["categories"] = [{"id": 1, "name": "square"}, {"id": 2, "name": "other"}]
    only = {"id": 99, "image_id": 1, "category_id": 2, "bbox": [5, 5, 20, 20]}
    document["annotations"] = [*document["annotations"], only]  # type: ignore[misc] # a list
    (tmp_path / "pictures" / "annotations.json").write_text(json.dumps(document))
    rare = Bench(tmp_path, bench.model, tmp_path / "pictures")
    assert main(rare.words(tmp_path / "new.onnx", "--classes", "other")) != 0
    assert "other: is in no picture that judges; more pictures are needed" in capsys.readouterr().err
    assert not (tmp_path / "new.onnx").exists()


def test_a_teacher_with_no_time_looks_once(adapted: Path, bench: Bench) -> None:
    from optimization.training import material, teachers

    stills = material.of_folder(bench.labels)[:20]
    short, _ = teachers.labels_of([str(adapted)], stills, NAMES, seconds=0.0)
    long, _ = teachers.labels_of([str(adapted)], stills, NAMES)
    with Detector(ModelSettings(name=str(adapted), confidence=0.15)) as detector:
        once = [detector.detect(still.read())[0].xyxy for still in stills]
    assert all((one.xyxy == seen).all() for one, seen in zip(short, once, strict=True))
    assert any(
        len(one.xyxy) != len(seen) or (one.xyxy != seen).any() for one, seen in zip(long, once, strict=True)
    )
