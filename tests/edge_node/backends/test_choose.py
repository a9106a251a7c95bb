"""Which engine runs a model, and what is said about engines that cannot."""

from __future__ import annotations

import importlib.util
import logging
import shutil
from pathlib import Path

import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.choose import BackendName, choose
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.devices import for_throughput, on_devices
from shared.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good ONNX file and other files that no engine can run."""
    shutil.copy(BUILT_IN / "nanodet_g.onnx", tmp_path / "model.onnx")
    for name in ("model.engine", "model.pt", "only.engine", "only.pt", "model.jpg"):
        (tmp_path / name).write_bytes(b"not a model")
    return tmp_path


@pytest.mark.parametrize("named", ["model.onnx", "model.engine", "model.pt"])
def test_the_best_file_that_runs_is_taken_whichever_of_its_name_is_given(
    folder: Path, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        backend = choose(ModelSettings(name=str(folder / named)))
    assert backend.name.startswith("onnxruntime ")
    (line,) = [record.message for record in caplog.records]
    assert f"model {folder / 'model.onnx'} runs with onnxruntime" in line
    assert "; model.engine is not used: " in line
    backend.close()


def test_a_file_without_better_neighbours_needs_no_explanation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(BUILT_IN / "nanodet_g.onnx", tmp_path / "model.onnx")
    with caplog.at_level(logging.INFO):
        choose(ModelSettings(name=str(tmp_path / "model.onnx"))).close()
    assert "not used" not in caplog.text


@pytest.mark.parametrize(
    ("name", "engine", "says"),
    [
        pytest.param("model.onnx", "tensorrt", "model.engine", id="an engine by name falls back to nothing"),
        pytest.param("model.onnx", "torch", "model.pt", id="nor does PyTorch"),
        pytest.param("only.engine", "auto", "only.engine.*only.pt", id="nothing runs: every reason is given"),
        pytest.param(
            "only.pt", "onnxruntime", "model.backend=onnxruntime needs a .onnx file", id="no file for it"
        ),
        pytest.param("absent.onnx", "auto", "no such file", id="no file at all"),
        pytest.param("model.onnx", "kserve", "does not fit model.name", id="a file is no server"),
        pytest.param("http://h/m", "torch", "does not fit model.name", id="a server is no file"),
    ],
)
def test_an_engine_that_cannot_run_is_one_clear_error(
    folder: Path, name: str, engine: BackendName, says: str
) -> None:
    place = name if name.startswith("http") else str(folder / name)
    with pytest.raises(ModelError, match=says) as error:
        choose(ModelSettings(name=place, backend=engine))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [
        pytest.param("torch", "only.pt", "torch", id="PyTorch"),
        pytest.param("tritonclient", "http://127.0.0.1:1/m", "kserve", id="KServe"),
    ],
)
def test_what_is_not_installed_says_what_to_install(
    folder: Path, package: str, name: str, extra: str
) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    place = name if name.startswith("http") else str(folder / name)
    with pytest.raises(ModelError, match=rf"pip install 'darner\[{extra}\]'"):
        choose(ModelSettings(name=place))


@pytest.mark.parametrize("url", ["http://host:8000", "http://host/a/b/c", "grpc:///model"])
def test_an_address_without_a_model_is_one_clear_error(url: str) -> None:
    pytest.importorskip("tritonclient", reason="tritonclient is not installed; see `make test-engines`")
    with pytest.raises(ModelError, match="write http://HOST:PORT/MODEL"):
        choose(ModelSettings(name=url))


@pytest.mark.parametrize("node", [True, False])
def test_only_a_node_runs_another_engine_while_tensorrt_builds(
    monkeypatch: pytest.MonkeyPatch, *, node: bool
) -> None:
    """What tools measure, and what a batch job counts, must come from one engine."""
    given: list[tuple[bool, bool]] = []

    def opened(path: Path, settings: ModelSettings, _index: int, **how: object) -> OnnxBackend:
        given.append((how["meanwhile"] is not None, how["check"] is not None))
        return OnnxBackend(path, settings)

    monkeypatch.setattr("edge_node.backends.tensorrt.backend.TensorrtBackend", opened)
    monkeypatch.setattr("edge_node.backends.cuda.device.device", lambda _index: None)
    settings = ModelSettings(name="nanodet_g", backend="tensorrt", threads=1)
    with on_devices(settings) if node else for_throughput(settings, 1):
        assert given == [(node, True)]
    choose(settings).close()
    assert given[1:] == [(False, False)]
