from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from edge_node.capture.readers import gstreamer_library
from edge_node.capture.readers import nvdec as gpu_streams
from edge_node.doctor import gpu
from edge_node.doctor.finding import Finding
from edge_node.machine.gpu_software import GpuSoftware
from tests.edge_node.doctor.test_doctor import T4, machine

NOTHING = GpuSoftware(
    on_bus=0,
    driver=None,
    cuda=None,
    decoder=False,
    jpeg=None,
    container=False,
    docker=False,
    toolkit=False,
)
WELL = replace(NOTHING, on_bus=1, driver="575.57.08", cuda=(12, 9), decoder=True, jpeg="libnvjpeg.so.12")
WITH_T4 = machine(gpus=(T4,))
ORIN = machine(jetson="Orin")


@pytest.fixture(autouse=True)
def tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TensorRT and pycuda work here, and GStreamer decodes nothing."""
    for name in ("tensorrt", "pycuda", "pycuda.driver", "PyNvVideoCodec"):
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(gstreamer_library, "decoders", list)
    monkeypatch.setattr(gpu_streams, "unavailable", lambda: None)
    monkeypatch.setenv("DARNER_CACHE", str(tmp_path))


def examined(*what: object) -> dict[str, Finding]:
    return {finding.what: finding for finding in gpu.examine(*what)}  # type: ignore[arg-type]  # from a table


@pytest.mark.parametrize(
    ("hardware", "software", "verdict", "says"),
    [
        pytest.param(WITH_T4, WELL, "good", "575.57.08, CUDA up to 12.9", id="all well"),
        pytest.param(
            machine(), replace(NOTHING, on_bus=2), "missing", "2 NVIDIA GPUs without a driver", id="no driver"
        ),
        pytest.param(
            machine(),
            replace(NOTHING, on_bus=2),
            "missing",
            "ubuntu-drivers install",
            id="how to get a driver",
        ),
        pytest.param(
            machine(),
            replace(NOTHING, on_bus=1, driver="575.57.08", container=True),
            "missing",
            "--gpus all",
            id="a container without its host's GPU",
        ),
        pytest.param(
            machine(),
            replace(NOTHING, driver="575.57.08"),
            "missing",
            "575.57.08 without its library libcuda.so.1",
            id="half a driver",
        ),
        pytest.param(ORIN, NOTHING, "missing", "nvidia-jetpack", id="a Jetson without JetPack"),
        pytest.param(ORIN, replace(NOTHING, cuda=(12, 6)), "good", "CUDA up to 12.6", id="a Jetson"),
    ],
)
def test_the_driver_is_named_or_how_to_get_it(
    hardware: object, software: GpuSoftware, verdict: str, says: str
) -> None:
    found = examined(hardware, software)["GPU driver"]
    assert found.verdict == verdict
    assert says in f"{found.found} {found.advice}"


def test_a_machine_without_a_gpu_reads_nothing_of_drivers_and_decoders() -> None:
    assert set(examined(machine(), NOTHING)) == {"TensorRT"}


@pytest.mark.parametrize(
    ("hardware", "software", "decoders", "verdict", "says"),
    [
        pytest.param(WITH_T4, WELL, [], "good", "PyNvVideoCodec", id="a PC"),
        pytest.param(ORIN, NOTHING, ["nvv4l2decoder"], "good", "nvv4l2decoder", id="a Jetson"),
        pytest.param(
            WITH_T4, replace(WELL, decoder=False), [], "missing", "libnvcuvid1", id="a driver without it"
        ),
        pytest.param(
            WITH_T4,
            replace(WELL, decoder=False, container=True),
            [],
            "missing",
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility,video",
            id="a container without it",
        ),
    ],
)
def test_who_decodes_video_is_named_or_how_to_get_it(
    hardware: object,
    software: GpuSoftware,
    decoders: list[str],
    verdict: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gstreamer_library, "decoders", lambda: decoders)
    found = examined(hardware, software)["GPU video decoder"]
    assert found.verdict == verdict
    assert says in f"{found.found} {found.advice}"


def test_without_a_package_that_uses_the_decoder_the_processor_decodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "PyNvVideoCodec")
    if importlib.util.find_spec("PyNvVideoCodec"):
        pytest.skip("PyNvVideoCodec is installed here")
    assert "pip install 'darner[nvdec]'" in str(examined(WITH_T4, WELL)["GPU video decoder"].advice)
    monkeypatch.setattr(gstreamer_library, "decoders", lambda: ["nvh264dec"])
    found = examined(WITH_T4, WELL)["GPU video decoder"]
    assert found.verdict == "good"
    assert "pip install 'darner[nvdec]'" in str(found.advice), "its pictures leave the GPU"


def test_a_decoder_that_cannot_have_streams_is_for_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_streams, "unavailable", lambda: "GStreamer has no h264parse: apt install it")
    found = examined(WITH_T4, WELL)["GPU video decoder"]
    assert (found.verdict, found.advice) == ("note", "GStreamer has no h264parse: apt install it")
    assert "for files only" in found.found


@pytest.mark.parametrize(("cuda", "wheel"), [((13, 0), "nvidia-nvjpeg"), ((12, 2), "nvidia-nvjpeg-cu12")])
def test_the_jpeg_encoder_that_fits_the_driver_is_named_where_there_is_none(
    cuda: tuple[int, int], wheel: str
) -> None:
    found = examined(WITH_T4, replace(WELL, cuda=cuda, jpeg=None))["GPU JPEG encoder"]
    assert found.advice is not None
    assert f"pip install {wheel}," in found.advice


def test_a_tensorrt_that_is_too_new_for_the_driver_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["tensorrt_cu13==10.14.1"])
    found = examined(WITH_T4, WELL)["TensorRT"]
    assert "made for CUDA 13; the driver knows CUDA 12" in found.found
    assert "tensorrt-cu12" in str(found.advice)
    assert examined(WITH_T4, replace(WELL, cuda=(13, 0)))["TensorRT"].verdict == "good"


def test_a_pycuda_that_cannot_be_loaded_is_no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there, and its module fails: no libcuda, or one of another version."""
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    found = examined(WITH_T4, WELL)
    assert found["TensorRT"].verdict == "missing"
    assert "TensorRT" not in found["Best engine"].found.partition(",")[0]


def test_a_tensorrt_without_a_gpu_is_not_called_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.setattr(gpu, "_version", {"tensorrt": "10.10.0"}.get)
    found = examined(machine(), NOTHING)["TensorRT"]
    assert (found.verdict, found.found) == ("note", "tensorrt 10.10.0, and there is no GPU to use it")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert examined(machine(), NOTHING)["TensorRT"].found == "not installed, and there is no GPU to use it"


def test_the_engines_that_are_kept_are_counted(tmp_path: Path) -> None:
    assert examined(WITH_T4, WELL)["Engines"].found == f"0 with 0 MB in {tmp_path / 'engines'}"
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "net-1.engine").write_bytes(b"0" * 3_000_000)
    found = examined(WITH_T4, WELL)
    assert found["Engines"].found.startswith("1 with 3 MB")
    assert found["Best engine"].found.startswith("TensorRT")


def test_docker_without_the_toolkit_is_said_where_there_is_a_gpu() -> None:
    assert "nvidia-ctk" in str(examined(WITH_T4, replace(WELL, docker=True))["Containers"].advice)
    assert "Containers" not in examined(WITH_T4, replace(WELL, docker=True, toolkit=True))
