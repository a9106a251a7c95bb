"""A float32 network becomes one in half precision, done by `onnxruntime.transformers`."""

from __future__ import annotations

import onnx
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers import float16

from optimization.graph import graphs
from shared.errors import ModelError


def convert(graph: onnx.ModelProto, kept: list[str], blocked: list[str], *, half_io: bool) -> onnx.ModelProto:
    """Convert a model to half precision.

    Args:
        graph: The model in float32, every node with a name; it is not changed.
        kept: Names of the nodes that stay in float32.
        blocked: Operator types that stay in float32, beside those without half precision.
        half_io: Whether inputs and outputs are converted, too.

    Raises:
        ModelError: The graph cannot be converted.
    """
    copy = type(graph)()
    copy.CopyFrom(graphs.infer_shapes(graph))
    with graphs.quiet():
        try:
            result: onnx.ModelProto = float16.convert_float_to_float16(
                copy,
                keep_io_types=not half_io,
                node_block_list=kept,
                op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *blocked],
            )
        except Exception as error:  # noqa: BLE001 - a third-party rewrite
            raise ModelError(
                f"the graph cannot be converted to 16 bits: {graphs.first_line(error)}"
            ) from None
    _drop_repeated(result)
    ONNXModel(result).topological_sort()
    graphs.name_nodes(result)
    graphs.set_metadata(result, {item.key: item.value for item in graph.metadata_props})
    return result


def _drop_repeated(model: onnx.ModelProto) -> None:
    """Keep one cast of each tensor: the converter writes one for every node in float32 that reads it."""
    made: set[str] = set()
    for node in list(model.graph.node):
        if node.output[0] in made:
            model.graph.node.remove(node)
        made.update(node.output)
