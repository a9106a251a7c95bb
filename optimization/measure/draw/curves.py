"""Precision over recall: of all classes together, and of each."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from optimization.measure.draw import figure
from optimization.measure.scores import Curves

_RECALL = np.linspace(0, 1, 101)
_GREY = "#c8c8c8"
_NAMED = 6
"""Classes that have a colour of their own; of more than these, all are grey."""
_PANELS = 100
"""Classes that have a panel: those with the most objects."""


def save_all(curves: Curves, path: Path, title: str) -> None:
    """Draw the means over classes at three IoU thresholds, and each class at IoU 0.50.

    Raises:
        ConfigError: The file cannot be written.
    """
    drawn = figure.blank(7, 5.5)
    axes = drawn.add_subplot()
    few = len(curves.by_class) <= _NAMED
    for index, (name, precision) in enumerate(curves.by_class.items()):
        if few:
            label = f"{name}, IoU 0.50: AP {_percent(precision)}"
            axes.plot(_RECALL, precision, color=figure.COLOURS[index], lw=1.2, label=label)
        else:
            axes.plot(_RECALL, precision, color=_GREY, lw=0.6)
    if not few:
        axes.plot([], [], color=_GREY, lw=0.6, label=f"each of {len(curves.by_class)} classes, IoU 0.50")
    for name, precision, line in zip(
        ("IoU 0.50", "IoU 0.75", "IoU 0.50 to 0.95"), curves.mean, ("-", "--", ":"), strict=True
    ):
        label = f"mean over classes, {name}: AP {_percent(precision)}"
        axes.plot(_RECALL, precision, line, color="black", lw=2, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axes.grid(color="#e6e6e6", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
    figure.save(drawn, path)


def save_by_class(curves: Curves, path: Path, title: str) -> None:
    """Draw a small panel for each class at IoU 0.50, those with the most objects first.

    Raises:
        ConfigError: The file cannot be written.
    """
    shown = sorted(curves.by_class, key=lambda name: -curves.objects[name])[:_PANELS]
    columns = max(1, math.ceil(math.sqrt(1.4 * len(shown))))
    rows = max(1, math.ceil(len(shown) / columns))
    drawn = figure.blank(1.35 * columns + 0.8, 1.4 * rows + 0.9)
    panels = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, shown, strict=False):
        precision = curves.by_class[name]
        panel.fill_between(_RECALL, precision, color="#56b4e9", alpha=0.35, lw=0)
        panel.plot(_RECALL, precision, color=figure.COLOURS[0], lw=1.2)
        panel.set(xlim=(0, 1), ylim=(0, 1.05), xticks=(0, 1), yticks=(0, 1))
        panel.set_title(f"{name[:18]}\nAP50 {_percent(precision)}, {curves.objects[name]}", fontsize=7)
        panel.tick_params(labelsize=7)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    drawn.suptitle(
        f"{title}\nprecision over recall at IoU 0.50; AP50 in percent, number of objects", fontsize=9
    )
    figure.save(drawn, path)


def _percent(precision: np.typing.NDArray[np.float64]) -> str:
    return f"{100 * round(float(precision.mean()), 4):.1f}"  # rounded as in the tables
