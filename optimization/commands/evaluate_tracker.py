"""`evaluate tracker`: scores a tracker on the detections of MOTChallenge sequences."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.track.tracker import create
from optimization import arguments
from optimization.command import Command
from optimization.measure import mot, report
from optimization.measure.track_scores import Scorer
from shared.errors import SourceError


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--mot", type=Path, required=True, metavar="DIR", help="a sequence, or a folder of sequences"
    )
    arguments.add_tracker(parser)
    parser.add_argument(
        "--detections", default="det.txt", metavar="NAME", help="file in each det/ folder (default: det.txt)"
    )


def track(sequence: mot.Sequence, settings: TrackerSettings) -> list[mot.Boxes]:
    """Run a new tracker over a sequence's detections at its frame rate.

    Args:
        sequence: The sequence.
        settings: The tracker's settings.

    Returns:
        Ids and boxes of the reported tracks of each frame.
    """
    tracker = create(settings)
    frames: list[mot.Boxes] = []
    for index, detections in enumerate(sequence.detections):
        tracks = tracker.update(detections, 1.0 / sequence.frame_rate if index else 0.0)
        frames.append((tracks.track_id, tracks.xyxy.astype(np.float64)))
    return frames


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate and print the table.

    Args:
        args: The options that `declare` declared.

    Raises:
        SourceError: The folder or a file of a sequence cannot be used.
        ConfigError: `trackeval` is not installed.
    """
    folders = mot.find(args.mot)
    scorer = Scorer()
    sequences: dict[str, dict[str, float]] = {}
    print(report.header())
    for folder in folders:
        if not (folder / "det" / args.detections).is_file():
            print(f"{folder.resolve().name:<20} skipped: it has no det/{args.detections}")
            continue
        sequence = mot.read(folder, args.detections)
        tracks = track(sequence, TrackerSettings(kind=args.tracker))
        sequences[sequence.name] = scorer.add(sequence.name, sequence.truth, tracks)
        print(report.row(sequence.name, sequences[sequence.name]))
    if not sequences:
        raise SourceError(f"{args.mot}: no sequence has det/{args.detections}; nothing to evaluate")
    combined = scorer.combined()
    print(report.row("combined", combined))
    return {"sequences": sequences, "combined": combined}


COMMAND = Command(
    name="tracker",
    help="HOTA, MOTA and IDF1 of the tracker on MOTChallenge sequences",
    description="Run the tracker with its default settings over the detections of MOTChallenge sequences "
    "and score it against their ground truth.",
    declare=declare,
    run=run,
)
