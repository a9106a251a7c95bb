"""A detector of a few thousand weights that scores every place, and pictures that it can learn in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_node.pictures import U8

SIDE, NAMES = 64, ("square", "other")
_STRIDES = (8, 16, 32)
_CHANNELS = 16


def write_model(path: Path) -> Path:
    """A float model of the layout yolov8, strides 8, 16 and 32, which has learnt nothing."""
    chance = np.random.default_rng(1)
    stored: list[onnx.TensorProto] = []

    def keep(name: str, value: np.ndarray) -> str:
        stored.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(name: str, shape: tuple[int, ...], size: float) -> str:
        return keep(name, chance.normal(0, size, shape).astype(np.float32))

    def conv(source: str, name: str, channels: tuple[int, int], kernel: int, **keys: Any) -> str:
        weights = weight(
            f"{name}.w", (channels[1], channels[0], kernel, kernel), 1 / (kernel * channels[0] ** 0.5)
        )
        bias = weight(f"{name}.b", (channels[1],), 0.01)
        nodes.append(helper.make_node("Conv", [source, weights, bias], [name], **keys))
        return name

    nodes: list[onnx.NodeProto] = []
    feature = conv("images", "stem", (3, _CHANNELS), 8, strides=[8, 8])
    rows = []
    for stride in _STRIDES:
        if stride > _STRIDES[0]:
            wide = f"pool{stride}"
            nodes.append(helper.make_node("MaxPool", [feature], [wide], kernel_shape=[2, 2], strides=[2, 2]))
            feature = wide
        nodes.append(helper.make_node("LeakyRelu", [feature], [f"leaky{stride}"]))
        side = SIDE // stride
        around = conv(f"leaky{stride}", f"near{stride}", (_CHANNELS, _CHANNELS), 3, pads=[1] * 4)
        nodes.append(helper.make_node("LeakyRelu", [around], [f"seen{stride}"]))
        raw = conv(f"seen{stride}", f"raw{stride}", (_CHANNELS, 4 + len(NAMES)), 1)
        flat, parts = f"flat{stride}", [f"{part}{stride}" for part in ("offset", "size", "score")]
        shape = keep(f"shape{stride}", np.array([-1, 4 + len(NAMES), side * side]))
        nodes.append(helper.make_node("Reshape", [raw, shape], [flat]))
        lengths = keep(f"lengths{stride}", np.array([2, 2, len(NAMES)]))
        nodes.append(helper.make_node("Split", [flat, lengths], parts, axis=1))
        y, x = np.mgrid[:side, :side].reshape(2, -1)
        grid = keep(f"grid{stride}", ((np.stack([x, y])[None] + 0.5) * stride).astype(np.float32))
        nodes += [
            helper.make_node("Add", [parts[0], grid], [f"centre{stride}"]),
            helper.make_node("Exp", [parts[1]], [f"exp{stride}"]),
            helper.make_node("Mul", [f"exp{stride}", "base"], [f"wide{stride}"]),
            helper.make_node("Sub", [parts[2], "rare"], [f"logit{stride}"]),
            helper.make_node("Sigmoid", [f"logit{stride}"], [f"sure{stride}"]),
            helper.make_node(
                "Concat", [f"centre{stride}", f"wide{stride}", f"sure{stride}"], [f"row{stride}"], axis=1
            ),
        ]
        rows.append(f"row{stride}")
    keep("base", np.array(12, np.float32))
    keep("rare", np.array(3, np.float32))
    nodes.append(helper.make_node("Concat", rows, ["output0"], axis=2))
    places = sum((SIDE // stride) ** 2 for stride in _STRIDES)
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["n", 4 + len(NAMES), places])
    graph = helper.make_graph(nodes, "dense", [picture], [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"names": str(dict(enumerate(NAMES))), "imgsz": f"[{SIDE}, {SIDE}]"})
    onnx.save(model, path)
    return path


def square(seed: int) -> tuple[U8, tuple[int, int, int, int]]:
    """A picture with one bright square, and its left, top, width and height."""
    chance = np.random.default_rng(seed)
    image = chance.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
    side = int(chance.integers(14, 22))
    left, top = (int(one) for one in chance.integers(0, SIDE - side, 2))
    image[top : top + side, left : left + side] = 220
    return image, (left, top, side, side)


def write_pictures(folder: Path, count: int) -> dict[str, object]:
    """Pictures in a folder, and what a COCO file says of them."""
    folder.mkdir(exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        image, box = square(number)
        cv2.imwrite(str(folder / f"{number:03d}.png"), image)
        images.append({"id": number, "file_name": f"{number:03d}.png", "width": SIDE, "height": SIDE})
        annotations.append({"id": number + 1, "image_id": number, "category_id": 1, "bbox": list(box)})
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": NAMES[0]}],
    }
