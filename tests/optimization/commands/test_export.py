"""Exports of real PyTorch networks; they skip without it (`make test-engines` installs and runs)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from optimization.__main__ import main

HOW = "PyTorch is not installed; `make test-engines` installs it and runs these"
NETWORK = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(3, 8, 3, 2, 1)
        self.last = torch.nn.Conv2d(8, 6, 3, 8, 1)

    def forward(self, x):
        return self.last(torch.nn.functional.silu(self.first(x))).flatten(2)


def make():
    return Net()


def number():
    return 7


class Odd(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x)


def odd():
    return Odd()
"""


@pytest.fixture
def torch() -> Any:
    pytest.importorskip("onnxscript", reason=HOW, exc_type=ImportError)
    return pytest.importorskip("torch", reason=HOW, exc_type=ImportError)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "exported_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore")  # the exporters warn of their own future
@pytest.mark.parametrize("kind", ["function", "torchscript", "pt2"])
def test_every_kind_of_source_gives_what_pytorch_gives_at_any_batch_and_size(
    kind: str, torch: Any, images: Path
) -> None:
    network = importlib.import_module("exported_networks").make().eval()
    example = torch.rand(2, 3, 64, 96)
    source = {"function": "exported_networks:make", "torchscript": "net.torchscript", "pt2": "net.pt2"}[kind]
    if kind == "torchscript":
        torch.jit.trace(network, example).save(source)
    if kind == "pt2":
        any_length = torch.export.Dim.AUTO
        dynamic = ({0: any_length, 2: any_length, 3: any_length},)
        torch.export.save(torch.export.export(network, (example,), dynamic_shapes=dynamic), source)
    words = ["export", source, "--output", "net.onnx", "--size", "128", "--images", str(images)]
    assert main([*words, "--labels", "cat,dog", "--json", "net.json"]) == 0
    assert json.loads(Path("net.json").read_text())["varies"] == "both"
    model = onnx.load("net.onnx")
    assert model.opset_import[0].version >= 17
    assert {item.key: item.value for item in model.metadata_props}["names"] == '{"0": "cat", "1": "dog"}'
    session = ort.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    for shape in ((2, 3, 64, 96), (1, 3, 128, 160)):
        tensor = torch.rand(*shape)
        (found,) = session.run(None, {session.get_inputs()[0].name: tensor.numpy()})
        with torch.no_grad():
            assert np.abs(np.asarray(found) - network(tensor).numpy()).max() < 1e-4


@pytest.mark.usefixtures("torch")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("none.pt", "no such file", id="no file"),
        pytest.param("exported_networks.py", "neither TorchScript nor", id="a file of another kind"),
        pytest.param("exported_networks:nothing", "cannot be called", id="no such function"),
        pytest.param("exported_networks:number", "returned int, not a torch.nn.Module", id="no network"),
        pytest.param(
            "exported_networks:odd", "PyTorch cannot export it", id="an operator ONNX does not have"
        ),
    ],
)
def test_what_cannot_be_exported_is_one_clear_line(
    source: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", source, "--size", "64"]) == 1
    assert says in capsys.readouterr().err
    assert not list(folder.glob("*.onnx"))


def test_without_pytorch_it_says_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        assert main(["export", "net.pt"]) == 2
        assert "needs torch: install 'darner[torch]'" in capsys.readouterr().err
    else:
        pytest.skip("PyTorch is installed")
