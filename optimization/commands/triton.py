"""`triton`: writes a model repository for NVIDIA's Triton Inference Server, with dynamic batching."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.assets.models import find_model
from edge_node.backends.interface import ModelFile
from optimization import arguments, files
from optimization.command import Command
from shared.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import onnx


_TYPES = {
    "FLOAT": "FP32",
    "FLOAT16": "FP16",
    "UINT8": "UINT8",
    "INT8": "INT8",
    "INT32": "INT32",
    "INT64": "INT64",
}
"""Triton's names of element types, by ONNX's names."""


@dataclass(frozen=True, slots=True)
class Service:
    """How a model is served.

    Attributes:
        name: Name that clients ask for.
        max_batch: Maximum number of pictures in one run; 0 if the network's batch is fixed.
        instances: Number of copies of the model on each device.
        device: "gpu" or "cpu".
        delay_us: Longest wait for a batch to fill, microseconds.
        plan: Whether a TensorRT engine is served instead of the ONNX file.
    """

    name: str
    max_batch: int
    instances: int
    device: str
    delay_us: int
    plan: bool


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_model(parser, "ONNX: path or name")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="serve this TensorRT engine of the model")
    parser.add_argument("--repository", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", help="name that clients ask for (default: the file's)")
    parser.add_argument("--max-batch", type=int, default=8, metavar="N", help="default: 8")
    parser.add_argument(
        "--instances", type=int, default=1, metavar="N", help="copies per device (default: 1)"
    )
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="default: gpu")
    parser.add_argument(
        "--delay-us", type=int, default=2000, metavar="N", help="longest wait for a batch (default: 2000)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the repository.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: The file is not a model, a number is out of range, or a file cannot be written.
    """
    from optimization.graph import graphs

    source = find_model(args.model)
    name = args.name or source.stem
    _check(args, name)
    folder = args.repository / name
    config = folder / "config.pbtxt"
    copy = folder / "1" / ("model.plan" if args.plan else "model.onnx")
    for path in (config, copy):
        files.claim(path, force=args.force)
    model = graphs.load(source)
    batches = batch_varies(model)
    if not batches:
        print("the model's batch is fixed: no dynamic batching; `simplify --dynamic batch` may change that")
    service = Service(
        name,
        args.max_batch if batches else 0,
        args.instances,
        args.device,
        args.delay_us,
        args.plan is not None,
    )
    files.save(copy, (args.plan or source).read_bytes())
    files.save(config, configuration(model, service))
    print(f"{folder}: config.pbtxt, 1/{copy.name}; batches of up to {max(service.max_batch, 1)}")
    trained = ModelFile((), (), {item.key: item.value for item in model.metadata_props}).trained_size
    if trained and any(isinstance(length, str) for length in graphs.shape(model.graph.input[0])[2:]):
        print(f"nodes cannot ask a server for the size of the input: set model.input_size: {trained} on them")
    return {"repository": str(args.repository), "name": name, "max_batch_size": service.max_batch}


def _check(args: argparse.Namespace, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise ConfigError(f"--name {name!r}: use letters, digits, '_', '-' and '.'")
    for key, least in (("max_batch", 1), ("instances", 1), ("delay_us", 0)):
        if getattr(args, key) < least:
            raise ConfigError(f"--{key.replace('_', '-')} {getattr(args, key)}: must be at least {least}")
    if args.plan and not args.plan.is_file():
        raise ModelError(f"--plan {args.plan}: no such file")


def batch_varies(model: onnx.ModelProto) -> bool:
    """Whether the first axis of every input and output has any length."""
    from optimization.graph import graphs

    shapes = [graphs.shape(item) for item in (*model.graph.input, *model.graph.output)]
    return all(shape and isinstance(shape[0], str) for shape in shapes)


def configuration(model: onnx.ModelProto, service: Service) -> str:
    """The text of config.pbtxt.

    Source: Triton's ``model_config.proto`` and its documentation of model configuration.

    Args:
        model: The model, for its inputs and outputs.
        service: How the model is served.

    Raises:
        ModelError: A tensor has a type that Triton does not know.
    """
    backend = 'platform: "tensorrt_plan"' if service.plan else 'backend: "onnxruntime"'
    parts = [
        f"name: {json.dumps(service.name)}\n{backend}\nmax_batch_size: {service.max_batch}\n",
        *(_tensor("input", item, service) for item in model.graph.input),
        *(_tensor("output", item, service) for item in model.graph.output),
        f"instance_group [\n  {{ count: {service.instances} kind: KIND_{service.device.upper()} }}\n]\n",
    ]
    if service.max_batch:
        sizes = [size for size in (2, 4, 8, 16, 32) if size < service.max_batch] + [service.max_batch]
        parts.append(
            f"dynamic_batching {{\n  preferred_batch_size: [ {', '.join(map(str, sizes))} ]\n"
            f"  max_queue_delay_microseconds: {service.delay_us}\n}}\n"
        )
    return "".join(parts)


def _tensor(kind: str, item: onnx.ValueInfoProto, service: Service) -> str:
    import onnx

    from optimization.graph import graphs

    found = onnx.TensorProto.DataType.Name(item.type.tensor_type.elem_type)
    if found not in _TYPES:
        raise ModelError(f"{kind} {item.name} is of type {found}; supported are {', '.join(_TYPES)}")
    shape = [length if isinstance(length, int) else -1 for length in graphs.shape(item)]
    dims = ", ".join(str(length) for length in (shape[1:] if service.max_batch else shape))
    return (
        f"{kind} [\n  {{\n    name: {json.dumps(item.name)}\n    data_type: TYPE_{_TYPES[found]}\n"
        f"    dims: [ {dims} ]\n  }}\n]\n"
    )


COMMAND = Command(
    name="triton",
    help="write a Triton model repository",
    description="Write DIR/NAME/config.pbtxt and DIR/NAME/1/model.onnx (or model.plan). An edge node "
    "uses the server with model.name: grpc://HOST:8001/NAME.",
    declare=declare,
    run=run,
    needs=("onnx", "onnxslim"),
)
