from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_node.backends.tensorrt.description import read
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from edge_node.pictures import U8
from optimization.__main__ import main
from optimization.commands import build as commands
from optimization.targets import TARGETS
from tests.edge_node.backends.small_models import write

pytest.importorskip(
    "tensorrt_rtx_bindings", reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)"
)
WITHOUT_GPU = pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU")
ELSEWHERE = ["--compute-capability", "8.6", "--level", "0"]


def test_an_onnx_file_becomes_an_engine(tmp_path: Path) -> None:
    model, engine = write(tmp_path / "model.onnx"), tmp_path / "out" / "model.engine"
    cache, report = tmp_path / "timings", tmp_path / "report.json"
    arguments = ["build", str(model), "-o", str(engine), "--json", str(report), "--timing-cache", str(cache)]
    assert main([*arguments, *ELSEWHERE, "--profile", "1,1,1", "--profile", "1,2,4"]) == 0
    facts = json.loads(report.read_text())
    assert facts["bytes"] == engine.stat().st_size > 1000
    assert facts["profiles"][1] == [[1, 3, 64, 64], [2, 3, 64, 64], [4, 3, 64, 64]]
    beside = json.loads(engine.with_name("model.engine.json").read_text())
    assert json.loads(beside["metadata"]["names"]) == {"0": "cat", "1": "dog"}
    assert beside["check"] == "not checked: the engine's GPU is not here"
    assert cache.is_file()


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict(True, "mean best IoU 0.994"), 0), (Verdict(False, "mean best IoU 0.52"), 1)],
)
def test_an_engine_is_compared_before_it_takes_the_place_of_an_earlier_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verdict: Verdict,
    code: int,
) -> None:
    model, engine = write(tmp_path / "model.onnx"), tmp_path / "model.engine"
    engine.write_text("an earlier one")
    (tmp_path / "shown").mkdir()
    cv2.imwrite(str(tmp_path / "shown" / "a.png"), np.zeros((64, 64, 3), np.uint8))
    gpu = SimpleNamespace(name="NVIDIA A10", capability=(8, 6), current=contextlib.nullcontext)
    # Built for a GPU that is not here, as TensorRT for RTX can, under the name of one that is.
    monkeypatch.setattr(commands, "_place", lambda _args, _trt, wanted: (wanted, gpu))
    asked: list[tuple[str, Path, int]] = []

    def compared(
        settings: ModelSettings, _index: int, onnx: Path, built: Path, shown: Sequence[U8] | None
    ) -> Verdict:
        assert built.read_bytes() != b"an earlier one"
        assert read(built).metadata["names"]
        asked.append((settings.name, onnx, len(shown or ())))
        return verdict

    monkeypatch.setattr(commands, "compared", compared)
    words = [*ELSEWHERE, "--force", "--check-images", str(tmp_path / "shown"), "-o", str(engine)]
    assert main(["build", str(model), *words]) == code
    assert asked == [(str(model), model, 1)]
    said = capsys.readouterr()
    if code == 0:
        assert json.loads(engine.with_name("model.engine.json").read_text())["check"] == verdict.text
        assert f"compared with model.onnx: {verdict.text}" in said.out
    else:
        assert engine.read_text() == "an earlier one"
        assert "not find what the ONNX file finds (mean best IoU 0.52)" in said.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["shown"]


def test_the_built_in_model_becomes_an_engine_of_any_size_and_by_its_old_name_of_one(tmp_path: Path) -> None:
    report, few = tmp_path / "report.json", ["--profile", "1,1,2", "--workspace", "1024", "--force"]
    small = write(tmp_path / "small.onnx", size="side")
    for name, words, sizes in (
        ("nanodet_g", [], [[32, 32], [288, 512], [512, 512]]),
        (str(small), ["--size", "32x32,320x192,320x320"], [[32, 32], [192, 320], [320, 320]]),
        ("nanodet_g_416", [], [[416, 416]] * 3),
    ):
        output = ["-o", str(tmp_path / "x.engine"), "--json", str(report)]
        assert main(["build", name, *words, *output, *few, *ELSEWHERE]) == 0
        (profile,) = json.loads(report.read_text())["profiles"]
        assert [shape[2:] for shape in profile] == sizes, (name, words)


@WITHOUT_GPU
def test_a_consumer_gpu_is_built_for_without_one(tmp_path: Path) -> None:
    model, report = write(tmp_path / "model.onnx"), tmp_path / "report.json"
    for target, capability in (("rtx-30", "8.6"), ("rtx-40", "8.9"), ("rtx-50", "12.0")):
        output = ["-o", str(tmp_path / f"{target}.engine"), "--json", str(report), "--force"]
        assert main(["build", str(model), "--target", target, *output]) == 0
        facts = json.loads(report.read_text())
        assert (facts["compute_capability"], facts["gpu"], facts["level"]) == (capability, None, 2)


def bare(path: Path) -> None:
    """A network that takes nothing and gives a constant."""
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["one"], ["y"])], "bare", [], [out], [one])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


class Tesla:
    name, capability = "Tesla T4", (7, 5)


def test_a_target_that_is_not_here_is_refused_by_a_tensorrt_that_builds_only_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optimization.commands.build.cuda.device", Tesla)
    trt = SimpleNamespace(IBuilderConfig=object, __version__="10.3.0")
    monkeypatch.setattr("optimization.commands.build.import_tensorrt", lambda: trt)
    assert main(["build", str(model), "--target", "l4"]) > 0
    assert capsys.readouterr().err == (
        "error: --target l4 has compute capability 8.9, and the GPU here (Tesla T4) has compute capability "
        "7.5: build there (TensorRT builds only on the GPU that runs the engine; TensorRT for RTX also "
        "builds elsewhere)\n"
    )


def test_nothing_is_overwritten_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, engine = write(tmp_path / "model.onnx"), tmp_path / "model.engine"
    engine.write_text("precious")
    assert main(["build", str(model), "-o", str(engine), *ELSEWHERE]) == 2
    assert "--force" in capsys.readouterr().err
    assert engine.read_text() == "precious"
    assert main(["build", str(model), "-o", str(engine), *ELSEWHERE, "--force"]) == 0
    assert engine.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["MODEL", *ELSEWHERE, "--precision", "int8"], "quantize", id="INT8 without ranges"),
        pytest.param(["MODEL", "--target", "t4", "--dla", "0"], "--dla 0: t4 has 0", id="no such core"),
        pytest.param(["MODEL", "--dla", "0", "--precision", "fp32"], "half precision", id="DLA in float"),
        pytest.param(
            ["MODEL", "--calibrate", "DIR", "--precision", "fp16"],
            "--calibrate is for INT8, and --precision says fp16",
            id="calibration of half precision",
        ),
        pytest.param(
            ["MODEL", *ELSEWHERE, "--calibration-cache", "x.calib"],
            "--compute-capability names another",
            id="calibration without the GPU",
        ),
        pytest.param(["MODEL", "--keep-float", "last"], "only --calibrate", id="nothing to keep in float"),
        pytest.param(
            ["MODEL", "--target", "jetson-orin-nx"],
            "compute capability 8.7, and there is no GPU here: build there (elsewhere, TensorRT for RTX",
            marks=WITHOUT_GPU,
            id="a board that cannot be built for elsewhere",
        ),
        pytest.param(
            ["MODEL", "--target", "rtx-40", "--calibration-cache", "model.onnx"],
            "there is no GPU here: build there (calibration measures on the GPU",
            marks=WITHOUT_GPU,
            id="known ranges without the GPU",
        ),
        pytest.param(
            ["FIXED", *ELSEWHERE, "--profile", "1,8,16"], "batches of 1: leave", id="profile of a fixed batch"
        ),
        pytest.param(
            ["MODEL", *ELSEWHERE, "-o", "x.onnx"],
            "must end in .engine or .plan",
            id="an engine called a model",
        ),
        pytest.param(
            ["MODEL", *ELSEWHERE, "--timing-cache", "."], ".: is a folder", id="timings cannot be written"
        ),
        pytest.param(
            ["MODEL", *ELSEWHERE, "--check-images", "torn"], "torn/a.png: is not a picture", id="torn picture"
        ),
        pytest.param(["missing.onnx"], "no such file", id="no model"),
        pytest.param(["model.pt"], "is not an .onnx file", id="not ONNX"),
        pytest.param(["UNKNOWN", *ELSEWHERE], "Detectify", id="unknown operator"),
        pytest.param(["GARBAGE", *ELSEWHERE], "garbage.onnx", id="no model at all"),
        pytest.param(["BARE", *ELSEWHERE], "bare.onnx: needs one input", id="a network without an input"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {name: f"{name.lower()}.onnx" for name in ("MODEL", "FIXED", "UNKNOWN", "GARBAGE", "BARE")}
    write(tmp_path / "model.onnx")
    write(tmp_path / "fixed.onnx", batch=1)
    bare(tmp_path / "bare.onnx")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "a.png").write_bytes(b"torn")
    write(tmp_path / "unknown.onnx", "unknown")
    (tmp_path / "garbage.onnx").write_bytes(b"garbage")
    (tmp_path / "model.pt").write_bytes(b"")
    assert main(["build", *(named.get(word, word) for word in arguments)]) > 0
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert words in error
    assert "\n" not in error
    assert not list(tmp_path.glob("*.engine*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "8,4,2"],
        ["--profile", "1"],
        ["--size", "512x512,32x32,64x64"],
        ["--size", "32x32,64x64"],
        ["--compute-capability", "new"],
        ["--compute-capability", "-8.6"],
        ["--compute-capability", "8"],
        ["--workspace", "-5"],
        ["--workspace", "99999999"],
        ["--dla=-1"],
    ],
)
def test_options_say_how_they_are_written(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["build", "model.onnx", *arguments])
    assert "write " in capsys.readouterr().err


def test_a_calibration_that_is_there_already_is_said_to_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "model.onnx")
    (tmp_path / "model.calib").write_text("ranges")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    gpu = SimpleNamespace(name="NVIDIA A10", capability=(8, 6), current=contextlib.nullcontext)
    monkeypatch.setattr(commands, "_place", lambda _args, _trt, wanted: (wanted, gpu))
    assert main(["build", "model.onnx", "--calibrate", "."]) > 0, "TensorRT for RTX has no calibration"
    assert (
        "model.calib exists and is used instead of .; delete it to measure again" in capsys.readouterr().err
    )


def test_targets_name_batches_that_grow() -> None:
    for target in TARGETS.values():
        for low, best, high in target.options.profiles:
            assert 0 < low <= best <= high
        assert target.options.level <= 2, "from 3 on, kernels are compiled: hours on a board"
