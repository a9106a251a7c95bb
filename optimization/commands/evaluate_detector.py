"""`evaluate detector`: COCO's numbers of a detector, its confusions, and its loss against another."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge_node.config.model_settings import ModelSettings
from edge_node.frames import Detections
from optimization import arguments, detectors, files
from optimization.command import Command
from optimization.measure import accuracy
from optimization.training.fusion import fuse
from shared.errors import ConfigError
from shared.program import need

if TYPE_CHECKING:
    from optimization.measure.coco import Truth
    from optimization.measure.confusion import Confusion
    from optimization.measure.scores import ClassScores, Curves, Scores

_COLUMNS = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "APs",
    "ap_medium": "APm",
    "ap_large": "APl",
    "ar_1": "AR1",
    "ar_10": "AR10",
    "ar_100": "AR100",
    "ar_small": "ARs",
    "ar_medium": "ARm",
    "ar_large": "ARl",
}
_OF_A_CLASS = [key for key in _COLUMNS if key.startswith("ap") or key == "ar_100"]
_PLOTS = ("precision_recall.png", "precision_recall_by_class.png", "confusion.png")
_CONFUSED = 8
"""Confusions that are printed."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    arguments.add_network(parser, engine=True)
    arguments.add_truth(parser, required=True)
    arguments.add_tiles(parser)
    parser.add_argument(
        "--against", metavar="MODEL", help="also score this model, and give the loss against it"
    )
    parser.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw precision over recall and the confusion matrix into this folder",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.3,
        metavar="SCORE",
        help="lowest score of a detection in the confusion matrix (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate and print the tables.

    Args:
        args: The options that `declare` declared.

    Raises:
        DarnerError: A file, model or class cannot be used.
    """
    from optimization.measure.coco import read_truth

    _check(args)
    truth = read_truth(args.annotations, args.images)
    document: dict[str, Any] = {}
    print(f"{'':<22}" + "".join(f"{title:>6}" for title in _COLUMNS.values()))
    if args.against:
        seen = _look(args, args.against, truth)
        scores = truth.score(seen.found, seen.category_ids)
        print(_row(_name(args.against), scores))
        document["against"] = asdict(scores) | seen.ran
    seen = _look(args, args.model, truth)
    evaluation = truth.evaluate(seen.found, seen.category_ids)
    scores, curves = evaluation.scores(), evaluation.curves()
    print(_row(_name(args.model), scores))
    document = asdict(scores) | seen.ran | document
    if args.against:
        document["loss"] = loss = _loss(document["against"], document)
        print(f"{'loss, points':<22}" + "".join(_cell(loss[key]) for key in _COLUMNS))
    print(_by_class(scores.classes))
    confused = _confusion(truth, seen, args.confidence)
    if args.plots:
        _draw(args.plots, curves, confused, f"{_name(args.model)}, {len(seen.found)} pictures")
    return document | {"confusion": confused.document(), "curves": curves.document()}


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.confidence <= 1:
        raise ConfigError(f"--confidence {args.confidence}: must be above 0 and at most 1")
    if args.tiles and not args.tiles.fixed:
        raise ConfigError(
            "--tiles: where to look is chosen by what moves in a film, which single pictures do not show; "
            "name a grid, for example 3x2"
        )
    if args.plots:
        need("matplotlib", extra="optimize")
        if args.plots.is_file():
            raise ConfigError(f"--plots {args.plots}: is a file; name a folder")
        for name in _PLOTS:
            files.claim(args.plots / name, force=args.force)


def _look(args: argparse.Namespace, model: str, truth: Truth) -> accuracy.Seen:
    """What a model sees in the pictures; or several, with commas between them, whose boxes are fused."""
    models = _models(model)
    seen = [accuracy.look(_settings(args, one), truth, args.classes, args.tiles) for one in models]
    if len(seen) == 1:
        return seen[0]
    from optimization.measure.coco import NOT_SCORED

    # Their class ids differ, and the categories of the annotations are the same for all.
    knows = [set(one.category_ids.tolist()) - {NOT_SCORED} for one in seen]
    pictures = [[_by_category(found, one.category_ids) for found in one.found] for one in seen]
    fused = [fuse(of_picture, knows) for of_picture in zip(*pictures, strict=True)]
    ids = np.full(max(map(max, knows)) + 1, NOT_SCORED, np.intp)
    for known in knows:
        ids[list(known)] = list(known)
    return accuracy.Seen(fused, ids, seen[0].ran | {"model": model, "fused": [one.ran for one in seen]})


def _models(model: str) -> list[str]:
    return [model] if Path(model).exists() else [one.strip() for one in model.split(",")]


def _name(model: str) -> str:
    """A short name for a table."""
    models = _models(model)
    return Path(model).name if len(models) == 1 else f"{len(models)} models, fused"


def _by_category(found: Detections, category_ids: npt.NDArray[np.intp]) -> Detections:
    """Detections with category ids for class ids; without those that are not scored."""
    categories = category_ids[found.class_id].astype(np.int32)
    scored = np.flatnonzero(categories >= 0)
    return Detections(found.xyxy[scored], found.score[scored], categories[scored])


def _settings(args: argparse.Namespace, model: str) -> ModelSettings:
    limits = {"confidence": accuracy.CONFIDENCE, "max_detections": accuracy.MAX_DETECTIONS}
    return detectors.settings(args, name=model, **limits)


def _loss(against: dict[str, Any], document: dict[str, Any]) -> dict[str, float | None]:
    """What the model has less than the other, by score."""
    both = {key: (against[key], document[key]) for key in _COLUMNS}
    return {key: None if None in pair else round(pair[0] - pair[1], 4) for key, pair in both.items()}


def _row(name: str, scores: Scores) -> str:
    """One line of the table, in percent."""
    return f"{name[:21]:<22}" + "".join(_cell(getattr(scores, key)) for key in _COLUMNS)


def _by_class(classes: dict[str, ClassScores]) -> str:
    """The table of classes, those with the most objects first."""
    lines = [f"\n{'class':<22}{'objects':>9}" + "".join(f"{_COLUMNS[key]:>6}" for key in _OF_A_CLASS)]
    for name, one in sorted(classes.items(), key=lambda item: -item[1].objects):
        lines.append(
            f"{name[:21]:<22}{one.objects:>9}" + "".join(_cell(getattr(one, k)) for k in _OF_A_CLASS)
        )
    return "\n".join(lines)


def _cell(share: float | None) -> str:
    return f"{'-':>6}" if share is None else f"{100 * share:>6.1f}"


def _confusion(truth: Truth, seen: accuracy.Seen, confidence: float) -> Confusion:
    """The confusion matrix, after its sums and its most frequent confusions are printed."""
    from optimization.measure.confusion import OVERLAP, confusion

    found = confusion(truth, seen.found, seen.category_ids, confidence)
    inner = found.counts[:-1, :-1]
    right = int(inner.trace())
    print(
        f"\nscore of at least {confidence:g}, IoU of at least {OVERLAP:g}: {right} objects right, "
        f"{int(inner.sum()) - right} taken for another class, {int(found.counts[:-1, -1].sum())} missed; "
        f"{int(found.counts[-1, :-1].sum())} detections of nothing"
    )
    mixed = inner - np.diag(inner.diagonal())
    order = np.argsort(-mixed, axis=None, kind="stable")[:_CONFUSED]
    pairs = [divmod(int(place), len(inner)) for place in order]
    told = [f"{found.names[a]} as {found.names[b]} {mixed[a, b]}" for a, b in pairs if mixed[a, b]]
    if told:
        print(f"most often: {', '.join(told)}")
    return found


def _draw(folder: Path, curves: Curves, confused: Confusion, title: str) -> None:
    from optimization.measure.draw import curves as draw_curves
    from optimization.measure.draw import matrix

    paths = [folder / name for name in _PLOTS]
    draw_curves.save_all(curves, paths[0], title)
    draw_curves.save_by_class(curves, paths[1], title)
    matrix.save(confused, paths[2], title)
    print(f"drawn: {', '.join(map(str, paths))}")


COMMAND = Command(
    name="detector",
    help="COCO's twelve numbers of a detector, by class, its confusions, and its loss against another",
    description="Run a detector over annotated pictures and give COCO's average precision and recall (0 to 1 "
    "in the report, percent in the tables), those of each class, and which classes it confuses.",
    declare=declare,
    run=run,
    needs=("pycocotools",),
)
