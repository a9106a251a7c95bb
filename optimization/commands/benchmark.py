"""`benchmark`: times each step of detection, for models, engines, batch sizes and input sizes."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from optimization import arguments, detectors, files
from optimization.command import Command, failures
from optimization.measure import accuracy, machine, trial
from shared.errors import ConfigError, DarnerError, ModelError
from shared.program import need


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "models",
        nargs="*",
        default=[detectors.default_model()],
        metavar="MODEL",
        help="path, name or folder of ONNX files",
    )
    parser.add_argument(
        "--backends", type=arguments.names, default=[None], metavar="NAME,...", help="engines to try"
    )
    parser.add_argument(
        "--batches", type=_numbers, default=[1], metavar="N,...", help="numbers of pictures in one call"
    )
    parser.add_argument(
        "--sizes", type=_numbers, default=[None], metavar="N,...", help="longer sides, for models of any size"
    )
    parser.add_argument(
        "--tiles",
        type=arguments.tiles,
        action="append",
        default=[],
        metavar="COLUMNSxROWS|KEY=VALUE,...",
        help="also time this grid of a camera's tiles, with --batches as the most parts in one call; may be "
        "repeated",
    )
    arguments.add_picture(parser)
    arguments.add_truth(parser, required=False)
    arguments.add_plot(parser)


def _numbers(text: str) -> list[int]:
    return [arguments.positive(part) for part in text.split(",")]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print the table and draw the plot.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file cannot be used or written, or no combination runs on this machine.
    """
    files.claim_picture(args.plot, "--plot", force=args.force)
    if not all(tiles.fixed for tiles in args.tiles):
        raise ConfigError(
            "--tiles: what a budget costs depends on what moves in a film; name a grid, for example 3x2. One "
            "look of a budget costs what a picture of a batch costs: see --batches"
        )
    score = _scorer(args)
    image, shown = trial.picture(args.picture, args.resolution)
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    models = [found for name in args.models for found in _models(name)]
    grids: list[TileSettings | None] = [None, *args.tiles]
    combinations = list(itertools.product(models, args.backends, args.sizes, grids, args.batches))
    for model, backend, size, tiles, batch in tqdm(combinations, unit=" runs", disable=None):
        try:
            settings = detectors.build(name=model, backend=backend, input_size=size, threads=args.threads)
            rows.append(trial.measure(settings, image, batch, args.rounds, tiles) | score(settings, tiles))
        except DarnerError as error:
            parts = {"tiles": trial.name_of(tiles)} if tiles else {}
            chosen = {"model": model, "backend": backend, "size": size, **parts, "batch": batch}
            skipped.append(chosen | {"why": str(error)})
    if rows:
        print(f"{shown}, {args.rounds} calls each; milliseconds p50 / p95 of a call\n{trial.table(rows)}")
    for item in skipped:
        asked = ", ".join(
            str(item[key]) if key == "model" else f"{key} {item[key]}"
            for key in ("model", "backend", "size", "batch")
            if item[key] is not None
        )
        print(f"skipped {asked}: {item['why']}")
    if not rows:
        raise ModelError("no combination of model, engine, size and batch runs here")
    if args.plot:
        from optimization.measure.draw import measured

        measured.save(rows, args.plot)
    document = {"machine": machine.describe(), "picture": shown, "rows": rows, "skipped": skipped}
    return document | _models_without_a_row(rows, skipped)


def _models_without_a_row(rows: list[dict[str, Any]], skipped: list[dict[str, Any]]) -> dict[str, Any]:
    """What became of each model, for the exit code: one fails if none of its combinations runs."""
    measured = {row["model"] for row in rows}
    models = [{"model": name} for name in sorted(measured)]
    reasons = {item["model"]: item["why"] for item in skipped if item["model"] not in measured}
    models += [{"model": name, "why": why} for name, why in reasons.items()]
    return {"models": models} | failures(models, "measured")


def _models(name: str) -> list[str]:
    """The models that a name stands for."""
    return [str(path) for path in files.models(Path(name))] if files.is_folder(name) else [name]


def _scorer(args: argparse.Namespace) -> Callable[[ModelSettings, TileSettings | None], dict[str, Any]]:
    """Gives the scores of a detector as "accuracy", each detector's once; nothing without ground truth."""
    if not arguments.ground_truth(args):
        return lambda *_: {}
    need("pycocotools", extra="optimize")
    from optimization.measure.coco import read_truth

    truth = read_truth(args.annotations, args.images)
    known: dict[str, dict[str, Any]] = {}

    def score(settings: ModelSettings, tiles: TileSettings | None) -> dict[str, Any]:
        key = repr((settings, tiles))  # settings with options of providers are no keys themselves
        if key not in known:
            known[key] = {"accuracy": asdict(accuracy.evaluate(settings, truth, args.classes, tiles))}
        return known[key]

    return score


COMMAND = Command(
    name="benchmark",
    help="time every step of detection, for models, engines, batch and input sizes",
    description="Time preprocess, inference and postprocess of every combination, one after the other. A "
    "precision is a model file: name the float one, the FP16 one and the INT8 one. With ground truth, "
    "every detector is also scored.",
    declare=declare,
    run=run,
)
