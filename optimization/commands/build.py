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
from edge_node.assets.models import KNOWN, find_model
from edge_node.backends.cuda import device as cuda
from edge_node.backends.tensorrt.build import BuildOptions, Built, build, capability_name
from edge_node.backends.tensorrt.cache import save
from edge_node.backends.tensorrt.calibration import Calibration
from edge_node.backends.tensorrt.description import seconds_of, sidecar
from edge_node.backends.tensorrt.module import import_tensorrt
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.check import compared
from edge_node.detect.detector import Detector
from optimization import arguments, files, pictures
from optimization.command import Command
from optimization.graph import calibrator
from optimization.targets import TARGETS
from shared.errors import ConfigError, ModelError

CHECK_PICTURES = 50
"""Maximum number of pictures on which an engine is compared with its ONNX file."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or the name of a known model")
    arguments.add_output(parser, "NAME.engine", "-o")
    parser.add_argument("--target", choices=TARGETS, help="settings that suit a kind of box")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp16", "int8"),
        help="auto (default): half precision where TensorRT has the choice (8 and 10), else the model's own",
    )
    parser.add_argument(
        "--profile",
        action="append",
        type=_batches,
        metavar="MIN,BEST,MAX",
        help="batches of an optimisation profile; may be given again (default: 1,1,1 and 1,8,16)",
    )
    parser.add_argument(
        "--size",
        type=_sizes,
        metavar="WxH|MIN,BEST,MAX",
        help="size of the input, or smallest, best and largest size, for models that leave it open "
        "(default: every aspect up to the size it was trained with)",
    )
    parser.add_argument("--workspace", type=int, metavar="MB", help="maximum scratch memory (default: 2048)")
    parser.add_argument(
        "--level",
        type=int,
        choices=range(6),
        help="time spent on finding fast kernels (default: 2; from 3 on, TensorRT also compiles some, which "
        "can take tens of minutes)",
    )
    parser.add_argument("--timing-cache", type=Path, metavar="FILE", help="kernel timings, read and written")
    parser.add_argument(
        "--dla", type=int, metavar="CORE", help="Jetson's accelerator; the GPU runs what it cannot"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="pictures for TensorRT's own INT8 calibration (8 and 10); means --precision int8",
    )
    parser.add_argument(
        "--calibration-cache",
        type=Path,
        metavar="FILE",
        help="read if it exists, else written (default: NAME.calib)",
    )
    parser.add_argument(
        "--keep-float",
        metavar="decoding|last|none|NODE,...",
        help="with --calibrate: what stays in float, the layers after the last convolutions (decoding, the "
        "default), also these convolutions (last), or those of named nodes",
    )
    parser.add_argument(
        "--compute-capability",
        type=_capability,
        metavar="X.Y",
        help="build for this GPU instead of the one here (TensorRT for RTX only)",
    )
    checking = parser.add_mutually_exclusive_group()
    checking.add_argument(
        "--check-images",
        type=Path,
        metavar="DIR",
        help="pictures on which the engine must find what the ONNX file finds (default: a drawn one, and the "
        "sample video's first frame if it was downloaded)",
    )
    checking.add_argument(
        "--no-check", action="store_true", help="keep the engine without comparing it with the ONNX file"
    )


def options(args: argparse.Namespace) -> BuildOptions:
    """The target's build options, changed by the options of the command line.

    Args:
        args: The options that `declare` declared.

    Raises:
        ConfigError: The options contradict the target.
    """
    target = TARGETS.get(args.target or "")
    base = target.options if target else BuildOptions()
    if args.dla is not None and target and args.dla >= target.dla_cores:
        raise ConfigError(f"--dla {args.dla}: {args.target} has {target.dla_cores} such cores")
    if args.dla is not None and args.precision == "fp32":
        raise ConfigError("--dla computes in half precision or INT8, not in fp32")
    _refuse_calibration(args)
    asked = {
        "precision": args.precision,
        "profiles": tuple(args.profile) if args.profile else None,
        "sizes": args.size,
        "workspace_mb": args.workspace,
        "level": args.level,
        "dla": args.dla,
        "capability": args.compute_capability,
    }
    known = KNOWN.get(args.model)
    if known and known.size and args.size is None:
        asked["sizes"] = ((known.size, known.size),) * 3
    return replace(base, **{key: value for key, value in asked.items() if value is not None})


def _refuse_calibration(args: argparse.Namespace) -> None:
    """Refuse options that contradict TensorRT's own calibration.

    Raises:
        ConfigError: They do.
    """
    given = "--calibrate" if args.calibrate else "--calibration-cache" if args.calibration_cache else ""
    if not given and args.keep_float is not None:
        raise ConfigError("--keep-float: only --calibrate needs it; quantize has a --keep-float of its own")
    if given and args.precision in ("fp16", "fp32"):
        raise ConfigError(
            f"{given} is for INT8, and --precision says {args.precision}: leave one of them out"
        )
    if given and args.compute_capability:
        raise ConfigError(
            f"{given} measures on the GPU that it builds for, and --compute-capability names another"
        )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Build and write the engine.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: No TensorRT or GPU, a model that cannot be built, or a file that cannot be written.
    """
    source = find_model(args.model)
    if source.suffix != ".onnx":
        raise ConfigError(
            f"{source}: is not an .onnx file; `darner-optimize export` makes one from a PyTorch network"
        )
    output = args.output or Path(f"{source.stem}.engine")
    files.claim(output, force=args.force)
    if sidecar(output).exists() and not args.force:
        raise ConfigError(f"{sidecar(output)}: exists already; add --force to overwrite it")
    wanted = options(args)
    _room(output, source)
    trt = import_tensorrt()
    wanted, gpu = _place(args, trt, wanted)
    shown = pictures.find(args.check_images, CHECK_PICTURES) if args.check_images else None
    known = args.timing_cache.read_bytes() if args.timing_cache and args.timing_cache.is_file() else b""
    last_s = seconds_of(sidecar(output), wanted.level)
    where = gpu.name if gpu else "compute capability {}.{}".format(*wanted.capability or (0, 0))
    print(f"building {source.name} with TensorRT {trt.__version__} for {where}")
    if gpu:
        with gpu.current():
            built = build(
                trt,
                source,
                wanted,
                timing_cache=known,
                calibration=_calibration(args, trt, gpu, source),
                progress=_tell,
                last_s=last_s,
            )
    else:
        built = build(trt, source, wanted, timing_cache=known, progress=_tell, last_s=last_s)
    capability = gpu.capability if gpu else wanted.capability
    built.description.update(
        source=source.name,
        source_sha256=sha256(source),
        gpu=gpu.name if gpu else None,
        compute_capability="{}.{}".format(*capability) if capability else None,
    )
    if args.timing_cache:
        files.save(args.timing_cache, built.timing_cache)
    verdict = _checked(args, source, built, output, shown, here=gpu is not None)
    built.description["check"] = str(verdict)
    save(output, built)
    facts: dict[str, Any] = built.description | {"output": str(output), "bytes": len(built.engine)}
    print(f"{output}: {len(built.engine) / 1e6:.1f} MB, {facts['precision']}, built in {built.seconds:.0f} s")
    print(f"compared with {source.name}: {verdict}")
    return facts


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


def _room(output: Path, source: Path) -> None:
    """Check the free space before minutes of building: an engine is at most as large as the float model."""
    free, needed = shutil.disk_usage(output.parent).free, source.stat().st_size
    if free < needed:
        raise ConfigError(f"{output.parent}: disk full: {free >> 20} MB free, {needed >> 20} MB needed")


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
    elif not hasattr(trt.ComputeCapability, capability_name(needed)) or args.calibrate:
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
    shown = pictures.find(args.calibrate, 500) if args.calibrate else []
    if not shown and not cache.is_file():
        raise ConfigError(f"{cache}: no such calibration file; make it with --calibrate DIR")
    settings = ModelSettings(name=str(source), backend="onnxruntime", providers=("cpu",))
    with Detector(settings) as detector:
        target = detector.input_format

    def create(shape: Sequence[int]) -> Any:
        batch, _, height, width = shape
        return calibrator.create(trt, gpu, shown, replace(target, height=height, width=width), cache, batch)

    return Calibration(create, args.keep_float or "decoding")


def _batches(text: str) -> tuple[int, int, int]:
    try:
        low, best, high = (int(part) for part in text.split(","))
    except ValueError:
        low, best, high = 0, 0, 0
    if not 0 < low <= best <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a profile; write 1,8,16 (MIN <= BEST <= MAX)")
    return low, best, high


def _sizes(text: str) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Heights and widths of ``512x288``, or of ``32x32,512x288,512x512``."""
    found = [arguments.size(part)[::-1] for part in text.split(",")]
    if len(found) == 1:
        found *= 3
    if len(found) != 3 or not all(a <= b <= c for a, b, c in zip(*found, strict=True)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; write 512x288, or 32x32,512x288,512x512 (MIN <= BEST <= MAX)"
        )
    low, best, high = found
    return low, best, high


def _capability(text: str) -> tuple[int, int]:
    try:
        major, minor = (int(part) for part in text.split("."))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a compute capability; write 8.6") from None
    return major, minor


_PRESETS = "; ".join(f"{name}: {target.about}" for name, target in TARGETS.items())
COMMAND = Command(
    name="build",
    help="ONNX to a TensorRT engine",
    description="Build a TensorRT engine. It runs on the GPU and the TensorRT version it was built with; "
    "the class names go into a file beside it.",
    epilog=f"targets: {_PRESETS}",
    declare=declare,
    run=run,
)
