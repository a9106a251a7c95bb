"""Tiles with the real network on a real video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import EdgeConfig
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.detect.stages import Detect
from edge_node.frames import Detected, Frame, Tracks
from edge_node.pictures import U8
from shared.geometry import iou

VIDEO = Path(__file__).resolve().parents[4] / "shared" / "data" / "video" / "vtest.avi"
SURE = 0.5
FRAMES = 4


@pytest.fixture(scope="module")
def pictures() -> list[U8]:
    if not VIDEO.is_file():
        pytest.skip(f"needs {VIDEO}")
    video = cv2.VideoCapture(str(VIDEO))
    return [np.asarray(video.read()[1], np.uint8) for _ in range(FRAMES)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(ModelSettings(name="nanodet_g", classes=("person",)))


def watched(detector: Detector, pictures: list[U8], tiles: TileSettings | None) -> list[Detected]:
    camera = CameraSettings(source="x", tiles=tiles)
    stage = Detect(detector, {"c": camera}, LiveStore(EdgeConfig(cameras={"c": camera})))
    out = []
    for seq, picture in enumerate(pictures):
        frame = Frame("c", seq, 0, seq * 100_000_000, picture)
        out += list(stage.decode(stage.infer([[stage.ready(frame)]])))
        stage.follow(out[-1], Tracks.empty())
    return out


def test_tiles_find_who_was_found_before_once_and_others_besides(
    detector: Detector, pictures: list[U8]
) -> None:
    with detector:
        whole = watched(detector, pictures, None)
        grid = watched(detector, pictures, TileSettings(columns=2, rows=2))
        budget = watched(detector, pictures, TileSettings(runs=2))
    count = {"whole": 0, "grid": 0}
    for before, after, some in zip(whole, grid, budget, strict=True):
        assert before.detections is not None
        assert after.detections is not None
        sure = before.detections[before.detections.score >= SURE]
        found = after.detections[after.detections.score >= SURE]
        overlap = iou(sure.xyxy, after.detections.xyxy)
        assert (overlap.max(axis=1) >= 0.5).mean() >= 0.8, "in the same places of the frame"
        among = iou(found.xyxy, found.xyxy) - np.eye(len(found))
        assert among.max(initial=0.0) < 0.7, "nobody twice"
        count["whole"] += len(sure)
        count["grid"] += len(found)
        assert some.detections is not None
        assert some.looked is not None
        for box in some.detections.xyxy:
            low, high = some.looked.xyxy[:, :2] - 1, some.looked.xyxy[:, 2:] + 1
            assert ((box[:2] >= low) & (box[2:] <= high)).all(axis=1).any(), "found where it looked"
    assert count["grid"] >= count["whole"] > 0
