"""Models as their files describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_node.backends.interface import Axis, ModelFile, Tensor

Outputs = Sequence[tuple[str, tuple[Axis, ...], str]]


def model(
    outputs: Outputs, inputs: Sequence[str] = ("images",), metadata: Mapping[str, str] | None = None
) -> ModelFile:
    return ModelFile(
        tuple(Tensor(name, (1, 3, 640, 640) if name == "images" else (1, 2)) for name in inputs),
        tuple(Tensor(*output) for output in outputs),
        metadata or {},
    )


def one(*shape: Axis) -> Outputs:
    return [("output0", shape, "float32")]


BOXES, PLAIN = ("boxes", (1, 300, 4), "float32"), ("boxes", ("n", 4), "float32")
SCORES, LABELS = ("scores", ("n",), "float32"), ("labels", ("n",), "int64")
