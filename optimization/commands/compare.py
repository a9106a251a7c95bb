"""`compare A B`: times two models or engines in turn, and scores both if there is ground truth."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import asdict
from statistics import median
from typing import Any

from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import arguments, detectors
from optimization.command import Command
from optimization.measure import accuracy, machine, trial
from shared.errors import ConfigError
from shared.program import need


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("a", metavar="A", help="path or name, with @ENGINE to name the engine")
    parser.add_argument("b", metavar="B", help="what A is compared with")
    arguments.add_picture(parser)
    arguments.add_truth(parser, required=False)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure both and print the table.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file cannot be used or written.
    """
    if bool(args.images) != bool(args.annotations):
        raise ConfigError("accuracy needs both --images and --annotations")
    both = [_settings(text, args.threads) for text in (args.a, args.b)]
    image, shown = trial.picture(args.picture, args.resolution)
    accuracy = _accuracy(args, both)
    rows: list[dict[str, Any]] = []
    with Detector(both[0]) as first, Detector(both[1]) as second:
        trials = [trial.Trial(first, 1), trial.Trial(second, 1)]
        for turn in tqdm(range(-3, args.rounds), unit=" rounds", disable=None):
            for one in trials:
                one.call(image, count=turn >= 0)
        for settings, one in zip(both, trials, strict=True):
            rows.append(trial.identity(settings, one.detector, image) | {"batch": 1} | one.summary())
    ratio = {step: round(_ratio(trials, step), 3) for step in trial.STEPS}
    print(f"{shown}, {args.rounds} calls each, in turn; milliseconds p50 / p95\n{trial.table(rows)}")
    print(
        "A takes this many times as long as B: "
        + ", ".join(f"{step} {ratio[step]:.2f}" for step in trial.STEPS)
    )
    document: dict[str, Any] = {"machine": machine.describe(), "picture": shown, "a": rows[0], "b": rows[1]}
    document["a_over_b"] = ratio
    if accuracy:
        document |= {"accuracy": accuracy}
        for name, scores in accuracy.items():
            print(f"{name}: AP {100 * scores['ap']:.1f}, AP50 {100 * scores['ap50']:.1f}")
    return document


def _ratio(trials: list[trial.Trial], step: str) -> float:
    first, second = (median(one.times[step]) for one in trials)
    return first / max(second, 1e-6)


def _settings(text: str, threads: int | None) -> ModelSettings:
    name, _, backend = text.partition("@") if not text.startswith(("http", "grpc")) else (text, "", "")
    return detectors.build(name=name, backend=backend or None, threads=threads)


def _accuracy(args: argparse.Namespace, both: list[ModelSettings]) -> dict[str, Any]:
    """Scores of "a" and "b"; empty without ground truth."""
    if not args.annotations:
        return {}
    need("pycocotools", extra="optimize")
    from optimization.measure.coco import read_truth

    truth = read_truth(args.annotations, args.images)
    found = {}
    for name, settings in zip("ab", both, strict=True):
        thorough = dataclasses.replace(settings, confidence=accuracy.CONFIDENCE, max_detections=300)
        found[name] = asdict(accuracy.evaluate(thorough, truth, args.classes))
    return found


COMMAND = Command(
    name="compare",
    help="two models or engines side by side: time, and accuracy if there is ground truth",
    description="Run two detectors in turn on the same picture, so that other work on the machine affects "
    "both equally. MODEL@ENGINE names the engine.",
    declare=declare,
    run=run,
)
