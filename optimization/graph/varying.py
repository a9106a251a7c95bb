"""Let a network's batch or input size vary, and check that it still works."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edge_node.backends.preprocess import InputFormat
from optimization.graph import graphs
from shared.errors import ModelError


def let_vary(model: onnx.ModelProto, *, batch: bool, size: bool) -> None:
    """Let a graph's batch, or the height and width of its input, have any length.

    Shapes recorded for the old lengths are dropped. A Reshape to a batch of one keeps the batch it is given,
    unless the batch varied before: then it is no picture's.

    Args:
        model: The graph to change.
        batch: Whether the batch varies.
        size: Whether height and width vary.

    Raises:
        ModelError: The input is not a batch of pictures.
    """
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ModelError(f"input {model.graph.input[0].name} has {len(dims)} axes; a picture has 4")
    fixed = bool(dims[0].dim_value)
    for index, name in ((0, "batch"), (2, "height"), (3, "width")):
        if batch if index == 0 else size:
            dims[index].dim_param = name
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    if batch and fixed:
        targets = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
        for item in model.graph.initializer:
            if item.name in targets and (lengths := numpy_helper.to_array(item)).size > 1 and lengths[0] == 1:
                kept = np.concatenate([[0], lengths[1:]]).astype(np.int64)
                item.CopyFrom(numpy_helper.from_array(kept, item.name))
    for known, output in zip(graphs.infer_shapes(model).graph.output, model.graph.output, strict=True):
        output.CopyFrom(known)
        if batch:
            output.type.tensor_type.shape.dim[0].dim_param = "batch"


def check(model: onnx.ModelProto, tensor: Any, what: str, target: InputFormat) -> None:
    """Run a graph on a batch of two pictures, and at another size.

    Args:
        model: A graph that `let_vary` changed.
        tensor: A picture, f32 ``(1, 3, H, W)``.
        what: What varies: "batch", "size" or "both".
        target: The size the graph was made for.

    Raises:
        ModelError: The graph does not run, or a picture's output depends on the others in its batch.
    """
    network = graphs.runner(model)
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
        raise ModelError(f"the graph does not allow --dynamic {what}: {graphs.reason(error)}") from None
