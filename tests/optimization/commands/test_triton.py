from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optimization.__main__ import main

try:
    from tritonclient.grpc import model_config_pb2
except ImportError:
    model_config_pb2 = None

EXPECTED = """\
name: "cats"
backend: "onnxruntime"
max_batch_size: 16
input [
  {
    name: "images"
    data_type: TYPE_FP32
    dims: [ 3, -1, -1 ]
  }
]
output [
  {
    name: "output0"
    data_type: TYPE_FP32
    dims: [ 6, -1 ]
  }
]
instance_group [
  { count: 2 kind: KIND_CPU }
]
dynamic_batching {
  preferred_batch_size: [ 2, 4, 8, 16 ]
  max_queue_delay_microseconds: 500
}
"""


def parsed(text: str) -> Any:
    """The configuration as Triton's own definition reads it."""
    if model_config_pb2 is None:
        pytest.skip("Triton's definition is not installed: pip install 'darner[kserve]'")
    from google.protobuf import text_format

    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.fixture
def repository(tmp_path: Path, tiny: Path) -> Path:
    model, folder = tmp_path / "any.onnx", tmp_path / "models"
    assert main(["simplify", "--model", str(tiny), "--dynamic", "both", "--output", str(model)]) == 0
    words = [
        "triton",
        "--model",
        str(model),
        "--repository",
        str(folder),
        "--name",
        "cats",
        "--max-batch",
        "16",
    ]
    assert main([*words, "--instances", "2", "--device", "cpu", "--delay-us", "500"]) == 0
    assert (folder / "cats" / "1" / "model.onnx").read_bytes() == model.read_bytes()
    return folder


def test_the_configuration_says_types_shapes_and_batching(repository: Path) -> None:
    assert (repository / "cats" / "config.pbtxt").read_text() == EXPECTED


def test_triton_reads_the_configuration(repository: Path) -> None:
    config = parsed((repository / "cats" / "config.pbtxt").read_text())
    assert config.max_batch_size == 16
    assert list(config.input[0].dims) == [3, -1, -1]
    assert config.input[0].data_type == model_config_pb2.TYPE_FP32
    assert list(config.dynamic_batching.preferred_batch_size) == [2, 4, 8, 16]
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU


def test_the_built_in_model_is_served_in_batches_of_any_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["triton", "--repository", str(tmp_path)]) == 0
    assert "set model.input_size: 512 on them" in capsys.readouterr().out
    text = (tmp_path / "nanodet_g" / "config.pbtxt").read_text()
    for line in ("max_batch_size: 8", "dims: [ 3, -1, -1 ]", "dims: [ 84, -1 ]", "dynamic_batching"):
        assert line in text


def test_a_fixed_batch_is_served_one_by_one(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "told.json"
    words = ["triton", "--model", str(tiny), "--repository", str(tmp_path / "models"), "--name", "tiny"]
    assert main([*words, "--json", str(out)]) == 0
    text = (tmp_path / "models" / "tiny" / "config.pbtxt").read_text()
    assert "max_batch_size: 0" in text
    assert "dims: [ 1, 3, 128, 128 ]" in text
    assert "dynamic_batching" not in text
    assert json.loads(out.read_text())["max_batch_size"] == 0
    assert "`simplify --dynamic batch`" in capsys.readouterr().out


def test_an_engine_is_served_in_place_of_the_file_it_was_built_from(tmp_path: Path) -> None:
    plan = tmp_path / "model.engine"
    plan.write_bytes(b"an engine")
    assert main(["triton", "--repository", str(tmp_path), "--name", "fast", "--plan", str(plan)]) == 0
    assert (tmp_path / "fast" / "1" / "model.plan").read_bytes() == b"an engine"
    assert 'platform: "tensorrt_plan"' in (tmp_path / "fast" / "config.pbtxt").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--name", "a/b"], "--name 'a/b'", id="a name that is a path"),
        pytest.param(["--max-batch", "0"], "--max-batch 0: must be at least 1", id="no picture at all"),
        pytest.param(["--plan", "none.plan"], "none.plan: no such file", id="no engine"),
        pytest.param(["--model", "none.onnx"], "none.onnx", id="no model"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["triton", "--repository", str(tmp_path), *words]) != 0
    assert says in capsys.readouterr().err
