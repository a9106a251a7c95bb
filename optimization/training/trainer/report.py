"""What training gave, in figures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_node.config.model_settings import ModelSettings
from optimization import detectors
from optimization.measure import accuracy
from optimization.measure.confusion import confusion
from optimization.measure.draw import curves, figure, matrix
from optimization.measure.scores import Scores
from optimization.training.trainer.families import Choice
from optimization.training.trainer.fit import START
from optimization.training.trainer.material import Material
from optimization.training.trainer.run import MODEL, WORK
from optimization.training.trainer.watch import read_metrics

CONFUSION, PRECISION, CURVES = "confusion.png", "precision_recall.png", "training.png"
_SURE = 0.3
"""Lowest score of a detection that the confusion matrix counts, as nodes do by default."""


def write(choice: Choice, found: Material, out: Path) -> tuple[Scores | None, Scores, list[dict[str, Any]]]:
    """Score the model on val as the node sees it, and draw.

    Args:
        choice: What was trained.
        found: The dataset.
        out: Folder of the run, which gets the pictures.

    Returns:
        The scores before and after training, and the rows of `metrics.csv`.

    Raises:
        DarnerError: A picture cannot be read, or the disk does not take it.
    """
    rows = read_metrics(out)
    truth = found.truth()
    start = out / WORK / START
    before = accuracy.evaluate(_settings(start), truth, ()) if start.exists() else None
    seen = accuracy.look(_settings(out / MODEL), truth, ())
    evaluation = truth.evaluate(seen.found, seen.category_ids)
    after = evaluation.scores()
    title = f"{choice.name} on {len(truth.pictures)} pictures of val"
    curves.save_all(evaluation.curves(), out / PRECISION, title)
    matrix.save(confusion(truth, seen.found, seen.category_ids, _SURE), out / CONFUSION, title)
    draw(rows, out / CURVES)
    return before, after, rows


def _settings(path: Path) -> ModelSettings:
    return detectors.build(
        name=str(path),
        backend="onnxruntime",
        confidence=accuracy.CONFIDENCE,
        max_detections=accuracy.MAX_DETECTIONS,
    )


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the loss, its parts, and the average precision over the epochs.

    Args:
        rows: Of `metrics.csv`.
        path: The picture.

    Raises:
        ConfigError: The file cannot be written.
    """
    drawn = figure.blank(10, 4.2)
    losses, scores = drawn.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    parts = [name for name in rows[-1] if name.startswith("loss")]
    for place, name in enumerate(parts):
        losses.plot(
            epochs,
            [row.get(name) for row in rows],
            color=figure.COLOURS[place % len(figure.COLOURS)],
            lw=2 if name == "loss" else 1,
            marker="." if len(rows) < 30 else None,
            label="sum" if name == "loss" else name.removeprefix("loss_"),
        )
    for name, label, colour in (("ap", "AP", figure.COLOURS[0]), ("ap50", "AP50", figure.COLOURS[1])):
        values = [row[name] for row in rows]
        scores.plot(epochs, values, color=colour, marker="." if len(rows) < 30 else None, label=label)
    losses.set(xlabel="epoch", ylabel="loss", title="train")
    scores.set(xlabel="epoch", ylabel="percent", ylim=(0, None), title="val")
    for axes in (losses, scores):
        axes.grid(color="#e6e6e6", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    figure.save(drawn, path)
