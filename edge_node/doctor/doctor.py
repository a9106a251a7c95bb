"""`darner-edge doctor`: what this machine has, what would make it faster, and how to get that."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import onnxruntime as ort

from edge_node import __version__
from edge_node.backends.choose import choose
from edge_node.capture.readers import gstreamer_library
from edge_node.config import load, profiles
from edge_node.config.model_settings import ModelSettings
from edge_node.doctor import broker, gpu
from edge_node.doctor.finding import Finding, report
from edge_node.machine import gpu_software, hardware
from edge_node.machine.gpu_software import GpuSoftware
from edge_node.machine.hardware import Hardware
from edge_node.models import auto
from shared import log as logs
from shared.errors import ConfigError, DarnerError, ModelError
from shared.mqtt.address import MqttSettings
from shared.program import Parser, called

log = logging.getLogger("darner.doctor")

OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""Packages that provide `cv2`."""


def examine(
    machine: Hardware, software: GpuSoftware | None = None, mqtt: MqttSettings | None = None
) -> list[Finding]:
    """Examine everything that decides how fast this machine can be, and whether the broker takes it.

    Args:
        machine: The hardware.
        software: What is between a GPU and this process; None: look for it.
        mqtt: The broker; None: ask none.

    Raises:
        ConfigError: The settings of the broker cannot work.
    """
    return [
        Finding(what="Darner", verdict="note", found=f"{__version__} on Python {sys.version.split()[0]}"),
        *_machine(machine),
        _onnxruntime(machine),
        *gpu.examine(machine, software or gpu_software.find()),
        *_models(),
        _profile(machine),
        _opencv(),
        _gstreamer(),
        _cameras(machine),
        *([] if mqtt is None else broker.examine(mqtt)),
    ]


def main(arguments: Sequence[str] = ()) -> int:
    """Parse the command line and print the report; the process's exit code."""
    options = _parser().parse_args(arguments)
    logs.setup("WARNING")
    try:
        print(report(examine(hardware.find(), mqtt=_broker(options))))
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{called('darner-edge', 'edge_node')} doctor", description=__doc__)
    parser.add_argument("--config", type=Path, metavar="FILE", help="also try the broker of this YAML file")
    parser.add_argument(
        "--mqtt-url",
        metavar="URL",
        help="also try this broker, such as mqtt://HOST:1883; a cluster's addresses with commas between them",
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    return parser


def _broker(options: argparse.Namespace) -> MqttSettings | None:
    """The broker to try; None where no option names one."""
    if options.config is None and options.mqtt_url is None and not options.set:
        return None
    if options.mqtt_url is not None and any(one.startswith("mqtt.url=") for one in options.set):
        raise ConfigError("--mqtt-url and --set mqtt.url are both given: leave out one of them")
    own = [] if options.mqtt_url is None else [f"mqtt.url={options.mqtt_url}"]
    return load.configuration(options.config, [*options.set, *own]).mqtt


def _machine(machine: Hardware) -> list[Finding]:
    memory = f"{machine.memory_mb / 1024:.1f} GB of memory"
    vector = ", ".join(machine.vector) or "no vector instructions that speed inference up"
    findings = [
        Finding(
            what="Processor",
            verdict="note",
            found=f"{machine.processor} ({machine.machine}), {machine.cores} cores, {memory}, {vector}",
        )
    ]
    if machine.jetson:
        release = f", Linux for Tegra {machine.l4t}" if machine.l4t else ""
        findings.append(Finding(what="Jetson", verdict="good", found=machine.jetson + release))
    findings += [
        Finding(
            what="GPU",
            verdict="good",
            found=f"{one.name}, {one.memory_mb} MB, compute capability {one.compute}",
        )
        for one in machine.gpus
    ]
    if not machine.gpus and not machine.jetson:
        findings.append(Finding(what="GPU", verdict="note", found="nvidia-smi shows no NVIDIA GPU"))
    return findings


def _onnxruntime(machine: Hardware) -> Finding:
    providers = [name.removesuffix("ExecutionProvider") for name in ort.get_available_providers()]
    found = f"{ort.__version__} with {', '.join(providers)}"
    if machine.gpus and "CUDA" not in providers:
        return Finding(
            what="ONNX Runtime",
            verdict="missing",
            found=found,
            advice="for the GPU: pip uninstall onnxruntime && pip install onnxruntime-gpu",
        )
    return Finding(what="ONNX Runtime", verdict="good", found=found)


def _models() -> list[Finding]:
    """The model that runs by default on one camera, its engine, and whether there could be a better one."""
    choice = auto.choose(ModelSettings(), {}, measure=False)
    what = f"{choice.known.name} runs with"
    try:
        backend = choose(ModelSettings(name=choice.known.name))
    except ModelError as error:
        found = Finding(what=what, verdict="missing", found=str(error))
    else:
        backend.close()
        found = Finding(what=what, verdict="good", found=f"{backend.name} on {backend.device}")
    if not choice.known.built_in:
        return [found]
    reason = "; ".join((choice.reason, *choice.passed))
    advice = "darner-edge models list: shows better ones, and which command gets them"
    return [found, Finding(what="model.name: auto", verdict="note", found=reason, advice=advice)]


def _profile(machine: Hardware) -> Finding:
    chosen = profiles.choose("auto", machine)
    if chosen is None:
        return Finding(
            what="Profile", verdict="note", found="none fits this machine, so it runs on the defaults"
        )
    return Finding(what="Profile", verdict="good", found=str(chosen))


def _gstreamer() -> Finding:
    reason = gstreamer_library.unavailable()
    if reason:
        return Finding(
            what="GStreamer",
            verdict="missing",
            found=f"{reason}; OpenCV's FFmpeg reads RTSP instead, one frame later",
            advice="apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav",
        )
    decoders = ", ".join(gstreamer_library.decoders()) or "none"
    found = f"{gstreamer_library.version()}, hardware video decoders: {decoders}"
    return Finding(what="GStreamer", verdict="good", found=found)


def _opencv() -> Finding:
    """Which of the packages that all put ``cv2`` into one place there is, and what it was built with."""
    there = [f"{name} {version}" for name in OPENCV if (version := _version_of(name)) is not None]
    built = cv2.getBuildInformation()
    found = f"{cv2.__version__} ({', '.join(there) or 'not from a package'})"
    if not re.search(r"FFMPEG:\s+YES", built):
        return Finding(
            what="OpenCV",
            verdict="missing",
            found=f"{found}, built without FFmpeg: no video file and no stream can be opened through it",
            advice="pip install opencv-python-headless, which is built with it",
        )
    if len(there) > 1:
        return Finding(
            what="OpenCV",
            verdict="note",
            found=f"{found}: they share their files, and removing one breaks the other",
            advice="pip uninstall all of them, then install one; Darner works with each",
        )
    return Finding(what="OpenCV", verdict="good", found=f"{found}, built with FFmpeg")


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cameras(machine: Hardware) -> Finding:
    if not machine.video_devices:
        found = "no webcam (/dev/video*)"
        advice = "darner-edge discover: finds those in the network"
        return Finding(what="Cameras", verdict="note", found=found, advice=advice)
    return Finding(what="Cameras", verdict="good", found=", ".join(machine.video_devices))
