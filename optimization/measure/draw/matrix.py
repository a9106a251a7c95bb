"""A confusion matrix, coloured by the share of each row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optimization.measure.confusion import OVERLAP, Confusion
from optimization.measure.draw import figure

_WRITTEN = 24
"""Rows up to which every cell shows its number."""
_ROWS = 120
"""Classes that are drawn: those that occur most."""


def save(confusion: Confusion, path: Path, title: str) -> None:
    """Draw the classes that occur, what was detected where nothing was, and what was missed.

    Raises:
        ConfigError: The file cannot be written.
    """
    counts, names = confusion.counts, list(confusion.names)
    occurs = counts[:-1].sum(axis=1) + counts[:, :-1].sum(axis=0)
    most = np.argsort(-occurs, kind="stable")[:_ROWS]
    shown = np.sort(most[occurs[most] > 0])
    index = np.append(shown, len(names))
    cells = counts[np.ix_(index, index)]
    share = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 0.2 * len(index) + 2.5) if len(index) > _WRITTEN else max(4.5, 0.42 * len(index) + 2.2)
    drawn = figure.blank(side + 0.8, side)
    axes = drawn.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    labels = [names[k] for k in shown]
    axes.set_xticks(range(len(index)), [*labels, "(missed)"], rotation=90, fontsize=7)
    axes.set_yticks(range(len(index)), [*labels, "(nothing)"], fontsize=7)
    axes.set(xlabel="detected as", ylabel="there was")
    axes.axhline(len(shown) - 0.5, color="#888888", lw=0.8)
    axes.axvline(len(shown) - 0.5, color="#888888", lw=0.8)
    if len(index) <= _WRITTEN:
        for (row, column), count in np.ndenumerate(cells):
            if count:
                ink = "white" if share[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=ink)
    axes.set_title(
        f"{title}\nscore of at least {confusion.confidence:g}, IoU of at least {OVERLAP:g}", fontsize=9
    )
    bar = drawn.colorbar(image, ax=axes, shrink=0.6)
    bar.set_label("share of the row", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.save(drawn, path)
