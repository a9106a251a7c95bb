from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edge_node.assets.download import sha256
from edge_node.assets.models import find_model
from optimization.__main__ import main
from optimization.graph import flops, graphs


def outputs(
    path: Path, tensor: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> list[np.typing.NDArray[np.float32]]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [np.asarray(item) for item in session.run(None, {session.get_inputs()[0].name: tensor})]


def test_inspect_says_what_the_built_in_model_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.json"
    assert main(["inspect", "--model", "nanodet_g_416", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["parameters"] == pytest.approx(3.81e6, rel=0.01), "as NanoDet's authors give it"
    assert found["gflops"] == pytest.approx(4.2, rel=0.01), "as NanoDet's authors give it"
    assert found["layout"] == "yolov8"
    assert found["channels"] == "RGB"
    assert found["classes"][0] == "person"
    assert found["inputs"] == [{"name": "images", "type": "float", "shape": ["batch", 3, "height", "width"]}]
    assert found["largest"][0]["gflops"] >= found["largest"][1]["gflops"] > 0
    assert "4.195 GFLOPs" in capsys.readouterr().out


def test_inspect_says_where_a_model_comes_from(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tiny.with_name("made.onnx")
    model = graphs.load(tiny)
    onnx.helper.set_model_props(model, {"darner.parent": "a" * 64, "darner.data": "b" * 64})
    onnx.save(model, made)
    assert main(["inspect", "--model", str(made)]) == 0
    said = capsys.readouterr().out
    assert f"SHA-256 {sha256(made)}\n  made of: {'a' * 64}\n  learnt from: {'b' * 64}\n" in said


def test_flops_are_those_counted_by_hand(tiny: Path) -> None:
    layers = flops.layers(graphs.load(tiny), (1, 3, 128, 128))
    by_op = {(layer.op, index): layer.flops for index, layer in enumerate(layers)}
    cells = 64 * 64
    assert by_op["Conv", 0] == 8 * cells * (2 * 27 + 1), "27 products and sums, and a bias"
    assert by_op["Relu", 1] == 8 * cells
    assert by_op["Pad", 2] == 0
    assert by_op["MaxPool", 3] == 8 * 1024 * 9
    assert by_op["Conv", 4] == 6 * 1024 * 2 * 8
    assert by_op["Sigmoid", 6] == 6 * 1024
    assert flops.parameters(graphs.load(tiny)) == 8 * 27 + 8 + 6 * 8
    assert [layer.parameters for layer in layers] == [224, 0, 0, 0, 48, 0, 0]


def test_simplify_folds_constants_and_padding_and_changes_nothing(
    tmp_path: Path, tiny: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, before in (("nanodet_g", 244), (str(tiny), 7)):
        out = tmp_path / "slim.onnx"
        assert (
            main(["simplify", "--model", model, "--output", str(out), "--images", str(images), "--force"])
            == 0
        )
        slim = onnx.load(str(out))
        assert len(slim.graph.node) < before
        assert "Pad" not in {node.op_type for node in slim.graph.node}
        constants = {item.name for item in slim.graph.initializer}
        assert not [n for n in slim.graph.node if n.op_type == "Cast" and n.input[0] in constants]
        assert slim.opset_import[0].version >= 17
        assert any(item.key == "names" for item in slim.metadata_props), "class names are kept"
        assert "same outputs within" in capsys.readouterr().out


def test_a_batch_that_may_vary_gives_every_picture_its_own_output(tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "batch.onnx"
    assert main(["simplify", "--model", str(tiny), "--dynamic", "batch", "--output", str(out)]) == 0
    tensor = np.random.default_rng(2).random((3, 3, 128, 128), np.float32)
    (found,) = outputs(out, tensor)
    assert found.shape == (3, 6, 1024)
    for index in range(3):
        (expected,) = outputs(tiny, tensor[index : index + 1])
        assert np.abs(found[index] - expected[0]).max() < 1e-5


def test_a_size_that_may_vary_runs_at_another_size_or_is_refused(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "size.onnx"
    assert main(["simplify", "--model", str(tiny), "--dynamic", "both", "--output", str(out)]) == 0
    (found,) = outputs(out, np.zeros((2, 3, 96, 32), np.float32))
    assert found.shape == (2, 6, 24 * 8)
    anchored, out = tmp_path / "anchored.onnx", tmp_path / "no.onnx"
    model = onnx.load(str(tiny))
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Add", ["before", "anchors"], ["output0"]))
    anchors = np.arange(6 * 1024, dtype=np.float32).reshape(1, 6, 1024)
    model.graph.initializer.append(onnx.numpy_helper.from_array(anchors, "anchors"))
    onnx.save(model, str(anchored))
    assert main(["simplify", "--model", str(anchored), "--dynamic", "size", "--output", str(out)]) == 1
    assert "does not allow --dynamic size" in capsys.readouterr().err, "its anchors are constants"
    assert not out.exists()


def test_what_varies_already_goes_on_varying(tmp_path: Path) -> None:
    """Grids of the built-in model have a leading one that is no picture's."""
    out = tmp_path / "same.onnx"
    assert main(["simplify", "--dynamic", "both", "--output", str(out)]) == 0
    tensor = np.random.default_rng(2).random((2, 3, 64, 96), np.float32)
    for before, after in zip(outputs(find_model("nanodet_g"), tensor), outputs(out, tensor), strict=True):
        assert before.shape == after.shape == (2, 84, 8 * 12 + 4 * 6 + 2 * 3)
        np.testing.assert_allclose(after, before, atol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("keep", ["auto", "none"])
def test_fp16_halves_the_file_and_stays_close(tmp_path: Path, images: Path, keep: str) -> None:
    out, result = tmp_path / "half.onnx", tmp_path / "half.json"
    words = [
        "fp16",
        "--output",
        str(out),
        "--images",
        str(images),
        "--keep-float",
        keep,
        "--json",
        str(result),
    ]
    assert main(words) == 0
    half = onnx.load(str(out))
    onnx.checker.check_model(half)
    types = {item.name: item.data_type for item in half.graph.initializer}
    kinds = {types[node.input[1]] for node in half.graph.node if node.op_type == "Conv"}
    assert kinds == {onnx.TensorProto.FLOAT16}, "weights of convolutions"
    assert half.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    found = json.loads(result.read_text())
    assert found["largest_relative_difference"] < 2e-3
    assert (found["kept_float"] > 0) == (keep == "auto")


def test_fp16_inputs_and_outputs_only_when_asked_for(tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "half.onnx"
    assert (
        main(["fp16", "--model", str(tiny), "--half-io", "--keep-float", "none", "--output", str(out)]) == 0
    )
    half = onnx.load(str(out)).graph
    for item in (*half.input, *half.output):
        assert item.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
