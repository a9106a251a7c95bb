"""A bar for each detector, as long as a call takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimization.measure.draw import figure

_COLOURS = {"preprocess": "#56b4e9", "inference": "#0072b2", "postprocess": "#e69f00"}


def save(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the medians of the steps as stacked bars, and the 95th percentile of whole calls.

    Args:
        rows: Results of `trial.measure`, at least one; each has a bar.
        path: File to write.

    Raises:
        ConfigError: The file cannot be written.
    """
    drawn = figure.blank(9, 1.2 + 0.45 * len(rows))
    axes = drawn.add_subplot()
    places = range(len(rows))
    left = [0.0] * len(rows)
    for step, colour in _COLOURS.items():
        widths = [row[step]["p50"] for row in rows]
        axes.barh(places, widths, left=left, height=0.6, color=colour, label=step)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    p95 = [row["total"]["p95"] for row in rows]
    axes.plot(p95, places, "|", color="black", markersize=12, label="p95 of the whole call")
    labels = [
        f"{Path(row['model']).name} {row['precision']}\n{row['engine']}, {row['input'][0]}x{row['input'][1]}"
        f"{', tiles ' + row['tiles'] if 'tiles' in row else ''}"
        f"{', batch ' + str(row['batch']) if row['batch'] > 1 else ''}"
        for row in rows
    ]
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds a call, median")
    axes.set_xlim(0, max(*p95, *left) * 1.05)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.6 / len(rows)), ncols=4
    )
    figure.save(drawn, path)
