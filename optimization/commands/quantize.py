"""`quantize`: converts a float ONNX model to INT8, calibrated on pictures."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edge_node.assets.download import sha256
from edge_node.assets.models import find_model
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import arguments, detectors, files, pictures
from optimization.command import Command
from optimization.measure import stopwatch
from shared.errors import ConfigError

if TYPE_CHECKING:
    import onnx

    from optimization.graph.calibration import Calibration, Method

AGREEMENT_PICTURES = 48
_METHODS: tuple[Method, ...] = ("entropy", "percentile", "minmax")
_LEVELS = ("none", "decoding", "last")
"""Values of --keep-float that stand for the first of `qdq.head_levels`."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser)
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="pictures like those that the cameras will give"
    )
    parser.add_argument(
        "--pictures", type=int, default=500, metavar="N", help="use at most this many pictures (default: 500)"
    )
    parser.add_argument("--method", choices=_METHODS, default="entropy")
    parser.add_argument("--percentile", type=float, default=99.99, metavar="P", help="default: %(default)s")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="read if it exists, else written (default: beside OUTPUT)",
    )
    parser.add_argument(
        "--for", dest="target", choices=("cpu", "tensorrt"), default="cpu", help="default: cpu"
    )
    parser.add_argument(
        "--scale",
        choices=("channel", "tensor"),
        default="channel",
        help="one scale for each channel of a weight (default), or one for the whole weight",
    )
    parser.add_argument(
        "--keep-float",
        default="auto",
        metavar="auto|none|decoding|last|NODE,...",
        help="nodes that stay in float: those after the last convolutions (decoding), also these "
        "convolutions (last), or named ones; auto finds out which of the last nodes cost accuracy (default)",
    )
    parser.add_argument(
        "--reduce-range",
        choices=("auto", "yes", "no"),
        default="auto",
        help="7-bit weights, for x86 CPUs without VNNI, where 8 bits saturate (default: as this CPU needs)",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="write no model: lay fp32, fp16 and every method, scale and --keep-float side by side",
    )
    parser.add_argument(
        "--annotations", type=Path, metavar="FILE", help="score the table by the instances.json of --images"
    )
    arguments.add_classes(parser)
    arguments.add_output(parser, "NAME_int8.onnx")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Calibrate or read the calibration, quantise, check, write.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file, model or picture cannot be used.
    """
    from optimization.graph import graphs, qdq

    settings = detectors.settings(args)
    _check(args)
    if args.table:
        return _table(args, settings)
    source = find_model(settings.name)
    kind = "int8_trt" if args.target == "tensorrt" else "int8"
    output = files.below(args.output, f"{source.stem}_{kind}.onnx")
    files.claim(output, force=args.force)
    original = graphs.load(source)
    graph = graphs.pre_process(original)
    calibration, cached = _calibration(args, settings, graph, source, output)
    reduce_range = _reduce_range(args)

    def convert(kept: list[str]) -> onnx.ModelProto:
        return qdq.convert(
            graph,
            calibration.ranges,
            args.target,
            keep_float=kept,
            reduce_range=reduce_range,
            per_channel=args.scale == "channel",
        )

    kept, calibration, tried = _keep(args, settings, graph, calibration, convert)
    result = convert(kept)
    facts = {
        "target": args.target,
        "method": calibration.method,
        "pictures": calibration.pictures,
        "scale": args.scale,
        "reduced_range": reduce_range,
        "kept_float": len(kept),
    }
    graphs.set_metadata(
        result,
        {item.key: item.value for item in original.metadata_props} | {"quantization": json.dumps(facts)},
    )
    speed = _speed(original, result, settings)
    if not cached or calibration.kept:
        from optimization.graph import calibration as calibrations

        calibrations.save(calibration, _calibration_path(args, source, output))
    graphs.save(result, output)
    print(
        f"{output}: {graphs.megabytes(result):.1f} MB (float: {graphs.megabytes(original):.1f} MB), "
        f"{len(kept)} nodes in float, {speed['float_ms']:.1f} -> {speed['int8_ms']:.1f} ms on this CPU "
        f"({speed['ratio']:.2f}x)"
    )
    if args.target == "cpu" and speed["ratio"] < 1.1:
        print("little is gained on this CPU: depthwise convolutions and SiLU often run better in float")
    return facts | {"output": str(output), "speed": speed, "tried": tried}


def _check(args: argparse.Namespace) -> None:
    if args.pictures < 1:
        raise ConfigError(f"--pictures {args.pictures}: must be at least 1")
    if not 50 <= args.percentile <= 100:
        raise ConfigError(f"--percentile {args.percentile}: must be from 50 to 100")
    if args.annotations and not args.table:
        raise ConfigError("--annotations: only --table scores by ground truth")
    if args.table and args.output:
        raise ConfigError("--output: --table writes no model; --json FILE keeps its results")
    if args.table and args.images is None:
        raise ConfigError("--table needs pictures to calibrate and to score on: name a folder with --images")


def _calibration_path(args: argparse.Namespace, source: Path, output: Path) -> Path:
    return args.calibration or output.with_name(f"{source.stem}.calibration.json")


def _calibration(
    args: argparse.Namespace, settings: ModelSettings, graph: onnx.ModelProto, source: Path, output: Path
) -> tuple[Calibration, bool]:
    """The calibration, and whether it comes from a file."""
    from optimization.graph import calibration as calibrations

    path = _calibration_path(args, source, output)
    digest = sha256(source)
    if path.exists():
        print(f"{path}: using the ranges measured before; delete it to measure again")
        return calibrations.load(path, digest), True
    if args.images is None:
        raise ConfigError(f"there is no calibration file {path}: name a folder of pictures with --images")
    shown = pictures.find(args.images, args.pictures)
    with Detector(settings) as detector:
        target: InputFormat = detector.input_format
    ranges = calibrations.measure(graph, shown, target, args.method, args.percentile)
    return calibrations.Calibration(digest, args.method, args.percentile, len(shown), ranges), False


def _keep(
    args: argparse.Namespace,
    settings: ModelSettings,
    graph: onnx.ModelProto,
    calibration: Calibration,
    convert: Any,
) -> tuple[list[str], Calibration, list[dict[str, Any]]]:
    """Names of the nodes to keep in float; the returned calibration keeps the choice for the target."""
    from optimization.graph import qdq
    from optimization.measure import precision

    if args.keep_float != "auto":
        return _named(graph, args.keep_float), calibration, []
    if args.images is None and args.target in calibration.kept:
        return calibration.kept[args.target], calibration, []
    if args.images is None:
        raise ConfigError(
            "--keep-float auto needs pictures: name a folder with --images, or use --keep-float none"
        )
    shown = pictures.find(args.images, min(AGREEMENT_PICTURES, args.pictures))
    agreement = precision.Agreement(settings, convert, shown)
    tried, best = precision.choose(agreement, qdq.head_levels(graph), qdq.blocks(graph))
    print(f"{'kept in float':<16}{'agreement with float (AP)':>28}")
    for index, choice in enumerate(tried):
        mark = "  <- chosen" if index == best else ""
        print(f"{len(choice.kept):>4} nodes      {100 * choice.agreement:>28.1f}{mark}")
    if tried[best].agreement < precision.GOOD:
        print("much is lost: quantisation after training does not suit this network; consider fp16")
    calibration = dataclasses.replace(calibration, kept=calibration.kept | {args.target: tried[best].kept})
    told = [{"kept": len(choice.kept), "agreement": choice.agreement} for choice in tried]
    return tried[best].kept, calibration, told


def _named(graph: onnx.ModelProto, choice: str) -> list[str]:
    """The nodes that a value of --keep-float other than auto stands for."""
    from optimization.graph import graphs, qdq

    levels = dict(zip(_LEVELS, qdq.head_levels(graph), strict=False))
    if choice not in _LEVELS:
        return graphs.named_nodes(graph, choice)
    if choice not in levels:
        raise ConfigError(f"--keep-float {choice}: nothing would be left in 8 bits")
    return levels[choice]


def _reduce_range(args: argparse.Namespace) -> bool:
    from optimization.graph import qdq

    wanted = args.reduce_range == "yes" or (args.reduce_range == "auto" and not qdq.has_vnni())
    return wanted and args.target == "cpu"


def _table(args: argparse.Namespace, settings: ModelSettings) -> dict[str, Any]:
    """Print the table of all schemes, and the command of the one to take."""
    from optimization.graph import calibration, graphs, qdq
    from optimization.measure import coco, precision, schemes

    original = graphs.load(find_model(settings.name))
    graph = graphs.pre_process(original)
    if args.keep_float == "auto":
        kept = dict(zip(_LEVELS, qdq.head_levels(graph), strict=False))
    else:
        kept = {choice: _named(graph, choice) for choice in ("none", args.keep_float)}
    if args.annotations:
        truth = coco.read_truth(args.annotations, args.images)
        score, title, loss = schemes.by_truth(settings, truth, args.classes), "AP", 1.0
    else:
        few = pictures.find(args.images, min(AGREEMENT_PICTURES, args.pictures))
        agreement = precision.Agreement(settings, lambda _: original, few)
        score, title, loss = agreement.score, "agreement (AP)", 100 * (1 - precision.GOOD)
    with Detector(settings) as detector:
        target = detector.input_format
    size = (target.width, target.height)
    shown = pictures.find(args.images, args.pictures)
    ranges = {
        method: calibration.measure(graph, shown, target, method, args.percentile) for method in _METHODS
    }
    options = {"target": args.target, "reduce_range": _reduce_range(args)}
    rows = schemes.compare(list(schemes.of(original, graph, ranges, kept, options)), score, size)
    print(schemes.table(rows, title))
    print(f"{len(shown)} pictures to calibrate on; times on this CPU, in turn")
    if best := schemes.best(rows, loss):
        print(f"the fastest that loses at most {loss:g}: {best['command']} --model {settings.name}")
    return {"title": title, "pictures": len(shown), **options, "rows": rows}


def _speed(original: onnx.ModelProto, result: onnx.ModelProto, settings: ModelSettings) -> dict[str, float]:
    """Median times of both networks on this CPU, in milliseconds, measured in turn."""
    from optimization.graph import graphs, parity

    target = parity.input_format(settings, graphs.shape(original.graph.input[0]))
    times = stopwatch.networks([original, result], (target.width, target.height))
    float_ms, int8_ms = (median(values) for values in times)
    return {
        "float_ms": round(float_ms, 2),
        "int8_ms": round(int8_ms, 2),
        "ratio": round(float_ms / int8_ms, 2),
    }


COMMAND = Command(
    name="quantize",
    help="float ONNX to INT8 (Q/DQ), calibrated on pictures",
    description="Quantise weights and activations to 8 bits. The ranges measured on the pictures are "
    "kept in a calibration file, so that the model can be built again without the pictures.",
    declare=declare,
    run=run,
    folders=True,
    needs=("onnx", "onnxslim", "pycocotools"),
)
