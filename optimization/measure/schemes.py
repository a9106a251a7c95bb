"""Schemes of lower precision side by side: what each costs in accuracy, and gains in size and time."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import onnx
from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.detect.input_size import with_known_size
from optimization.graph import fp16, graphs, qdq
from optimization.graph.calibration import Method
from optimization.measure import accuracy, stopwatch
from optimization.measure.coco import Truth
from shared.errors import DarnerError

Ranges = dict[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, slots=True)
class Scheme:
    """One way to store and compute a network.

    Attributes:
        name: For the table.
        command: The command and options that make it; empty for the network itself.
        make: Makes it.
    """

    name: str
    command: str
    make: Callable[[], onnx.ModelProto]


def of(
    original: onnx.ModelProto,
    graph: onnx.ModelProto,
    ranges: Mapping[Method, Ranges],
    kept: Mapping[str, list[str]],
    options: Mapping[str, Any],
) -> Iterator[Scheme]:
    """The schemes to compare: as it is, half precision, and every kind of 8 bits.

    Args:
        original: The network.
        graph: What `graphs.pre_process` made of it.
        ranges: Lowest and highest value by tensor, by method of calibration.
        kept: Names of nodes that stay in float, by the value of --keep-float.
        options: "target" and "reduce_range", for `qdq.convert`.
    """
    yield Scheme("fp32", "", lambda: original)
    decoding = qdq.head_levels(graph, 1)[-1]
    yield Scheme("fp16", "fp16", lambda: fp16.convert(graph, decoding, [], half_io=False))
    for method, found in ranges.items():
        for per_channel in (True, False):
            for choice, names in kept.items():

                def make(found: Ranges = found, names: list[str] = names, per: bool = per_channel) -> Any:
                    return qdq.convert(graph, found, keep_float=names, per_channel=per, **options)

                scale = "channel" if per_channel else "tensor"
                words = f"quantize --method {method} --scale {scale} --keep-float {choice}"
                yield Scheme(f"int8 {method}, per {scale}, {choice} in float", words, make)


def by_truth(settings: ModelSettings, truth: Truth, classes: tuple[str, ...]) -> Callable[[Path], float]:
    """Scores a network, whose family is that of another, by ground truth: COCO's AP, 0..1."""
    settings = with_known_size(settings)
    with Detector(settings) as detector:
        layout, names = detector.layout, detector.class_names

    def score(path: Path) -> float:
        low = dataclasses.replace(settings, name=str(path), layout=layout, labels=names)
        return accuracy.evaluate(low, truth, classes).ap

    return score


def compare(
    schemes: list[Scheme], score: Callable[[Path], float], size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Make, score and time each scheme, in turn with the first; two are in memory at a time.

    Args:
        schemes: The first is what the others are compared with.
        score: Scores the network in a file, 0..1.
        size: Width and height of the input, where the networks leave them open.

    Returns:
        A row for each: "scheme" and "command", and "ap", "loss", "mb", "ms" and "ratio" (how many times as
        fast as the first); or "why" it cannot be made.
    """
    first = schemes[0].make()
    rows: list[dict[str, Any]] = []
    for scheme in tqdm(schemes, unit=" schemes", disable=None):
        row: dict[str, Any] = {"scheme": scheme.name, "command": scheme.command}
        try:
            row |= _measure(first, scheme.make() if rows else first, score, size)
        except DarnerError as error:
            rows.append(row | {"why": str(error)})
            continue
        rows.append(row | {"loss": round(rows[0]["ap"] - row["ap"], 4) if rows else 0.0})
    return rows


def _measure(
    first: onnx.ModelProto, model: onnx.ModelProto, score: Callable[[Path], float], size: tuple[int, int]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scheme.onnx"
        graphs.save(model, path)
        ap = score(path)
    both = [model] if model is first else [first, model]
    times = [median(one) for one in stopwatch.networks(both, size)]
    return {
        "ap": round(ap, 4),
        "mb": round(graphs.megabytes(model), 4),
        "ms": round(times[-1], 2),
        "ratio": round(times[0] / times[-1], 2),
    }


def table(rows: list[dict[str, Any]], title: str) -> str:
    """The rows as text.

    Args:
        rows: Results of `compare`.
        title: What "ap" is.
    """
    lines = [f"{'':<46}{title:>20}{'loss, points':>14}{'MB':>8}{'ms':>8}{'times as fast':>15}"]
    for row in rows:
        if "why" in row:
            lines.append(f"{row['scheme']:<46}  {row['why']}")
            continue
        numbers = f"{100 * row['ap']:>20.1f}{100 * row['loss']:>14.1f}{row['mb']:>8.1f}{row['ms']:>8.1f}"
        lines.append(f"{row['scheme']:<46}{numbers}{row['ratio']:>15.2f}")
    return "\n".join(lines)


def best(rows: list[dict[str, Any]], points: float) -> dict[str, Any] | None:
    """The fastest row that loses at most so many points; None when the first is the fastest."""
    good = [row for row in rows if "why" not in row and 100 * row["loss"] <= points]
    fastest = max(good, key=lambda row: row["ratio"], default=None)
    return fastest if fastest and fastest["command"] else None
