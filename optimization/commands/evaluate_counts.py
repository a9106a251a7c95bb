"""`evaluate counts`: how far the counts of lines and zones are from what objects of a ground truth did."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.settings import TrackerSettings
from edge_node.config.sources import check_source
from edge_node.detect.detector import Detector
from edge_node.frames import Detected, Detections
from optimization import arguments, detectors
from optimization.command import Command
from optimization.measure import mot
from optimization.measure.counts import counted, truth
from optimization.measure.counts.errors import Errors, combined, header, shapes_document, table
from optimization.measure.counts.shapes import Shapes, random_shapes, read_shapes
from optimization.measure.counts.stages import stages
from optimization.measure.watching import watch
from shared.errors import ConfigError, SourceError

_DEFAULT_RANDOM = 40


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What is compared: a sequence's truth, and frames with detections or tracks that are there already."""

    name: str
    frame_rate: float
    size: tuple[int, int]
    truth: list[mot.Boxes]
    frames: list[Detected]
    tracks: list[mot.Boxes] | None = None


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("video", nargs="?", help="video file or folder of pictures")
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="DIR",
        help="sequence with seqinfo.ini and gt/gt.txt; without a video also a folder of sequences",
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--detections",
        metavar="FILE",
        help="detections instead of a video: a MOTChallenge file, or its name in each det/ folder",
    )
    given.add_argument(
        "--tracks", type=Path, metavar="FILE", help="tracks instead of a video: a MOTChallenge file"
    )
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument(
        "--shapes", type=Path, metavar="FILE", help="lines and zones: a node's YAML, or its message zones"
    )
    shapes.add_argument(
        "--random",
        type=arguments.positive,
        default=_DEFAULT_RANDOM,
        metavar="N",
        help="so many random lines, and as many random zones (default: %(default)s)",
    )
    parser.add_argument("--camera", metavar="NAME", help="camera of --shapes, where it has several")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of --random (default: %(default)s)")
    parser.add_argument(
        "--stages",
        action="store_true",
        help="also count with truth in place of detector or tracker, which shows what each costs",
    )
    arguments.add_model(parser)
    parser.add_argument(
        "--class", dest="class_name", default="person", help="class of the objects in the ground truth"
    )
    arguments.add_tracker(parser)
    arguments.add_tiles(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate, and print the tables.

    Args:
        args: The options that `declare` declared.

    Raises:
        SourceError: The video, the ground truth or a file of a sequence cannot be used.
        ConfigError: The lines and zones cannot be used, or options contradict each other.
    """
    if (args.video is None) == (args.detections is None and args.tracks is None):
        raise ConfigError("evaluate counts: name a video, or give --detections or --tracks instead of it")
    if args.video is None and (args.tiles or args.model != detectors.default_model()):
        option = "--tiles" if args.tiles else "--model"
        raise ConfigError(f"{option}: only a video goes through the network; name one, or leave {option} out")
    shapes = read_shapes(args.shapes, args.camera) if args.shapes else _random(args)
    _refuse_other_classes(shapes, args.class_name)
    tracking = TrackerSettings(kind=args.tracker)
    scores: dict[str, Errors] = {}
    by_stage: dict[str, Errors] = {}
    documents: dict[str, Any] = {}
    for scene in _scenes(args):
        ways = truth.ways(scene.truth, scene.frame_rate, scene.size)
        true = truth.count(ways, len(scene.truth), scene.frame_rate, scene.size, shapes)
        found = _counted(scene, shapes, tracking, args.class_name)
        scores[scene.name] = Errors.of(true, found, shapes)
        documents[scene.name] = scores[scene.name].document() | shapes_document(true, found, shapes)
        print(f"{scene.name}: {len(scene.truth)} frames, {len(ways)} objects")
        print("\n".join(table(true, found, shapes)) + "\n")
        if args.stages:
            for name, counts in stages(
                scene.frames, scene.truth, scene.frame_rate, scene.size, shapes, tracking, args.class_name
            ).items():
                errors = by_stage.setdefault(name, Errors.none())
                errors += Errors.of(true, counts, shapes)
    total = combined(scores)
    print("\n".join((header(), *(errors.row(name) for name, errors in scores.items()))))
    if len(scores) > 1:
        print(total.row("all"))
    if by_stage:
        print(f"\nwith truth in place of a part of the pipeline:\n{header()}")
        print("\n".join(errors.row(name) for name, errors in by_stage.items()))
    return {
        "sequences": documents,
        "combined": total.document(),
        "stages": {name: errors.document() for name, errors in by_stage.items()},
    }


def _random(args: argparse.Namespace) -> Shapes:
    if args.camera:
        raise ConfigError("evaluate counts: --camera chooses a camera of --shapes, which is missing")
    if args.seed < 0:
        raise ConfigError(f"evaluate counts: --seed must be at least 0, not {args.seed}")
    return random_shapes(args.random, args.seed)


def _refuse_other_classes(shapes: Shapes, class_name: str) -> None:
    filters = {name: line.classes for name, line in shapes.lines.items()}
    filters |= {name: zone.classes for name, zone in shapes.zones.items()}
    for name, classes in filters.items():
        if classes and class_name not in classes:
            raise ConfigError(
                f"{name!r} counts {', '.join(classes)}, and the ground truth is of {class_name}; "
                "name its class with --class, or leave that line or zone out"
            )


def _counted(scene: _Scene, shapes: Shapes, tracking: TrackerSettings, class_name: str) -> truth.Counts:
    if scene.tracks is not None:
        return counted.by_tracks(scene.tracks, scene.frame_rate, scene.size, shapes, class_name)
    return counted.by_watch(scene.frames, shapes, tracking, (class_name,))


def _scenes(args: argparse.Namespace) -> Iterator[_Scene]:
    if args.video is not None:
        yield _watched(args)
        return
    folders = mot.find(args.truth)
    one_file = args.tracks if args.tracks is not None else Path(args.detections)
    if one_file.is_file() and len(folders) > 1:
        raise ConfigError(f"{one_file} is of one sequence, and {args.truth} holds {len(folders)}")
    scenes = 0
    for folder in folders:
        file = one_file
        if args.tracks is None and not one_file.is_file():
            file = folder / "det" / args.detections
            if not file.is_file():
                print(f"{folder.resolve().name}: skipped, it has no det/{args.detections}\n")
                continue
        scenes += 1
        yield _given(folder, file, tracks=args.tracks is not None)
    if not scenes:
        raise SourceError(f"{args.truth}: no sequence has det/{args.detections}; nothing to evaluate")


def _given(folder: Path, file: Path, *, tracks: bool) -> _Scene:
    """A sequence without pictures."""
    rate, true = mot.read_truth(folder)
    size = mot.read_size(folder)
    name = folder.resolve().name
    if tracks:
        found = mot.read_boxes(file, len(true))
        return _Scene(name, rate, size, true, _tracks_as_frames(found, rate, size), found)
    return _Scene(name, rate, size, true, counted.frames_of(mot.read_detections(file, len(true)), rate, size))


def _tracks_as_frames(found: list[mot.Boxes], frame_rate: float, size: tuple[int, int]) -> list[Detected]:
    """Given tracks as detections, for `--stages`."""
    detections = [
        Detections(boxes.astype(np.float32), np.full(len(ids), 0.9, np.float32), np.zeros(len(ids), np.int32))
        for ids, boxes in found
    ]
    return counted.frames_of(detections, frame_rate, size)


def _watched(args: argparse.Namespace) -> _Scene:
    """A video's frames through capture and detector; pictures are not kept."""
    _, true = mot.read_truth(args.truth)
    check_source("video", args.video)
    model = ModelSettings(name=args.model, classes=(args.class_name,))
    camera = CameraSettings(source=args.video, pace="fast", tiles=args.tiles)
    source = capture("video", camera, threading.Event(), lambda *_: None)
    frames: list[Detected] = []
    with Detector(model) as detector:
        steps = watch(source, detector, camera, model, TrackerSettings(kind=args.tracker))
        for item, _ in tqdm(steps, unit=" frames", desc=Path(args.video).name, disable=None):
            blank = frames[0].frame.image if frames else np.zeros(item.frame.shape, np.uint8)
            found = item.detections
            if found is not None:  # the only class, whatever number the model gives it
                found = Detections(found.xyxy, found.score, np.zeros_like(found.class_id))
            frames.append(replace(item, frame=replace(item.frame, picture=blank), detections=found))
    if len(frames) != len(true):
        raise SourceError(f"{args.video} has {len(frames)} frames, but {args.truth} has {len(true)}")
    first, last = frames[0].frame, frames[-1].frame
    seconds = (last.monotonic_ns - first.monotonic_ns) / 1e9
    rate = (len(frames) - 1) / seconds if seconds else 1.0
    return _Scene(args.truth.resolve().name, rate, (first.width, first.height), true, frames)


COMMAND = Command(
    name="counts",
    help="how far counts of lines and zones are from the truth",
    description="Count what crosses lines and enters zones as the edge node does, and compare it with what "
    "the objects of a MOTChallenge sequence's ground truth did on their whole ways. "
    "The error is the sum of absolute differences over the truth.",
    declare=declare,
    run=run,
)
