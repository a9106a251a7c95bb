"""Pictures as a camera might also have seen them: nearer, mirrored, darker. The boxes go along."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_node.backends.preprocess import PAD_VALUE, InputFormat, Letterbox
from edge_node.frames import I32
from edge_node.pictures import U8
from shared.geometry import F32

_NEARER = (0.8, 1.35)
_BRIGHTNESS = (0.75, 1.3)
_CONTRAST = (0.8, 1.2)
_VISIBLE, _GONE = 0.6, 0.05
"""Of an object that is cut off, at least this share must be visible to be learnt; with less it is ignored."""


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The objects in a picture, and the places that nothing is said about.

    Attributes:
        xyxy: ``(N, 4)``, pixels.
        class_id: ``(N,)``.
        sure: ``(N,)``: 1 for an object, 0 for what may be one.
    """

    xyxy: F32
    class_id: I32
    sure: I32


def augment(
    image: U8, boxes: Boxes, target: InputFormat, chance: np.random.Generator | None
) -> tuple[F32, Boxes]:
    """A picture as the network takes it, and its boxes in pixels of that.

    Args:
        image: u8 ``(H, W, 3)``, BGR.
        boxes: In pixels of the picture.
        target: The network's input.
        chance: Where randomness comes from; None: the picture as the node shows it to the network.

    Returns:
        f32 ``(3, height, width)``, and the boxes.
    """
    fit = Letterbox.fit(image.shape[1], image.shape[0], target)
    scale = np.array([fit.scale_x, fit.scale_y], np.float64)
    shift = np.array([fit.left, fit.top], np.float64)
    flip = False
    if chance is not None:
        nearer = chance.uniform(*_NEARER)
        scale = scale * nearer
        free = np.array([target.width, target.height]) - scale * image.shape[1::-1]
        shift = chance.uniform(np.minimum(free, 0), np.maximum(free, 0))
        flip = bool(chance.random() < 0.5)
    # The middle of a pixel stays the middle of a pixel, as when OpenCV resizes.
    move = shift + 0.5 * scale - 0.5
    matrix = np.array([[scale[0], 0, move[0]], [0, scale[1], move[1]]])
    grey = (PAD_VALUE,) * 3
    size = (target.width, target.height)
    canvas = np.asarray(
        cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=grey), np.float32
    )
    xyxy = boxes.xyxy * np.tile(scale, 2) + np.tile(shift, 2)
    if flip:
        canvas = canvas[:, ::-1]
        xyxy[:, [0, 2]] = target.width - xyxy[:, [2, 0]]
    if chance is not None:
        canvas = canvas * chance.uniform(*_CONTRAST)
        canvas = np.clip((canvas - canvas.mean()) + canvas.mean() * chance.uniform(*_BRIGHTNESS), 0, 255)
    return _tensor(np.asarray(canvas, np.float32), target), _cut(
        Boxes(xyxy, boxes.class_id, boxes.sure), size
    )


def _tensor(canvas: F32, target: InputFormat) -> F32:
    ordered = canvas[..., ::-1] if target.rgb else canvas
    values = ordered * np.array(target.scale, np.float32) + np.array(target.offset, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)


def _cut(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """The boxes inside the picture."""
    inside = boxes.xyxy.copy()
    inside[:, 0::2] = inside[:, 0::2].clip(0, size[0])
    inside[:, 1::2] = inside[:, 1::2].clip(0, size[1])
    share = _areas(inside) / np.maximum(_areas(boxes.xyxy), 1e-6)
    keep = share > _GONE
    sure = (boxes.sure.astype(bool) & (share >= _VISIBLE)).astype(np.int32)
    return Boxes(inside[keep].astype(np.float32), boxes.class_id[keep], sure[keep])


def _areas(xyxy: F32) -> F32:
    return np.asarray((xyxy[:, 2:] - xyxy[:, :2]).clip(0).prod(axis=1), np.float32)
