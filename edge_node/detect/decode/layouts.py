"""Which layout a network's outputs have, from their names, shapes and types, the metadata, or a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.assets.names import Layout
from edge_node.backends.interface import Array, ModelFile
from edge_node.detect.decode.dense import DFL_BINS, cells
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.outputs import by_role, describe, level_maps, observed
from shared.errors import ModelError
from shared.geometry import F32

_LEAST_OF_A_GRID = 1000
"""Networks that choose boxes return fewer rows; those that score every cell more (2100 for 320 pixels)."""
_LEAST_QUERIES = 50
"""RT-DETR has 300, and no fewer queries than this make sense. A row or two may be anything."""
_SSD_SIDE = 512
"""Side of the largest input that an SSD is trained with, in pixels."""


def recognise(model: ModelFile, width: int, height: int, sample: Sequence[Array] | None = None) -> Layout:
    """The layout of a network's outputs.

    With several outputs, their names decide. With a single output, its shape does: a grid of strides 8, 16
    and 32 (64) has a known number of cells, YOLOv5 has three anchors in each cell, and a network that has
    chosen its boxes returns few. If the shape leaves several layouts open, the values of a sample decide.

    Args:
        model: What the model's file says.
        width: Of the input, pixels.
        height: Of the input, pixels.
        sample: The outputs for any one picture, which also settle dynamic axes.

    Raises:
        ModelError: The layout is not known; the text shows the outputs and how to name a layout.
    """
    task = model.metadata.get("task", "detect")
    if task != "detect":
        raise ModelError(f"the model is made for the task {task!r}; Darner needs a model that detects")
    seen = observed(model, sample)
    if len(seen.outputs) == 1 and len(seen.outputs[0].shape) == 3:
        values = None if sample is None else np.asarray(sample[0], np.float32)
        found = _single(seen, width, height, values)
    else:
        found = _several(seen, width, height)
    if found is None:
        if other := _other_task(seen):
            raise ModelError(f"{other}; Darner needs a model that detects")
        known = "".join(f"\n  {layout}: {family.outputs}" for layout, family in FAMILIES.items())
        raise ModelError(
            f"Darner does not recognise the layout of the outputs {describe(seen)}; "
            f"if it is one of these, name it in model.layout:{known}"
        )
    return found


def _other_task(model: ModelFile) -> str | None:
    """What a network seems to do whose outputs are no detector's; None when they could be one's."""
    shapes = [output.shape for output in model.outputs]
    shown = describe(model)
    if len(shapes) == 1 and len(shapes[0]) <= 2 and shapes[0][-1] != 7:
        return f"the model returns one row of numbers, {shown}: it classifies, or describes what it sees"
    if len(shapes) == 1 and (len(shapes[0]) == 4 or not model.outputs[0].dtype.startswith("float")):
        return f"the model returns a map of the picture, {shown}: it segments, or measures depth"
    if any(
        len(shape) == 4 and all(isinstance(side, int) and side > 8 for side in shape[2:]) for shape in shapes
    ):
        return f"the model returns masks or maps beside its boxes, {shown}: it segments"
    return None


def _several(model: ModelFile, width: int, height: int) -> Layout | None:
    """The layout of several outputs, or of one that does not have three axes."""
    outputs = model.outputs
    if len(outputs) <= 2 and any(len(output.shape) == 2 and output.shape[1] == 6 for output in outputs):
        return "paddle"
    if len(outputs) == 2:
        return _of_two(model)
    if len(outputs) == 3:
        return _of_three(model, width, height)
    found = by_role(model, ("boxes", "scores", "classes", "count"))
    if len(found) == 4:
        whole = outputs[found["classes"]].dtype.startswith("int")
        return "efficient_nms" if whole else "tf_ssd"
    order = level_maps(model, DFL_BINS)
    levels = len(order) // 2
    grid = cells(width, height, [8 << level for level in range(levels)])
    return "picodet" if order and [outputs[index].shape[1] for index in order[:levels]] == grid else None


def _of_two(model: ModelFile) -> Layout | None:
    """The layout of two outputs: boxes, and either classes or logits.

    DETR and its older successors have the same outputs as RT-DETR but take other inputs. They are told by
    their 100 queries or by COCO's 91 ids, which RT-DETR and D-FINE never have.
    """
    found = by_role(model, ("boxes", "logits"))
    if len(found) == 2 and len(model.outputs[found["logits"]].shape) == 3:
        boxes, logits = model.outputs[found["boxes"]], model.outputs[found["logits"]]
        if boxes.name == "dets":
            return "rfdetr"
        modern = boxes.shape[1] != 100 and logits.shape[-1] not in (91, 92)
        return "rtdetr_queries" if boxes.name == "pred_boxes" and modern else None
    found = by_role(model, ("boxes", "classes"))
    return "rtmdet" if len(found) == 2 and len(model.outputs[found["boxes"]].shape) == 3 else None


def _of_three(model: ModelFile, width: int, height: int) -> Layout | None:
    """The layout of three outputs: RT-DETR's have a batch axis, torchvision's have none.

    Torchvision's Faster R-CNN puts labels before scores; torchvision's other models put them after. Of
    those, only SSDs have a small square input.
    """
    found = by_role(model, ("boxes", "classes", "scores"))
    if len(found) < 3:
        return None
    rank = len(model.outputs[found["boxes"]].shape)
    if rank == 3:
        return "rtdetr" if any(item.name == "orig_target_sizes" for item in model.inputs) else None
    small = width == height <= _SSD_SIDE
    return "ssd" if found["scores"] < found["classes"] and small else "faster_rcnn"


def _single(model: ModelFile, width: int, height: int, values: F32 | None) -> Layout | None:
    """The layout of a single output ``(1, rows, columns)``."""
    _, rows, columns = model.outputs[0].shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        return None
    if not model.outputs[0].dtype.startswith("float"):
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
        return _of_few(columns, values) if columns == 6 or rows >= _LEAST_QUERIES else None
    return "yolov8" if 5 <= rows < columns else None


def _of_grid(width: int, values: F32 | None) -> Layout:
    """The layout of one anchor in each cell: YOLOX, raw or decoded, or YOLOv6, whose objectness is always 1.

    The mean of decoded centres is near the middle of the picture; that of raw centres is a few pixels at
    most.
    """
    if values is None or np.abs(values[:, 0]).mean() < width / 8:
        return "yolox"
    return "yolov5" if (values[:, 4] == 1).all() else "yolox_decoded"


def _of_few(columns: int, values: F32 | None) -> Layout | None:
    """The layout of a few boxes: in fractions if no value is above 1, else in pixels; zeros tell nothing."""
    largest = 0.0 if values is None or values.size == 0 else float(np.abs(values[:, :4]).max())
    fractions = 0 < largest <= 1
    if columns == 6:
        return "rtdetr_topk" if fractions else "yolov10"
    return "rtdetr_rows" if fractions and columns >= 5 else None


def _of_ultralytics_rtdetr(class_count: int, columns: int, values: F32 | None) -> Layout:
    """Six columns are the newer form (class ids in the last one), or the older form with two classes."""
    if columns != 6:
        return "rtdetr_rows"
    whole = values is None or bool((values[:, 5] == np.round(values[:, 5])).all())
    return "rtdetr_topk" if class_count != 2 or whole else "rtdetr_rows"
