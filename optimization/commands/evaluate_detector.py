"""`evaluate detector`: COCO's average precision of a detector, and its loss against another."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.config.model_settings import ModelSettings
from optimization import arguments, detectors
from optimization.command import Command
from optimization.measure import accuracy

if TYPE_CHECKING:
    from optimization.measure.coco import Scores


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser, engine=True)
    arguments.add_truth(parser, required=True)
    parser.add_argument(
        "--against", metavar="MODEL", help="also score this model, and give the loss against it"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate and print the table.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file, model or class cannot be used.
    """
    from optimization.measure.coco import read_truth

    truth = read_truth(args.annotations, args.images)
    document: dict[str, Any] = {}
    print(f"{'':<28}{'AP':>7}{'AP50':>7}{'AP75':>7}")
    if args.against:
        scores, ran = accuracy.evaluate(_settings(args, args.against), truth, args.classes)
        print(row(args.against, scores))
        document["against"] = asdict(scores) | ran
    scores, ran = accuracy.evaluate(_settings(args, args.model), truth, args.classes)
    print(row(args.model, scores))
    document = asdict(scores) | ran | document
    if args.against:
        document["loss"] = {
            key: round(document["against"][key] - document[key], 4) for key in ("ap", "ap50", "ap75")
        }
        print(f"{'loss, points':<28}" + "".join(f"{100 * loss:7.1f}" for loss in document["loss"].values()))
    return document


def _settings(args: argparse.Namespace, model: str) -> ModelSettings:
    return detectors.settings(args, name=model, confidence=accuracy.CONFIDENCE, max_detections=300)


def row(name: str, scores: Scores) -> str:
    """One line of the table, in percent."""
    numbers = "".join(f"{100 * value:7.1f}" for value in (scores.ap, scores.ap50, scores.ap75))
    return f"{Path(name).name[:27]:<28}{numbers}"


COMMAND = Command(
    name="detector",
    help="COCO mAP of a detector, and its loss against another",
    description="Run a detector over annotated pictures and give COCO's average precision (0 to 1).",
    declare=declare,
    run=run,
    needs=("pycocotools",),
)
