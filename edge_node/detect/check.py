"""Whether a TensorRT engine finds in pictures what the ONNX file finds that it was built from.

Low precision can ruin a network. An engine whose every layer was calibrated to 8 bits gave boxes with a mean
IoU of 0.52 with those of the ONNX file. Half precision reaches 0.99 and more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from edge_node.assets.download import cache_dir
from edge_node.assets.samples import NAME
from edge_node.backends.interface import Backend, OutOfMemory
from edge_node.backends.preprocess import InputFormat, letterbox
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.detect.in_and_out import Input
from edge_node.frames import Detections
from edge_node.pictures import U8
from shared.errors import DarnerError, ModelError
from shared.geometry import iou

log = logging.getLogger("darner.backend")
SURE = 0.3
"""What one network finds with this score, the other must find with at least half of it."""
LEAST = 0.8
"""Lowest mean of the best IoUs with which an engine is kept."""


def compared(
    settings: ModelSettings, index: int, model: Path, engine: Path, pictures: Sequence[U8] | None = None
) -> Verdict:
    """Compare an engine with its ONNX file, which runs on one thread of the processor.

    Args:
        settings: The model's, with its name, layout and labels.
        index: Number of the GPU.
        model: The ONNX file.
        engine: The engine.
        pictures: u8 ``(H, W, 3)``, BGR; None for `usual_pictures`.
    """
    from edge_node.backends.onnx.backend import OnnxBackend
    from edge_node.backends.tensorrt.backend import TensorrtBackend

    settings = replace(settings, classes=(), threads=1, providers=("cpu",))
    shown = usual_pictures() if pictures is None else pictures
    with ExitStack() as stack:
        try:
            reference = stack.enter_context(_running(settings, OnnxBackend(model, settings)))
        except DarnerError as error:
            return Verdict(None, f"the ONNX file cannot be run: {error}")
        try:
            backend = TensorrtBackend(engine, settings, index, graphs=False)
        except ModelError as error:  # whoever runs the engine next will say so
            return Verdict(None, f"the engine cannot be loaded now: {error}", again=True)
        try:
            built = stack.enter_context(_running(settings, backend))
            ious = [value for picture in shown for value in _best_ious(reference, built, picture)]
        except OutOfMemory as error:
            return Verdict(None, str(error), again=True)
        except ModelError as error:  # the detector can read the file's outputs, but not the engine's
            return Verdict(False, str(error))
    where = f"{len(shown)} picture{'s' if len(shown) > 1 else ''}"
    if not ious:
        return Verdict(None, f"the model finds nothing in {where}")
    mean = float(np.mean(ious))
    figures = f"mean best IoU {mean:.3f} of {len(ious)} detections in {where}"
    return Verdict(mean >= LEAST, figures if mean >= LEAST else f"{figures}, which must be {LEAST} at least")


def _running(settings: ModelSettings, backend: Backend) -> Detector:
    return Detector(settings, open_backend=lambda *_: backend)


def _best_ious(reference: Detector, built: Detector, picture: U8) -> list[float]:
    """For each sure detection of either network, the IoU with the other's best box of its class."""
    target = built.target(picture.shape[1], picture.shape[0])
    a, b = (_found(detector, picture, target) for detector in (reference, built))
    return [*_matched(a, b), *_matched(b, a)]


def _found(detector: Detector, picture: U8, target: InputFormat) -> Detections:
    canvas, fit = letterbox(picture, target)
    outputs, _ = detector.submit([Input(canvas, fit, target, 0.0)], [SURE / 2]).collect()
    return detector.detections(outputs[0])


def _matched(sure: Detections, others: Detections) -> list[float]:
    sure = sure[sure.score >= SURE]
    same = sure.class_id[:, None] == others.class_id
    found = np.where(same, iou(sure.xyxy, others.xyxy), 0.0)
    return [float(row.max(initial=0.0)) for row in found]


def usual_pictures() -> list[U8]:
    """Drawn signs and clocks, which networks with COCO's classes find, and the sample video if it is here."""
    found = [_signs()]
    if (video := cache_dir() / "videos" / NAME).is_file():
        capture = cv2.VideoCapture(str(video))
        read, frame = capture.read()
        capture.release()
        if read:
            found.append(np.asarray(frame, np.uint8))
    return found


def _signs() -> U8:
    picture = np.full((720, 1280, 3), (205, 190, 170), np.uint8)
    picture[430:] = 110, 115, 120
    for x, y, radius in ((180, 180, 120), (520, 300, 70), (1180, 240, 50)):
        _stop_sign(picture, x, y, radius)
    for x, y, radius in ((850, 180, 130), (700, 560, 90)):
        _clock(picture, x, y, radius)
    return picture


def _stop_sign(picture: U8, x: int, y: int, radius: int) -> None:
    cv2.line(picture, (x, y), (x, y + 3 * radius), (120, 120, 120), radius // 6)
    for share, colour in ((1.0, (245, 245, 245)), (0.93, (35, 30, 190))):
        corners = [_around(x, y, share * radius, 22.5 + 45 * corner) for corner in range(8)]
        cv2.fillPoly(picture, [np.array(corners, np.int32)], colour, cv2.LINE_AA)
    _write(picture, "STOP", (x, y), radius / 45, (250, 250, 250), max(radius // 12, 1))


def _clock(picture: U8, x: int, y: int, radius: int) -> None:
    black = 30, 30, 30
    cv2.circle(picture, (x, y), radius, black, -1, cv2.LINE_AA)
    cv2.circle(picture, (x, y), radius * 9 // 10, (250, 250, 250), -1, cv2.LINE_AA)
    for hour in range(1, 13):
        _write(picture, str(hour), _around(x, y, 0.74 * radius, 30 * hour - 90), radius / 130, black, 2)
    for length, degrees in ((0.5, -37), (0.63, -108)):
        cv2.line(picture, (x, y), _around(x, y, length * radius, degrees), black, radius // 25, cv2.LINE_AA)


def _around(x: int, y: int, radius: float, degrees: float) -> tuple[int, int]:
    angle = np.deg2rad(degrees)
    return round(x + radius * float(np.cos(angle))), round(y + radius * float(np.sin(angle)))


def _write(
    picture: U8, text: str, middle: tuple[int, int], size: float, colour: tuple[int, int, int], thickness: int
) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    corner = middle[0] - width // 2, middle[1] + height // 2
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
