"""An ONNX network with the layer shapes of YOLOv8n or s and random weights, for timings only.

Widths and depths are those Ultralytics publishes for the model family (strides 8, 16 and 32, C2f blocks,
SPPF, a head of two 3x3 convolutions a branch, box edges as distributions over 16 bins); output
``(N, 84, 8400)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES, BINS, STRIDES = 80, 16, (8, 16, 32)
WIDTHS = {"n": 0.25, "s": 0.5}
GAINS = {"n": 1.6, "s": 1.5}
"""Keeps the variance through all layers, so that half precision neither overflows nor vanishes."""
SCORE_GAINS = {"n": 1.2, "s": 0.29}
"""Leaves some tens of anchors above 0.25, as in a street scene."""


class Builder:
    """Adds nodes and weights; every method takes names of tensors and returns one."""

    def __init__(self, dtype: type[np.floating[Any]], gain: float) -> None:
        self.dtype, self._gain, self._rng = dtype, gain, np.random.default_rng(8)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {"images": 3}

    def constant(self, values: npt.NDArray[Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, channels: int = 0, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        self.channels[name] = channels or self.channels.get(inputs[0], 0)
        return name

    def conv(
        self, x: str, out: int, kernel: int = 3, stride: int = 1, bias: float = 0.0, gain: float | None = None
    ) -> str:
        shape = (out, self.channels[x], kernel, kernel)
        weight = self._rng.normal(0, (gain or self._gain) / np.sqrt(np.prod(shape[1:])), shape).astype(
            self.dtype
        )
        return self.node(
            "Conv",
            x,
            self.constant(weight),
            self.constant(np.full(out, bias, self.dtype)),
            channels=out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )

    def block(self, x: str, out: int, kernel: int = 3, stride: int = 1) -> str:
        y = self.conv(x, out, kernel, stride)
        return self.node("Mul", y, self.node("Sigmoid", y))

    def concat(self, *parts: str, axis: int = 1) -> str:
        return self.node("Concat", *parts, channels=sum(self.channels[part] for part in parts), axis=axis)

    def c2f(self, x: str, out: int, repeats: int, *, shortcut: bool) -> str:
        half = out // 2
        both = self.block(x, out, 1)
        first, second = f"{both}a", f"{both}b"
        self.nodes.append(
            helper.make_node("Split", [both, self.constant(np.array([half, half]))], [first, second], axis=1)
        )
        self.channels |= {first: half, second: half}
        parts = [first, second]
        for _ in range(repeats):
            y = self.block(self.block(parts[-1], half), half)
            parts.append(self.node("Add", parts[-1], y) if shortcut else y)
        return self.block(self.concat(*parts), out, 1)

    def sppf(self, x: str, out: int) -> str:
        parts = [self.block(x, self.channels[x] // 2, 1)]
        for _ in range(3):
            parts.append(self.node("MaxPool", parts[-1], kernel_shape=[5, 5], pads=[2] * 4))
        return self.block(self.concat(*parts), out, 1)

    def double(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", x, "", scales, mode="nearest")


def body(b: Builder, width: float) -> list[str]:
    """Features at strides 8, 16 and 32."""
    c64, c128, c256, c512, c1024 = (int(c * width) for c in (64, 128, 256, 512, 1024))
    x = b.block("images", c64, 3, 2)
    x = b.c2f(b.block(x, c128, 3, 2), c128, 1, shortcut=True)
    p3 = b.c2f(b.block(x, c256, 3, 2), c256, 2, shortcut=True)
    p4 = b.c2f(b.block(p3, c512, 3, 2), c512, 2, shortcut=True)
    p5 = b.sppf(b.c2f(b.block(p4, c1024, 3, 2), c1024, 1, shortcut=True), c1024)
    n4 = b.c2f(b.concat(b.double(p5), p4), c512, 1, shortcut=False)
    n3 = b.c2f(b.concat(b.double(n4), p3), c256, 1, shortcut=False)
    m4 = b.c2f(b.concat(b.block(n3, c256, 3, 2), n4), c512, 1, shortcut=False)
    m5 = b.c2f(b.concat(b.block(m4, c512, 3, 2), p5), c1024, 1, shortcut=False)
    return [n3, m4, m5]


def _head(b: Builder, features: list[str], width: int, height: int, score_gain: float) -> str:
    boxes, scores, cells, strides = [], [], [], []
    box_width, class_width = max(64, b.channels[features[0]] // 4), max(b.channels[features[0]], CLASSES)
    flat = {k: b.constant(np.array([0, k, -1])) for k in (4 * BINS, CLASSES)}
    for feature, stride in zip(features, STRIDES, strict=True):
        box = b.conv(b.block(b.block(feature, box_width), box_width), 4 * BINS, 1, gain=0.2)
        score = b.conv(
            b.block(b.block(feature, class_width), class_width), CLASSES, 1, bias=-7.0, gain=score_gain
        )
        boxes.append(b.node("Reshape", box, flat[4 * BINS]))
        scores.append(b.node("Reshape", score, flat[CLASSES]))
        y, x = np.mgrid[0 : height // stride, 0 : width // stride] + 0.5
        cells.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(x.size, stride))
    count = sum(part.size for part in strides)
    bins = b.node("Reshape", b.concat(*boxes, axis=2), b.constant(np.array([0, 4, BINS, count])))
    weighed = b.node(
        "Mul",
        b.node("Softmax", bins, axis=2),
        b.constant(np.arange(BINS, dtype=b.dtype).reshape(1, 1, BINS, 1)),
    )
    edges = b.node("ReduceSum", weighed, b.constant(np.array([2])), keepdims=0)
    near, far = f"{edges}a", f"{edges}b"
    b.nodes.append(helper.make_node("Split", [edges, b.constant(np.array([2, 2]))], [near, far], axis=1))
    cell = b.constant(np.concatenate(cells, axis=1)[None].astype(b.dtype))
    low, high = b.node("Sub", cell, near), b.node("Add", cell, far)
    centre = b.node("Mul", b.node("Add", low, high), b.constant(np.array(0.5, b.dtype)))
    box = b.node("Concat", centre, b.node("Sub", high, low), axis=1)
    box = b.node("Mul", box, b.constant(np.concatenate(strides)[None, None].astype(b.dtype)))
    return b.node("Concat", box, b.node("Sigmoid", b.concat(*scores, axis=2)), axis=1)


def write(
    path: Path,
    scale: str,
    *,
    half: bool = False,
    size: int = 640,
    height: int | None = None,
    batch: int | str = "N",
) -> Path:
    """Write the network.

    Args:
        path: Of the file.
        scale: "n" or "s".
        half: Input, weights and output are float16.
        size: Of the input, pixels.
        height: Of the input, where it is no square; the weights are the same.
        batch: Pictures; a name leaves it open.
    """
    builder = Builder(np.float16 if half else np.float32, GAINS[scale])
    output = _head(builder, body(builder, WIDTHS[scale]), size, height or size, SCORE_GAINS[scale])
    builder.nodes.append(helper.make_node("Identity", [output], ["output0"]))
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    anchors = sum((size // stride) * ((height or size) // stride) for stride in STRIDES)
    graph = helper.make_graph(
        builder.nodes,
        f"yolov8{scale}-shaped",
        [helper.make_tensor_value_info("images", kind, [batch, 3, height or size, size])],
        [helper.make_tensor_value_info("output0", kind, [batch, 4 + CLASSES, anchors])],
        builder.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
