from __future__ import annotations

import numpy as np
import pytest

from edge_node.health.colours import Filling
from edge_node.pictures import U8

RANDOM = np.random.default_rng(7)
YARD: U8 = np.asarray(60 + np.linspace(0, 100, 24)[:, None] + 40 * np.sin(np.arange(640) / 30), np.uint8)
"""Rows of a yard that is darker above, u8 ``(24, 640)``, without noise."""
BARRED: U8 = YARD.copy()
BARRED[:3] = BARRED[-3:] = 0


def lost(grey: int, *, upper: bool = False) -> U8:
    """The yard with half of its rows lost."""
    return greyed(YARD, grey, upper=upper)


def greyed(rows: U8, grey: int, *, upper: bool) -> U8:
    out: U8 = rows.copy()
    out[slice(12) if upper else slice(12, None)] = grey
    return out


def darker(rows: U8, share: float) -> U8:
    out: U8 = np.asarray(rows * share, np.uint8)
    return out


def coat() -> U8:
    """Black clothes before the lower half: shoulders have no straight edge."""
    out: U8 = YARD.copy()
    for row in range(10, 24):
        half = min((row - 9) * 45, 320)
        out[row, 320 - half : 320 + half] = 0
    return out


@pytest.mark.parametrize(
    ("usual", "now", "hides"),
    [
        pytest.param(YARD, lost(128), True, id="grey below"),
        pytest.param(YARD, lost(128, upper=True), True, id="grey above"),
        pytest.param(YARD, lost(0), True, id="black below"),
        pytest.param(YARD, lost(0, upper=True), True, id="black above"),
        pytest.param(YARD, YARD, False, id="nothing"),
        pytest.param(BARRED, BARRED, False, id="bars that were always there"),
        pytest.param(BARRED, greyed(BARRED, 0, upper=True), True, id="more than the bars"),
        pytest.param(YARD, darker(greyed(YARD, 0, upper=True), 0.3), False, id="night"),
        pytest.param(YARD, coat(), False, id="a black coat"),
        pytest.param(YARD, lost(255, upper=True), False, id="a sky that turns white"),
        pytest.param(greyed(YARD, 0, upper=True), greyed(YARD, 0, upper=True), False, id="a black sky"),
    ],
)
def test_lost_rows_are_told_from_what_is_dark_or_was_always_there(usual: U8, now: U8, hides: bool) -> None:
    filling = Filling()
    assert not filling.hides(now, noisy=False), "nothing is known yet"
    for noisy in (False, True):
        filling.hides(usual, noisy=noisy)
        filling.learn()
        assert filling.hides(now, noisy=noisy) is hides


@pytest.mark.parametrize("grain", [0, 3])
def test_the_last_good_row_again_is_told_from_a_smooth_thing(grain: int) -> None:
    rows = np.clip(YARD + RANDOM.normal(0, grain, YARD.shape), 0, 255).astype(np.uint8)
    smeared: U8 = rows.copy()
    smeared[12:] = smeared[11]
    filling = Filling()
    filling.hides(rows, noisy=grain > 0)
    filling.learn()
    assert filling.hides(smeared, noisy=grain > 0)
    smooth: U8 = rows.copy()
    smooth[12:] = np.clip(100 + np.arange(640) / 64 + RANDOM.normal(0, grain, (12, 640)), 0, 255)
    assert not filling.hides(smooth, noisy=grain > 0), "the side of a van"
    assert not filling.hides(rows[:6], noisy=grain > 0), "pictures of another size"
