from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.backends.interface import Inference, Pending, Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt.description import read, sidecar
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.pictures import Picture
from optimization import detectors
from optimization.__main__ import main
from optimization.measure import trial

BLACK = np.zeros((72, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def batched(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("batched") / "tiny_batch.onnx"
    assert main(["simplify", "--model", str(tiny), "--dynamic", "both", "--output", str(out)]) == 0
    return out


def test_every_combination_is_timed_step_by_step_and_drawn(
    tmp_path: Path, tiny: Path, batched: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "times.json", tmp_path / "times.png"
    half = tmp_path / "half.onnx"
    assert main(["fp16", "--model", str(tiny), "--output", str(half)]) == 0
    shown = ["--rounds", "5", "--picture", str(sorted(images.iterdir())[0]), "--json", str(out)]
    assert main(["benchmark", str(batched), "--sizes", "128,160", "--batches", "1,2", *shown]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [(max(row["input"]), row["batch"]) for row in rows] == [(128, 1), (128, 2), (160, 1), (160, 2)]
    # On one core, a file that takes one picture gets one at a time.
    words = ["benchmark", str(half), str(batched), "--batches", "1,2", "--threads", "1", *shown, "--force"]
    assert main([*words, "--plot", str(plot)]) == 0
    document = json.loads(out.read_text())
    named = [(Path(row["model"]).name, row["precision"], row["batch"]) for row in document["rows"]]
    assert named == [("half.onnx", "FP16", 1), (batched.name, "FP32", 1), (batched.name, "FP32", 2)]
    for row in rows + document["rows"]:
        for step in ("preprocess", "inference", "postprocess", "total"):
            times = row[step]
            assert 0 < times["p50"] <= times["p90"] <= times["p95"] <= times["p99"]
        steps = sum(row[step]["mean"] for step in ("preprocess", "inference", "postprocess"))
        assert steps <= row["total"]["mean"]
        assert row["pictures_per_s"] == pytest.approx(1e3 * row["batch"] / row["total"]["mean"], rel=0.01)
        assert row["rss_mb"] > 20
    assert document["rows"][0]["cpu_percent"] > 0
    assert [Path(item["model"]).name for item in document["skipped"]] == ["half.onnx"]
    assert "takes at most 1 picture" in capsys.readouterr().out
    assert document["machine"]["cores"] >= 1
    drawn = cv2.imread(str(plot))
    assert drawn is not None
    assert drawn.std() > 10


def test_an_engine_shows_the_precision_that_the_file_beside_it_tells(tmp_path: Path, tiny: Path) -> None:
    """A GPU runs it; here ONNX Runtime stands in, under the engine's name and with its description."""
    engine = tmp_path / "tiny.engine"
    engine.write_bytes(b"engine")
    sidecar(engine).write_text('{"precision": "int8", "outputs": [], "metadata": {}}')

    class OnGpu(OnnxBackend):
        def __init__(self, settings: ModelSettings, _: int) -> None:
            super().__init__(tiny, settings)
            self.name = "tensorrt 10.3.0"
            known = dict(self.model.metadata) | dict(read(engine).metadata)
            self.model = replace(self.model, metadata=known)

    for name in (str(engine), str(tiny)):  # of an ONNX file, it is the engine that was built from it
        with Detector(ModelSettings(name=name), open_backend=OnGpu) as detector:
            assert trial.identity(ModelSettings(name=name), detector, BLACK)["precision"] == "INT8"
    with Detector(ModelSettings(name=str(tiny), providers=("cpu",))) as detector:
        assert trial.precision(str(tiny), detector) == "FP32"


def test_what_is_measured_waits_for_its_engine() -> None:
    assert detectors.build(name="x.onnx").tensorrt.while_building == "wait"


def test_a_grid_is_timed_beside_the_whole_picture(
    tmp_path: Path,
    tiny: Path,
    batched: Path,
    images: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit = OnnxBackend.submit

    def slowly(
        self: OnnxBackend, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """As it is, but 20 ms later for each picture, beside which a busy machine's noise is small."""
        if self._path == tiny:
            time.sleep(0.02 * len(images))
        return submit(self, images, target, wanted)

    monkeypatch.setattr(OnnxBackend, "submit", slowly)
    out = tmp_path / "tiles.json"
    words = ["benchmark", str(batched), str(tiny), "--batches", "1,4", "--tiles", "2x2", "--rounds", "5"]
    words += ["--tiles", "columns=6,rows=1,overlap=0.1,whole=false", "--resolution", "640x320"]
    assert main([*words, "--picture", str(sorted(images.iterdir())[0]), "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    rows = {(Path(row["model"]).name, row.get("tiles"), row["batch"]): row for row in document["rows"]}
    wide, grid = "6x1 overlap 0.1 no whole", "2x2"
    assert set(rows) == {
        *((batched.name, tiles, batch) for tiles in (None, grid, wide) for batch in (1, 4)),
        *((tiny.name, tiles, 1) for tiles in (None, grid, wide)),
    }
    of = {key[1:]: row for key, row in rows.items() if key[0] == batched.name}
    assert [of[grid, 1]["looks"], of[wide, 4]["looks"]] == [5, 6]
    assert "looks" not in of[None, 1]
    assert of[None, 1]["input"] == of[grid, 1]["input"] == [640, 320]
    assert of[wide, 1]["input"] == [256, 640], "tiles that are tall"
    one, five = (rows[tiny.name, tiles, 1]["inference"]["p50"] for tiles in (None, grid))
    assert five > 1.5 * one, "five runs, not one"
    for row in (of[grid, 1], of[grid, 4]):
        steps = sum(row[step]["mean"] for step in ("preprocess", "inference", "postprocess"))
        assert steps <= row["total"]["mean"]
        assert row["pictures_per_s"] == pytest.approx(1e3 / row["total"]["mean"], rel=0.01)
    skipped = {(Path(item["model"]).name, item.get("tiles"), item["batch"]) for item in document["skipped"]}
    assert skipped == {(tiny.name, tiles, 4) for tiles in (None, grid, wide)}
    assert f"{wide}     6" in capsys.readouterr().out


def test_compare_gives_both_times_and_their_ratio(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both.json"
    assert main(["compare", "nanodet_g_416", f"{tiny}@onnxruntime", "--rounds", "5", "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    assert document["a_over_b"]["inference"] > 3, "four billion operations against half a million"
    assert document["a"]["model"] == "nanodet_g_416"
    assert document["a"]["inference"]["p50"] > document["b"]["inference"]["p50"]
    assert "in turn" in capsys.readouterr().out


def truth(tmp_path: Path, images: Path, name: str) -> list[str]:
    """Options that name one picture with one box."""
    path = sorted(images.iterdir())[0]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}
    document = {"images": [{"id": 1, "file_name": path.name}], "categories": [{"id": 1, "name": name}]}
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(document | {"annotations": [box]}))
    return ["--images", str(images), "--annotations", str(file)]


def test_compare_scores_all_when_there_is_ground_truth_and_draws_them(
    tmp_path: Path, images: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "both.json", tmp_path / "front.svg"
    words = ["compare", *[str(tiny)] * 3, "--rounds", "2", "--json", str(out), "--plot", str(plot)]
    assert main([*words, *truth(tmp_path, images, "cat")]) == 0
    document = json.loads(out.read_text())
    accuracy = document["accuracy"]
    assert accuracy["a"] == accuracy["b"] == accuracy["c"]
    assert set(accuracy["a"]["per_class"]) == {"cat"}
    assert set(document["a_over_c"]) == set(document["a_over_b"])
    assert "as long as C" in capsys.readouterr().out
    assert plot.read_text().count("front: nothing here") == 1


def test_benchmark_scores_each_detector_once_and_draws_accuracy_against_latency(
    tmp_path: Path, images: Path, batched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "times.json", tmp_path / "front.svg"
    words = ["benchmark", "nanodet_g_416", str(batched), "--batches", "1,2", "--rounds", "2"]
    words += truth(tmp_path, images, "person")
    assert main([*words, "--json", str(out), "--plot", str(plot)]) == 1, "one of the models has no row"
    document = json.loads(out.read_text())
    assert {row["accuracy"]["ap50"] for row in document["rows"]} <= {0.0, 1.0}
    skipped = {Path(item["model"]).name: item["why"] for item in document["skipped"]}
    assert "the model has no class 'person'" in skipped[batched.name], "it knows cats and dogs"
    told = capsys.readouterr()
    assert "1 of 2 models could not be measured" in told.err
    assert f"skipped {batched}, batch 1: " in told.out
    assert told.out.splitlines()[1].endswith("AP")
    assert "front: nothing here" in plot.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            ["benchmark", "none.onnx"],
            "no combination of model, engine, size and batch runs here",
            id="no model",
        ),
        pytest.param(["benchmark", "--backends", "tensorrt", "--rounds", "1"], "no combination", id="no GPU"),
        pytest.param(["benchmark", "--plot", "x.gif.txt"], "is not a known format", id="a plot of no format"),
        pytest.param(["compare", "a", "b", "--plot", "x"], "--plot x: '' is not", id="a plot without format"),
        pytest.param(
            ["benchmark", "--tiles", "2x2", "--tiles", "runs=4"],
            "--tiles: what a budget costs depends on what moves in a film; name a grid",
            id="a budget without a film",
        ),
        pytest.param(
            ["benchmark", "--images", "."], "both --images and --annotations", id="half a truth to time"
        ),
        pytest.param(
            ["compare", *"abcdefghijklmnopqrstuvwxyzz"], "compare at most 26 at once", id="too many"
        ),
        pytest.param(["compare", "nanodet_g_416", "none.onnx"], "none.onnx", id="nothing to compare with"),
        pytest.param(
            ["compare", "a", "b", "--images", "."], "both --images and --annotations", id="half a truth"
        ),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words + (["--rounds", "1"] if "benchmark" in words else [])) != 0
    assert says in capsys.readouterr().err
