"""The picture of a measurement: accuracy against latency where both are known, else latency alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimization.measure.draw import bars, tradeoff


def save(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw rows of `trial.measure`; those that were scored also have an "accuracy".

    Raises:
        ConfigError: The file cannot be written.
    """
    if all("accuracy" in row for row in rows):
        tradeoff.save(rows, path)
    else:
        bars.save(rows, path)
