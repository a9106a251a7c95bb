"""The options of `build`: how they are written, and which engine they ask for."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from edge_node.assets.models import KNOWN
from edge_node.backends.tensorrt.build import BuildOptions
from optimization import arguments
from optimization.targets import TARGETS
from shared.errors import ConfigError

MOST_WORKSPACE_MB = 65536


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
    parser.add_argument(
        "--workspace", type=_workspace, metavar="MB", help="maximum scratch memory (default: 2048)"
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=range(6),
        help="time spent on finding fast kernels (default: 2; from 3 on, TensorRT also compiles some, which "
        "can take tens of minutes)",
    )
    parser.add_argument("--timing-cache", type=Path, metavar="FILE", help="kernel timings, read and written")
    parser.add_argument(
        "--dla", type=_core, metavar="CORE", help="Jetson's accelerator; the GPU runs what it cannot"
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
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a compute capability; write 8.6")
    return int(major), int(minor)


def _workspace(text: str) -> int:
    if not text.isdecimal() or not 16 <= int(text) <= MOST_WORKSPACE_MB:
        raise argparse.ArgumentTypeError(f"{text!r} is no workspace; write 16 to {MOST_WORKSPACE_MB} (MB)")
    return int(text)


def _core(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no core; write 0 or 1")
    return int(text)
