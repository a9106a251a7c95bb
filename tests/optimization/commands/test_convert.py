"""Conversions by the vendors' converters, which `make test-engines` installs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from optimization.__main__ import main

HOW = "is not installed; `make test-engines` installs it and runs these"


@pytest.fixture
def folder(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, one of which is none."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "good.onnx").write_bytes(tiny.read_bytes())
    (models / "broken.onnx").write_bytes(b"no model")
    (models / "readme.txt").write_text("no model either")
    monkeypatch.chdir(tmp_path)
    return models


def test_openvino_gives_what_onnx_runtime_gives_and_a_bad_file_does_not_stop_the_rest(
    folder: Path, tiny: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openvino = pytest.importorskip("openvino", reason=f"OpenVINO {HOW}", exc_type=ImportError)
    words = ["convert", str(folder), "--to", "openvino", "--precision", "fp32", "--images", str(images)]
    assert main([*words, "--output", "out", "--json", "told.json"]) == 1
    told = capsys.readouterr()
    assert "1 of 2 models could not be converted" in told.err
    assert "broken.onnx: not converted: model" in told.out
    rows = {Path(row["model"]).stem: row for row in json.loads(Path("told.json").read_text())["models"]}
    assert rows["good"]["difference"] < 1e-5
    assert "is not a valid ONNX model" in rows["broken"]["why"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["good.bin", "good.xml"]
    compiled = openvino.Core().compile_model("out/good.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    import onnxruntime

    picture = np.random.default_rng(0).random((1, 3, 128, 128), np.float32)
    (expected,) = onnxruntime.InferenceSession(str(tiny)).run(None, {"images": picture})
    np.testing.assert_allclose(compiled([picture])[0], expected, atol=1e-5)
    assert main([*words[:1], "models/good.onnx", *words[2:], "--output", "out"]) == 1
    assert "good.xml: exists already; add --force" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # three libraries warn of each other's versions
def test_core_ml_gets_one_picture_and_the_names_of_the_classes(
    folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("coremltools", "onnx2torch", "torch"):
        pytest.importorskip(name, reason=f"{name} {HOW}", exc_type=ImportError)
    import coremltools

    words = ["convert", str(folder), "--to", "coreml", "--output", "out", "--images", str(images)]
    assert main([*words, "--json", "told.json"]) == 1
    rows = {Path(row["model"]).stem: row for row in json.loads(Path("told.json").read_text())["models"]}
    assert rows["good"]["difference"] < 1e-2
    spec = coremltools.utils.load_spec("out/good.mlpackage")
    assert [(item.name, list(item.type.multiArrayType.shape)) for item in spec.description.input] == [
        ("images", [1, 3, 128, 128])
    ]
    assert [item.name for item in spec.description.output] == ["output0"]
    assert json.loads(spec.description.metadata.userDefined["names"]) == {"0": "cat", "1": "dog"}
    assert [path.name for path in Path("out").iterdir()] == ["good.mlpackage"]
    assert "1 of 2 models could not be converted" in capsys.readouterr().err


@pytest.mark.parametrize(("to", "package"), [("openvino", "openvino"), ("coreml", "coremltools")])
def test_without_the_vendors_package_it_says_how_to_get_it(
    to: str, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        __import__(package)
    except ImportError:
        assert main(["convert", "nanodet_g_416", "--to", to]) == 2
        error = capsys.readouterr().err
        assert f"needs {package}" in error
        assert f"install 'darner[{to}]'" in error
    else:
        pytest.skip(f"{package} is installed")


def test_the_other_commands_take_a_folder_too(
    folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, options, written in (
        ("inspect", [], []),
        ("simplify", ["--output", "slim"], ["slim/good_slim.onnx"]),
        ("fp16", ["--output", "half"], ["half/good_fp16.onnx"]),
        (
            "quantize",
            ["--output", "int8", "--images", str(images), "--method", "minmax"],
            ["int8/good_int8.onnx"],
        ),
    ):
        words = [command, "--model", str(folder), *options, "--json", f"{command}.json"]
        assert main(words) == 1, command
        told = capsys.readouterr()
        assert "1 of 2 models could not be done" in told.err
        rows = json.loads(Path(f"{command}.json").read_text())["models"]
        assert [Path(row["model"]).name for row in rows] == ["broken.onnx", "good.onnx"]
        assert "is not a valid ONNX model" in rows[0]["why"]
        assert "why" not in rows[1]
        for name in written:
            assert Path(name).is_file()
            assert rows[1]["output"] == name
    (folder / "broken.onnx").unlink()
    assert main(["inspect", "--model", str(folder)]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["inspect", "--model", "empty"], "empty: holds no .onnx file", id="nothing in it"),
        pytest.param(
            ["simplify", "--model", "models", "--output", "file"],
            "--output file: is no folder",
            id="one output",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_done_with_a_folder_is_one_clear_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert main(words) == 2
    assert says in capsys.readouterr().err
