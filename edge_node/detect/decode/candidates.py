"""From a network's raw outputs to detections in input pixels, and what else follows from their layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_node.assets.models import COCO, COCO_IDS, NO_CLASS, Layout
from edge_node.backends.interface import Array, ModelFile
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode import dense, sparse
from edge_node.detect.decode.layouts import LAYOUTS, observed, output_order, recognise
from edge_node.detect.decode.nms import best_first, nms
from edge_node.frames import Detections
from shared.errors import ModelError

__all__ = [
    "LAYOUTS",
    "candidates",
    "class_count",
    "class_names",
    "input_format",
    "nms",
    "observed",
    "output_order",
    "recognise",
    "suppress",
]

_DENSE: tuple[Layout, ...] = ("yolov5", "yolov8", "yolox", "yolox_decoded", "nanodet", "picodet")
_FROM_ONE: tuple[Layout, ...] = ("ssd", "tf_ssd", "faster_rcnn")
"""Their class 0 is the background; it is left out and the others move down."""

_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of ImageNet's pixels, RGB."""


def input_format(layout: Layout, width: int, height: int) -> InputFormat:
    """What networks of a layout's family were trained on.

    Args:
        layout: How the outputs are read.
        width: Of the input, pixels.
        height: Of the input, pixels.
    """
    scale = tuple(1 / std for std in _STD)
    offset = tuple(-mean / std for mean, std in zip(_MEAN, _STD, strict=True))
    match layout:
        case "yolox" | "yolox_decoded":
            return InputFormat(width, height, rgb=False, scale=(1.0, 1.0, 1.0), fit="corner")
        case "rtmdet":
            return InputFormat(width, height, False, _three(scale[::-1]), _three(offset[::-1]), "corner")
        case "nanodet":
            return InputFormat(width, height, False, _three(scale[::-1]), _three(offset[::-1]), "stretch")
        case "picodet" | "paddle" | "rfdetr":
            return InputFormat(width, height, True, _three(scale), _three(offset), "stretch")
        case "rtdetr" | "rtdetr_queries" | "rtdetr_rows" | "rtdetr_topk" | "ssd":
            return InputFormat(width, height, fit="stretch")
        case "tf_ssd":
            return InputFormat(width, height, scale=(1.0, 1.0, 1.0), fit="stretch")
        case "faster_rcnn":
            return InputFormat(width, height, fit="corner")
        case "yolov5" | "yolov8" | "yolov10" | "efficient_nms":
            return InputFormat(width, height)


def class_count(layout: Layout, model: ModelFile) -> int | None:
    """How many classes a network knows; None when its outputs do not tell."""
    shape = model.outputs[
        output_order(layout, model)[-1 if layout in ("rfdetr", "rtdetr_queries") else 0]
    ].shape
    match layout:
        case "yolov8":
            length, others = shape[1], 4
        case "yolov5" | "yolox" | "yolox_decoded":
            length, others = shape[2], 5
        case "rtdetr_rows":
            length, others = shape[2], 4
        case "nanodet":
            length, others = shape[2], 4 * dense.DFL_BINS
        case "picodet" | "rtdetr_queries" | "rfdetr":
            length, others = shape[2], 0
        case _:
            return None
    return length - others if isinstance(length, int) else None


def class_names(layout: Layout, model: ModelFile, labels: Sequence[str]) -> tuple[str, ...]:
    """The classes by id; "N/A" for ids that no class has.

    Networks that carry no names and have as many classes as COCO are taken to know COCO's.

    Args:
        layout: How the outputs are read.
        model: What the file says.
        labels: What the user says, without any background class; ("coco",) for COCO's classes as networks of
            this family number them; empty to take those of the file.

    Raises:
        ModelError: There are no names, or more or fewer than classes.
    """
    count = class_count(layout, model)
    coco = COCO
    if layout in _FROM_ONE:
        coco = COCO_IDS[1:]
    elif count == len(COCO_IDS):
        coco = COCO_IDS
    names = coco if tuple(labels) == ("coco",) else tuple(labels) or model.class_names
    if not names and count is None:
        raise ModelError(
            "the model does not say its classes: name them in model.labels; labels: [coco] are COCO's"
        )
    if not names:
        names = coco if count == len(coco) else tuple(f"class_{index}" for index in range(count or 0))
    if layout == "rfdetr" and count == len(names) + 1:
        names = (*names, NO_CLASS)  # its last logit is that of the background
    if count is not None and len(names) != count:
        raise ModelError(f"the model has {count} classes, not {len(names)}: correct model.labels")
    return names


def candidates(
    layout: Layout,
    outputs: Sequence[Array],
    target: InputFormat,
    wanted: npt.NDArray[np.intp],
    confidence: float,
) -> Detections:
    """Boxes in input pixels whose best wanted class scores at least `confidence`, before `suppress`.

    Args:
        layout: How to read the outputs.
        outputs: The network's outputs for one picture, without the batch axis, in `output_order`.
        target: The network's input.
        wanted: Class ids to keep, ``(K,)``, K >= 1.
        confidence: Lowest score, 0..1.
    """
    size = (target.width, target.height)
    arrays = [np.asarray(output, np.float32) for output in outputs]
    first = arrays[0]
    match layout:
        case "yolov8":
            return dense.yolov8(first, wanted, confidence)
        case "yolov5" | "yolox_decoded":
            return dense.yolov5(first, wanted, confidence)
        case "yolox":
            return dense.yolox(first, size, wanted, confidence)
        case "nanodet":
            return dense.nanodet(first, size, wanted, confidence)
        case "picodet":
            return dense.picodet(arrays, size, wanted, confidence)
        case "rtdetr_queries" | "rfdetr":
            return sparse.logit_queries(first, arrays[1], size, wanted, confidence)
        case "rtdetr_rows":
            return sparse.queries(first[:, :4], first[:, 4:], size, wanted, confidence)
        case "rtdetr_topk":
            rows = np.concatenate([sparse.from_fractions(first[:, :4], size), first[:, 4:]], axis=1)
        case "yolov10":
            rows = first
        case "paddle":
            rows = first[:, [2, 3, 4, 5, 1, 0]]
        case "rtmdet":
            rows = np.column_stack([first, arrays[1]])
        case _:
            rows = _from_several(layout, arrays, size)
    return sparse.finished(rows, wanted, confidence)


def _from_several(
    layout: Layout, arrays: Sequence[npt.NDArray[np.float32]], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Rows of corners in pixels, score and class from an output for each."""
    boxes, scores, classes = arrays[:3]
    if layout == "tf_ssd":
        boxes = boxes[:, [1, 0, 3, 2]] * np.array(size * 2, np.float32)
    if layout in _FROM_ONE:
        classes = classes - 1
    rows = np.column_stack([boxes, scores, classes])
    return rows[: int(arrays[3].ravel()[0])] if len(arrays) > 3 else rows


def suppress(layout: Layout, found: Detections, threshold: float, limit: int) -> Detections:
    """The final detections, best first: by NMS where the network leaves that to us, else the best ones.

    Args:
        layout: How the outputs were read.
        found: From `candidates`.
        threshold: For `nms`.
        limit: Most detections returned.
    """
    if layout in _DENSE:
        return nms(found, threshold, limit)
    return found[best_first(found.score)[:limit]]


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    """By channel."""
    first, second, third = values
    return first, second, third
