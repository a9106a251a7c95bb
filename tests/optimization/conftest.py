"""Real pictures and small networks for the toolchain's tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared.errors import SourceError
from tests.conftest import SHARED, find_demo_video

COUNT = 6


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures: real ones where they can be had, else drawn ones."""
    folder = tmp_path_factory.mktemp("images")
    beside = SHARED / "data" / "coco_mini_val" / "images"
    if beside.is_dir():
        for path in sorted(beside.iterdir())[: 20 * COUNT : 20]:
            (folder / path.name).write_bytes(path.read_bytes())
        return folder
    for index, image in enumerate(_frames(tmp_path_factory)):
        cv2.imwrite(str(folder / f"{index:02d}.jpg"), image)
    return folder


def _frames(tmp_path_factory: pytest.TempPathFactory) -> list[cv2.typing.MatLike]:
    try:
        video = cv2.VideoCapture(str(find_demo_video(tmp_path_factory)))
    except SourceError:
        random = np.random.default_rng(0)
        return [cv2.resize(random.integers(0, 256, (9, 16, 3), np.uint8), (640, 360)) for _ in range(COUNT)]
    found = []
    for index in range(COUNT):
        video.set(cv2.CAP_PROP_POS_FRAMES, 100 * index)
        found.append(video.read()[1])
    return found


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two convolutions with the outputs of YOLOv8, 128x128, that sees nothing in particular."""
    random = np.random.default_rng(1)
    weights: dict[str, np.typing.NDArray[np.generic]] = {
        "w1": random.normal(size=(8, 3, 3, 3)).astype(np.float32) / 5,
        "b1": np.zeros(8, np.float32),
        "w2": random.normal(size=(6, 8, 1, 1)).astype(np.float32) / 3,
        "shape": np.array([1, 6, -1], np.int64),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "infinity": np.array(-np.inf, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Pad", ["r1", "pads", "infinity"], ["p1"]),
        helper.make_node("MaxPool", ["p1"], ["m1"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Conv", ["m1", "w2"], ["c2"], name="last"),
        helper.make_node("Reshape", ["c2", "shape"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["output0"], name="scores"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 128, 128])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 1024])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"names": '{"0": "cat", "1": "dog"}'})
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    onnx.save(model, str(path))
    return path
