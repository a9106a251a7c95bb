"""`evaluate video`: scores the whole pipeline, from pictures to tracks, on a video with ground truth."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.config.sources import check_source
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from optimization import arguments
from optimization.command import Command
from optimization.measure import mot, report
from optimization.measure.track_scores import Scorer
from optimization.measure.watching import watch
from shared.errors import SourceError


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("video", help="video file or folder of pictures")
    parser.add_argument(
        "--truth", type=Path, required=True, metavar="DIR", help="sequence with seqinfo.ini and gt/gt.txt"
    )
    arguments.add_model(parser)
    parser.add_argument(
        "--class", dest="class_name", default="person", help="class of the objects in the ground truth"
    )
    arguments.add_tracker(parser)
    arguments.add_tiles(parser)
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write the detections there as a sequence for other trackers"
    )


def watch_video(
    video: str, model: ModelSettings, tracking: TrackerSettings, tiles: TileSettings | None = None
) -> tuple[list[Detections], list[mot.Boxes]]:
    """Run capture, detector, tracker and analytics over every frame.

    Args:
        video: Video file or folder of pictures.
        model: The detector's settings.
        tracking: The tracker's settings.
        tiles: Parts of the picture that the network looks at; None: the whole picture.

    Returns:
        Detections and tracks of each frame.

    Raises:
        SourceError: The video cannot be read.
    """
    check_source("video", video)
    camera = CameraSettings(source=video, pace="fast", tiles=tiles)
    frames = capture("video", camera, threading.Event(), lambda *_: None)
    detections, tracks = [], []
    with Detector(model) as detector:
        steps = watch(frames, detector, camera, model, tracking)
        for item, analysed in tqdm(steps, unit=" frames", desc=Path(video).name, disable=None):
            detections.append(item.detections or Detections.empty())
            tracks.append((analysed.tracks.track_id, analysed.tracks.xyxy.astype(np.float64)))
    return detections, tracks


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate, print the table and write the sequence.

    Args:
        args: The options that `declare` declared.

    Raises:
        SourceError: The video or the ground truth cannot be used, or they differ in length.
        ConfigError: `trackeval` is not installed.
    """
    scorer = Scorer()
    frame_rate, truth = mot.read_truth(args.truth)
    model = ModelSettings(name=args.model, classes=(args.class_name,))
    detections, tracks = watch_video(args.video, model, TrackerSettings(kind=args.tracker), args.tiles)
    if len(tracks) != len(truth):
        raise SourceError(f"{args.video} has {len(tracks)} frames, but {args.truth} has {len(truth)}")
    name = args.truth.resolve().name
    if args.save:
        size = mot.known_size(args.truth)
        mot.write(args.save / name, mot.Sequence(name, frame_rate, detections, truth, size))
    print(report.header())
    scores = scorer.add(name, truth, tracks)
    print(report.row(name, scores))
    return {"sequences": {name: scores}, "combined": scorer.combined()}


COMMAND = Command(
    name="video",
    help="HOTA, MOTA and IDF1 of detector and tracker on a video",
    description="Run the edge node's pipeline over every frame of a video and score its tracks "
    "against a MOTChallenge sequence's ground truth.",
    declare=declare,
    run=run,
)
