"""What is known about every family of detectors: one row per family.

A new family is a name in `assets.models.Layout`, a row here, a reader if its layout is new, and a way for
`layouts.recognise` to tell it from the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_node.assets.names import Layout
from edge_node.backends.interface import Anchors, ModelFile
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode import dense, sparse
from edge_node.detect.decode.outputs import by_role, describe, level_maps
from edge_node.detect.decode.raw import Raw
from edge_node.frames import Detections
from shared.errors import ModelError

RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a network is fed for a pixel: ``pixel * scale + offset``, by channel in the network's order."""

    rgb: bool = True
    scale: RGB = (1 / 255, 1 / 255, 1 / 255)
    offset: RGB = (0.0, 0.0, 0.0)


def _normalised(mean: RGB, std: RGB, *, rgb: bool) -> Pixels:
    """``(pixel - mean) / std``, from values in the network's order."""
    (m0, m1, m2), (s0, s1, s2) = mean, std
    return Pixels(rgb, (1 / s0, 1 / s1, 1 / s2), (-m0 / s0, -m1 / s1, -m2 / s2))


_UNIT = Pixels()
_BYTES, _BYTES_BGR = Pixels(scale=(1.0, 1.0, 1.0)), Pixels(rgb=False, scale=(1.0, 1.0, 1.0))
# The mean and deviation of ImageNet's pixels.
_IMAGENET = _normalised((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), rgb=True)
_IMAGENET_BGR = _normalised((103.53, 116.28, 123.675), (57.375, 57.12, 58.395), rgb=False)


@dataclass(frozen=True, slots=True)
class ClassAxis:
    """The axis whose length tells how many classes a network knows.

    Attributes:
        output: Index of the output in the family's order.
        axis: Index of the axis, the batch being axis 0.
        others: Values on that axis that are no classes.
    """

    output: int
    axis: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How networks of a family are fed, and how their outputs are read.

    Attributes:
        layout: The name in the configuration.
        outputs: What the outputs are, for people who have to choose a layout.
        read: Makes candidates of the raw outputs.
        roles: What `read` takes, in its order; "only": the single output; "maps": those of every level.
        pixels: The values that the network was trained on.
        fit: How pictures of another aspect are put into the input; see `InputFormat`.
        overlaps: Whether several boxes show one object, so that NMS has to choose.
        anchors: Where boxes and scores are in the outputs, for engines that decode on their device.
        class_axis: None if the outputs do not tell the number of classes.
        background: Which class is no object: none, the first (the others move down by one) or the last.
    """

    layout: Layout
    outputs: str
    read: Callable[[Raw], Detections]
    roles: tuple[str, ...] = ("only",)
    pixels: Pixels = _UNIT
    fit: Literal["centre", "corner", "stretch"] = "centre"
    overlaps: bool = False
    anchors: Anchors | None = None
    class_axis: ClassAxis | None = None
    background: Literal["none", "first", "last"] = "none"

    def input_format(self, width: int, height: int) -> InputFormat:
        """The input of a network of this family, for a width and height in pixels."""
        pixels = self.pixels
        return InputFormat(width, height, pixels.rgb, pixels.scale, pixels.offset, self.fit)

    def output_order(self, model: ModelFile) -> list[int]:
        """Indices of the outputs that `read` takes, in its order.

        Args:
            model: What the file says; as `observed` where its axes are dynamic.

        Raises:
            ModelError: The model lacks one.
        """
        if self.roles == ("maps",):
            if order := level_maps(model, dense.DFL_BINS):
                return order
            raise ModelError(f"layout {self.layout!r} is {self.outputs}; the model has {describe(model)}")
        if self.roles == ("only",):
            if len(model.outputs) == 1:
                return [0]
            raise ModelError(f"layout {self.layout!r} has one output, the model has {describe(model)}")
        found = by_role(model, self.roles)
        if missing := ", ".join(role for role in self.roles if role not in found):
            raise ModelError(
                f"layout {self.layout!r} is {self.outputs}; nothing is the {missing} in {describe(model)}"
            )
        return [found[role] for role in self.roles]

    def class_count(self, model: ModelFile) -> int | None:
        """How many classes a network knows, any background included; None if its outputs do not tell."""
        if self.class_axis is None:
            return None
        place = self.class_axis
        length = model.outputs[self.output_order(model)[place.output]].shape[place.axis]
        return length - place.others if isinstance(length, int) else None


_BOXES_SCORES_CLASSES = ("boxes", "scores", "classes")
_WITH_OBJECTNESS = Anchors(by_anchor=True, objectness=True)

_ROWS = (
    Family(
        layout="yolov5",
        outputs="(1, anchors, 5+classes), boxes decoded, with objectness; also YOLOv6 and v7",
        read=dense.yolov5,
        overlaps=True,
        anchors=_WITH_OBJECTNESS,
        class_axis=ClassAxis(0, 2, 5),
    ),
    Family(
        layout="yolov8",
        outputs="(1, 4+classes, anchors); also YOLOv9, 11, 12 and 26 without its own selection",
        read=dense.yolov8,
        overlaps=True,
        anchors=Anchors(by_anchor=False, objectness=False),
        class_axis=ClassAxis(0, 1, 4),
    ),
    Family(
        layout="yolov10",
        outputs="(1, boxes, 6): corners, score, class; also YOLO26 and exports with NMS inside",
        read=sparse.corner_rows,
    ),
    Family(
        layout="yolox",
        outputs="(1, cells, 5+classes), boxes raw",
        read=dense.yolox,
        pixels=_BYTES_BGR,
        fit="corner",
        overlaps=True,
        anchors=Anchors(by_anchor=True, objectness=True, boxes="offsets", strides=dense.YOLOX_STRIDES),
        class_axis=ClassAxis(0, 2, 5),
    ),
    Family(
        layout="yolox_decoded",
        outputs="the same with boxes decoded inside",
        read=dense.yolov5,
        pixels=_BYTES_BGR,
        fit="corner",
        overlaps=True,
        anchors=_WITH_OBJECTNESS,
        class_axis=ClassAxis(0, 2, 5),
    ),
    Family(
        layout="nanodet",
        outputs="(1, cells, classes+32): NanoDet-Plus",
        read=dense.nanodet,
        pixels=_IMAGENET_BGR,
        fit="stretch",
        overlaps=True,
        anchors=Anchors(by_anchor=True, objectness=False, boxes="distances", strides=dense.NANODET_STRIDES),
        class_axis=ClassAxis(0, 2, 4 * dense.DFL_BINS),
    ),
    Family(
        layout="picodet",
        outputs="a class map and a distribution map (1, cells, 32) per level, classes first",
        read=dense.picodet,
        roles=("maps",),
        pixels=_IMAGENET,
        fit="stretch",
        overlaps=True,
        anchors=Anchors(by_anchor=True, objectness=False, boxes="distances", place=0.5),
        class_axis=ClassAxis(0, 2, 0),
    ),
    Family(
        layout="paddle",
        outputs="(boxes, 6): class, score, corners; PaddleDetection with its post-processing",
        read=sparse.paddle,
        roles=("boxes",),
        pixels=_IMAGENET,
        fit="stretch",
    ),
    Family(
        layout="rtmdet",
        outputs="dets (1, boxes, 5), labels (1, boxes); MMDetection through MMDeploy",
        read=sparse.rtmdet,
        roles=("boxes", "classes"),
        pixels=_IMAGENET_BGR,
        fit="corner",
    ),
    Family(
        layout="rtdetr",
        outputs="labels, boxes (1, queries, 4), scores, and an input orig_target_sizes; also D-FINE and DEIM",
        read=sparse.separate,
        roles=_BOXES_SCORES_CLASSES,
        fit="stretch",
    ),
    Family(
        layout="rtdetr_queries",
        outputs="logits (1, queries, classes), pred_boxes (1, queries, 4); Transformers' RT-DETR",
        read=sparse.logit_queries,
        roles=("boxes", "logits"),
        fit="stretch",
        class_axis=ClassAxis(1, 2, 0),
    ),
    Family(
        layout="rtdetr_rows",
        outputs="(1, queries, 4+classes), boxes as fractions; RT-DETR of Ultralytics",
        read=sparse.query_rows,
        fit="stretch",
        class_axis=ClassAxis(0, 2, 4),
    ),
    Family(
        layout="rtdetr_topk",
        outputs="(1, queries, 6): centre and size as fractions, score, class; the same, newer",
        read=sparse.fraction_rows,
        fit="stretch",
    ),
    Family(
        layout="rfdetr",
        outputs="dets (1, queries, 4) as fractions, labels (1, queries, classes) before the sigmoid",
        read=sparse.logit_queries,
        roles=("boxes", "logits"),
        pixels=_IMAGENET,
        fit="stretch",
        class_axis=ClassAxis(1, 2, 0),
        background="last",
    ),
    Family(
        layout="ssd",
        outputs="boxes (boxes, 4), scores, labels from 1; torchvision's SSD",
        read=sparse.separate_from_one,
        roles=_BOXES_SCORES_CLASSES,
        fit="stretch",
        background="first",
    ),
    Family(
        layout="tf_ssd",
        outputs="detection_boxes as fractions, y first, _scores, _classes from 1, num_detections; TensorFlow",
        read=sparse.tf_ssd,
        roles=(*_BOXES_SCORES_CLASSES, "count"),
        pixels=_BYTES,
        fit="stretch",
        background="first",
    ),
    Family(
        layout="faster_rcnn",
        outputs="boxes (boxes, 4), labels from 1, scores; torchvision's Faster R-CNN, RetinaNet, FCOS",
        read=sparse.separate_from_one,
        roles=_BOXES_SCORES_CLASSES,
        fit="corner",
        background="first",
    ),
    Family(
        layout="efficient_nms",
        outputs="num_dets, boxes (1, boxes, 4), scores, classes; TensorRT's EfficientNMS_TRT",
        read=sparse.separate,
        roles=(*_BOXES_SCORES_CLASSES, "count"),
    ),
)

FAMILIES: dict[Layout, Family] = {family.layout: family for family in _ROWS}
