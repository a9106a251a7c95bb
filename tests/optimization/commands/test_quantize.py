from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from optimization.__main__ import main
from optimization.graph import graphs, qdq

pytestmark = pytest.mark.long


def kinds(path: Path) -> dict[str, set[str]]:
    """Element types of zero points, by operator: what Q/DQ nodes convert to."""
    graph = onnx.load(str(path)).graph
    types = {item.name: onnx.TensorProto.DataType.Name(item.data_type) for item in graph.initializer}
    found: dict[str, set[str]] = {"QuantizeLinear": set(), "DequantizeLinear": set()}
    for node in graph.node:
        if node.op_type in found and len(node.input) > 2:
            found[node.op_type].add(types[node.input[2]])
    return found


def test_int8_of_the_built_in_model_sees_what_the_float_one_sees_and_can_be_built_again_without_pictures(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again, told = tmp_path / "int8.onnx", tmp_path / "again.onnx", tmp_path / "told.json"
    words = ["quantize", "--method", "minmax", "--calibration", str(tmp_path / "ranges.json")]
    assert main([*words, "--images", str(images), "--output", str(out), "--json", str(told)]) == 0
    found = json.loads(told.read_text())
    assert found["pictures"] == 6
    assert found["tried"][0]["agreement"] < 0.1, "boxes and scores in one tensor do not fit into 8 bits"
    assert max(item["agreement"] for item in found["tried"]) > 0.7
    assert found["kept_float"] > 0
    assert kinds(out) == {"QuantizeLinear": {"UINT8"}, "DequantizeLinear": {"UINT8", "INT8", "INT32"}}
    assert out.stat().st_size < 6e6
    scales = {
        len(item.dims) for item in onnx.load(str(out)).graph.initializer if item.name.endswith("_scale")
    }
    assert 1 in scales, "weights have a scale for every channel"
    assert main([*words, "--output", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert "using the ranges measured before" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["entropy", "percentile", "minmax"])
def test_every_method_gives_ranges_inside_the_extremes(
    method: str, tmp_path: Path, tiny: Path, images: Path
) -> None:
    ranges = {}
    for name in ("minmax", method):
        file = tmp_path / f"{name}.json"
        words = ["quantize", "--model", str(tiny), "--images", str(images), "--keep-float", "none", "--force"]
        words += ["--method", name, "--calibration", str(file), "--output", str(tmp_path / "int8.onnx")]
        assert main([*words, "--percentile", "99"]) == 0
        document = json.loads(file.read_text())
        assert document["method"] == name
        ranges[name] = document["ranges"]
    assert ranges[method].keys() == ranges["minmax"].keys()
    for key, (low, high) in ranges[method].items():
        assert low <= high
        # A histogram's bins end a little beyond the values in them.
        width = ranges["minmax"][key][1] - ranges["minmax"][key][0]
        assert high <= ranges["minmax"][key][1] + 0.02 * width
    narrower = sum(ranges[method][key][1] < 0.99 * ranges["minmax"][key][1] for key in ranges[method])
    if method == "minmax":
        assert narrower == 0
    if method == "percentile":  # entropy may keep all of it: that depends on the pictures
        assert narrower > 0


def test_for_tensorrt_everything_is_signed_and_symmetric_and_biases_stay_float(
    tmp_path: Path, tiny: Path, images: Path
) -> None:
    out = tmp_path / "trt.onnx"
    words = [
        "quantize",
        "--model",
        str(tiny),
        "--images",
        str(images),
        "--for",
        "tensorrt",
        "--method",
        "minmax",
    ]
    assert main([*words, "--keep-float", "none", "--output", str(out)]) == 0
    assert kinds(out) == {"QuantizeLinear": {"INT8"}, "DequantizeLinear": {"INT8"}}
    graph = onnx.load(str(out)).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            assert not np.any(arrays[node.input[2]]), "zero points are zero"
    conv = next(node for node in graph.node if node.op_type == "Conv" and len(node.input) > 2)
    assert arrays[conv.input[2]].dtype == np.float32


def test_reduced_range_keeps_weights_within_seven_bits(tmp_path: Path, tiny: Path, images: Path) -> None:
    largest = {}
    for choice in ("yes", "no"):
        out = tmp_path / f"{choice}.onnx"
        words = ["quantize", "--model", str(tiny), "--images", str(images), "--method", "minmax"]
        words += ["--keep-float", "none", "--reduce-range", choice, "--calibration", str(tmp_path / "r.json")]
        assert main([*words, "--output", str(out)]) == 0
        weights = [
            np.abs(numpy_helper.to_array(item).astype(int)).max()
            for item in onnx.load(str(out)).graph.initializer
            if item.data_type == onnx.TensorProto.INT8 and len(item.dims) == 4
        ]
        largest[choice] = max(weights)
    assert largest["yes"] <= 64
    assert largest["no"] == 127


def test_levels_keep_the_end_of_the_network_first(tiny: Path) -> None:
    graph = graphs.pre_process(graphs.load(tiny))
    by_name = {node.name: node.op_type for node in graph.graph.node}
    levels = [sorted(by_name[name] for name in level) for level in qdq.head_levels(graph)]
    assert levels[0] == []
    assert levels[1] == ["Reshape", "Sigmoid"]
    assert levels[2] == ["Conv", "MaxPool", "Relu", "Reshape", "Sigmoid"]
    assert len(levels) == 3, "with the first convolution nothing would be left to quantise"
    blocks = qdq.blocks(graph, 2)
    assert [sum(by_name[name] == "Conv" for name in block) for block in blocks] == [1, 1]
    assert sorted(name for block in blocks for name in block) == sorted(by_name)


def test_the_table_lays_every_scheme_beside_the_float_network_and_its_commands_make_them(
    tmp_path: Path,
    tiny: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--model", str(tiny), "--images", str(images), "--layout", "yolov8"]
    assert main(["quantize", "--table", *words, "--json", "table.json"]) == 0
    rows = json.loads(Path("table.json").read_text())["rows"]
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"], "no model is written"
    named = {row["scheme"]: row for row in rows}
    assert len(named) == len(rows) == 2 + 3 * 2 * 3
    assert named["fp32"] == rows[0]
    assert (rows[0]["loss"], rows[0]["ratio"], rows[0]["command"]) == (0, 1, "")
    for row in rows:
        assert 0 <= row["ap"] <= 1
        assert row["loss"] == pytest.approx(rows[0]["ap"] - row["ap"], abs=1e-4)
        assert row["ms"] > 0
    assert rows[0]["mb"] == pytest.approx(tiny.stat().st_size / 1e6, abs=1e-4)
    told = capsys.readouterr().out
    assert all(name in told for name in named)
    for kept, count in (("none", 0), ("decoding", 2), ("last", 5)):
        for scale, lengths in (("channel", {8, 6}), ("tensor", set())):
            row = named[f"int8 minmax, per {scale}, {kept} in float"]
            command = row["command"].split()
            assert main([*command, *words, "--output", "one.onnx", "--json", "one.json", "--force"]) == 0
            assert json.loads(Path("one.json").read_text())["kept_float"] == count
            scales = [
                item for item in onnx.load("one.onnx").graph.initializer if item.name.endswith("_scale")
            ]
            found = {item.dims[0] for item in scales if item.dims and item.dims[0] > 1}
            assert found == (lengths - {6} if kept == "last" else lengths)


def test_the_table_scores_by_ground_truth_where_there_is_some(
    tmp_path: Path, tiny: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50]}
    name = sorted(images.iterdir())[0].name
    document = {"images": [{"id": 1, "file_name": name}], "categories": [{"id": 1, "name": "cat"}]}
    truth = tmp_path / "instances.json"
    truth.write_text(json.dumps(document | {"annotations": [box]}))
    words = ["quantize", "--table", "--model", str(tiny), "--images", str(images), "--keep-float", "last"]
    told = tmp_path / "table.json"
    assert main([*words, "--annotations", str(truth), "--pictures", "2", "--json", str(told)]) == 0
    found = json.loads(told.read_text())
    assert (found["title"], found["pictures"], len(found["rows"])) == ("AP", 2, 2 + 3 * 2 * 2)
    assert "agreement" not in capsys.readouterr().out


def test_what_cannot_be_quantised_is_one_clear_line(
    tmp_path: Path, tiny: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranges, out = tmp_path / "ranges.json", str(tmp_path / "int8.onnx")
    words = ["quantize", "--output", out, "--method", "minmax", "--calibration", str(ranges)]
    shown = ["--images", str(images)]
    assert main([*words, "--model", str(tiny)]) == 2
    assert "name a folder of pictures with --images" in capsys.readouterr().err
    assert main([*words, "--model", str(tiny), *shown, "--keep-float", "nonsense"]) == 2
    assert "no node 'nonsense'" in capsys.readouterr().err
    for wrong, says in (
        (["--table"], "--output: --table writes no model"),
        (["--annotations", "x.json"], "--annotations: only --table scores"),
    ):
        assert main([*words, "--model", str(tiny), *shown, *wrong]) == 2
        assert says in capsys.readouterr().err
    assert main(["quantize", "--table"]) == 2
    assert "name a folder with --images" in capsys.readouterr().err
    assert main([*words, "--model", str(tiny), *shown, "--keep-float", "none"]) == 0
    capsys.readouterr()
    assert main([*words, "--force", *shown]) == 1
    assert "was measured on another model" in capsys.readouterr().err
    assert main([*words, "--force", "--model", str(tiny), "--pictures", "0"]) == 2
    assert "--pictures 0" in capsys.readouterr().err
    assert main([*words, "--force", "--model", str(tiny)]) == 2, "what to keep was never looked at"
    assert "--keep-float auto needs pictures" in capsys.readouterr().err
    ranges.write_text('{"format": 99}')
    assert main([*words, "--force", "--model", str(tiny), *shown]) == 1
    assert "no calibration file of this version" in capsys.readouterr().err
