"""ONNX graphs: read, tidy, run and write them, with errors that users can act on."""

from __future__ import annotations

import logging
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import onnxslim
from onnx import numpy_helper, shape_inference, version_converter

from edge_node.machine.hardware import usable_cores
from optimization import files
from shared.errors import ConfigError, ModelError, first_line
from shared.geometry import F32

OPSET = 17
"""The lowest opset that is written. Quantisation per channel needs 13; TensorRT 8.6 and newer read 17."""


def load(path: Path) -> onnx.ModelProto:
    """Read an ONNX model. Weights that it also lists as inputs, as before IR 4, are removed from the inputs.

    Raises:
        ModelError: The file is missing, unreadable or not an ONNX model.
    """
    if not path.is_file():
        raise ModelError(f"model {path}: no such file")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # noqa: BLE001 - protobuf and the checker have no common base
        raise ModelError(f"model {path}: is not a valid ONNX model ({reason(error)})") from None
    weights = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 8)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model, as a whole or not at all.

    Raises:
        ModelError: The model is larger than protobuf's 2 GB.
        ConfigError: The file cannot be written.
    """
    try:
        data = model.SerializeToString()
    except ValueError as error:
        raise ModelError(f"{path}: the model is too large for one file ({reason(error)})") from None
    files.save(path, data)


def slim(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, fuse nodes and remove useless ones; metadata, inputs and outputs keep their names.

    Raises:
        ModelError: The graph is not consistent.
    """
    metadata = {item.key: item.value for item in model.metadata_props}
    try:
        with quiet():
            slimmed: onnx.ModelProto = onnxslim.slim(model)
    except Exception as error:  # noqa: BLE001 - whatever a third-party rewrite may raise
        raise ModelError(f"the graph cannot be simplified: {reason(error)}") from None
    fold_padding(slimmed)
    set_metadata(slimmed, metadata)
    return slimmed


def raise_opset(model: onnx.ModelProto, least: int = OPSET) -> onnx.ModelProto:
    """Convert a model to this version of the standard operators, unless it has a newer one.

    Raises:
        ModelError: An operator has no counterpart in that version.
    """
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), least)
    if version >= least:
        return model
    try:
        raised: onnx.ModelProto = version_converter.convert_version(model, least)
    except Exception as error:  # noqa: BLE001 - the converter raises RuntimeError and more
        raise ModelError(f"cannot be raised from opset {version} to {least}: {reason(error)}") from None
    return raised


def fold_padding(model: onnx.ModelProto) -> None:
    """Move the padding of a Pad with minus infinity into the max pooling that follows it.

    Max pooling pads with minus infinity by itself, but TensorFlow's exporter writes both. Infinity cannot be
    quantised, so the Pad would cost two conversions of the largest tensor in the network.
    """
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    producers = {node.output[0]: node for node in model.graph.node if node.op_type == "Pad"}
    uses = [name for node in model.graph.node for name in node.input] + [o.name for o in model.graph.output]
    for node in model.graph.node:
        pad = producers.get(node.input[0]) if node.op_type == "MaxPool" else None
        if pad is None or uses.count(pad.output[0]) != 1 or len(pad.input) != 3:
            continue
        amounts, value = constants.get(pad.input[1]), constants.get(pad.input[2])
        own = next((item for item in node.attribute if item.name == "pads"), None)
        if amounts is None or value is None or not np.isneginf(value).all() or (own and any(own.ints)):
            continue
        begin, end = np.split(amounts, 2)
        if begin[:2].any() or end[:2].any() or min(amounts) < 0:
            continue
        if own:
            node.attribute.remove(own)
        node.attribute.append(onnx.helper.make_attribute("pads", [*begin[2:].tolist(), *end[2:].tolist()]))
        node.input[0] = pad.input[0]
        model.graph.node.remove(pad)


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Add the shape of every tensor that follows from the shapes of the inputs.

    Raises:
        ModelError: Shapes contradict each other.
    """
    try:
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # noqa: BLE001 - InferenceError and protobuf's errors
        raise ModelError(f"the graph's shapes do not fit together: {reason(error)}") from None


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a unique name, because nodes are chosen by name."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{index}"
        seen.add(node.name)


def named_nodes(model: onnx.ModelProto, text: str) -> list[str]:
    """The nodes that --keep-float names; "none" names none.

    Args:
        model: Every node has a name.
        text: Names with commas between them.

    Raises:
        ConfigError: The graph has no node of a name.
    """
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    known = {node.name for node in model.graph.node}
    for name in names:
        if name not in known:
            raise ConfigError(f"--keep-float: the graph has no node {name!r}; `inspect --nodes` lists them")
    return names


def shape(value: onnx.ValueInfoProto) -> list[int | str]:
    """Lengths of a tensor's axes; a dynamic axis has a text."""
    return [
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?")
        for dim in value.type.tensor_type.shape.dim
    ]


def session(model: onnx.ModelProto | Path, threads: int = 0) -> ort.InferenceSession:
    """Load a model into ONNX Runtime on the CPU.

    Args:
        model: Graph or file.
        threads: Number of threads; 0 takes every core that this process may use.

    Raises:
        ModelError: ONNX Runtime cannot run it, for example because it does not know an operator.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common base for "this file is bad"
        raise ModelError(f"ONNX Runtime cannot load the model: {reason(error)}") from None


def runner(model: onnx.ModelProto) -> Callable[[F32], list[npt.NDArray[np.generic]]]:
    """A model as a function from its input, f32 ``(N, 3, H, W)``, to its outputs.

    Raises:
        ModelError: ONNX Runtime cannot run it.
    """
    ready = session(model)
    (name, kind), *_ = [(item.name, item.type) for item in ready.get_inputs()]
    dtype = np.float16 if kind == "tensor(float16)" else np.float32

    def run(tensor: F32) -> list[npt.NDArray[np.generic]]:
        outputs: list[npt.NDArray[np.generic]] = ready.run(None, {name: tensor.astype(dtype, copy=False)})
        return outputs

    return run


def pre_process(model: onnx.ModelProto) -> onnx.ModelProto:
    """Prepare a model for quantisation: slim, opset 17, batch normalisation fused, every shape known.

    Raises:
        ModelError: The graph cannot be prepared.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = raise_opset(slim(model))
    session(ready)  # this names an unknown operator, which the next step does not in all versions
    with tempfile.TemporaryDirectory() as folder, quiet():
        source, target = Path(folder) / "source.onnx", Path(folder) / "ready.onnx"
        save(ready, source)
        try:
            quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        except Exception as error:  # noqa: BLE001 - a third-party rewrite
            raise ModelError(f"the graph cannot be prepared for quantisation: {reason(error)}") from None
        ready = onnx.load(str(target))
    set_metadata(ready, {item.key: item.value for item in model.metadata_props})
    name_nodes(ready)
    return ready


def set_metadata(model: onnx.ModelProto, metadata: dict[str, str]) -> None:
    """Replace the metadata of a model."""
    onnx.helper.set_model_props(model, metadata)


def megabytes(model: onnx.ModelProto) -> float:
    """Size of a model's file, MB."""
    return float(model.ByteSize()) / 1e6


def elements(lengths: list[int | str]) -> int | None:
    """Number of values in a tensor; None if an axis is dynamic."""
    known = [length for length in lengths if isinstance(length, int)]
    return math.prod(known) if len(known) == len(lengths) else None


def reason(error: BaseException) -> str:
    """The first line of a library's error, without codes and places in the library's sources."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", first_line(error))
    return re.sub(r"\s*/\S+\.(?:h|cc|cpp):\d+ .*", "", text).rstrip(" :.")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence log lines and warnings of third-party code; exceptions still get through."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
