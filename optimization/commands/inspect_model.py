"""`inspect`: shows a model's parameters, cost, layers, inputs and outputs, and how a detector reads it."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.assets.download import sha256
from edge_node.assets.models import find_model
from edge_node.backends.lineage import BY, DATA, MADE, PARENT
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import arguments, detectors
from optimization.command import Command
from shared import limits
from shared.errors import ConfigError, DarnerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from edge_node.pictures import U8
    from optimization.graph.flops import Layer
    from optimization.measure.layers.host import LayerTimes

_LARGEST = 8
_ENGINES = (".engine", ".plan")
_SHOWN = 20
"""Layers that --profile prints; --json has all of them."""
_RESOLUTION = (1280, 720)
"""Width and height of the picture for --profile."""
_ROUNDS = 50


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser)
    parser.add_argument(
        "--size", type=arguments.size, metavar="SIZE", help="for dynamic inputs: 416 or 640x384"
    )
    parser.add_argument("--nodes", action="store_true", help="list the nodes that --keep-float can name")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="time every layer on a picture; of a TensorRT engine, this is all that is shown",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="picture for --profile (default: the demo video's first frame)",
    )
    parser.add_argument(
        "--rounds",
        type=arguments.positive,
        metavar="N",
        help=f"runs for --profile (default: {_ROUNDS})",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Inspect the model and print what was found.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The file is not a model, or cannot be timed.
    """
    from optimization.graph import flops, graphs
    from optimization.measure import trial

    if args.picture and not args.profile:
        raise ConfigError(f"--picture {args.picture}: only --profile needs a picture: add it")
    if args.rounds and not args.profile:
        raise ConfigError(f"--rounds {args.rounds}: only --profile runs the network: add it")
    settings = detectors.settings(args)
    path = find_model(settings.name)
    if path.suffix in _ENGINES:
        return _engine(args, path)
    model = graphs.load(path)
    read = _reading(settings)
    size = args.size or tuple(read.get("input", (640, 640)))
    given = graphs.shape(model.graph.input[0])
    wanted = (1, 3, size[1], size[0])
    lengths = tuple(
        have if isinstance(have, int) else want for have, want in zip(given, wanted, strict=False)
    )
    shown = trial.picture(args.picture, _RESOLUTION) if args.profile else None
    layers = flops.layers(model, lengths)
    count = flops.parameters(model)
    document: dict[str, Any] = {
        "model": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "inputs": [_tensor(item) for item in model.graph.input],
        "outputs": [_tensor(item) for item in model.graph.output],
        "counted_at": list(lengths),
        "parameters": count,
        "megabytes_by_precision": {"fp32": count * 4 / 1e6, "fp16": count * 2 / 1e6, "int8": count / 1e6},
        "gflops": round(sum(layer.flops or 0 for layer in layers) / 1e9, 4),
        "uncounted": sorted({layer.op for layer in layers if layer.flops is None}),
        "operators": _count(layer.op for layer in layers),
        "largest": [_row(layer) for layer in sorted(layers, key=lambda item: -(item.flops or 0))[:_LARGEST]],
        "metadata": {item.key: item.value for item in model.metadata_props},
    } | read
    if args.nodes:
        document["nodes"] = [f"{node.name} {node.op_type}" for node in graphs.pre_process(model).graph.node]
    _show(document)
    if shown:
        document["profile"] = _profile(args, settings, path, *shown)
    return document


def _profile(
    args: argparse.Namespace, settings: ModelSettings, path: Path, image: U8, name: str
) -> dict[str, Any]:
    """Time the layers of an ONNX file on a picture with this name, and print them."""
    from optimization.measure.layers import host

    with Detector(settings) as detector:
        target = detector.target(image.shape[1], image.shape[0])
    if args.size:
        target = replace(target, width=args.size[0], height=args.size[1])
    times = host.onnxruntime(path, image, target, rounds=args.rounds or _ROUNDS, threads=settings.threads)
    return _timed(times, name, (target.width, target.height))


def _engine(args: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Time the layers of a TensorRT engine, and print them.

    Raises:
        ConfigError: Other things were asked for, which an engine does not tell.
    """
    from optimization.measure import trial
    from optimization.measure.layers import tensorrt

    if not args.profile:
        raise ConfigError(
            f"{path}: an engine shows its layers' times only: add --profile, or name the ONNX file"
        )
    if args.nodes or args.size:
        raise ConfigError(f"{path}: --nodes and --size are for ONNX files; an engine shows neither")
    image, name = trial.picture(args.picture, _RESOLUTION)
    times, size = tensorrt.tensorrt(path, image, rounds=args.rounds or _ROUNDS)
    return {"model": str(path), "bytes": path.stat().st_size, "profile": _timed(times, name, size)}


def _timed(times: LayerTimes, picture: str, size: tuple[int, int]) -> dict[str, Any]:
    """Print the times of layers, and give them as a document."""
    print(
        f"\n{times.engine} on {times.device}, {picture} in an input of {size[0]}x{size[1]}: "
        f"{times.run_ms:.3f} ms a run, median of {times.rounds} while profiled"
    )
    for title, rows, most in (("operator", times.operators, None), ("layer", times.layers, _SHOWN)):
        if rows:
            print(f"{title:<52}{'op' if most else '':<22}{'ms':>9}{'share':>8}")
        for row in rows[:most]:
            print(f"{row.name[-51:]:<52}{row.op[:21] if most else '':<22}{row.ms:>9.3f}{row.share:>8.1%}")
        if most and (rest := rows[most:]):
            ms, share = sum(row.ms for row in rest), sum(row.share for row in rest)
            print(f"{f'{len(rest)} more':<74}{ms:>9.3f}{share:>8.1%}")
    return asdict(times) | {"picture": picture, "input": list(size)}


def _reading(settings: ModelSettings) -> dict[str, Any]:
    """How the detector reads the model, or why it cannot."""
    try:
        with Detector(settings) as detector:
            target = detector.input_format
            return {
                "layout": detector.layout,
                "input": [target.width, target.height],
                "channels": "RGB" if target.rgb else "BGR",
                "scale": list(target.scale),
                "offset": list(target.offset),
                "fit": target.fit,
                "classes": list(detector.class_names),
            }
    except DarnerError as error:
        return {"layout": None, "why": str(error)}


def _tensor(item: onnx.ValueInfoProto) -> dict[str, Any]:
    import onnx

    from optimization.graph import graphs

    kind = onnx.TensorProto.DataType.Name(item.type.tensor_type.elem_type).lower()
    return {"name": item.name, "type": kind, "shape": graphs.shape(item)}


def _row(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "parameters": layer.parameters,
        "gflops": round((layer.flops or 0) / 1e9, 4),
        "output": layer.output,
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _show(document: dict[str, Any]) -> None:
    sizes = document["megabytes_by_precision"]
    print(f"{document['model']}: {document['bytes'] / 1e6:.2f} MB, opset {document['opset'].get('ai.onnx')}")
    print(f"SHA-256 {document['sha256']}")
    said = document["metadata"]
    for key, what in ((PARENT, "made of"), (DATA, "learnt from"), (MADE, "made at"), (BY, "made by")):
        if key in said:
            print(f"  {what}: {limits.clipped(said[key])}")
    for kind in ("inputs", "outputs"):
        for item in document[kind]:
            print(f"  {kind[:-1]:<7} {item['name']}: {item['type']} {item['shape']}")
    print(
        f"parameters {document['parameters']:,}; weights {sizes['fp32']:.2f} MB in FP32, "
        f"{sizes['fp16']:.2f} in FP16, {sizes['int8']:.2f} in INT8"
    )
    missing = f" (without {', '.join(document['uncounted'])})" if document["uncounted"] else ""
    print(f"{document['gflops']:.3f} GFLOPs at {document['counted_at']}{missing}")
    if document["layout"]:
        names = document["classes"]
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        width, height = document["input"]
        picture = f"{document['channels']} {width}x{height}"
        print(f"layout {document['layout']}: {picture}, {len(names)} classes: {shown}")
    else:
        print(f"layout unknown: {document['why']}")
    print(f"{'largest layers':<44}{'op':<14}{'GFLOPs':>8}{'parameters':>12}  output")
    for row in document["largest"]:
        cost = f"{row['gflops']:>8.3f}{row['parameters']:>12,}"
        print(f"{row['name'][-43:]:<44}{row['op']:<14}{cost}  {row['output']}")
    for line in document.get("nodes", ()):
        print(line)


COMMAND = Command(
    name="inspect",
    help="parameters, FLOPs, layers, layout and classes of a model",
    description="Show what is in an ONNX model, what one run costs, and how the detector reads it.",
    declare=declare,
    run=run,
    folders=True,
    needs=("onnx", "onnxslim"),
)
