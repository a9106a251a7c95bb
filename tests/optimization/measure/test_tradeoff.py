from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from optimization.measure.draw import tradeoff


def row(
    model: str, p50: float, p95: float, ap: float, precision: str = "FP32", batch: int = 1
) -> dict[str, Any]:
    return {
        "model": model,
        "precision": precision,
        "engine": "onnxruntime 1.0",
        "input": [416, 416],
        "batch": batch,
        "total": {"p50": p50, "p95": p95},
        "accuracy": {"ap": ap},
    }


def crowd(count: int, seed: int, slowest: float) -> list[dict[str, Any]]:
    """Detectors that are nearly the same, in time and accuracy, beside one that is slow."""
    random = np.random.default_rng(seed)
    rows = [
        row(f"models/detector_of_kind_{index}.onnx", time, time * random.uniform(1, 1.4), ap)
        for index, (time, ap) in enumerate(
            zip(random.uniform(10, 11, count - 1), random.uniform(0.30, 0.31, count - 1), strict=True)
        )
    ]
    return [*rows, row("slow.onnx", slowest, 1.1 * slowest, 0.5)]


@pytest.mark.parametrize(
    ("rows", "front"),
    [
        pytest.param([row("a", 10, 11, 0.3), row("b", 20, 21, 0.4)], ["a", "b"], id="slower and better"),
        pytest.param([row("a", 10, 11, 0.4), row("b", 20, 21, 0.3)], ["a"], id="slower and worse"),
        pytest.param([row("a", 20, 21, 0.4), row("b", 10, 11, 0.4)], ["b"], id="slower and as good"),
        pytest.param([row("a", 10, 11, 0.3), row("b", 10, 11, 0.4)], ["b"], id="as fast and better"),
        pytest.param(
            [row("a", 30, 31, 0.5), row("b", 20, 21, 0.2), row("c", 10, 11, 0.3)], ["c", "a"], id="three"
        ),
    ],
)
def test_the_front_is_what_nothing_beats(rows: list[dict[str, Any]], front: list[str]) -> None:
    latency, accuracy = (np.array([of(row) for row in rows]) for of in (_time, _ap))
    assert [rows[index]["model"] for index in tradeoff.frontier(latency, accuracy)] == front


def _time(row: dict[str, Any]) -> float:
    return float(row["total"]["p50"])


def _ap(row: dict[str, Any]) -> float:
    return float(row["accuracy"]["ap"])


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("count", "slowest"), [(4, 12.0), (14, 12.0), (14, 300.0), (24, 20.0)])
def test_no_name_lies_on_another_or_on_a_point(count: int, slowest: float, seed: int) -> None:
    rows = crowd(count, seed, slowest)
    figure = tradeoff.draw(rows)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert boxes.keys() == {Path(row["model"]).stem for row in rows}
    for (one, box), (other, beside) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(beside), (one, other)
    for box in boxes.values():
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        for item in rows:
            assert not box.contains(*axes.transData.transform((_time(item), 100 * _ap(item))))


def test_names_say_in_what_the_rows_differ_and_nothing_twice() -> None:
    same = [row("a/nano.onnx", 1, 2, 0.1), row("b/pico.onnx", 1, 2, 0.1)]
    assert tradeoff.names(same) == ["nano", "pico"]
    mixed = [row("nano.onnx", 1, 2, 0.1), row("nano_int8.onnx", 1, 2, 0.1, "INT8", 4)]
    assert tradeoff.names(mixed) == ["nano, FP32, batch 1", "nano_int8, batch 4"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_picture_is_written_in_every_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"front{suffix}"
    tradeoff.save(crowd(5, 3, 40.0), path)
    start = path.read_bytes()[:200]
    assert start.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    if suffix == ".png":
        drawn = cv2.imread(str(path))
        assert drawn is not None
        assert drawn.std() > 10
