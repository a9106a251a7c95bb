from __future__ import annotations

import pytest

from edge_node import doctor
from edge_node.machine.hardware import Gpu, Hardware


def machine(jetson: str | None = None, gpus: tuple[Gpu, ...] = ()) -> Hardware:
    return Hardware(
        machine="x86_64",
        processor="a processor",
        cores=2,
        vector=(),
        memory_mb=4096,
        jetson=jetson,
        l4t=None,
        gpus=gpus,
        video_devices=(),
    )


T4 = Gpu(name="Tesla T4", memory_mb=15360, compute="7.5")


@pytest.mark.parametrize(
    ("found", "what", "says"),
    [
        pytest.param(machine(), "GPU", "no NVIDIA GPU", id="none"),
        pytest.param(machine(gpus=(T4,)), "GPU", "Tesla T4, 15360 MB, compute capability 7.5", id="T4"),
        pytest.param(
            machine(gpus=(T4,)), "ONNX Runtime", "pip install onnxruntime-gpu", id="runtime for the GPU"
        ),
        pytest.param(machine(gpus=(T4,)), "TensorRT", "darner[trt]", id="engine for the GPU"),
        pytest.param(machine(jetson="Orin"), "TensorRT", "--system-site-packages", id="engine of JetPack"),
    ],
)
def test_the_doctor_says_what_is_there_and_how_to_get_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, found: Hardware, what: str, says: str
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    lines = doctor.report([finding for finding in doctor.examine(found) if finding.what == what])
    assert says in lines


def test_the_command_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main() == 0
    assert "ONNX Runtime" in capsys.readouterr().out
