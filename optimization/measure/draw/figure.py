"""What all pictures share: a figure without a display, colours, and a file that is written whole."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from optimization import files

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that everybody can tell apart. Source: Okabe and Ito, "Color Universal Design"."""
_DPI = 150
_MOST = 30_000
"""Pixels of a side: matplotlib draws no larger picture."""


def blank(width: float, height: float) -> Figure:
    """An empty figure.

    Args:
        width: Inches.
        height: Inches.
    """
    size = (min(width, _MOST / _DPI), min(height, _MOST / _DPI))
    figure = Figure(size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure.

    Args:
        figure: What to write.
        path: The file, whose suffix `files.claim_picture` has checked.

    Raises:
        ConfigError: The file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().lstrip("."))
    files.save(path, buffer.getvalue())
