"""`simplify`: folds constants and removes useless nodes; can also let batch and size vary."""

from __future__ import annotations

import argparse
from typing import Any

from edge_node.assets.models import find_model
from optimization import arguments, detectors, files
from optimization.command import Command

TOLERANCE = 1e-5
"""Largest accepted difference: simplifying may only change the order of additions."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser)
    parser.add_argument(
        "--dynamic",
        choices=("batch", "size", "both"),
        help="let the input's batch or height and width vary, if the graph allows",
    )
    arguments.add_output(parser, "NAME_slim.onnx")
    arguments.add_check(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Simplify, check, write.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The file is not a model, or the result differs.
    """
    from optimization.graph import graphs, parity, varying

    settings = detectors.settings(args)
    source = find_model(settings.name)
    output = files.below(args.output, f"{source.stem}_slim.onnx")
    files.claim(output, force=args.force)
    original = graphs.load(source)
    result = graphs.raise_opset(graphs.slim(original))
    if args.dynamic:
        varying.let_vary(result, batch=args.dynamic != "size", size=args.dynamic != "batch")
    target = parity.input_format(settings, graphs.shape(original.graph.input[0]))
    shown = parity.feeds(target, args.images)
    found = parity.differences(graphs.runner(original), graphs.runner(result), shown)
    worst = parity.check(found, TOLERANCE)
    if args.dynamic:
        varying.check(result, shown[-1][1], args.dynamic, target)
    graphs.save(result, output)
    before, after = len(original.graph.node), len(result.graph.node)
    print(
        f"{output}: {before} -> {after} nodes, {graphs.megabytes(original):.2f} -> "
        f"{graphs.megabytes(result):.2f} MB, same outputs within {worst:.1e} on "
        f"{', '.join(name for name, _ in shown)}"
    )
    document: dict[str, Any] = {
        "output": str(output),
        "nodes": [before, after],
        "largest_relative_difference": worst,
    }
    return document | {"bytes": [original.ByteSize(), result.ByteSize()]}


COMMAND = Command(
    name="simplify",
    help="fold constants, fuse and prune an ONNX model",
    description="Simplify an ONNX model and check that its outputs stay the same.",
    declare=declare,
    run=run,
    folders=True,
    needs=("onnx", "onnxslim"),
)
