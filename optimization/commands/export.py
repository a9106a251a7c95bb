"""`export`: makes an ONNX model from a PyTorch network, and checks it against PyTorch."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from optimization import arguments, detectors, files
from optimization.command import Command
from optimization.graph import parity
from shared.errors import ConfigError, ModelError
from shared.program import need

TOLERANCE = 1e-3
"""PyTorch and ONNX Runtime add in different orders. A larger difference means another network."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "source", help="FILE.torchscript, FILE.pt, FILE.pt2, module:function, or torchvision:DETECTOR"
    )
    arguments.add_output(parser, "NAME.onnx")
    parser.add_argument(
        "--size", type=arguments.size, default=(640, 640), metavar="SIZE", help="default: 640"
    )
    parser.add_argument("--opset", type=int, default=17, metavar="N", help="at least 17 (default)")
    parser.add_argument("--static", action="store_true", help="fix batch and size")
    parser.add_argument("--labels", metavar="NAME,...", help="class names to put into the file")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="default|none|FILE",
        help="of a torchvision:DETECTOR: those that torchvision downloads (default), random ones, or a "
        "checkpoint, whose classes --labels names",
    )
    arguments.add_check(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Export, check, write.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The source is not a network, it cannot be exported, or the result differs.
    """
    need("torch", extra="torch")
    need("onnx", "onnxslim", "onnxscript", extra="optimize")
    from optimization.graph import from_torch, graphs, varying

    if args.opset < graphs.OPSET:
        raise ConfigError(f"--opset {args.opset}: must be at least {graphs.OPSET}")
    stem = args.source.rpartition(":")[2] if _is_factory(args.source) else Path(args.source).stem
    output = args.output or Path(f"{stem}.onnx")
    files.claim(output, force=args.force)
    width, height = args.size
    names = [name.strip() for name in args.labels.split(",")] if args.labels else []
    network = _network(args, names, (height, width))
    names = names or list(getattr(network, "labels", ()))
    static = args.static or _is_recipe(args.source)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "model.onnx"
        from_torch.convert(network, part, (height, width), args.opset, static=static)
        model = graphs.load(part)
        if names:
            graphs.set_metadata(model, {"names": json.dumps(dict(enumerate(names)))})
        graphs.save(model, part)
        settings = detectors.build(name=str(part), backend="onnxruntime")
        target = parity.input_format(settings, (1, 3, height, width), (width, height))
    shown = parity.feeds(target, args.images)
    if _is_recipe(args.source):
        worst = parity.check_chosen(
            from_torch.runner(network), graphs.runner(model), shown, network.names, TOLERANCE
        )
    else:
        worst = parity.check(
            parity.differences(from_torch.runner(network), graphs.runner(model), shown), TOLERANCE
        )
    vary = _varying(model)
    if vary:
        varying.check(model, shown[-1][1], vary, target)
    graphs.save(model, output)
    names_shown = ", ".join(name for name, _ in shown)
    print(
        f"{output}: {graphs.megabytes(model):.2f} MB, opset {args.opset}, {vary or 'nothing'} varies, "
        f"same outputs as PyTorch within {worst:.1e} on {names_shown}"
    )
    return {"output": str(output), "varies": vary, "largest_relative_difference": worst, "opset": args.opset}


def _is_recipe(source: str) -> bool:
    return source.startswith("torchvision:")


def _network(args: argparse.Namespace, names: list[str], size: tuple[int, int]) -> Any:
    """The network to export, for an input of this height and width."""
    if not _is_recipe(args.source):
        return load(args.source)
    need("torchvision", extra="torchvision")
    from optimization.graph import recipes

    return recipes.make(args.source.removeprefix(recipes.PREFIX), args.weights, names, size)


def _is_factory(source: str) -> bool:
    return ":" in source and not Path(source).exists()


def load(source: str) -> Any:
    """Load the network of a file or a function.

    Args:
        source: A TorchScript file, a ``torch.export`` file, or ``module:function`` that returns a module.

    Returns:
        A module in evaluation mode, or an exported program.

    Raises:
        ModelError: The source is none of these.
    """
    import torch

    if _is_factory(source):
        return _made(source)
    path = Path(source)
    if not path.is_file():
        raise ModelError(f"{source}: no such file")
    try:
        if path.suffix == ".pt2":
            return torch.export.load(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location="cpu").eval()
    except Exception:  # noqa: BLE001 - a file of another kind fails in many ways
        raise ModelError(
            f"{source}: is neither TorchScript nor a torch.export file (.pt2); a checkpoint holds weights "
            "without their network: name a function that builds it, module:function"
        ) from None


def _made(source: str) -> Any:
    import torch

    module, _, function = source.partition(":")
    sys.path.insert(0, "")
    try:
        network = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ModelError(f"{source}: cannot be called ({error})") from None
    finally:
        sys.path.remove("")
    if not isinstance(network, torch.nn.Module):
        raise ModelError(f"{source}: returned {type(network).__name__}, not a torch.nn.Module")
    return network.eval()


def _varying(model: Any) -> str:
    """What varies in the input: "batch", "size", "both" or "" (nothing)."""
    from optimization.graph import graphs

    lengths = graphs.shape(model.graph.input[0])
    batch, size = isinstance(lengths[0], str), isinstance(lengths[2], str) and isinstance(lengths[3], str)
    return {(True, True): "both", (True, False): "batch", (False, True): "size"}.get((batch, size), "")


COMMAND = Command(
    name="export",
    help="PyTorch to ONNX",
    description="Export a TorchScript file, a torch.export file (.pt2) or what a function returns to "
    "ONNX, with batch and size that vary, and check the outputs against PyTorch. The file or function "
    "runs as code: only use what you trust. torchvision:fasterrcnn_resnet50_fpn_v2 and torchvision's other "
    "detectors are exported for one picture of --size.",
    declare=declare,
    run=run,
)
