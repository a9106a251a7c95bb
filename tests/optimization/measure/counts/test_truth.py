"""What objects did, by their whole ways: small stories whose truth anybody can tell."""

from __future__ import annotations

import numpy as np
import pytest

from optimization.measure.counts import truth
from optimization.measure.counts.shapes import Shapes
from optimization.measure.mot import Boxes
from shared.geometry import F64
from shared.wire.messages import LineDefinition, ZoneDefinition

SIZE = (1000, 1000)
FPS = 10.0
LINE = LineDefinition(points=((0.5, 0.8), (0.5, 0.2)), band=0.02)  # "in" is towards the right
ZONE = ZoneDefinition(polygon=((0.4, 0.2), (0.6, 0.2), (0.6, 0.8), (0.4, 0.8)))


def film(*feet: tuple[float, float] | None, identity: int = 1) -> list[Boxes]:
    """Frames of one object that stands in these places; None where the truth does not show it."""
    frames: list[Boxes] = []
    for spot in feet:
        boxes: F64 = np.zeros((0, 4))
        if spot is not None:
            x, y = spot[0] * SIZE[0], spot[1] * SIZE[1]
            boxes = np.array([(x - 20, y - 100, x + 20, y)])
        frames.append((np.full(len(boxes), identity), boxes))
    return frames


def counted(frames: list[Boxes], shapes: Shapes) -> truth.Counts:
    return truth.count(truth.ways(frames, FPS, SIZE), len(frames), FPS, SIZE, shapes)


def at(*xs: float | None, y: float = 0.5) -> list[Boxes]:
    return film(*(None if x is None else (x, y) for x in xs))


@pytest.mark.parametrize(
    ("frames", "flow"),
    [
        pytest.param(at(0.4, 0.45, 0.55, 0.6), (1, 0), id="straight through"),
        pytest.param(at(0.6, 0.4), (0, 1), id="the other way, in one step"),
        pytest.param(at(0.4, 0.6, 0.4), (1, 1), id="there and back"),
        pytest.param(at(0.4, 0.51, 0.4), (0, 0), id="turns back within the band"),
        pytest.param(at(0.4, 0.495, 0.505, 0.495, 0.505, 0.6), (1, 0), id="hesitates on the line"),
        pytest.param(at(0.4, 0.51), (1, 0), id="ends within the band, on the other side"),
        pytest.param(at(0.49, 0.6), (1, 0), id="begins within the band"),
        pytest.param(film((0.4, 0.9), (0.6, 0.9)), (0, 0), id="passes an end of the line"),
        pytest.param(at(0.4, None, None, 0.6), (1, 0), id="crosses unseen, in a short gap"),
        pytest.param(at(0.4, *[None] * 30, 0.6), (0, 0), id="went away, and came back elsewhere"),
    ],
)
def test_a_line_is_crossed(frames: list[Boxes], flow: tuple[int, int]) -> None:
    assert counted(frames, Shapes(lines={"line": LINE})).flows["line"] == flow


@pytest.mark.parametrize(
    ("frames", "flow", "occupancy"),
    [
        pytest.param(at(0.3, 0.5, 0.5, 0.7), (1, 1), [0, 1, 1, 0], id="through"),
        pytest.param(at(0.5, 0.5, 0.7), (1, 1), [1, 1, 0], id="begins inside"),
        pytest.param(at(0.3, 0.5, 0.5), (1, 0), [0, 1, 1], id="ends inside"),
        pytest.param(at(0.5, 0.7, 0.7, 0.5, 0.7), (1, 1), [1, 1, 1, 1, 0], id="is out for less than 0.5 s"),
        pytest.param(at(0.5, *[0.7] * 5, 0.5), (2, 1), [1, 0, 0, 0, 0, 0, 1], id="is out for 0.5 s"),
    ],
)
def test_a_zone_is_entered_and_left(frames: list[Boxes], flow: tuple[int, int], occupancy: list[int]) -> None:
    counts = counted(frames, Shapes(zones={"zone": ZONE}))
    assert counts.flows["zone"] == flow
    assert counts.occupancy["zone"].tolist() == occupancy


def test_a_short_step_into_a_zone_with_a_delay_is_no_entry() -> None:
    patient = ZoneDefinition(polygon=ZONE.polygon, enter_after_s=0.3)
    shapes = Shapes(zones={"zone": patient})
    assert counted(at(0.3, 0.5, 0.5, 0.7), shapes).flows["zone"] == (0, 0)
    assert counted(at(0.3, *[0.5] * 4, 0.7), shapes).flows["zone"] == (1, 1)
