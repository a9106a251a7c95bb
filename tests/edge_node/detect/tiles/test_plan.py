"""The choice under a budget: what it must never do, and what it does first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_node.config.tile_settings import TileSettings
from edge_node.detect.tiles.interest import Followed
from edge_node.detect.tiles.packing import Crop
from edge_node.detect.tiles.plan import Plan, View
from edge_node.pictures import U8
from shared.geometry import F64

WIDTH, HEIGHT = 1920, 1080
INPUT = (512, 288)
STEP_S = 0.1


def picture(*spots: tuple[int, int]) -> U8:
    """A grey picture with bright squares of 40 pixels."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for x, y in spots:
        image[y : y + 40, x : x + 40] = 220
    return image


BLANK = picture()


def followed(at_s: float, *boxes: tuple[float, float, float, float], velocity: float = 0.0) -> Followed:
    xyxy = np.array(boxes, float).reshape(-1, 4)
    speed = np.full((len(xyxy), 2), (velocity, 0.0))
    return Followed(at_s, xyxy, speed, np.full(len(xyxy), 2.0), np.zeros((0, 4)))


def played(
    runs: int,
    seconds: float,
    image: Callable[[int], U8] = lambda _: BLANK,
    known: Callable[[float], Followed | None] = lambda _: None,
    gate: float = 0.0,
    sweep_s: float = 4.0,
) -> Iterator[tuple[float, list[Crop]]]:
    """The looks at each frame of a film, whose knowledge is one frame old."""
    plan = Plan(TileSettings(runs=runs, sweep_s=sweep_s), gate)
    for index in range(round(seconds / STEP_S)):
        now_s = index * STEP_S
        news = known(now_s - STEP_S) if index else None
        view = View(image(index), INPUT, now_s, runs, (news,) if news else (), index == 0)
        yield now_s, plan.choose(view)


def shows(crop: Crop, box: F64) -> bool:
    return bool(
        crop.box[0] <= box[0] and crop.box[1] <= box[1] and crop.box[2] >= box[2] and crop.box[3] >= box[3]
    )


def busy(now_s: float) -> Followed:
    """Many small tracks, everywhere."""
    rng = np.random.default_rng(3)
    corner = rng.uniform((0, 0), (WIDTH - 20, HEIGHT - 40), (80, 2))
    boxes = [(x, y, x + 15, y + 40) for x, y in corner.tolist()]
    return followed(now_s, *boxes)


@pytest.mark.parametrize("runs", [1, 2, 4, 8])
@pytest.mark.parametrize("known", [lambda _: None, busy], ids=["nothing known", "many tracks"])
def test_the_budget_is_kept_and_every_look_lies_in_the_picture(
    runs: int, known: Callable[[float], Followed | None]
) -> None:
    for _, crops in played(runs, 3, known=known):
        assert 1 <= len(crops) <= runs, "without a gate the budget is used"
        for x1, y1, x2, y2 in (crop.box for crop in crops):
            assert 0 <= x1 < x2 <= WIDTH
            assert 0 <= y1 < y2 <= HEIGHT


@pytest.mark.parametrize("runs", [1, 2, 4])
@pytest.mark.parametrize("gate", [0.0, 8.0])
@pytest.mark.parametrize("known", [lambda _: None, busy], ids=["nothing known", "many tracks"])
def test_no_place_is_blind_for_longer_than_the_sweep(
    runs: int, gate: float, known: Callable[[float], Followed | None]
) -> None:
    sweep_s = 4.0
    last = np.zeros((27, 48))
    for now_s, crops in played(runs, 9, known=known, gate=gate, sweep_s=sweep_s):
        for crop in crops:
            if crop.why != "whole":
                left, top, right, bottom = (round(edge / 40) for edge in crop.box)
                last[top:bottom, left:right] = now_s
        assert now_s - last.min() <= sweep_s + 2 * STEP_S


def test_a_slow_sweep_goes_round_and_leaves_no_tile_out() -> None:
    last = np.zeros((27, 48))
    for now_s, crops in played(2, 45, gate=8, sweep_s=20):
        for crop in crops:
            if crop.why != "whole":
                left, top, right, bottom = (round(edge / 40) for edge in crop.box)
                last[top:bottom, left:right] = now_s
        assert now_s - last.min() <= 20 + 2 * STEP_S, "also what is older than the longest time that counts"


def test_the_whole_picture_is_looked_at_twice_a_second_and_more_often_for_large_objects() -> None:
    wholes = [now_s for now_s, crops in played(3, 4) if any(crop.why == "whole" for crop in crops)]
    assert wholes[0] == 0
    assert np.diff(wholes).max() <= 0.5 + 1e-6
    large = followed(0.0, (100, 100, 600, 900))
    for runs, longest in ((3, 0.2), (1, 0.3)):
        known = played(runs, 3, known=lambda _: large)
        wholes = [now_s for now_s, crops in known if crops[0].why == "whole"]
        assert np.diff(wholes).max() <= longest + 1e-6
        assert len(wholes) < 20, "the other frames are for what is small"


def test_a_small_track_is_looked_at_closely_where_it_will_be() -> None:
    def known(at_s: float) -> Followed:
        x = 300 + 200 * at_s
        return followed(at_s, (x, 500, x + 15, 540), velocity=200)

    looks = [0.0]
    for now_s, crops in played(2, 4, known=known, sweep_s=10):
        x = 300 + 200 * now_s
        if any(crop.shrink < 2 and shows(crop, np.array((x, 500, x + 15, 540))) for crop in crops):
            looks.append(now_s)
    assert max(np.diff(looks)) <= 0.4 + 1e-6, "also while everything else was never looked at"
    assert len(looks) > 20


def test_several_small_tracks_share_a_crop() -> None:
    boxes = [(400 + 60 * place, 500, 415 + 60 * place, 540) for place in range(6)]
    for _, crops in list(played(2, 2, known=lambda at_s: followed(at_s, *boxes)))[2:]:
        tracked = [crop for crop in crops if crop.why == "track"]
        assert len(tracked) <= 1
        assert all(shows(crop, np.array(box)) for crop in tracked for box in boxes)


def test_what_moves_is_looked_at_at_once() -> None:
    def image(index: int) -> U8:
        return picture((1000, 300)) if index >= 20 else BLANK

    frames = list(played(2, 3, image, sweep_s=60))
    motion = [now_s for now_s, crops in frames for crop in crops if crop.why == "motion"]
    assert motion[0] == pytest.approx(2.0)
    first = next(crop for _, crops in frames for crop in crops if crop.why == "motion")
    assert shows(first, np.array((1000, 300, 1040, 340)))
    assert len(motion) == 1, "until it moves again"


def test_a_find_gets_a_second_look_and_no_third() -> None:
    spot = np.array([[1500.0, 200.0, 1520.0, 240.0]])
    nothing = followed(0.0)

    def known(at_s: float) -> Followed:
        found = spot if at_s < 0.35 else np.zeros((0, 4))
        return Followed(at_s, nothing.xyxy, nothing.velocity, nothing.age_s, found)

    looks = [
        now_s
        for now_s, crops in played(2, 3, known=known, sweep_s=60)
        if any(crop.why == "track" and shows(crop, spot[0]) for crop in crops)
    ]
    assert looks[0] == pytest.approx(STEP_S)
    assert len(looks) == 2


def test_with_a_gate_a_still_picture_costs_the_sweep_and_little_more() -> None:
    count = sum(len(crops) for _, crops in played(4, 4, known=busy, gate=8, sweep_s=60))
    free = sum(len(crops) for _, crops in played(4, 4, known=busy, sweep_s=60))
    assert free == 4 * 40
    assert count < free / 2


def test_the_same_film_gives_the_same_looks() -> None:
    def image(index: int) -> U8:
        return picture((index * 12, 300), (1500 - index * 7, 800))

    once, again = (list(played(3, 4, image, busy)) for _ in range(2))
    assert once == again


def test_a_change_of_the_picture_begins_afresh() -> None:
    plan = Plan(TileSettings(runs=2))
    first = plan.choose(View(BLANK, INPUT, 0.0, 2, (), True))
    plan.choose(View(BLANK, INPUT, 0.1, 2, (busy(0.0),), False))
    other = plan.choose(View(BLANK[:540, :960], INPUT, 0.2, 2, (), False))
    assert first[0].box == (0, 0, WIDTH, HEIGHT)
    assert other[0].box == (0, 0, 960, 540)
