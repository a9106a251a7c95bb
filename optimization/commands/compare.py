"""`compare A B ...`: times models or engines in turn, and scores them if there is ground truth."""

from __future__ import annotations

import argparse
import contextlib
import string
from dataclasses import asdict
from statistics import median
from typing import Any

from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from optimization import arguments, detectors, files
from optimization.command import Command
from optimization.measure import accuracy, machine, trial
from shared.errors import ConfigError
from shared.program import need

_MOST = len(string.ascii_lowercase)


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("a", metavar="A", help="path or name, with @ENGINE to name the engine")
    parser.add_argument("b", metavar="B", help="what A is compared with")
    parser.add_argument("more", nargs="*", default=[], metavar="MORE", help="what else A is compared with")
    arguments.add_picture(parser)
    arguments.add_truth(parser, required=False)
    arguments.add_plot(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure all and print the table.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file cannot be used or written.
    """
    files.claim_picture(args.plot, "--plot", force=args.force)
    named = [args.a, args.b, *args.more]
    if len(named) > _MOST:
        raise ConfigError(f"{len(named)} models: compare at most {_MOST} at once, which are all in memory")
    compared = [_settings(text, args.threads) for text in named]
    image, shown = trial.picture(args.picture, args.resolution)
    scores = _accuracy(args, compared)
    with contextlib.ExitStack() as stack:
        trials = [trial.Trial(stack.enter_context(Detector(settings)), 1) for settings in compared]
        for turn in tqdm(range(-3, args.rounds), unit=" rounds", disable=None):
            for one in trials:
                one.call(image, count=turn >= 0)
        rows = [
            trial.identity(settings, one.detector, image) | {"batch": 1} | one.summary()
            for settings, one in zip(compared, trials, strict=True)
        ]
    for row, score in zip(rows, scores, strict=False):
        row["accuracy"] = score
    print(f"{shown}, {args.rounds} calls each, in turn; milliseconds p50 / p95\n{trial.table(rows)}")
    ratios = [_ratios(trials[0], other) for other in trials[1:]]
    for letter, ratio in zip(string.ascii_uppercase[1:], ratios, strict=False):
        steps = ", ".join(f"{step} {value:.2f}" for step, value in ratio.items())
        print(f"A takes this many times as long as {letter}: {steps}")
    for name, score in zip(string.ascii_lowercase, scores, strict=False):
        print(f"{name}: AP {100 * score['ap']:.1f}, AP50 {100 * score['ap50']:.1f}")
    if args.plot:
        from optimization.measure.draw import measured

        measured.save(rows, args.plot)
    return _document(rows, ratios) | {"machine": machine.describe(), "picture": shown}


def _document(rows: list[dict[str, Any]], ratios: list[dict[str, float]]) -> dict[str, Any]:
    """The report: each model, its accuracy, and the times of A divided by its own, by letter."""
    letters = string.ascii_lowercase[: len(rows)]
    document: dict[str, Any] = dict(zip(letters, rows, strict=True))
    document |= {f"a_over_{letter}": ratio for letter, ratio in zip(letters[1:], ratios, strict=True)}
    scored = {letter: row["accuracy"] for letter, row in zip(letters, rows, strict=True) if "accuracy" in row}
    return document | ({"accuracy": scored} if scored else {})


def _ratios(a: trial.Trial, other: trial.Trial) -> dict[str, float]:
    return {
        step: round(median(a.times[step]) / max(median(other.times[step]), 1e-6), 3) for step in trial.STEPS
    }


def _settings(text: str, threads: int | None) -> ModelSettings:
    name, _, backend = text.partition("@") if not text.startswith(("http", "grpc")) else (text, "", "")
    return detectors.build(name=name, backend=backend or None, threads=threads)


def _accuracy(args: argparse.Namespace, compared: list[ModelSettings]) -> list[dict[str, Any]]:
    """Scores of each model; none without ground truth."""
    if not arguments.ground_truth(args):
        return []
    need("pycocotools", extra="optimize")
    from optimization.measure.coco import read_truth

    truth = read_truth(args.annotations, args.images)
    return [asdict(accuracy.evaluate(settings, truth, args.classes)) for settings in compared]


COMMAND = Command(
    name="compare",
    help="models or engines side by side: time, and accuracy if there is ground truth",
    description="Run detectors in turn on the same picture, so that other work on the machine affects "
    "all of them equally. MODEL@ENGINE names the engine.",
    declare=declare,
    run=run,
)
