"""Times calls in turn, so that other work on the machine affects all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

PERCENTILES = (50, 90, 95, 99)


def in_turn(calls: Sequence[Callable[[], object]], rounds: int, warm_up: int = 3) -> list[list[float]]:
    """Time callables in turn.

    Args:
        calls: The callables.
        rounds: How often each is timed.
        warm_up: Rounds before the timed ones.

    Returns:
        Milliseconds of every call, for each callable.
    """
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(warm_up + rounds):
        for call, kept in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn >= warm_up:
                kept.append((time.perf_counter() - start) * 1e3)
    return times


def networks(graphs: Sequence[onnx.ModelProto], size: tuple[int, int], rounds: int = 15) -> list[list[float]]:
    """Time ONNX networks in turn on this CPU, with an input that suits the first.

    Args:
        graphs: The networks, which take the same input.
        size: Width and height of the input, where the first leaves them open.
        rounds: How often each is timed.

    Returns:
        Milliseconds of every call, for each network.
    """
    from optimization.graph.graphs import session
    from optimization.graph.graphs import shape as shape_of

    picture = graphs[0].graph.input[0]
    shape = [
        length if isinstance(length, int) else fill
        for length, fill in zip(shape_of(picture), (1, 3, *size[::-1]), strict=True)
    ]
    feed = {picture.name: np.full(shape, 0.5, np.float32)}
    sessions = [session(model) for model in graphs]
    return in_turn([partial(one.run, None, feed) for one in sessions], rounds)


def summary(times: Sequence[float]) -> dict[str, float]:
    """Percentiles and mean of times: "p50", "p90", "p95", "p99" and "mean"."""
    if not times:
        return {}
    values = np.percentile(times, PERCENTILES)
    found = {
        f"p{percent}": round(float(value), 3) for percent, value in zip(PERCENTILES, values, strict=True)
    }
    return found | {"mean": round(float(np.mean(times)), 3)}
