"""What a GPU needs to run the network: driver, TensorRT, video decoder, and a place for engines."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import warnings
from collections.abc import Iterator

import onnxruntime as ort

from edge_node.backends.cuda.video import nvdec
from edge_node.backends.tensorrt.cache import engines_folder
from edge_node.capture.readers import gstreamer_library
from edge_node.capture.readers import nvdec as gpu_streams
from edge_node.doctor.finding import Finding
from edge_node.machine.gpu_software import GpuSoftware
from edge_node.machine.hardware import Hardware
from edge_node.machine.nvml import Gpus

_ON_GPU = ("nvv4l2decoder", "nvh264dec")
"""GStreamer's elements that decode on NVIDIA's chips."""
_TOOLKIT = (
    "install the NVIDIA Container Toolkit on the host, and call there: "
    "sudo nvidia-ctk runtime configure --runtime=docker"
)


def examine(machine: Hardware, software: GpuSoftware) -> Iterator[Finding]:
    """Examine what is between this machine's GPUs and the network; little where there is no GPU."""
    there = bool(machine.gpus or machine.jetson)
    broken, versions = _modules()
    if there or software.on_bus or software.driver:
        yield _driver(machine, software)
    yield _tensorrt(machine, software, broken, versions)
    if not there:
        return
    yield from _metrics(machine)
    yield _decoder(machine, software)
    yield _jpeg(software)
    yield _engines()
    if software.docker and not (software.toolkit or software.container):
        yield Finding(
            what="Containers",
            verdict="note",
            found="Docker cannot give a GPU to a container",
            advice=_TOOLKIT,
        )
    yield _best(broken)


def _driver(machine: Hardware, software: GpuSoftware) -> Finding:
    driver = software.driver and f"NVIDIA's driver {software.driver}"
    if software.cuda:
        newest = f"CUDA up to {software.cuda[0]}.{software.cuda[1]}"
        return Finding(
            what="GPU driver", verdict="good", found=f"{driver or 'the driver of the board'}, {newest}"
        )
    if software.container:
        found = "this container sees no libcuda.so.1, so it got no GPU of its host"
        advice = f"start it with --gpus all or docker compose --profile gpu; if that fails, {_TOOLKIT}"
    elif driver:
        found, advice = (
            f"{driver} without its library libcuda.so.1",
            "install the driver's compute package",
        )
    else:
        found = (
            f"{software.on_bus or 'an'} NVIDIA GPU{'s' if software.on_bus > 1 else ''} without a driver"
            if not machine.jetson
            else "no libcuda.so.1"
        )
        advice = (
            "sudo apt install nvidia-jetpack"
            if machine.jetson
            else "install NVIDIA's driver (Ubuntu: sudo ubuntu-drivers install; Debian: apt install "
            "nvidia-driver) and restart; with Secure Boot, its module must be signed"
        )
    return Finding(what="GPU driver", verdict="missing", found=found, advice=advice)


def _modules() -> tuple[list[str], list[str]]:
    """Which of the modules that TensorRT needs do not work, and the versions of those that do."""
    broken, versions = [], []
    for name in ("tensorrt", "pycuda.driver"):
        package = name.partition(".")[0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pycuda warns of what it then raises
                module = importlib.import_module(name)
            version = _version(package) or getattr(module, "__version__", "")
            versions.append(f"{package} {version}".strip())
        except Exception as error:  # noqa: BLE001 - a broken installation may raise anything
            broken.append(f"{package}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return broken, versions


def _tensorrt(machine: Hardware, software: GpuSoftware, broken: list[str], versions: list[str]) -> Finding:
    wanted = _cuda_of_tensorrt()
    if not broken and wanted and software.cuda and wanted > software.cuda[0]:
        return Finding(
            what="TensorRT",
            verdict="missing",
            found=f"{', '.join(versions)}, made for CUDA {wanted}; the driver knows CUDA {software.cuda[0]}",
            advice=f"a newer driver, or pip install 'tensorrt-cu{software.cuda[0]}' instead of tensorrt",
        )
    if not broken:
        return Finding(what="TensorRT", verdict="good", found=", ".join(versions))
    if not machine.gpus and not machine.jetson:
        there = next((one for one in versions if one.startswith("tensorrt")), None)
        found = f"{there or 'not installed'}, and there is no GPU to use it"
        return Finding(what="TensorRT", verdict="note", found=found)
    advice = "pip install 'darner[trt]'"
    if machine.jetson:
        advice = "use JetPack's: create the environment with --system-site-packages, then install pycuda"
    return Finding(what="TensorRT", verdict="missing", found="; ".join(broken), advice=advice)


def _cuda_of_tensorrt() -> int | None:
    """The CUDA version that PyPI's TensorRT was made for; None for one from elsewhere."""
    try:
        needed = importlib.metadata.requires("tensorrt") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [int(number) for one in needed for number in re.findall(r"^tensorrt[-_]cu(\d+)", one)]
    return max(found, default=None)


def _metrics(machine: Hardware) -> Iterator[Finding]:
    if not machine.gpus:  # a Jetson's driver has no NVML before JetPack 7
        return
    with Gpus() as gpus:
        if gpus.read():
            yield Finding(what="GPU metrics", verdict="good", found="read from the driver")
            return
    if importlib.util.find_spec("pynvml") is None:
        found, advice = "nvidia-ml-py is not installed", "pip install nvidia-ml-py"
    else:
        found, advice = "NVML, a library of the driver, does not answer", "nvidia-smi says why"
    yield Finding(what="GPU metrics", verdict="missing", found=found, advice=advice)


def _decoder(machine: Hardware, software: GpuSoftware) -> Finding:
    """Who decodes video on the GPU."""
    elements = [name for name in gstreamer_library.decoders() if name in _ON_GPU]
    library = nvdec.load()
    why = library if isinstance(library, str) else None
    if why is None and software.decoder:
        version = _version("PyNvVideoCodec") or ""
        found = f"through PyNvVideoCodec {version}".strip()
        if streams := gpu_streams.unavailable():
            return Finding(
                what="GPU video decoder", verdict="note", found=f"{found}, for files only", advice=streams
            )
        return Finding(what="GPU video decoder", verdict="good", found=found)
    if elements and (software.decoder or machine.jetson):
        found = f"through GStreamer's {', '.join(elements)}; the pictures come into the host's memory"
        advice = None if machine.jetson else f"to keep them on the GPU: {why}"
        return Finding(what="GPU video decoder", verdict="good", found=found, advice=advice)
    if machine.jetson:
        found = "GStreamer has no nvv4l2decoder, so the processor decodes video"
        advice = "sudo apt install nvidia-l4t-gstreamer gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    elif not software.decoder:
        found = "the driver's libnvcuvid.so.1 is missing, so the processor decodes video"
        advice = (
            "set NVIDIA_DRIVER_CAPABILITIES=compute,utility,video for this container"
            if software.container
            else "install the driver's decoder (Debian: libnvcuvid1, Ubuntu: libnvidia-decode-VERSION)"
        )
    else:
        found = "the driver has it, but the processor decodes video"
        advice = why
    return Finding(what="GPU video decoder", verdict="missing", found=found, advice=advice)


def _jpeg(software: GpuSoftware) -> Finding:
    if software.jpeg:
        return Finding(what="GPU JPEG encoder", verdict="good", found=software.jpeg)
    newest = software.cuda[0] if software.cuda else 13
    wheel = "nvidia-nvjpeg" if newest >= 13 else f"nvidia-nvjpeg-cu{newest}"
    return Finding(
        what="GPU JPEG encoder",
        verdict="note",
        found="no libnvjpeg.so: the processor encodes JPEGs",
        advice=f"pip install {wheel}, where the GPU decodes video",
    )


def _engines() -> Finding:
    """Where engines are kept, and how many there are."""
    folder = engines_folder()
    files = list(folder.glob("*.engine"))
    size = sum(path.stat().st_size for path in files)
    found = f"{len(files)} with {size / 1e6:.0f} MB in {folder}"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            what="Engines",
            verdict="missing",
            found=f"{found}, which this user cannot write",
            advice="set DARNER_CACHE to a folder that the node may write; without it, no engine is kept",
        )
    return Finding(what="Engines", verdict="note" if not files else "good", found=found)


def _best(broken: list[str]) -> Finding:
    """What runs the network fastest here, and why not something faster."""
    if not broken:
        return Finding(
            what="Best engine",
            verdict="good",
            found="TensorRT; the first start with model.backend: tensorrt builds the model's engine",
        )
    if "CUDAExecutionProvider" in ort.get_available_providers():
        return Finding(
            what="Best engine",
            verdict="note",
            found="ONNX Runtime's cuda, because TensorRT does not work here",
        )
    return Finding(
        what="Best engine",
        verdict="missing",
        found="ONNX Runtime on the processor, because neither TensorRT nor ONNX Runtime's cuda works here",
        advice="install one of the two, as said above",
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
