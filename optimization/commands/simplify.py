"""`simplify`: fold constants and drop what does nothing; optionally let batch and size vary."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_node.assets.models import find_model
from edge_node.backends.preprocess import InputFormat
from optimization import arguments, detectors, files
from shared.errors import ModelError
from shared.program import need

if TYPE_CHECKING:
    import onnx

    from optimization.arguments import SubParsers

TOLERANCE = 1e-5
"""Rewrites change the order of additions, and nothing else."""


def add_to(subparsers: SubParsers) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "simplify",
        help="fold constants, fuse and prune an ONNX model",
        description="Simplify an ONNX model and check that its outputs stay the same.",
    )
    arguments.add_network(parser)
    parser.add_argument(
        "--dynamic",
        choices=("batch", "size", "both"),
        help="let the input's batch or height and width vary, if the graph allows",
    )
    arguments.add_output(parser, "NAME_slim.onnx")
    arguments.add_check(parser)
    arguments.add_results(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Simplify, check, write.

    Args:
        args: What `add_to` declared.

    Raises:
        DarnerError: The file is no model, or the result would not be the same.
    """
    need("onnx", "onnxslim", extra="optimize")
    from optimization.graph import graphs, parity

    settings = detectors.settings(args)
    source = find_model(settings.name)
    output = args.output or Path(f"{source.stem}_slim.onnx")
    for path in (output, args.json):
        files.claim(path, force=args.force)
    original = graphs.load(source)
    result = graphs.raise_opset(graphs.slim(original))
    if args.dynamic:
        let_vary(result, batch=args.dynamic != "size", size=args.dynamic != "batch")
    target = parity.input_format(settings, graphs.shape(original.graph.input[0]))
    shown = parity.feeds(target, args.images)
    found = parity.differences(runner(original), runner(result), shown)
    worst = parity.check(found, TOLERANCE)
    if args.dynamic:
        check_varying(result, shown[-1][1], args.dynamic, target)
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
    files.save_json(args.json, document | {"bytes": [original.ByteSize(), result.ByteSize()]})


def runner(model: onnx.ModelProto) -> Any:
    """A model as something that takes the input tensor and gives the outputs."""
    from optimization.graph import graphs

    session = graphs.session(model)
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    name = session.get_inputs()[0].name
    return lambda tensor: session.run(None, {name: tensor.astype(kind, copy=False)})


def let_vary(model: onnx.ModelProto, *, batch: bool, size: bool) -> None:
    """Give a graph's input axes names instead of lengths.

    Shapes that were written down for the old lengths are forgotten, and a Reshape that starts with a batch of
    one keeps the batch that it gets.

    Args:
        model: Changed.
        batch: The first axis.
        size: Height and width.

    Raises:
        ModelError: Its input is no batch of pictures.
    """
    from onnx import numpy_helper

    from optimization.graph import graphs

    dims = model.graph.input[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ModelError(f"input {model.graph.input[0].name} has {len(dims)} axes; a picture has 4")
    for index, name in ((0, "batch"), (2, "height"), (3, "width")):
        if batch if index == 0 else size:
            dims[index].dim_param = name
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    if batch:
        targets = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
        for item in model.graph.initializer:
            if item.name in targets and (lengths := numpy_helper.to_array(item)).size > 1 and lengths[0] == 1:
                kept = np.concatenate([[0], lengths[1:]]).astype(np.int64)
                item.CopyFrom(numpy_helper.from_array(kept, item.name))
    for known, output in zip(graphs.infer_shapes(model).graph.output, model.graph.output, strict=True):
        output.CopyFrom(known)
        if batch:
            output.type.tensor_type.shape.dim[0].dim_param = "batch"


def check_varying(model: onnx.ModelProto, tensor: Any, what: str, target: InputFormat) -> None:
    """Run a graph on two pictures at once and at another size.

    Args:
        model: What `let_vary` made.
        tensor: A picture, f32 ``(1, 3, H, W)``.
        what: "batch", "size" or "both".
        target: The size it was made for.

    Raises:
        ModelError: It does not run, or a picture's output depends on its place in the batch.
    """
    network = runner(model)
    try:
        if what != "size":
            other = tensor[:, :, ::-1].copy()
            both = network(np.concatenate([tensor, other]))
            for single, index in ((network(tensor), 0), (network(other), 1)):
                for one, two in zip(single, both, strict=True):
                    if one.shape[1:] != two.shape[1:] or len(two) != 2:
                        raise ModelError("outputs have no batch axis")
                    scale = float(np.abs(one).max(initial=1e-12))
                    if float(np.abs(one[0] - two[index]).max(initial=0.0)) > 1e-3 * scale:
                        raise ModelError("a picture's output depends on the others in its batch")
        if what != "batch":
            wider = (max(target.height - 64, 64), target.width + 64)
            network(np.zeros((1, 3, *wider), np.float32))
    except ModelError as error:
        raise ModelError(f"the graph does not allow --dynamic {what}: {error}") from None
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base
        from optimization.graph import graphs

        raise ModelError(f"the graph does not allow --dynamic {what}: {graphs.first_line(error)}") from None
