"""`evaluate detector`: COCO's average precision of any model on any engine, and its loss against another."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from optimization import arguments, detectors, files, pictures
from shared.program import need

if TYPE_CHECKING:
    from optimization.arguments import SubParsers
    from optimization.measure.coco import Scores, Truth

CONFIDENCE = 0.001
"""Precision is measured over all recalls: nothing that could count is left out."""


def add_to(subparsers: SubParsers) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "detector",
        help="COCO mAP of a detector, and its loss against another",
        description="Run a detector over annotated pictures and give COCO's average precision (0 to 1).",
    )
    arguments.add_network(parser, engine=True)
    arguments.add_truth(parser, required=True)
    parser.add_argument("--against", metavar="MODEL", help="score this one as well and give the loss")
    arguments.add_results(parser)
    parser.set_defaults(run=run)


def evaluate(
    settings: ModelSettings, truth: Truth, classes: tuple[str, ...]
) -> tuple[Scores, dict[str, Any]]:
    """Score one detector.

    Args:
        settings: The detector's; its thresholds are those of the evaluation.
        truth: What should be found.
        classes: Categories to score; empty means all.

    Returns:
        The scores, and what ran: model, engine, device, input size, pictures.

    Raises:
        ModelError, SourceError, ConfigError: The model or a picture cannot be used, or classes do not match.
    """
    found: list[Detections] = []
    with Detector(settings) as detector:
        category_ids = truth.match(detector.class_names, classes)
        for _, path in tqdm(truth.pictures, unit=" pictures", desc=Path(settings.name).name, disable=None):
            found.append(detector.detect(pictures.read(path))[0])
        target = detector.input_format
        ran = {
            "model": settings.name,
            "engine": detector.backend_name,
            "device": detector.device,
            "input": [target.width, target.height],
            "pictures": len(found),
        }
    return truth.score(found, category_ids), ran


def run(args: argparse.Namespace) -> None:
    """Evaluate, print the table and write the JSON file.

    Args:
        args: What `add_to` declared.

    Raises:
        DarnerError: A file, model or class cannot be used.
    """
    files.claim(args.json, force=args.force)
    need("pycocotools", extra="optimize")
    from optimization.measure.coco import read_truth

    truth = read_truth(args.annotations, args.images)
    document: dict[str, Any] = {}
    print(f"{'':<28}{'AP':>7}{'AP50':>7}{'AP75':>7}")
    if args.against:
        scores, ran = evaluate(_settings(args, args.against), truth, args.classes)
        print(row(args.against, scores))
        document["against"] = asdict(scores) | ran
    scores, ran = evaluate(_settings(args, args.model), truth, args.classes)
    print(row(args.model, scores))
    document = asdict(scores) | ran | document
    if args.against:
        document["loss"] = {
            key: round(document["against"][key] - document[key], 4) for key in ("ap", "ap50", "ap75")
        }
        print(f"{'loss, points':<28}" + "".join(f"{100 * loss:7.1f}" for loss in document["loss"].values()))
    files.save_json(args.json, document)


def _settings(args: argparse.Namespace, model: str) -> ModelSettings:
    return detectors.settings(args, name=model, confidence=CONFIDENCE, max_detections=300)


def row(name: str, scores: Scores) -> str:
    """One line of the table, in percent."""
    numbers = "".join(f"{100 * value:7.1f}" for value in (scores.ap, scores.ap50, scores.ap75))
    return f"{Path(name).name[:27]:<28}{numbers}"
