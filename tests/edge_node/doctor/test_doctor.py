from __future__ import annotations

import importlib.metadata

import pytest

from edge_node.doctor import doctor
from edge_node.doctor.finding import report
from edge_node.machine.hardware import Gpu, Hardware
from tests.conftest import Mosquitto, free_port


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
    lines = report([finding for finding in doctor.examine(found) if finding.what == what])
    assert says in lines


@pytest.mark.parametrize(
    ("installed", "built", "verdict", "says"),
    [
        pytest.param({"opencv-python-headless"}, "YES", "good", "(opencv-python-headless 5.1)", id="ours"),
        pytest.param({"opencv-python"}, "YES", "good", "(opencv-python 5.1)", id="the one with windows"),
        pytest.param(set(), "YES", "good", "not from a package", id="the system's"),
        pytest.param(
            {"opencv-python", "opencv-python-headless"},
            "YES",
            "note",
            "removing one breaks",
            id="two of them",
        ),
        pytest.param({"opencv-python"}, "NO", "missing", "without FFmpeg", id="no FFmpeg"),
    ],
)
def test_the_doctor_names_the_package_that_opencv_is_from(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], built: str, verdict: str, says: str
) -> None:
    def version(name: str) -> str:
        if name in installed:
            return "5.1"
        raise importlib.metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patched:
        patched.setattr("importlib.metadata.version", version)
        patched.setattr("cv2.getBuildInformation", lambda: f"  FFMPEG:                      {built}")
        [finding] = [one for one in doctor.examine(machine()) if one.what == "OpenCV"]
    assert finding.verdict == verdict
    assert says in finding.found


def test_the_doctor_tries_each_address_of_the_broker(
    broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    assert doctor.main(["--mqtt-url", f"mqtt://{nobody},{broker.url}"]) == 0
    said = capsys.readouterr().out.splitlines()
    at = next(index for index, line in enumerate(said) if line.startswith(f"--  Broker {nobody}"))
    assert f"no broker answers at {nobody}; is it running there" in said[at + 1]
    assert any(
        line.startswith(f"ok  Broker {broker.host}:{broker.port}") and "MQTT 5" in line for line in said
    )


def test_a_broker_that_cannot_be_tried_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--mqtt-url", "mqtt://a,mqtts://b"]) == 2
    assert "with TLS and a:1883 without" in capsys.readouterr().err


def test_the_command_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main() == 0
    assert "ONNX Runtime" in capsys.readouterr().out
