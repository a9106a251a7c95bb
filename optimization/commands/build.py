"""`build`: makes a TensorRT engine from an ONNX model."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_node.assets.download import sha256
from edge_node.assets.models import find_model
from edge_node.backends.cuda import device as cuda
from edge_node.backends.tensorrt.build import BuildOptions, Built, build, capability_name
from edge_node.backends.tensorrt.cache import save
from edge_node.backends.tensorrt.calibration import Calibration
from edge_node.backends.tensorrt.description import facts_of, seconds_of, sidecar
from edge_node.backends.tensorrt.module import import_tensorrt
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.check import compared
from edge_node.detect.detector import Detector
from optimization import build_options, files, pictures
from optimization.command import Command
from optimization.graph import calibrator
from optimization.targets import TARGETS
from shared.errors import ConfigError, ModelError

CHECK_PICTURES = 50
"""Maximum number of pictures on which an engine is compared with its ONNX file."""
CALIBRATION_PICTURES = 500
"""Maximum number of pictures on which TensorRT measures ranges for INT8."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Build and write the engine.

    Args:
        args: The options that `build_options.declare` declared.

    Raises:
        DarnerError: No TensorRT or GPU, a model that cannot be built, or a file that cannot be written.
    """
    source = find_model(args.model)
    if source.suffix != ".onnx":
        raise ConfigError(
            f"{source}: is not an .onnx file; `darner-optimize export` makes one from a PyTorch network"
        )
    wanted = build_options.options(args)
    output = _output(args, source)
    shown = _shown(args)
    _refuse_profiles(args, source)
    trt = import_tensorrt()
    wanted, gpu = _place(args, trt, wanted)
    built = _built(args, trt, gpu, source, wanted, seconds_of(sidecar(output), wanted.level))
    if args.timing_cache:
        files.save(args.timing_cache, built.timing_cache)
    verdict = _checked(args, source, built, output, shown, here=gpu is not None)
    built.description["check"] = str(verdict)
    save(output, built)
    facts: dict[str, Any] = built.description | {"output": str(output), "bytes": len(built.engine)}
    print(f"{output}: {len(built.engine) / 1e6:.1f} MB, {facts['precision']}, built in {built.seconds:.0f} s")
    print(f"compared with {source.name}: {verdict}")
    return facts


def _output(args: argparse.Namespace, source: Path) -> Path:
    """The engine's file; that it and the caches can be written is checked before minutes of building.

    Raises:
        ConfigError: One of them cannot be written, or the file's name does not fit an engine.
    """
    output: Path = args.output or Path(f"{source.stem}.engine")
    if output.suffix not in (".engine", ".plan"):
        raise ConfigError(f"{output}: the name of an engine must end in .engine or .plan")
    files.claim(output, force=args.force)
    if sidecar(output).exists() and not args.force:
        raise ConfigError(f"{sidecar(output)}: exists already; add --force to overwrite it")
    for cache in (args.timing_cache, args.calibration_cache):
        files.claim(cache, force=True)
    free, needed = shutil.disk_usage(output.parent).free, source.stat().st_size
    if free < needed:  # an engine is at most as large as the float model
        raise ConfigError(f"{output.parent}: disk full: {free >> 20} MB free, {needed >> 20} MB needed")
    return output


def _shown(args: argparse.Namespace) -> list[Path] | None:
    """The pictures of --check-images, after each was read once; None: the usual ones.

    Raises:
        DarnerError: There are none, or one cannot be read.
    """
    if args.check_images is None:
        return None
    shown = pictures.find(args.check_images, CHECK_PICTURES)
    for path in shown:
        pictures.read(path)
    return shown


def _refuse_profiles(args: argparse.Namespace, source: Path) -> None:
    """Refuse --profile for a model whose batch does not vary.

    Raises:
        ConfigError: The model takes another batch.
    """
    batch = next(iter(facts_of(source).axes), -1) if args.profile else -1
    if batch > 0 and any(set(profile) != {batch} for profile in args.profile):
        raise ConfigError(
            f"--profile: {source} always takes batches of {batch}: leave the option out, or let the batch "
            "vary (darner-optimize simplify --dynamic batch)"
        )


def _built(
    args: argparse.Namespace,
    trt: Any,
    gpu: cuda.Device | None,
    source: Path,
    wanted: BuildOptions,
    last_s: float | None,
) -> Built:
    """Build the engine, and describe which model and GPU it is for.

    Raises:
        DarnerError: It cannot be built or calibrated.
    """
    capability = "{}.{}".format(*(gpu.capability if gpu else wanted.capability or (0, 0)))
    where = gpu.name if gpu else f"compute capability {capability}"
    print(f"building {source.name} with TensorRT {trt.__version__} for {where}")
    timings = args.timing_cache
    with gpu.current() if gpu else contextlib.nullcontext():
        built = build(
            trt,
            source,
            wanted,
            timing_cache=timings.read_bytes() if timings and timings.is_file() else b"",
            calibration=_calibration(args, trt, gpu, source) if gpu else None,
            progress=_tell,
            last_s=last_s,
        )
    built.description.update(
        source=source.name,
        source_sha256=sha256(source),
        gpu=gpu.name if gpu else None,
        compute_capability=capability,
    )
    return built


def _checked(
    args: argparse.Namespace,
    source: Path,
    built: Built,
    output: Path,
    shown: Sequence[Path] | None,
    *,
    here: bool,
) -> Verdict:
    """Compare the engine with its ONNX file, before it takes the place of an earlier one.

    Raises:
        ModelError: It does not find the same.
        DarnerError: A picture or the engine's file cannot be read or written.
    """
    if args.no_check:
        return Verdict(None, "--no-check")
    if not here:
        return Verdict(None, "the engine's GPU is not here")
    images = [pictures.read(path) for path in shown] if shown else None
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        trial = Path(folder) / output.name
        save(trial, built)
        verdict = compared(ModelSettings(name=args.model), 0, source, trial, images)
    if verdict.good is False:
        raise ModelError(
            f"model {source}: the engine does not find what the ONNX file finds ({verdict}) and is not kept; "
            "build it with --precision fp32, calibrate it on other pictures, or add --no-check"
        )
    return verdict


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _place(
    args: argparse.Namespace, trt: Any, wanted: BuildOptions
) -> tuple[BuildOptions, cuda.Device | None]:
    """The options, and the GPU to build on; None where TensorRT for RTX builds for a GPU that is not here.

    Raises:
        DarnerError: There is no GPU, or the target's engine cannot be built here.
    """
    if wanted.capability:
        return wanted, None
    if args.target is None:
        return wanted, cuda.device()
    needed = TARGETS[args.target].capability
    here, why = None, "there is no GPU here"
    with contextlib.suppress(ModelError):
        here = cuda.device()
    if here and here.capability == needed:
        return wanted, here
    if here:
        why = f"the GPU here ({here.name}) has compute capability {here.capability[0]}.{here.capability[1]}"
    if not hasattr(trt.IBuilderConfig, "set_compute_capability"):
        other = "TensorRT builds only on the GPU that runs the engine; TensorRT for RTX also builds elsewhere"
    elif args.calibrate or args.calibration_cache:
        other = "calibration measures on the GPU that it builds for"
    elif not hasattr(trt.ComputeCapability, capability_name(needed)):
        other = "elsewhere, TensorRT for RTX builds only for RTX 20 to 50, T4, A10 and L4"
    else:
        return replace(wanted, capability=needed), None
    wants = "{}.{}".format(*needed)
    raise ConfigError(
        f"--target {args.target} has compute capability {wants}, and {why}: build there ({other})"
    )


def _calibration(args: argparse.Namespace, trt: Any, gpu: cuda.Device, source: Path) -> Calibration | None:
    if args.calibrate is None and args.calibration_cache is None:
        return None
    cache = args.calibration_cache or Path(f"{source.stem}.calib")
    shown = pictures.find(args.calibrate, CALIBRATION_PICTURES) if args.calibrate else []
    if not shown and not cache.is_file():
        raise ConfigError(f"{cache}: no such calibration file; make it with --calibrate DIR")
    if shown and cache.is_file():
        _tell(f"{cache} exists and is used instead of {args.calibrate}; delete it to measure again")
    settings = ModelSettings(name=str(source), backend="onnxruntime", providers=("cpu",))
    with Detector(settings) as detector:
        target = detector.input_format

    def create(shape: Sequence[int]) -> Any:
        batch, _, height, width = shape
        return calibrator.create(trt, gpu, shown, replace(target, height=height, width=width), cache, batch)

    return Calibration(create, args.keep_float or "decoding")


_PRESETS = "; ".join(f"{name}: {target.about}" for name, target in TARGETS.items())
COMMAND = Command(
    name="build",
    help="ONNX to a TensorRT engine",
    description="Build a TensorRT engine. It runs on the GPU and the TensorRT version it was built with; "
    "the class names go into a file beside it.",
    epilog=f"targets: {_PRESETS}",
    declare=build_options.declare,
    run=run,
)
