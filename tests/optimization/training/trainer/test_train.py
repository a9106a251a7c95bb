"""A network learns coloured boxes, comes back after a kill, and its export runs in the detector."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from edge_node.detect.detector import Detector
from optimization import detectors
from optimization.__main__ import main
from optimization.graph import graphs
from shared.errors import DarnerError
from tests.optimization.training.trainer.conftest import write_dataset

HOW = "the extra train is not installed; `make test-engines` installs it and runs these"
pytest.importorskip("libreyolo", reason=HOW)
from optimization.training.trainer import families, fit, networks  # noqa: E402
from optimization.training.trainer.recipe import Recipe  # noqa: E402 - only where it can be imported
from optimization.training.trainer.run import Run  # noqa: E402
from optimization.training.trainer.train import Trained, resume, train  # noqa: E402

QUICK: dict[str, Any] = {"batch": 4, "side": 64, "scales": 0.5, "erase": 0.5, "mixup": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "data"
    return write_dataset(folder, {"train": {"red": 4, "blue": 4}, "val": {"red": 2, "blue": 2}})


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("out") / "run"
    return train(data, model="yolox-nano", out=out, recipe=Recipe(epochs=2, **QUICK))


def losses(out: Path) -> list[tuple[str, str]]:
    """Epoch and loss of each row."""
    with (out / "metrics.csv").open(newline="") as file:
        return [(row["epoch"], row["loss"]) for row in csv.DictReader(file)]


def test_training_leaves_what_the_page_promises_and_nothing_else(trained: Trained) -> None:
    names = {path.name for path in trained.model.parent.iterdir()}
    assert names == {
        "best.pt", "last.pt", "model.onnx", "run.json",
        "confusion.png", "metrics.csv", "precision_recall.png", "training.png",
    }  # fmt: skip
    assert [row["epoch"] for row in trained.metrics] == [1, 2]
    assert {"loss", "loss_iou", "loss_obj", "loss_cls", "ap", "ap50", "rate", "seconds", "pictures_s"} <= set(
        trained.metrics[0]
    )
    assert trained.difference < 1e-3


def test_the_export_runs_in_the_detector_at_several_sizes_and_says_where_it_comes_from(
    trained: Trained,
) -> None:
    about = {item.key: item.value for item in onnx.load(str(trained.model)).metadata_props}
    assert about["darner.data"] == trained.digest
    assert "darner.parent" not in about
    for side in (None, 96):
        settings = detectors.build(name=str(trained.model), backend="onnxruntime", input_size=side)
        with Detector(settings) as detector:
            assert detector.class_names == ("red", "blue")
            assert detector.input_format.width == (side or 64)
            detector.detect(np.zeros((48, 80, 3), np.uint8))


@pytest.mark.parametrize("sort", [False, True])
def test_weights_of_an_export_start_where_it_ended(
    trained: Trained, data: Path, tmp_path: Path, sort: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = trained.model
    if sort:  # the nodes, in an order that is not that of the network
        weights = tmp_path / "sorted.onnx"
        graphs.save(graphs.slim(graphs.load(trained.model)), weights)
    again = train(
        data,
        model="yolox-nano",
        out=tmp_path / "run",
        weights=weights,
        recipe=Recipe(epochs=1, rate=1e-9, average=False, **QUICK),
    )
    assert again.before == again.after == trained.after
    assert "best so far" not in capsys.readouterr().err
    assert [row["epoch"] for row in again.metrics] == [0, 1]
    assert again.metrics[0]["ap"] == again.metrics[1]["ap"]
    known = onnx.load(str(again.model)).metadata_props
    assert any(item.key == "darner.parent" and len(item.value) == 64 for item in known)


@pytest.mark.parametrize(("epoch", "kept"), [("9.5", "start"), ("10.5", "epoch")])
def test_weights_are_kept_where_no_epoch_is_better(tmp_path: Path, epoch: str, kept: str) -> None:
    choice = families.choose("yolox-nano")
    pictures = tmp_path / "work" / "data" / "images" / "val"
    pictures.mkdir(parents=True)
    cv2.imwrite(str(pictures / "one.png"), np.zeros((64, 64, 3), np.uint8))
    for path in (tmp_path / "work" / "start.pt", tmp_path / "best.pt"):
        networks.save(networks.fresh(choice, 2), choice, ("red", "blue"), 64, path)
    found = {
        "start": (tmp_path / "work" / "start.pt").read_bytes(),
        "epoch": (tmp_path / "best.pt").read_bytes(),
    }
    (tmp_path / "metrics.csv").write_text(f"epoch,ap\n0,10\n1,{epoch}\n")
    wanted = Run(
        model="yolox-nano", data="", weights=None, digest="0", names=("red", "blue"), recipe=Recipe(side=64)
    )
    fit.finish(wanted, choice, tmp_path)
    assert (tmp_path / "best.pt").read_bytes() == found[kept]


@pytest.mark.parametrize(
    ("weights", "said"),
    [("nothing.pt", "no such file"), ("text.pt", "is no checkpoint"), ("small.onnx", "do not fit those of")],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_left(
    data: Path, tmp_path: Path, tiny: Path, weights: str, said: str
) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "small.onnx").write_bytes(tiny.read_bytes())
    out = tmp_path / "run"
    with pytest.raises(DarnerError, match=said):
        train(data, model="yolox-nano", out=out, weights=tmp_path / weights, recipe=Recipe(epochs=1, **QUICK))
    assert list(out.iterdir()) == []


def test_code_in_a_checkpoint_does_not_run(data: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    bad = f"cposix\nsystem\n(S'touch {ran}'\ntR."
    (tmp_path / "bad.pt").write_text(bad)
    with pytest.raises(DarnerError, match="without running code"):
        train(data, model="yolox-nano", out=tmp_path / "run", weights=tmp_path / "bad.pt")
    assert not ran.exists()


def test_a_loss_that_is_no_number_ends_in_a_sentence_and_keeps_earlier_epochs(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(DarnerError, match=r"the loss became (nan|inf).*lower learning rate than 0\.99"):
        train(data, model="yolox-nano", out=out, recipe=Recipe(epochs=30, rate=0.99, **QUICK))


def test_a_killed_run_goes_on_with_the_same_figures(data: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=4, **QUICK)
    whole = train(data, model="yolox-nano", out=tmp_path / "whole", recipe=recipe)
    out = tmp_path / "killed"
    words = [sys.executable, "-m", "optimization", "train", "--data", str(data), "--out", str(out)]
    words += [
        "--epochs",
        "4",
        "--batch",
        "4",
        "--size",
        "64",
        "--scales",
        "0.5",
        "--erase",
        "0.5",
        "--mixup",
        "0.5",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while not (out / "last.pt").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len(losses(out)) < 4
    done = resume(out)
    assert losses(out) == losses(tmp_path / "whole")
    assert done.after == whole.after


def test_a_transformer_is_trained_and_runs_in_the_detector(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", {"train": {"red": 1, "blue": 1}, "val": {"red": 1, "blue": 1}})
    done = train(data, model="dfine-n", out=tmp_path / "run", recipe=Recipe(epochs=1, batch=2))
    assert 0 < done.difference < 1e-3
    with Detector(detectors.build(name=str(done.model), backend="onnxruntime")) as detector:
        assert detector.layout == "rtdetr_queries"
        assert detector.class_names == ("red", "blue")


def test_a_second_run_needs_a_word(trained: Trained, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trained.model.parent
    assert main(["train", "--data", str(data), "--out", str(out)]) != 0
    assert "holds a run already; --resume goes on with it" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", str(out)]) != 0
    assert "is complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "9"], "leave --epochs out"),
        (["--size", "96", "--no-ema"], "leave --size, --no-ema out"),
        (["--epochs", "2", "--size", "64"], "is complete"),
    ],
)
def test_options_that_a_resumed_run_would_not_follow_are_refused(
    trained: Trained, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["train", "--resume", "--out", str(trained.model.parent), *words]) != 0
    assert said in capsys.readouterr().err


def test_an_epoch_counts_once_its_checkpoint_is_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with pytest.raises(DarnerError), monkeypatch.context() as broken:
        broken.setattr(fit, "finish", _broken)
        train(data, model="yolox-nano", out=out, recipe=Recipe(epochs=1, **QUICK))
    rows = (out / "metrics.csv").read_text().splitlines()
    settings = json.loads((out / "run.json").read_text())
    settings["recipe"]["epochs"] = 2
    (out / "run.json").write_text(json.dumps(settings))
    # killed after the figures of the last epoch, before its checkpoint
    (out / "metrics.csv").write_text("\n".join([*rows, rows[-1].replace("1,", "2,", 1)]) + "\n")
    monkeypatch.chdir(tmp_path)
    done = resume(out)
    assert [row["epoch"] for row in done.metrics] == [1, 2]
    assert done.metrics[1]["loss"] != done.metrics[0]["loss"]


def _broken(*_: object) -> float:
    raise DarnerError("no export today")


def test_a_changed_dataset_is_not_gone_on_with(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", {"train": {"red": 2, "blue": 2}, "val": {"red": 1, "blue": 1}})
    out = tmp_path / "run"
    train(data, model="yolox-nano", out=out, recipe=Recipe(epochs=1, **QUICK))
    (out / "model.onnx").unlink()
    picture = data / "images" / "train" / "train_1.png"
    cv2.imwrite(str(picture), np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(DarnerError, match="has changed since the run"):
        resume(out)


def test_int8_and_a_comparison_follow(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "run", tmp_path / "report.json"
    words = ["train", "--data", str(data), "--out", str(out), "--epochs", "1", "--size", "64", "--batch", "4"]
    assert main([*words, "--quantize", "--compare", str(out / "model.onnx"), "--json", str(report)]) == 0
    assert f"model.name: {out / 'model_int8.onnx'}" in capsys.readouterr().out
    document = json.loads(report.read_text())
    assert document["quantize"]["output"] == str(out / "model_int8.onnx")
    assert set(document["compare"]["accuracy"]) == {"a", "b", "c"}


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk can be mounted only by root")
def test_a_full_disk_ends_in_a_sentence(data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(DarnerError, match="the disk is full"):
            train(data, model="yolox-nano", out=disk / "run", recipe=Recipe(epochs=3, **QUICK))
        assert not list(disk.rglob("*.part"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
