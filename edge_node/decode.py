"""From a network's raw output to candidates, one small function per layout, and one NMS for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_node.backends.backend import Array, ModelFile
from edge_node.frames import I32, Detections
from edge_node.models import Layout
from edge_node.preprocess import InputFormat
from shared.errors import ModelError
from shared.geometry import F32, iou

MAX_CANDIDATES = 3000
"""The best-scored candidates that reach NMS; a network that floods must not stall the pipeline."""


def recognise(model: ModelFile, width: int, height: int) -> Layout:
    """The layout of a network's outputs, from their shapes.

    Args:
        model: What the file says.
        width: Of the input, pixels.
        height: Of the input, pixels.

    Raises:
        ModelError: No known layout has these shapes; the text shows them.
    """
    outputs = [output.shape for output in model.outputs]
    if len(outputs) == 1 and len(outputs[0]) == 3:
        _, rows, columns = outputs[0]
        if isinstance(rows, int) and isinstance(columns, int):
            if 5 <= rows < columns:
                return "yolov8"
            if columns >= 6 and rows == len(_grid(width, height)[0]):
                return "yolox"
    raise ModelError(
        f"output shapes {outputs} are of no layout Darner can read; it reads "
        "(1, 4+classes, anchors) as 'yolov8' and (1, cells, 5+classes) as 'yolox': name one with model.layout"
    )


def input_format(layout: Layout, width: int, height: int) -> InputFormat:
    """What networks with this output were trained on."""
    match layout:
        case "yolov8":
            return InputFormat(width, height)
        case "yolox":
            return InputFormat(width, height, rgb=False, scale=(1.0, 1.0, 1.0), fit="corner")


def class_count(layout: Layout, model: ModelFile) -> int | None:
    """How many classes a network knows; None when its outputs do not tell."""
    match layout:
        case "yolov8":
            rows = model.outputs[0].shape[1]
            return rows - 4 if isinstance(rows, int) else None
        case "yolox":
            columns = model.outputs[0].shape[2]
            return columns - 5 if isinstance(columns, int) else None


def candidates(
    layout: Layout,
    outputs: Sequence[Array],
    target: InputFormat,
    wanted: npt.NDArray[np.intp],
    confidence: float,
) -> Detections:
    """Boxes in input pixels whose best wanted class scores at least `confidence`, before NMS.

    Args:
        layout: How to read the output.
        outputs: The network's outputs for one picture, without the batch axis.
        target: The network's input.
        wanted: Class ids to keep, ``(K,)``.
        confidence: Lowest score, 0..1.
    """
    match layout:
        case "yolov8":
            return _yolov8(np.asarray(outputs[0], np.float32), wanted, confidence)
        case "yolox":
            return _yolox(np.asarray(outputs[0], np.float32), target, wanted, confidence)


def _yolov8(output: F32, wanted: npt.NDArray[np.intp], confidence: float) -> Detections:
    """``(4 + classes, anchors)``: centre x, y, width, height in input pixels, then class scores."""
    scores = output[4:] if len(wanted) == len(output) - 4 else output[4:][wanted]
    # Compare first: of thousands of anchors a handful is above the threshold.
    keep = np.flatnonzero(scores.max(axis=0) >= confidence)
    few = scores[:, keep]
    best = few.argmax(axis=0)
    score = few[best, np.arange(len(keep))]
    return _build(output[:4, keep].T, score, wanted[best])


def _yolox(output: F32, target: InputFormat, wanted: npt.NDArray[np.intp], confidence: float) -> Detections:
    """``(cells, 5 + classes)``: raw offsets from the grid, objectness and class scores after the sigmoid.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1.
    """
    objectness = output[:, 4]
    likely = np.flatnonzero(objectness >= confidence)  # a score is at most the objectness
    scores = output[likely][:, 5:][:, wanted] * objectness[likely, None]
    best = scores.argmax(axis=1)
    score = scores[np.arange(len(likely)), best]
    keep = score >= confidence
    chosen = likely[keep]
    cells, strides = _grid(target.width, target.height)
    raw, stride = output[chosen, :4], strides[chosen, None]
    centre = (raw[:, :2] + cells[chosen]) * stride
    size = np.exp(raw[:, 2:]) * stride
    return _build(np.concatenate([centre, size], axis=1), score[keep], wanted[best[keep]])


def _grid(width: int, height: int) -> tuple[F32, F32]:
    """Cell corners ``(cells, 2)`` and strides ``(cells,)`` of a network with strides 8, 16 and 32."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        y, x = np.mgrid[0 : height // stride, 0 : width // stride]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(x.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _build(cxcywh: F32, score: F32, class_id: npt.NDArray[np.intp]) -> Detections:
    half = cxcywh[:, 2:] / 2
    xyxy = np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)
    finite = np.isfinite(xyxy).all(axis=1) & np.isfinite(score)
    return Detections(
        xyxy[finite].astype(np.float32),
        score[finite].astype(np.float32),
        class_id[finite].astype(np.int32),
    )


def nms(found: Detections, threshold: float, limit: int) -> Detections:
    """Greedy non-maximum suppression within each class, exact.

    Args:
        found: Candidates.
        threshold: A box whose IoU with a better one of its class is larger is suppressed.
        limit: Most boxes returned, the best ones.

    Returns:
        The survivors, best first; equal scores keep their order.
    """
    order = np.argsort(-found.score, kind="stable")[:MAX_CANDIDATES]
    found = found[order]
    kept: list[int] = []
    if len(found):
        overlap = _suppresses(found.xyxy, found.class_id, threshold)
        alive = np.ones(len(found), np.bool_)
        for index in range(len(found)):
            if alive[index]:
                kept.append(index)
                if len(kept) == limit:
                    break
                alive[index + 1 :] &= ~overlap[index, index + 1 :]
    return found[np.array(kept, dtype=np.intp)]


def _suppresses(xyxy: F32, class_id: I32, threshold: float) -> npt.NDArray[np.bool_]:
    """Which box would suppress which, ``(N, N)``."""
    return np.asarray((iou(xyxy, xyxy) > threshold) & (class_id[:, None] == class_id[None, :]))
