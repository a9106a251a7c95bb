"""Options of execution providers. ONNX Runtime with other providers than the CPU's is stood in for here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from edge_node.assets.names import Provider
from edge_node.backends.onnx import providers
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.config.model_settings import ModelSettings
from shared.errors import ModelError
from shared.log import Once
from tests.edge_node.backends import networks

REAL = ort.InferenceSession
PLACE = "/onnxruntime/python/state.cc:1053 std::shared_ptr<Factory> Create(const Map&) "


class WithOpenvino:
    """Answers as onnxruntime-openvino 1.24 does: names that it does not know, and values that it cannot read.

    Args:
        starts: Whether its libraries are there.
    """

    def __init__(self, starts: bool = True) -> None:
        self.starts = starts
        self.given: list[dict[str, str]] = []

    def __call__(self, model: Any, *rest: Any, providers: Any, enable_fallback: int = 1) -> Any:
        given = dict(providers)["OpenVINOExecutionProvider"]
        if "nonsense" in given and not enable_fallback:
            raise RuntimeError(f"{PLACE}Invalid OpenVINO EP option: nonsense\n")
        started = self.starts and "nonsense" not in given and given.get("num_of_threads", "1").isdigit()
        self.given.append(given)
        session = REAL(model, *rest, providers=["CPUExecutionProvider"])
        names = ["OpenVINOExecutionProvider"] * started + ["CPUExecutionProvider"]
        session.get_providers = lambda: names
        return session


def opened(
    monkeypatch: pytest.MonkeyPatch, path: Path, runtime: WithOpenvino, **given: str | int | bool
) -> OnnxBackend:
    monkeypatch.setattr(ort, "InferenceSession", runtime)
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
    )
    settings = ModelSettings(providers=("openvino",), provider_options={"openvino": dict(given)})
    return OnnxBackend(path, settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return networks.convolution(tmp_path / "m.onnx", (1, 3, 32, 64))


def test_options_reach_the_provider_as_texts_and_replace_ours(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = WithOpenvino()
    backend = opened(
        monkeypatch, path, runtime, device_type="GPU", num_of_threads=2, enable_qdq_optimizer=True
    )
    assert backend.device == "openvino"
    expected = {"device_type": "GPU", "num_of_threads": "2", "enable_qdq_optimizer": "True"}
    assert runtime.given == [expected]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"nonsense": 1},
            "model.provider_options.openvino.nonsense=1: ONNX Runtime .* refuses this: "
            "Invalid OpenVINO EP option: nonsense$",
            id="a name that it does not know",
        ),
        pytest.param(
            {"num_of_threads": "x"},
            "model.provider_options.openvino.num_of_threads=x: ONNX Runtime .* refuses this: "
            "see its message above$",
            id="a value that it only logs",
        ),
    ],
)
def test_an_option_that_is_refused_is_an_error_with_its_key(
    path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        opened(monkeypatch, path, WithOpenvino(), **given)


def test_a_provider_that_does_not_start_is_not_blamed_on_its_options(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="cannot start 'openvino' here"):
        opened(monkeypatch, path, WithOpenvino(starts=False), nonsense=1)


def test_options_of_a_provider_that_is_not_there_are_named_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(providers, "_said", Once())
    settings = ModelSettings(provider_options={"cuda": {"use_tf32": False}})
    for _ in range(2):
        OnnxBackend(path, settings).close()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "darner.backend"]
    assert line == (
        "model.provider_options.cuda has no effect: this ONNX Runtime has no provider 'cuda'; the package "
        "onnxruntime-gpu has it"
    )


def test_a_damaged_model_is_not_blamed_on_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.onnx: ONNX Runtime cannot load it"):
        opened(monkeypatch, tmp_path / "bad.onnx", WithOpenvino(), device_type="GPU")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"provider_options": {"cpu": {"use_arena": 0}}}, "provider_options.cpu: the cpu provider ignores"),
        ({"provider_options": {"openvino": {"device_type": "GPU"}}}, "unless providers names openvino"),
        (
            {"provider_options": {"cuda": {"device_id": 1}}},
            "provider_options.cuda.device_id: .* into devices",
        ),
        (
            {"provider_options": {"cuda": {"user_compute_stream": "1"}}},
            "user_compute_stream: .* leave it out",
        ),
        (
            {"provider_options": {"cuda": {"enable_cuda_graph": 1}}},
            "enable_cuda_graph: the node records CUDA graphs itself: leave it out",
        ),
        ({"provider_options": {"cuda": {}}, "backend": "kserve"}, "leave it out with backend: kserve"),
    ],
)
def test_options_without_effect_are_refused_with_their_key(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelSettings(**settings)


def test_without_providers_the_options_are_for_cuda_which_comes_first() -> None:
    asked: tuple[Provider, ...] = ("cuda", "cpu")
    settings = ModelSettings(provider_options={"cuda": {"gpu_mem_limit": 2_000_000_000, "use_tf32": False}})
    (cuda, given), (cpu, nothing) = providers.options(asked, 1, settings.provider_options)
    assert (cuda, cpu) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert given == {"device_id": 1, "gpu_mem_limit": "2000000000", "use_tf32": "False"}
    assert nothing == {}
