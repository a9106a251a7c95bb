"""The picture of a dataset: its classes, and how large, how many and how wide its objects are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from optimization.dataset.stats import SIZES, Stats
from optimization.measure.draw import figure
from shared.geometry import F64

_CLASSES = 40
"""Classes that are drawn: those with the most objects."""
_BINS = 40


def save(splits: dict[str, Stats], path: Path, title: str) -> None:
    """Draw the numbers of each split, side by side.

    Raises:
        ConfigError: The file cannot be written.
    """
    total = np.sum([one.objects for one in splits.values()], axis=0)
    shown = np.argsort(-total, kind="stable")[:_CLASSES]
    drawn = figure.blank(11.0, max(6.0, 0.2 * len(shown) + 1.5))
    grid = drawn.add_gridspec(3, 2)
    names = next(iter(splits.values())).names
    _classes(drawn.add_subplot(grid[:, 0]), splits, [names[kind] for kind in shown], shown.tolist())
    sides = {name: np.sqrt(one.areas[one.areas > 0]) for name, one in splits.items()}
    areas = drawn.add_subplot(grid[0, 1])
    _histogram(areas, sides, "square root of a box's area, pixels", log=True)
    for edge in list(SIZES.values())[:-1]:
        areas.axvline(np.sqrt(edge), color="#888888", lw=0.8, ls=":")
    each = {name: one.each.astype(np.float64) for name, one in splits.items()}
    _histogram(drawn.add_subplot(grid[1, 1]), each, "objects in a picture", log=False)
    aspects = {name: one.aspects for name, one in splits.items()}
    _histogram(drawn.add_subplot(grid[2, 1]), aspects, "width of a box, divided by its height", log=True)
    drawn.suptitle(title, fontsize=10)
    with warnings.catch_warnings():
        # A class name in a script that the font lacks is drawn as boxes, which is no news for a terminal.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.save(drawn, path)


def _classes(axes: Axes, splits: dict[str, Stats], names: Sequence[str], kinds: Sequence[int]) -> None:
    left = np.zeros(len(kinds))
    for number, (split, one) in enumerate(splits.items()):
        counts = one.objects[list(kinds)]
        axes.barh(range(len(kinds)), counts, left=left, label=split or "all", color=_colour(number))
        left += counts
    for place, count in enumerate(left.tolist()):
        axes.annotate(f" {count:.0f}", (count, place), va="center", fontsize=7)
    axes.set_yticks(range(len(kinds)), names, fontsize=7)
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.set_xlabel("objects", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(fontsize=7, loc="lower right")


def _histogram(axes: Axes, values: dict[str, F64], label: str, *, log: bool) -> None:
    every = np.concatenate(list(values.values()))
    if len(every):
        low, high = float(every.min()), float(every.max())
        high = max(high, low * 1.01, low + 1e-3)
        edges = np.geomspace(low, high, _BINS + 1) if log else np.arange(int(high) + 2) - 0.5
        if not log and len(edges) > _BINS:
            edges = np.linspace(-0.5, high + 0.5, _BINS + 1)
        for number, (split, one) in enumerate(values.items()):
            share = np.full(len(one), 1 / max(1, len(one)))
            axes.hist(
                one,
                edges.tolist(),
                weights=share,
                histtype="step",
                color=_colour(number),
                label=split or "all",
            )
    if log:
        axes.set_xscale("log")
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylabel("share", fontsize=8)
    axes.tick_params(labelsize=7)


def _colour(number: int) -> str:
    return figure.COLOURS[number % len(figure.COLOURS)]
