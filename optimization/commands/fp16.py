"""`fp16`: converts a float32 ONNX model to half precision."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from edge_node.assets.models import find_model
from edge_node.config.model_settings import ModelSettings
from optimization import arguments, detectors, files, pictures
from optimization.command import Command
from shared.errors import ConfigError, ModelError
from shared.program import need

if TYPE_CHECKING:
    import onnx


TOLERANCE = 5e-2
"""Half precision has eleven bits, and their rounding errors add up: 0.1 to 2 % was measured."""


AGREEMENT = 0.9
"""Minimum agreement with the float network's detections (COCO's AP): boxes near the threshold may differ."""
_PICTURES = 12


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser)
    parser.add_argument("--half-io", action="store_true", help="also convert inputs and outputs")
    parser.add_argument("--block", default="", metavar="OP,...", help="operator types that stay in float32")
    arguments.add_keep_float(
        parser, "nodes that stay in float32; auto: those that decode boxes and scores (default)"
    )
    arguments.add_output(parser, "NAME_fp16.onnx")
    arguments.add_check(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Convert, check, write.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The file is not a model, or the result differs too much.
    """
    from optimization.graph import fp16, graphs, qdq

    settings = detectors.settings(args)
    source = find_model(settings.name)
    output = files.below(args.output, f"{source.stem}_fp16.onnx")
    files.claim(output, force=args.force)
    original = graphs.load(source)
    graph = graphs.pre_process(original)
    if args.keep_float == "auto":
        # Above 1024, half precision only has whole pixels, so coordinates are decoded in float32.
        kept = qdq.head_levels(graph, 1)[-1]
    else:
        kept = graphs.named_nodes(graph, args.keep_float)
    result = fp16.convert(graph, kept, [name for name in args.block.split(",") if name], half_io=args.half_io)
    off = _check(args, settings, original, result)
    graphs.save(result, output)
    print(
        f"{output}: {graphs.megabytes(original):.2f} -> {graphs.megabytes(result):.2f} MB, "
        f"{len(kept)} nodes in float32, {'; '.join(f'{key} {value:.1e}' for key, value in off.items())}"
    )
    document: dict[str, Any] = {"output": str(output), "kept_float": len(kept)} | off
    return document | {"bytes": [original.ByteSize(), result.ByteSize()]}


def _check(
    args: argparse.Namespace, settings: ModelSettings, original: onnx.ModelProto, result: onnx.ModelProto
) -> dict[str, float]:
    """Compare the result with the original: by outputs, or by detections if the network chooses its boxes.

    Raises:
        ModelError: They differ too much.
        ConfigError: The comparison needs pictures, and none were named.
    """
    from optimization.graph import branches, graphs, parity

    if "NonMaxSuppression" not in branches.operators(original.graph):
        target = parity.input_format(settings, graphs.shape(original.graph.input[0]))
        found = parity.differences(
            graphs.runner(original), graphs.runner(result), parity.feeds(target, args.images)
        )
        return {"largest_relative_difference": parity.check(found, TOLERANCE, "rms")}
    need("pycocotools", extra="optimize")
    from optimization.measure import precision

    if args.images is None:
        raise ConfigError(
            "the network chooses its boxes itself: name pictures to compare them on with --images"
        )
    shown = pictures.find(args.images, _PICTURES)
    agreement = precision.Agreement(settings, lambda _: result, shown).of([]).agreement
    if agreement < AGREEMENT:
        raise ModelError(f"the result detects other objects (agreement {agreement:.2f}); nothing was written")
    return {"disagreement": 1 - agreement}


COMMAND = Command(
    name="fp16",
    help="float32 ONNX to half precision",
    description="Convert weights and arithmetic to 16 bits, and check the outputs.",
    declare=declare,
    run=run,
    folders=True,
    needs=("onnx", "onnxslim"),
)
