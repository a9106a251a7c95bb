"""torchvision's Faster R-CNN with random weights: exported, read by a node, in lower precision, and timed.

It needs PyTorch and torchvision (`make test-engines` installs and runs it). Real weights are the user's to
try: `darner-optimize export torchvision:fasterrcnn_resnet50_fpn_v2` downloads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import pictures
from optimization.__main__ import main

HOW = "is not installed; `make test-engines` installs it and runs these"
NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"
SIDE = 320
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the exporters warn of their own future
    pytest.mark.timeout(600),  # 19 million weights
]


@pytest.fixture(scope="module")
def torchvision() -> Any:
    for name in ("torch", "onnxscript"):
        pytest.importorskip(name, reason=f"{name} {HOW}", exc_type=ImportError)
    return pytest.importorskip("torchvision", reason=f"torchvision {HOW}", exc_type=ImportError)


@pytest.fixture(scope="module")
def network(torchvision: Any, images: Path) -> Any:
    """A network whose layers are scaled on pictures, as training would: else every score is the same."""
    import torch

    torch.manual_seed(0)
    options = {"weights": None, "weights_backbone": None, "num_classes": 4}
    made = getattr(torchvision.models.detection, NAME)(**options, min_size=SIDE, max_size=SIDE).eval()

    def scale(layer: Any, _: Any, output: Any) -> Any:
        size = float(output.std()) + 1e-6
        for parameter in layer.parameters():
            parameter.data /= size
        return output / size

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [one.register_forward_hook(scale) for one in made.modules() if isinstance(one, kinds)]
    with torch.no_grad():
        made([picture(path)[0] for path in pictures.find(images, 2)])
        for hook in hooks:
            hook.remove()
        made.roi_heads.box_predictor.cls_score.weight *= 2
        made.roi_heads.box_predictor.bbox_pred.weight *= 0.02
        made.rpn.head.bbox_pred.weight *= 0
    return made


def picture(path: Path) -> Any:
    """A picture as the network takes it, ``(1, 3, SIDE, SIDE)``, put there as a node does."""
    import torch

    from edge_node.backends.preprocess import InputFormat, Preprocessor

    tensor, _ = Preprocessor(InputFormat(SIDE, SIDE, fit="corner"))(pictures.read(path))
    return torch.from_numpy(tensor.copy())


@pytest.fixture(scope="module")
def exported(network: Any, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("rcnn")
    torch.save(network.state_dict(), folder / "weights.pth")
    words = ["export", f"torchvision:{NAME}", "--weights", str(folder / "weights.pth"), "--size", str(SIDE)]
    words += ["--labels", "cat,dog,owl", "--images", str(images), "--output", str(folder / "rcnn.onnx")]
    assert main([*words, "--json", str(folder / "told.json")]) == 0
    assert json.loads((folder / "told.json").read_text())["largest_relative_difference"] < 1e-3
    return folder / "rcnn.onnx"


def test_a_node_reads_it_and_finds_what_pytorch_finds(exported: Path, network: Any, images: Path) -> None:
    import torch

    compared = 0
    with Detector(ModelSettings(name=str(exported), confidence=0.5)) as detector:
        assert detector.layout == "faster_rcnn"
        assert detector.class_names == ("cat", "dog", "owl")
        for path in pictures.find(images, 4):
            found, _ = detector.detect(pictures.read(path))
            with torch.no_grad():
                expected = network([picture(path)[0]])[0]
            boxes, scores, labels = (expected[key].numpy() for key in ("boxes", "scores", "labels"))
            image = pictures.read(path)
            scaled = boxes * max(image.shape[:2]) / SIDE
            for index in np.flatnonzero(scores > 0.52):
                same = (found.class_id == labels[index] - 1) & (np.abs(found.score - scores[index]) < 5e-3)
                clipped = np.clip(scaled[index], 0, [*image.shape[1::-1]] * 2)
                if not (clipped[2:] > clipped[:2]).all():
                    continue  # in the bars beside the picture; the node reports no boxes without area
                assert (np.abs(found.xyxy[same] - clipped).max(axis=1) < 3).any(), path.name
                compared += 1
    assert compared > 10


def test_it_is_stored_with_16_bits_whole_or_mixed_and_agrees_with_its_float_outputs(
    exported: Path, images: Path
) -> None:
    for kept in ("none", "auto"):
        out, told = exported.with_name(f"{kept}.onnx"), exported.with_name(f"{kept}.json")
        words = ["fp16", "--model", str(exported), "--keep-float", kept, "--images", str(images)]
        assert main([*words, "--output", str(out), "--json", str(told)]) == 0
        found = json.loads(told.read_text())
        assert found["disagreement"] < 0.1
        assert (found["kept_float"] > 100) == (kept == "auto")
        assert out.stat().st_size < 0.55 * exported.stat().st_size


def test_it_is_quantised_and_timed_beside_its_float_network(exported: Path, images: Path) -> None:
    told = exported.with_name("table.json")
    words = ["quantize", "--table", "--model", str(exported), "--images", str(images), "--pictures", "3"]
    assert main([*words, "--keep-float", "decoding", "--json", str(told)]) == 0
    rows = {row["scheme"]: row for row in json.loads(told.read_text())["rows"]}
    assert not [row["why"] for row in rows.values() if "why" in row]
    assert rows["fp32"]["ap"] == 1, "a network agrees with itself"
    assert rows["fp16"]["loss"] < 0.05
    assert all(row["ms"] > 0 for row in rows.values())
    kept, all_of_it = (rows[f"int8 entropy, per channel, {kept} in float"] for kept in ("decoding", "none"))
    # Random weights have no margin, so 8 bits agree with them less than with weights that were trained.
    assert kept["ap"] > 0.5
    assert kept["ap"] >= all_of_it["ap"]
    assert kept["mb"] < 0.35 * rows["fp32"]["mb"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            ["torchvision:fasterrcnn_resnet_fpn"],
            "did you mean 'fasterrcnn_resnet50_fpn",
            id="a misspelt name",
        ),
        pytest.param(
            [f"torchvision:{NAME}", "--weights", "none.pth"], "--weights none.pth: ", id="no checkpoint"
        ),
    ],
)
@pytest.mark.usefixtures("torchvision")
def test_what_cannot_be_had_is_one_clear_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) != 0
    assert says in capsys.readouterr().err
