"""Accuracy against latency: a point for each detector, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, NullLocator

from optimization.measure.draw import figure
from optimization.measure.draw.labels import place
from shared.geometry import F64

_WIDE = 8.0
"""How many times as long the slowest must take as the fastest for the axis to be logarithmic."""
_BESIDE = 10.0
"""Pixels from a point to its name from which on a line joins them."""
_MARK = 7.0
"""Pixels from the middle of a point to its edge."""


def save(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw rows of `trial.measure` that also have an accuracy.

    Args:
        rows: At least one; "accuracy" holds its "ap".
        path: File to write.

    Raises:
        ConfigError: The file cannot be written.
    """
    figure.save(draw(rows), path)


def draw(rows: Sequence[dict[str, Any]]) -> Figure:
    """The same as a figure."""
    drawn = figure.blank(9, 5.5 + 0.06 * len(rows))
    axes = drawn.add_subplot()
    p50, p95 = (np.array([row["total"][key] for row in rows], np.float64) for key in ("p50", "p95"))
    ap = np.array([100 * row["accuracy"]["ap"] for row in rows], np.float64)
    front = frontier(p50, ap)
    behind = np.setdiff1d(np.arange(len(rows)), front)
    late = np.maximum(p95 - p50, 0.0)
    for chosen, colour, fill in ((front, figure.COLOURS[0], figure.COLOURS[0]), (behind, "#777777", "white")):
        axes.errorbar(
            p50[chosen],
            ap[chosen],
            xerr=[np.zeros(len(chosen)), late[chosen]],
            fmt="o",
            color=colour,
            markerfacecolor=fill,
            ms=6,
            elinewidth=1,
            capsize=3,
            zorder=3,
        )
    label = "front: nothing here is both faster and more accurate"
    axes.step(p50[front], ap[front], where="post", color=figure.COLOURS[0], lw=1.2, alpha=0.6, label=label)
    axes.plot(
        [], [], "o", color="#777777", markerfacecolor="white", label="something here is as good or better"
    )
    axes.errorbar([], [], xerr=[], color="#777777", capsize=3, elinewidth=1, label="p50 to p95 of a call")
    _frame(axes, p50, p95, ap)
    points = np.column_stack([p50, ap])
    _name(drawn, axes, points, np.column_stack([np.maximum(p95, p50), ap]), points[front], names(rows))
    return drawn


def frontier(latency: F64, accuracy: F64) -> np.typing.NDArray[np.intp]:
    """Indices of the points that none beats in one and equals in the other, the fastest first."""
    order = np.lexsort((-accuracy, latency))
    best, chosen = -np.inf, []
    for index in order.tolist():
        if accuracy[index] > best:
            best = accuracy[index]
            chosen.append(index)
    return np.array(chosen, np.intp)


def names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each row: its model, and whatever else the rows differ in."""
    kinds = [
        [str(row["precision"]) for row in rows],
        [str(row["engine"]) for row in rows],
        ["x".join(map(str, row["input"])) for row in rows],
        [row.get("tiles", "whole picture") for row in rows],
        [f"batch {row['batch']}" for row in rows],
    ]
    found = []
    for index, row in enumerate(rows):
        stem = Path(row["model"]).stem
        said = ("", *stem.lower().split("_"))
        parts = [kind[index] for kind in kinds if len(set(kind)) > 1 and kind[index].lower() not in said]
        found.append(", ".join([stem, *parts]))
    return found


def _frame(axes: Axes, p50: F64, p95: F64, ap: F64) -> None:
    """Limits with room for names, axes and legend."""
    fastest, slowest = max(float(p50.min()), 1e-3), float(max(p50.max(), p95.max()))
    if slowest > _WIDE * fastest:
        axes.set_xscale("log")
        axes.set_xlim(fastest / 1.6, slowest * 1.9)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        room = 0.18 * (slowest - fastest) + 0.1 * slowest
        axes.set_xlim(max(0.0, fastest - room), slowest + 1.6 * room)
    room = 0.14 * float(np.ptp(ap)) + 1.5
    axes.set_ylim(max(0.0, float(ap.min()) - room), min(100.0, float(ap.max()) + room))
    axes.set(xlabel="milliseconds a call, median", ylabel="AP, percent")
    axes.grid(color="#ececec", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=3)


def _name(drawn: Figure, axes: Axes, points: F64, ends: F64, front: F64, texts: Sequence[str]) -> None:
    """Write each name in a free place near its point.

    Args:
        drawn: The figure.
        axes: Its axes, whose limits are set.
        points: ``(N, 2)``, as the axes count.
        ends: Ends of their error bars.
        front: Points of the front, in order.
        texts: Their names.
    """
    made = [
        axes.annotate(text, point, xytext=(0, 0), textcoords="offset points", fontsize=8, in_layout=False)
        for text, point in zip(texts, points.tolist(), strict=True)
    ]
    drawn.canvas.draw()  # only now sizes and places are known
    drawn.set_layout_engine("none")
    at, until, steps = (axes.transData.transform(some) for some in (points, ends, front))
    marks = np.concatenate([at - _MARK, until + _MARK], axis=1)
    corners = np.column_stack([steps[1:, 0], steps[:-1, 1]])
    flat = np.concatenate([steps[:-1], corners], axis=1)
    upright = np.concatenate([corners, steps[1:]], axis=1)
    lines = np.concatenate([flat, upright]) + (-1, -1, 1, 1)  # noqa: RUF005 - a sum of arrays
    sizes = np.array([(box.width, box.height) for box in (text.get_window_extent() for text in made)])
    frame = axes.get_window_extent().padded(-_MARK)
    obstacles = np.concatenate([marks, lines])
    places = place(at, sizes, obstacles, (frame.x0, frame.y0, frame.x1, frame.y1))
    for text, point, corner, size in zip(made, at, places, sizes, strict=True):
        _move(axes, text, (point, corner, size), 72 / drawn.dpi)


def _move(axes: Axes, text: Annotation, place: tuple[F64, F64, F64], scale: float) -> None:
    """Put a name into its place, and join it with its point unless it lies beside it.

    Args:
        axes: Where it is drawn.
        text: The name.
        place: Its point, its lower left corner and its size, pixels.
        scale: Points in a pixel, which hold for every format.
    """
    point, corner, size = place
    text.xyann = tuple((corner - point) * scale)
    text.set_verticalalignment("bottom")
    nearest = np.clip(point, corner, corner + size)
    if np.linalg.norm(nearest - point) > _MARK + _BESIDE:
        ends = axes.transData.inverted().transform(np.stack([nearest, point]))
        axes.plot(ends[:, 0], ends[:, 1], color="#999999", lw=0.6, zorder=1, scalex=False, scaley=False)
