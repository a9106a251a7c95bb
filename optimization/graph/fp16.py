"""A float32 network becomes one in half precision, done by `onnxruntime.transformers`."""

from __future__ import annotations

import onnx
from onnxruntime.transformers import float16

from optimization.graph import branches, graphs
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
                op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *branches.OPERATORS, *blocked],
            )
        except Exception as error:  # noqa: BLE001 - a third-party rewrite
            raise ModelError(f"the graph cannot be converted to 16 bits: {graphs.reason(error)}") from None
    _drop_repeated(result)
    _widen_captured(result)
    branches.sort(result)
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


def _widen_captured(model: onnx.ModelProto) -> None:
    """Give the graphs inside nodes, which stay in float32, what they read from around them in float32."""
    half = onnx.TensorProto.FLOAT16
    narrow = {item.name for item in model.graph.value_info if item.type.tensor_type.elem_type == half}
    narrow |= {item.name for item in model.graph.initializer if item.data_type == half}
    wide: dict[str, str] = {}
    for node in model.graph.node:
        wide |= {name: f"{name}_captured_in_float32" for name in branches.captured(node) & narrow}
    for node in list(model.graph.node):
        branches.rename(node, wide)
    for name, new in wide.items():
        cast = onnx.helper.make_node("Cast", [name], [new], name=f"{new}_cast", to=onnx.TensorProto.FLOAT)
        model.graph.node.append(cast)
