"""`convert --to openvino|coreml`: ONNX models to the formats of other vendors, by their own converters."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.assets.models import find_model
from optimization import arguments, detectors, files
from optimization.command import Command, failures
from shared.errors import ConfigError, DarnerError, ModelError
from shared.geometry import F32
from shared.program import need

if TYPE_CHECKING:
    import onnx

    from optimization.graph.parity import Network

TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}
"""Largest accepted difference of the outputs, as the root mean square in relation to them."""
_NEEDS = {"openvino": ("openvino",), "coreml": ("coremltools", "onnx2torch", "torch")}
_SUFFIX = {"openvino": ".xml", "coreml": ".mlpackage"}


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="path, name, or a folder of ONNX files")
    parser.add_argument("--to", choices=tuple(_NEEDS), required=True)
    parser.add_argument(
        "--precision", choices=("fp16", "fp32"), default="fp16", help="of the weights (default: fp16)"
    )
    parser.add_argument(
        "--size",
        type=arguments.size,
        metavar="SIZE",
        help="for --to coreml, input of a model of any size: 416 or 640x384 (default: the model's own)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="folder to write to (default: this folder)"
    )
    arguments.add_check(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Convert every model; a report says what became of each.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A package is missing, or there is no model.
    """
    need(*_NEEDS[args.to], extra=args.to)
    if args.output.is_file():
        raise ConfigError(f"--output {args.output}: is a file; name a folder")
    sources = [path for name in args.models for path in _sources(name)]
    stems = [path.stem for path in sources]
    if twice := {stem for stem in stems if stems.count(stem) > 1}:
        raise ConfigError(f"two models are named {min(twice)!r}, and would be written to the same file")
    rows: list[dict[str, Any]] = []
    for source in sources:
        row: dict[str, Any] = {"model": str(source)}
        try:
            row |= _convert(args, source)
            print(f"{row['output']}: {row['bytes'] / 1e6:.2f} MB, {row['check']}")
        except DarnerError as error:
            row["why"] = str(error)
            print(f"{source}: not converted: {error}")
        except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
            row["why"] = f"{type(error).__name__}: {error}"
            print(f"{source}: not converted: {row['why']}")
        rows.append(row)
    return {"to": args.to, "precision": args.precision, "models": rows} | failures(rows, "converted")


def _sources(name: str) -> list[Path]:
    """The files that a name stands for."""
    return files.models(Path(name)) if files.is_folder(name) else [find_model(name)]


def _convert(args: argparse.Namespace, source: Path) -> dict[str, Any]:
    """Convert one model, check the result, and write it.

    Raises:
        DarnerError: It cannot be converted or written, or the result differs.
    """
    from optimization.graph import graphs, parity

    if source.suffix != ".onnx":
        raise ModelError("is not an ONNX file; `export` makes one of a PyTorch network")
    path = args.output / f"{source.stem}{_SUFFIX[args.to]}"
    if path.exists() and not args.force:
        raise ConfigError(f"{path}: exists already; add --force to overwrite it")
    model = graphs.load(source)
    given = graphs.shape(model.graph.input[0])
    settings = detectors.build(name=str(source), backend="onnxruntime")
    target = parity.input_format(settings, given, args.size or (640, 640))
    if args.size and not any(isinstance(length, int) for length in given[2:]):
        target = replace(target, width=args.size[0], height=args.size[1])
    if args.to == "openvino":
        from optimization.graph import openvino_ir

        network, save = openvino_ir.convert(model, half=args.precision == "fp16")
        where, exact = "by OpenVINO on this CPU", False
    else:
        from optimization.graph import core_ml

        size = (target.height, target.width)
        network, save = core_ml.convert(model, size, half=args.precision == "fp16")
        where = "by Core ML" if core_ml.RUNS else "in PyTorch, which Core ML's converter read"
        exact = not core_ml.RUNS
    tolerance = TOLERANCE["fp32" if exact else args.precision]
    off = _check(model, network, parity.feeds(target, args.images), tolerance)
    args.output.mkdir(parents=True, exist_ok=True)
    written = save(path)
    same = "not compared: it chooses its boxes itself" if off is None else f"same outputs within {off:.1e}"
    only = "; only macOS can run the result" if exact else ""
    return {"output": str(path), "bytes": written, "check": f"{same} ({where}){only}", "difference": off}


def _check(
    model: onnx.ModelProto, network: Network, shown: Sequence[tuple[str, F32]], tolerance: float
) -> float | None:
    """The largest difference from the ONNX model; None when outputs cannot be compared value by value.

    Raises:
        ModelError: The difference is too large.
    """
    from optimization.graph import branches, graphs, parity

    names = [item.name for item in model.graph.output]
    reference = graphs.runner(model)
    if set(names) == {"boxes", "labels", "scores"}:
        return parity.check_chosen(reference, network, shown, names, tolerance)
    if "NonMaxSuppression" in branches.operators(model.graph):
        return None
    return parity.check(parity.differences(reference, network, shown), tolerance, "rms")


COMMAND = Command(
    name="convert",
    help="ONNX to OpenVINO's format or to Core ML, by the vendors' converters",
    description="Convert ONNX models, or all of a folder, by OpenVINO's or Apple's converter, and compare "
    "the outputs with those of ONNX Runtime on noise and on pictures. A model that cannot be converted does "
    "not stop the others; the exit code then is 1.",
    declare=declare,
    run=run,
    needs=("onnx", "onnxslim"),
)
