"""Objects that stand still: found by a network of `yolo_shaped.py`, or by an engine that only waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_node.backends.interface import Anchors, Array, Inference, ModelFile, Pending, Tensor, Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import Detections
from edge_node.pictures import Picture
from tests.bench.gpu.yolo_shaped import CLASSES

SIDE, ANCHORS = 640, 8400
SEEN_BY = 6
"""Anchors that find each object, as in real networks, so that there is something to suppress."""
FIRST_MS, FURTHER_MS = 0.6, 0.22
"""What the stand-in takes for the first picture of a batch and for each further one, as an H200 does."""


def stamp(objects: int) -> npt.NDArray[np.float32]:
    """An output ``(84, 8400)`` in which this many people stand side by side; all other scores are 0."""
    output = np.zeros((4 + CLASSES, ANCHORS), np.float32)
    columns = min(objects, 13)
    rows = -(-objects // columns)
    left, top, high = 20.0, 150.0, 340.0  # of what the letterbox leaves of a 16:9 picture
    cell = np.array([(SIDE - 2 * left) / columns, high / rows])
    place = np.arange(objects)
    centre = np.stack([place % columns + 0.5, place // columns + 0.5]) * cell[:, None] + [[left], [top]]
    size = np.minimum(cell * 0.7, [60.0, 120.0])
    anchor = np.random.default_rng(3).permutation(ANCHORS)[: objects * SEEN_BY].reshape(objects, SEEN_BY)
    for nth in range(SEEN_BY):
        output[:2, anchor[:, nth]] = centre + nth / 2
        output[2:4, anchor[:, nth]] = size[:, None]
        output[4, anchor[:, nth]] = 0.9 - 0.05 * nth
    return output


def stamped(path: Path, objects: int) -> Path:
    """Let a network of `yolo_shaped` find these objects and no others; it still does all of its work."""
    model, wanted = onnx.load(path), stamp(objects)
    kept = np.ones_like(wanted)
    kept[4:] = 0  # no score of the random weights
    kept[:, wanted[4] > 0] = 0
    output = model.graph.node[-1]
    dtype = (
        np.float16 if model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16 else np.float32
    )
    for name, values in {"kept": kept, "wanted": wanted}.items():
        model.graph.initializer.append(numpy_helper.from_array(values[None].astype(dtype), name))
    found = output.input[0]
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("Mul", [found, "kept"], ["masked"]))
    model.graph.node.append(helper.make_node("Add", ["masked", "wanted"], list(output.output)))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


class StandIn:
    """An engine that gives what a GPU's would give, letterboxed and suppressed by itself, after its time."""

    name, device, letterboxes, in_flight, pictures = "stand-in", "nowhere", True, 2, None
    max_batch = 16
    model = ModelFile(
        (Tensor("images", ("N", 3, SIDE, SIDE)),), (Tensor("output0", ("N", 84, ANCHORS)),), {"imgsz": "640"}
    )

    def __init__(self, objects: int) -> None:
        self._free = 0.0
        output = stamp(objects)
        self._output: Array = output
        best = np.flatnonzero(np.isclose(output[4], 0.9))
        centre, size = output[:2, best].T, output[2:4, best].T
        xyxy = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        self._found = Detections(xyxy, output[4, best], np.zeros(len(best), np.int32))
        self._in_picture: dict[Letterbox, Detections] = {}

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """See `Backend`."""
        fits = [Letterbox.fit(image.shape[1], image.shape[0], target) for image in images]
        seconds = (FIRST_MS + (len(images) - 1) * FURTHER_MS) / 1e3
        self._free = until = max(self._free, time.perf_counter()) + seconds

        def collect() -> Inference:
            time.sleep(max(0.0, until - time.perf_counter()))
            if wanted is None or wanted.anchors != Anchors(by_anchor=False, objectness=False):
                return Inference([[self._output] for _ in images], fits, 0.0, seconds * 1e3)
            return Inference([[] for _ in images], fits, 0.0, seconds * 1e3, [self._in(fit) for fit in fits])

        return Pending(collect)

    def _in(self, fit: Letterbox) -> Detections:
        """What was found, in pixels of a picture."""
        if fit not in self._in_picture:
            self._in_picture[fit] = replace(self._found, xyxy=fit.to_source(self._found.xyxy))
        return self._in_picture[fit]

    def close(self) -> None:
        """Nothing is held."""
