"""What networks of each family return when they see one dog, as ONNX graphs of the same outputs.

Names, shapes and types are those of real exports, most of them seen with random weights: torchvision 0.29,
Transformers 5, rfdetr 1.11, Ultralytics 8.4, and the published PicoDet, RTMDet and YOLOX files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_node.assets.names import COCO, COCO_IDS, Layout
from edge_node.backends.interface import Array
from shared.geometry import F32

SIDE = 320
DOG = (80.0, 40.0, 240.0, 120.0)
SCORE = 0.8
CENTRED = (160.0, 80.0, 160.0, 80.0)
FRACTIONS = tuple(value / SIDE for value in CENTRED)
CLASS = COCO.index("dog")
ID = COCO_IDS.index("dog")


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        layout: What it is to be recognised as.
        outputs: By name, for one dog.
        labels: What a user has to say.
        inputs: Beside the picture, by name.
        metadata: Of the file.
    """

    layout: Layout
    outputs: Callable[[], dict[str, Array]]
    labels: tuple[str, ...] = ()
    inputs: tuple[tuple[str, int], ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def save(export: Export, path: Path) -> Path:
    """Write the graph; its outputs are constants for any input."""
    outputs = export.outputs()
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    others = [helper.make_tensor_value_info(name, kind, [1, 2]) for name, kind in export.inputs]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", [f"{name}_"], [name]) for name in outputs],
            export.layout,
            [*others, picture],
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
                )
                for name, array in outputs.items()
            ],
            [numpy_helper.from_array(array, f"{name}_") for name, array in outputs.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, export.metadata)
    onnx.save(model, path)
    return path


def _f32(*shape: int) -> F32:
    return np.zeros(shape, np.float32)


def _yolov8() -> dict[str, Array]:
    found = _f32(1, 84, 2100)
    for anchor, score in ((2057, SCORE), (2058, 0.6)):
        found[0, :4, anchor] = CENTRED
        found[0, 4 + CLASS, anchor] = score
    return {"output0": found}


def _with_objectness(rows: int, box: tuple[float, ...]) -> F32:
    found = _f32(1, rows, 85)
    for row, score in ((rows - 75, 1.0), (rows - 74, 0.7)):
        found[0, row, 5 + CLASS] = SCORE * score
        found[0, row, :5] = (*box, 1.0)
    return found


def _yolov5() -> dict[str, Array]:
    return {"output0": _with_objectness(6300, CENTRED)}


def _yolox() -> dict[str, Array]:
    found = _with_objectness(2100, (0.0, 0.5, np.log(5), np.log(2.5)))  # of the cell at 5, 2 of stride 32
    found[0, 2026, 0] = -1.0  # its neighbour to the right
    return {"output": found}


def _decoded(objectness: float) -> dict[str, Array]:
    """One decoded anchor per cell, with its centre in the cell."""
    found = _with_objectness(2100, CENTRED)
    row = 0
    for stride in (8, 16, 32):
        y, x = np.mgrid[0:SIDE:stride, 0:SIDE:stride]
        place = found[0, row : row + x.size]
        empty = place[:, 4] == 0
        place[empty, 0], place[empty, 1], place[empty, 4] = x.ravel()[empty], y.ravel()[empty], objectness
        row += x.size
    return {"outputs": found}


def _rows(boxes: tuple[float, ...]) -> F32:
    found = _f32(1, 300, 6)
    found[0, 0] = (*boxes, SCORE, CLASS)
    found[0, 1:, 4] = 0.01
    return found


def _yolov10() -> dict[str, Array]:
    return {"output0": _rows(DOG)}


def _rtdetr_topk() -> dict[str, Array]:
    return {"output0": _rows(FRACTIONS)}


def _rtdetr_rows() -> dict[str, Array]:
    found = _f32(1, 300, 84)
    found[0, 5, :4], found[0, 5, 4 + CLASS] = FRACTIONS, SCORE
    return {"output0": found}


def _distribution(distances: tuple[float, ...]) -> F32:
    """Logits of 8 bins for each side, whose expected value is the distance."""
    logits = np.full((4, 8), -40.0, np.float32)
    for side, distance in enumerate(distances):
        low = int(distance)
        share = distance - low
        logits[side, low] = np.log(1 - share)
        if share:
            logits[side, low + 1] = np.log(share)
    return logits.ravel()


def _nanodet() -> dict[str, Array]:
    found = _f32(1, 2125, 112)
    row = 2000 + 10 * 2 + 5  # stride 32, anchored at 160, 64
    found[0, row, CLASS] = SCORE
    found[0, row, 80:] = _distribution((2.5, 0.75, 2.5, 1.75))
    return {"output": found}


def _picodet() -> dict[str, Array]:
    cells = (1600, 400, 100, 25)
    maps = {f"scale_{level}": _f32(1, count, 80) for level, count in enumerate(cells)}
    maps |= {f"scale_{4 + level}": _f32(1, count, 32) for level, count in enumerate(cells)}
    row = 10 * 2 + 4  # stride 32, anchored at 144, 80
    maps["scale_2"][0, row, CLASS] = SCORE
    maps["scale_6"][0, row] = _distribution((2, 1.25, 3, 1.25))
    return dict(maps)


def _paddle() -> dict[str, Array]:
    rows = np.array([[CLASS, SCORE, *DOG], [0, 0.01, 0, 0, 9, 9]], np.float32)
    return {"multiclass_nms3_0": rows, "num": np.array([2], np.int32)}


def _rtmdet() -> dict[str, Array]:
    dets, labels = _f32(1, 3, 5), np.full((1, 3), -1, np.int64)
    dets[0, 0], labels[0, 0] = (*DOG, SCORE), CLASS
    return {"dets": dets, "labels": labels}


def _rtdetr() -> dict[str, Array]:
    boxes, scores, labels = _f32(1, 300, 4), _f32(1, 300), np.zeros((1, 300), np.int64)
    boxes[0, 0], scores[0, 0], labels[0, 0] = DOG, SCORE, CLASS
    return {"labels": labels, "boxes": boxes, "scores": scores}


def _logits(boxes: str, logits: str, classes: int, class_id: int, *, boxes_first: bool) -> dict[str, Array]:
    place, score = _f32(1, 300, 4), np.full((1, 300, classes), -6, np.float32)
    place[0, 7], score[0, 7, class_id] = FRACTIONS, np.log(SCORE / (1 - SCORE))
    return {boxes: place, logits: score} if boxes_first else {logits: score, boxes: place}


def _rfdetr() -> dict[str, Array]:
    return _logits("dets", "labels", 91, ID, boxes_first=True)


def _rtdetr_queries() -> dict[str, Array]:
    return _logits("pred_boxes", "logits", 80, CLASS, boxes_first=False)


def _torchvision(*names: str) -> dict[str, Array]:
    arrays: dict[str, Array] = {
        "boxes": np.array([DOG, (0, 0, 9, 9)], np.float32),
        "scores": np.array([SCORE, 0.01], np.float32),
        "labels": np.array([ID, 1], np.int64),
    }
    return {name: arrays[name] for name in names}


def _unnamed() -> dict[str, Array]:
    """The outputs with the names that the exporter gives by default."""
    found = _torchvision("boxes", "labels", "scores")
    return {"2037": found["boxes"], "2007": found["labels"], "2006": found["scores"]}


def _tf_ssd() -> dict[str, Array]:
    boxes, classes, scores = _f32(1, 100, 4), np.ones((1, 100), np.float32), _f32(1, 100)
    boxes[0, 0], classes[0, 0], scores[0, 0] = np.array(DOG)[[1, 0, 3, 2]] / SIDE, ID, SCORE
    scores[0, 1] = 0.9  # beyond the count: left from before
    return {
        "detection_boxes": boxes,
        "detection_classes": classes,
        "detection_scores": scores,
        "num_detections": np.ones(1, np.float32),
    }


def _efficient_nms(*names: str) -> dict[str, Array]:
    boxes, classes, scores = _f32(1, 100, 4), np.zeros((1, 100), np.int32), _f32(1, 100)
    boxes[0, 0], classes[0, 0], scores[0, 0] = DOG, CLASS, SCORE
    scores[0, 1] = 0.9
    return dict(zip(names, (np.ones((1, 1), np.int32), boxes, scores, classes), strict=True))


_ULTRALYTICS = {
    "description": "Ultralytics rtdetr-l model",
    "task": "detect",
    "names": str(dict(enumerate(COCO))),
}

EXPORTS = {
    "YOLOv5": Export("yolov5", _yolov5),
    "YOLOv6": Export("yolov5", lambda: _decoded(1.0)),
    "YOLOv8": Export("yolov8", _yolov8),
    "YOLOv10": Export("yolov10", _yolov10, COCO),
    "YOLOX": Export("yolox", _yolox),
    "YOLOX, decoded": Export("yolox_decoded", lambda: _decoded(0.01)),
    "NanoDet-Plus": Export("nanodet", _nanodet),
    "PicoDet": Export("picodet", _picodet),
    "PaddleDetection": Export(
        "paddle", _paddle, ("coco",), (("im_shape", TensorProto.FLOAT), ("scale_factor", TensorProto.FLOAT))
    ),
    "RTMDet": Export("rtmdet", _rtmdet, ("coco",)),
    "D-FINE": Export("rtdetr", _rtdetr, ("coco",), (("orig_target_sizes", TensorProto.INT64),)),
    "RT-DETR of Transformers": Export("rtdetr_queries", _rtdetr_queries),
    "RT-DETR of Ultralytics": Export("rtdetr_rows", _rtdetr_rows, metadata=_ULTRALYTICS),
    "RT-DETR of Ultralytics, newer": Export("rtdetr_topk", _rtdetr_topk, metadata=_ULTRALYTICS),
    "RT-DETR rows without metadata": Export("rtdetr_topk", _rtdetr_topk, ("coco",)),
    "RF-DETR": Export("rfdetr", _rfdetr),
    "SSD": Export("ssd", lambda: _torchvision("boxes", "scores", "labels"), ("coco",)),
    "Faster R-CNN": Export("faster_rcnn", lambda: _torchvision("boxes", "labels", "scores"), ("coco",)),
    "Faster R-CNN, unnamed": Export("faster_rcnn", _unnamed, ("coco",)),
    "SSD of TensorFlow": Export("tf_ssd", _tf_ssd, ("coco",)),
    "EfficientNMS": Export(
        "efficient_nms", lambda: _efficient_nms("num_dets", "boxes", "scores", "classes"), ("coco",)
    ),
    "EfficientNMS, NVIDIA's names": Export(
        "efficient_nms",
        lambda: _efficient_nms("num_detections", "detection_boxes", "detection_scores", "detection_classes"),
        ("coco",),
    ),
}
