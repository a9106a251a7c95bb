"""Non-maximum suppression by ONNX Runtime's compiled operator, where it is proven to equal ours bit for bit.

The operator takes boxes best first, the first of equal ones before the others, and computes the IoU in 32-bit
floats in the order in which numpy does. It does not hold the interpreter's lock.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.frames import Detections
from shared.geometry import F32

Ids = npt.NDArray[np.intp]

_COMPARISONS = 10_000_000
"""The operator compares each box with all that stay; beyond this many, numpy's search by place is faster."""
_CELLS = 2_000_000
"""Most scores, for each class and box, that the operator is given: 8 MB."""
_FEW = 8_000
"""Up to this many such scores, giving the operator each class by itself takes longer than it saves."""
_ABSENT, _LEAST = np.float32(-1), np.array(-0.5, np.float32)
"""The score of a box that is not there or of another class, and what a score must be above to count."""
_PAIRS = 100
"""Pairs of boxes that the operator is tried with: other rounding shows in about every fourth."""


class Compiled:
    """The operator, ready to run in any thread."""

    def __init__(self) -> None:
        import onnxruntime as ort  # only here: an engine of TensorRT runs without it

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest crowd
        self._session = ort.InferenceSession(_model(), options, providers=["CPUExecutionProvider"])

    def survivors(self, found: Detections, threshold: float, limit: int) -> Ids | None:
        """Indices of the boxes that stay within their class, at most `limit` of each class, in no order.

        Args:
            found: Candidates, finite, no score negative.
            threshold: Of the IoU, 0..1.
            limit: Maximum number of boxes returned of each class.

        Returns:
            The indices; None where numpy is faster.
        """
        count, xyxy, iou = len(found), found.xyxy, np.float32(threshold)
        if count * min(count, limit) > _COMPARISONS:
            return None
        left, top, right, bottom = xyxy.T
        if (left > right).any() or (top > bottom).any():  # no area: the operator would swap the corners
            xyxy = np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, :2], xyxy[:, 2:])], axis=1)
        sizes = np.bincount(found.class_id)
        present = np.flatnonzero(sizes)
        if len(present) == 1:
            return self.chosen(xyxy[None], found.score[None, None], iou, limit)[1]
        sizes = sizes[present]
        if len(present) * count > _FEW and 3 * sizes.max() < count:
            member, score = _by_class(found, sizes)
            return member[self.chosen(xyxy.take(member, axis=0), score[:, None], iou, limit)]
        if len(present) * count > _CELLS:
            return None
        score = np.where(found.class_id == present[:, None], found.score, _ABSENT)
        return self.chosen(xyxy[None], score[None], iou, limit)[1]

    def is_exact(self) -> bool:
        """Whether the operator rounds as numpy does.

        A compiler may fuse a product and a sum, as is usual on ARM: an IoU that is the threshold by numpy's
        count may then be above it. So each of some pairs is tried with its own IoU as the threshold, where
        both boxes must stay, and with the next smaller number, where one must go.
        """
        rng = np.random.default_rng(0)
        score = np.array([[[0.9, 0.8]]], np.float32)
        for _ in range(_PAIRS):
            corner = rng.uniform(0, 100, 2)
            first = np.array([corner, corner + rng.uniform(50, 100, 2)]).ravel()
            pair = np.stack([first, first + rng.uniform(-20, 20, 4)]).astype(np.float32)
            iou = _iou(pair)
            _, both = self.chosen(pair[None], score, iou, 2)
            _, one = self.chosen(pair[None], score, np.nextafter(iou, np.float32(0)), 2)
            if len(both) != 2 or len(one) != 1:
                return False
        return True

    def chosen(self, xyxy: F32, scores: F32, threshold: np.float32, limit: int) -> tuple[Ids, Ids]:
        """The operator's choice: which list of boxes each is from, and its index there.

        Args:
            xyxy: ``(lists, N, 4)``.
            scores: ``(lists, classes, N)``.
            threshold: Of the IoU.
            limit: Of each class of a list.
        """
        given = (xyxy, scores, np.array(limit), np.array(threshold), _LEAST)
        chosen: Any = self._session.run([_OUTPUT], dict(zip(_INPUTS, given, strict=True)))[0]
        return np.asarray(chosen[:, 0], np.intp), np.asarray(chosen[:, 2], np.intp)


def _by_class(found: Detections, sizes: Ids) -> tuple[Ids, F32]:
    """Indices of the boxes of each class, ``(classes, most of a class)``, and their scores.

    The operator looks at every box for every class; with a list for each class it looks at each box once.

    Args:
        found: Candidates.
        sizes: How many there are of each class that there is.
    """
    order = found.class_id.astype(np.uint16).argsort(kind="stable")  # so few bits are sorted by counting
    place = np.arange(sizes.max())
    member = order.take((np.cumsum(sizes) - sizes)[:, None] + place, mode="clip")
    score = found.score.take(member)
    score[place >= sizes[:, None]] = _ABSENT
    return member, score


@cache
def compiled() -> Compiled | None:
    """The operator; None if it is not there, or does not round as numpy does on this machine."""
    try:
        operator = Compiled()
    except ImportError:
        return None
    return operator if operator.is_exact() else None


_INPUTS = ("boxes", "scores", "limit", "threshold", "least")
_OUTPUT = "chosen"


def _model() -> bytes:
    """A network that is nothing but the operator."""
    from edge_node.backends.onnx.file import FLOAT, INT64, Model, Node

    def value(name: str, kind: int) -> dict[str, Any]:
        return {"name": name.encode(), "type": {"tensor_type": {"elem_type": kind}}}

    names = [name.encode() for name in _INPUTS]
    graph = {
        "name": b"nms",
        "node": [Node(op_type=b"NonMaxSuppression", input=names, output=[_OUTPUT.encode()])],
        "input": [value(name, INT64 if name == "limit" else FLOAT) for name in _INPUTS],
        "output": [value(_OUTPUT, INT64)],
    }
    written: bytes = Model(ir_version=6, opset_import=[{"version": 11}], graph=graph).SerializeToString()
    return written


def _iou(pair: F32) -> np.float32:
    """IoU of two boxes ``(2, 4)`` that overlap, rounded after each step as in `nms`."""
    sides = np.minimum(pair[0, 2:], pair[1, 2:]) - np.maximum(pair[0, :2], pair[1, :2])
    area = (pair[:, 2] - pair[:, 0]) * (pair[:, 3] - pair[:, 1])
    overlap = sides[0] * sides[1]
    iou: np.float32 = overlap / (area[0] + area[1] - overlap)
    return iou
