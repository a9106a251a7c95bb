"""Which layout a network's outputs have, from their names, shapes and types, the metadata, or a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_node.assets.models import Layout
from edge_node.backends.interface import Array, Axis, ModelFile, Tensor
from edge_node.detect.decode.dense import DFL_BINS, cells
from shared.errors import ModelError
from shared.geometry import F32

LAYOUTS: dict[Layout, str] = {
    "yolov5": "(1, anchors, 5+classes), boxes decoded, with objectness; also YOLOv6 and v7",
    "yolov8": "(1, 4+classes, anchors); also YOLOv9, 11, 12 and 26 without its own selection",
    "yolov10": "(1, boxes, 6): corners, score, class; also YOLO26 and exports with NMS inside",
    "yolox": "(1, cells, 5+classes), boxes raw",
    "yolox_decoded": "the same with boxes decoded inside",
    "nanodet": "(1, cells, classes+32): NanoDet-Plus",
    "picodet": "a class map and a distribution map (1, cells, 32) per level, classes first",
    "paddle": "(boxes, 6): class, score, corners; PaddleDetection with its post-processing",
    "rtmdet": "dets (1, boxes, 5), labels (1, boxes); MMDetection through MMDeploy",
    "rtdetr": "labels, boxes (1, queries, 4), scores, and an input orig_target_sizes; also D-FINE and DEIM",
    "rtdetr_queries": "logits (1, queries, classes), pred_boxes (1, queries, 4); Transformers' RT-DETR",
    "rtdetr_rows": "(1, queries, 4+classes), boxes as fractions; RT-DETR of Ultralytics",
    "rtdetr_topk": "(1, queries, 6): centre and size as fractions, score, class; the same, newer",
    "rfdetr": "dets (1, queries, 4) as fractions, labels (1, queries, classes) before the sigmoid",
    "ssd": "boxes (boxes, 4), scores, labels from 1; torchvision's SSD",
    "tf_ssd": "detection_boxes as fractions, y first, _scores, _classes from 1, num_detections; TensorFlow",
    "faster_rcnn": "boxes (boxes, 4), labels from 1, scores; torchvision's Faster R-CNN, RetinaNet, FCOS",
    "efficient_nms": "num_dets, boxes (1, boxes, 4), scores, classes; TensorRT's EfficientNMS_TRT",
}

_ROLES: dict[Layout, tuple[str, ...]] = {
    "picodet": ("maps",),
    "paddle": ("boxes",),
    "rtmdet": ("boxes", "classes"),
    "rtdetr": ("boxes", "scores", "classes"),
    "rtdetr_queries": ("boxes", "logits"),
    "rfdetr": ("boxes", "logits"),
    "ssd": ("boxes", "scores", "classes"),
    "tf_ssd": ("boxes", "scores", "classes", "count"),
    "faster_rcnn": ("boxes", "scores", "classes"),
    "efficient_nms": ("boxes", "scores", "classes", "count"),
}
"""The outputs that are read, in the order the decoder takes them; layouts not named here have one."""

_NAMES = {
    "count": ("num_dets", "num_detections", "num"),
    "boxes": ("boxes", "det_boxes", "detection_boxes", "dets", "pred_boxes", "bboxes"),
    "scores": ("scores", "det_scores", "detection_scores"),
    "classes": ("classes", "labels", "det_classes", "detection_classes"),
    "logits": ("logits", "labels", "pred_logits"),
}
_LEAST_OF_A_GRID = 1000
"""Networks that choose boxes return fewer, those that score every place more (2100 for 320 pixels)."""
_SSD_SIDE = 512
"""The largest input an SSD is trained at."""


def observed(model: ModelFile, sample: Sequence[Array] | None) -> ModelFile:
    """The model with its outputs as they came out.

    Args:
        model: What the file says, perhaps with dynamic axes.
        sample: The outputs for one picture, without the batch axis where they have one; None changes nothing.
    """
    if sample is None:
        return model
    batch: tuple[Axis, ...] = (1,) if model.has_batch_axis else ()
    outputs = (
        Tensor(output.name, (*batch, *array.shape), array.dtype.name)
        for output, array in zip(model.outputs, sample, strict=True)
    )
    return replace(model, outputs=tuple(outputs))


def recognise(model: ModelFile, width: int, height: int, sample: Sequence[Array] | None = None) -> Layout:
    """The layout of a network's outputs.

    Names decide where there are several outputs. A single one is told by its shape: a grid of strides 8, 16
    and 32 (64) has a known number of cells, YOLOv5 has three anchors in each, and a network that has chosen
    its boxes returns few. What is left open the values of a sample tell.

    Args:
        model: What the file says.
        width: Of the input, pixels.
        height: Of the input, pixels.
        sample: The outputs for one picture, any one; it settles dynamic axes and what shapes leave open.

    Raises:
        ModelError: No known layout; the text shows the outputs and how to name one.
    """
    task = model.metadata.get("task", "detect")
    if task != "detect":
        raise ModelError(f"the model is made for the task {task!r}; Darner needs one that detects")
    seen = observed(model, sample)
    if len(seen.outputs) == 1 and len(seen.outputs[0].shape) == 3:
        values = None if sample is None else np.asarray(sample[0], np.float32)
        found = _single(seen, width, height, values)
    else:
        found = _several(seen, width, height)
    if found is None:
        known = "".join(f"\n  {name}: {text}" for name, text in LAYOUTS.items())
        raise ModelError(
            f"the outputs {describe(seen)} are of no layout that Darner recognises; "
            f"if one of these is meant, name it with model.layout:{known}"
        )
    return found


def describe(model: ModelFile) -> str:
    """The outputs with names, types and shapes, on one line."""
    return ", ".join(
        f"{output.name} {output.dtype} ({', '.join(map(str, output.shape))})" for output in model.outputs
    )


def output_order(layout: Layout, model: ModelFile) -> list[int]:
    """Which outputs the decoder takes, in its order.

    Args:
        layout: How they are read.
        model: What the file says; as `observed` where its axes are dynamic.

    Raises:
        ModelError: One that the layout needs is not there.
    """
    roles = _ROLES.get(layout, ("only",))
    if roles == ("maps",):
        return _map_order(model)
    if roles == ("only",):
        if len(model.outputs) == 1:
            return [0]
        raise ModelError(f"layout {layout!r} has one output, the model has {describe(model)}")
    found = _roles(model, roles)
    if len(found) < len(roles):
        missing = ", ".join(role for role in roles if role not in found)
        raise ModelError(
            f"layout {layout!r} is {LAYOUTS[layout]}; nothing is the {missing} in {describe(model)}"
        )
    return [found[role] for role in roles]


def _roles(model: ModelFile, roles: Sequence[str]) -> dict[str, int]:
    """Which output has which role: by its name, else by its shape and type if only one fits."""
    names = [output.name.split(":")[0].rsplit("/", 1)[-1].lower() for output in model.outputs]
    found: dict[str, int] = {}
    for role in roles:
        index = next((names.index(name) for name in _NAMES[role] if name in names), None)
        if index is not None and index not in found.values():
            found[role] = index
    for role in roles:
        fits = [
            index
            for index, output in enumerate(model.outputs)
            if index not in found.values() and _fits(role, output)
        ]
        if role not in found and len(fits) == 1:
            found[role] = fits[0]
    return found


def _fits(role: str, output: Tensor) -> bool:
    match role:
        case "boxes":
            return len(output.shape) >= 2 and output.shape[-1] in (4, 5, 6)
        case "classes":
            return len(output.shape) <= 2 and output.dtype.startswith("int")
        case "scores":
            return len(output.shape) <= 2 and output.dtype.startswith("float") and output.shape[-1] != 4
        case "logits":
            return len(output.shape) == 3 and output.shape[-1] != 4
    return False


def _several(model: ModelFile, width: int, height: int) -> Layout | None:
    """The layout of several outputs, or of one that has not three axes."""
    outputs = model.outputs
    if len(outputs) <= 2 and any(len(output.shape) == 2 and output.shape[1] == 6 for output in outputs):
        return "paddle"
    if len(outputs) == 2:
        return _of_two(model)
    if len(outputs) == 3:
        return _of_three(model, width, height)
    found = _roles(model, ("boxes", "scores", "classes", "count"))
    if len(found) == 4:
        whole = outputs[found["classes"]].dtype.startswith("int")
        return "efficient_nms" if whole else "tf_ssd"
    order = _maps(model)
    levels = len(order) // 2
    grid = cells(width, height, [8 << level for level in range(levels)])
    return "picodet" if order and [outputs[index].shape[1] for index in order[:levels]] == grid else None


def _of_two(model: ModelFile) -> Layout | None:
    """Boxes, and either classes or logits.

    DETR and its older successors have the same outputs as RT-DETR, but want other inputs: they have 100
    queries, or know COCO by its 91 ids, which RT-DETR and D-FINE never do.
    """
    found = _roles(model, ("boxes", "logits"))
    if len(found) == 2 and len(model.outputs[found["logits"]].shape) == 3:
        boxes, logits = model.outputs[found["boxes"]], model.outputs[found["logits"]]
        if boxes.name == "dets":
            return "rfdetr"
        modern = boxes.shape[1] != 100 and logits.shape[-1] not in (91, 92)
        return "rtdetr_queries" if boxes.name == "pred_boxes" and modern else None
    found = _roles(model, ("boxes", "classes"))
    return "rtmdet" if len(found) == 2 and len(model.outputs[found["boxes"]].shape) == 3 else None


def _of_three(model: ModelFile, width: int, height: int) -> Layout | None:
    """RT-DETR, whose outputs have a batch axis, or one of torchvision's, which have none.

    Its Faster R-CNN gives labels before scores, the others after; of those only SSDs are small squares.
    """
    found = _roles(model, ("boxes", "classes", "scores"))
    if len(found) < 3:
        return None
    rank = len(model.outputs[found["boxes"]].shape)
    if rank == 3:
        return "rtdetr" if any(item.name == "orig_target_sizes" for item in model.inputs) else None
    small = width == height <= _SSD_SIDE
    return "ssd" if found["scores"] < found["classes"] and small else "faster_rcnn"


def _map_order(model: ModelFile) -> list[int]:
    order = _maps(model)
    if not order:
        raise ModelError(f"layout 'picodet' is {LAYOUTS['picodet']}; the model has {describe(model)}")
    return order


def _maps(model: ModelFile) -> list[int]:
    """Class maps, then distribution maps, each from the finest level on; none if they do not pair."""
    shapes = [output.shape for output in model.outputs]
    if any(len(shape) != 3 or not isinstance(shape[1], int) for shape in shapes):
        return []
    half = len(shapes) // 2
    scores, boxes = range(half), range(half, len(shapes))
    if any(shapes[index][2] != 4 * DFL_BINS for index in boxes):
        return []

    def finest_first(index: int) -> int:
        cell_count = shapes[index][1]
        return -cell_count if isinstance(cell_count, int) else 0

    order = [*sorted(scores, key=finest_first), *sorted(boxes, key=finest_first)]
    pairs = zip(order[:half], order[half:], strict=True)
    return order if all(shapes[a][1] == shapes[b][1] for a, b in pairs) else []


def _single(model: ModelFile, width: int, height: int, values: F32 | None) -> Layout | None:
    """The layout of a single output ``(1, rows, columns)``."""
    _, rows, columns = model.outputs[0].shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        return None
    described = (model.metadata.get("head", "") + model.metadata.get("description", "")).lower()
    if "rtdetr" in described.replace("-", ""):
        return _of_ultralytics_rtdetr(len(model.class_names), columns, values)
    levels = cells(width, height, (8, 16, 32, 64))
    three, four = sum(levels[:3]), sum(levels)
    if columns in (three, four) and rows >= 5:
        return "yolov8"
    if rows in (3 * three, 3 * four) and columns >= 6:
        return "yolov5"
    if rows == four and columns > 4 * DFL_BINS:
        return "nanodet"
    if rows == three and columns >= 6:
        return _of_grid(width, values)
    if max(rows, columns) <= _LEAST_OF_A_GRID:
        return _of_few(columns, values)
    return "yolov8" if 5 <= rows < columns else None


def _of_grid(width: int, values: F32 | None) -> Layout:
    """One place per cell: YOLOX, raw or decoded, or YOLOv6, decoded and with an objectness that is always 1.

    The mean of decoded centres is near the middle of the picture, that of raw ones is less than a few.
    """
    if values is None or np.abs(values[:, 0]).mean() < width / 8:
        return "yolox"
    return "yolov5" if (values[:, 4] == 1).all() else "yolox_decoded"


def _of_few(columns: int, values: F32 | None) -> Layout | None:
    """A few boxes: fractions when none is above 1, else pixels; all zeros when the network saw nothing."""
    largest = 0.0 if values is None or values.size == 0 else float(np.abs(values[:, :4]).max())
    fractions = 0 < largest <= 1
    if columns == 6:
        return "rtdetr_topk" if fractions else "yolov10"
    return "rtdetr_rows" if fractions and columns >= 5 else None


def _of_ultralytics_rtdetr(class_count: int, columns: int, values: F32 | None) -> Layout:
    """Six columns are the newer form, or two classes: then whole numbers in the last one are class ids."""
    if columns != 6:
        return "rtdetr_rows"
    whole = values is None or bool((values[:, 5] == np.round(values[:, 5])).all())
    return "rtdetr_topk" if class_count != 2 or whole else "rtdetr_rows"
