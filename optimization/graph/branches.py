"""Graphs with graphs inside: the branches of an If and the bodies of loops read tensors from around them.

Detectors of two stages have them: torchvision skips its NMS when there is no box.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from shared.errors import ModelError

OPERATORS = ("If", "Loop", "Scan")
"""Operators whose attributes are graphs."""


def inner(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs directly inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def operators(graph: onnx.GraphProto) -> set[str]:
    """Types of all operators in a graph and in the graphs inside it."""
    found = {node.op_type for node in graph.node}
    for node in graph.node:
        for one in inner(node):
            found |= operators(one)
    return found


def captured(node: onnx.NodeProto) -> set[str]:
    """Names of the tensors that the graphs inside a node read from around it."""
    found: set[str] = set()
    for graph in inner(node):
        own = {item.name for item in (*graph.input, *graph.initializer)}
        for item in graph.node:
            found |= {name for name in (*item.input, *captured(item)) if name and name not in own}
            own |= set(item.output)
        found |= {item.name for item in graph.output} - own
    return found


def reads(node: onnx.NodeProto) -> set[str]:
    """Names of all tensors that a node needs: its inputs, and what it captures."""
    return {name for name in node.input if name} | captured(node)


def rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Let the graphs inside a node read other tensors from around it.

    Args:
        node: The node; its own inputs stay.
        names: New names by old ones, which no tensor inside has.
    """
    for graph in inner(node):
        for item in graph.node:
            item.input[:] = [names.get(name, name) for name in item.input]
            rename(item, names)
        for output in graph.output:
            output.name = names.get(output.name, output.name)


def sort(model: onnx.ModelProto) -> None:
    """Put nodes after those whose outputs they read, also where only a graph inside reads them.

    Raises:
        ModelError: Some nodes read each other's outputs.
    """
    waiting = dict(enumerate(model.graph.node))
    makes = {name: id_ for id_, node in waiting.items() for name in node.output if name}
    missing = {id_: {makes[name] for name in reads(node) if name in makes} for id_, node in waiting.items()}
    readers: dict[int, list[int]] = {}
    for id_, needs in missing.items():
        for other in needs:
            readers.setdefault(other, []).append(id_)
    ready = [id_ for id_, needs in missing.items() if not needs]
    order: list[onnx.NodeProto] = []
    for id_ in ready:  # grows meanwhile
        order.append(waiting.pop(id_))
        for reader in readers.get(id_, []):
            missing[reader].discard(id_)
            if not missing[reader]:
                ready.append(reader)
    if waiting:
        raise ModelError(f"the graph goes round in a circle at node {next(iter(waiting.values())).name!r}")
    del model.graph.node[:]
    model.graph.node.extend(order)
