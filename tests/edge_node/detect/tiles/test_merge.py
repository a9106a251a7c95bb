"""Boxes of several tiles become those of one picture: a table of cases, and what holds in every scene."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.detect.tiles.merge import merge
from edge_node.frames import Detections
from shared.geometry import F32, iou

Box = tuple[float, float, float, float]
SIZE = (1000, 600)
AREA = (0, 0, 1000, 600)
WHOLE: Box = (0, 0, 1000, 600)
LEFT: Box = (0, 0, 550, 600)
RIGHT: Box = (450, 0, 1000, 600)
APART: tuple[Box, Box] = ((0, 0, 500, 600), (500, 0, 1000, 600))
"""Two tiles without overlap."""


@dataclass(frozen=True)
class Found:
    box: Box
    score: float = 0.8
    class_id: int = 0


def detections(*found: Found) -> Detections:
    return Detections(
        np.array([one.box for one in found], np.float32).reshape(-1, 4),
        np.array([one.score for one in found], np.float32),
        np.array([one.class_id for one in found], np.int32),
    )


def least(tiles: F32) -> F32:
    """Side of the smallest object that a network of 512 pixels shows as 16 in each tile."""
    sides: F32 = (tiles[:, 2:] - tiles[:, :2]).max(axis=1) / 32
    return sides


def merged(tiles: dict[Box, list[Found]], most: int = 100) -> Detections:
    whole = list(tiles).index(WHOLE) if WHOLE in tiles else None
    parts = [detections(*found) for found in tiles.values()]
    corners = np.array(list(tiles), np.float32)
    return merge(parts, corners, AREA, least=least(corners), whole=whole, most=most)


def boxes(found: Detections) -> list[Box]:
    rows: list[list[float]] = found.xyxy.tolist()
    return sorted((a, b, c, d) for a, b, c, d in rows)


CASES: dict[str, tuple[dict[Box, list[Found]], list[Box]]] = {
    "one object that two tiles show whole": (
        {LEFT: [Found((460, 100, 490, 200), 0.6)], RIGHT: [Found((461, 102, 490, 200), 0.7)]},
        [(461, 102, 490, 200)],
    ),
    "one object that one tile shows whole and the other cuts": (
        {LEFT: [Found((520, 100, 549, 200), 0.9)], RIGHT: [Found((521, 100, 580, 200), 0.7)]},
        [(521, 100, 580, 200)],
    ),
    "both tiles cut, and overlap inside of the object": (
        {LEFT: [Found((300, 100, 549, 200))], RIGHT: [Found((452, 101, 700, 202))]},
        [(300, 100, 700, 202)],
    ),
    "both tiles cut, without overlap": (
        {APART[0]: [Found((470, 100, 498, 200))], APART[1]: [Found((501, 103, 530, 202))]},
        [(470, 100, 530, 202)],
    ),
    "an object at a corner of four tiles": (
        {
            (0, 0, 500, 300): [Found((470, 250, 500, 300))],
            (500, 0, 1000, 300): [Found((500, 249, 540, 299))],
            (0, 300, 500, 600): [Found((471, 301, 499, 380))],
            (500, 300, 1000, 600): [Found((501, 300, 541, 382))],
        },
        [(470, 249, 541, 382)],
    ),
    "an object over three tiles": (
        {
            (0, 0, 300, 600): [Found((200, 100, 300, 300))],
            (300, 0, 600, 600): [Found((300, 101, 600, 300))],
            (600, 0, 1000, 600): [Found((600, 100, 700, 301))],
        },
        [(200, 100, 700, 301)],
    ),
    "an object that the whole picture shows and two tiles cut": (
        {
            WHOLE: [Found((300, 100, 700, 500), 0.5)],
            LEFT: [Found((305, 98, 550, 495), 0.9)],
            RIGHT: [Found((450, 105, 690, 500), 0.9)],
        },
        [(300, 100, 700, 500)],
    ),
    "a small rest of an object whose place the whole picture shows roughly": (
        {WHOLE: [Found((500, 100, 600, 300), 0.6)], LEFT: [Found((525, 130, 549, 270), 0.4)]},
        [(500, 100, 600, 300)],
    ),
    "two people side by side at the edge of a tile, and what each tile shows of the other": (
        {
            LEFT: [Found((460, 100, 500, 200)), Found((500, 100, 550, 200), 0.5)],
            RIGHT: [Found((450, 100, 500, 200), 0.5), Found((500, 100, 540, 200))],
        },
        [(460, 100, 500, 200), (500, 100, 540, 200)],
    ),
    "two people side by side whom the whole picture shows, at a seam": (
        {
            WHOLE: [Found((460, 100, 500, 200), 0.5), Found((500, 100, 540, 200), 0.5)],
            APART[0]: [Found((460, 100, 499, 200))],
            APART[1]: [Found((501, 100, 540, 200))],
        },
        [(460, 100, 500, 200), (500, 100, 540, 200)],
    ),
    "two people at a seam, one much lower than the other": (
        {APART[0]: [Found((460, 100, 500, 200))], APART[1]: [Found((500, 160, 540, 260))]},
        [(460, 100, 500, 200), (500, 160, 540, 260)],
    ),
    "a small object in front of a large one of its class": (
        {
            WHOLE: [Found((100, 100, 400, 500), 0.9)],
            LEFT: [Found((100, 100, 400, 500), 0.8), Found((200, 400, 240, 480), 0.6)],
        },
        [(100, 100, 400, 500), (200, 400, 240, 480)],
    ),
    "a small object in front of a large one that its tile did not find": (
        {WHOLE: [Found((100, 100, 400, 500), 0.9)], LEFT: [Found((200, 400, 240, 480), 0.6)]},
        [(100, 100, 400, 500), (200, 400, 240, 480)],
    ),
    "two objects close together of which the whole picture shows one": (
        {
            WHOLE: [Found((100, 100, 150, 200), 0.9)],
            LEFT: [Found((102, 100, 150, 200), 0.8), Found((112, 100, 160, 200), 0.7)],
        },
        [(100, 100, 150, 200), (112, 100, 160, 200)],
    ),
    "halves of different classes": (
        {APART[0]: [Found((400, 100, 500, 200))], APART[1]: [Found((500, 100, 600, 200), class_id=2)]},
        [(400, 100, 500, 200), (500, 100, 600, 200)],
    ),
    "a cut object beyond whose edge nobody looked": ({LEFT: [Found((500, 100, 550, 200))]}, []),
    "a cut object beyond whose edge only the whole picture looked, where it is too small": (
        {WHOLE: [], LEFT: [Found((530, 100, 550, 130))]},
        [],
    ),
    "a cut object that is large enough for the whole picture, which did not find it": (
        {WHOLE: [], LEFT: [Found((500, 100, 550, 200))]},
        [(500, 100, 550, 200)],
    ),
    "an object at the edge of the picture, which cuts nothing": (
        {LEFT: [Found((0, 550, 40, 600))]},
        [(0, 550, 40, 600)],
    ),
    "tiles that share an edge": (
        {
            (100, 0, 400, 300): [Found((100, 50, 180, 250), 0.5)],
            (100, 50, 500, 350): [Found((100, 52, 178, 250))],
            (0, 0, 1000, 600): [],
        },
        [(100, 50, 180, 250)],
    ),
}


@pytest.mark.parametrize("order", [1, -1], ids=["", "tiles the other way round"])
@pytest.mark.parametrize("case", CASES)
def test_boxes_of_tiles_become_those_of_one_picture(case: str, order: int) -> None:
    tiles, expected = CASES[case]
    found = merged(dict(list(tiles.items())[::order]))
    assert boxes(found) == expected


def test_a_whole_object_keeps_its_score_and_a_joined_one_has_that_of_its_better_half() -> None:
    whole_wins, _ = CASES["an object that the whole picture shows and two tiles cut"]
    assert merged(whole_wins).score.tolist() == pytest.approx([0.5])
    halves = {
        APART[0]: [Found((470, 100, 500, 200), 0.4)],
        APART[1]: [Found((500, 100, 530, 200), 0.7)],
    }
    assert merged(halves).score.tolist() == pytest.approx([0.7])


def test_the_edges_of_a_region_of_interest_cut_nothing() -> None:
    tiles = np.array([(200, 100, 500, 400)], np.float32)
    part = detections(Found((200, 150, 240, 250)))
    for area, count in ((AREA, 0), ((200, 100, 800, 400), 1)):
        assert len(merge([part], tiles, area, least=least(tiles), whole=None, most=10)) == count


def test_the_best_come_first_and_no_more_than_asked_for() -> None:
    found = [Found((60.0 * n, 10, 60.0 * n + 40, 90), 0.1 * n) for n in range(1, 8)]
    assert merged({WHOLE: [], LEFT: found}, most=3).score.tolist() == pytest.approx([0.7, 0.6, 0.5])
    assert merged({WHOLE: found}, most=2).score.tolist() == pytest.approx([0.1, 0.2]), (
        "the detector has sorted the whole picture by itself"
    )


@pytest.mark.parametrize("tiles", [{}, {WHOLE: []}, {LEFT: [], RIGHT: []}], ids=len)
def test_nothing_found_is_nothing(tiles: dict[Box, list[Found]]) -> None:
    parts = [detections(*found) for found in tiles.values()] or [Detections.empty()]
    corners = np.array(list(tiles) or [LEFT], np.float32)
    assert len(merge(parts, corners, AREA, least=least(corners), whole=None, most=10)) == 0


def test_a_flood_of_boxes_is_bounded() -> None:
    rng = np.random.default_rng(3)
    parts = []
    tiles = np.array([LEFT, RIGHT] * 8, np.float32)
    for tile in tiles:
        low = rng.uniform(tile[:2], tile[2:] - 50, (1000, 2))
        xyxy = np.hstack((low, low + rng.uniform(5, 50, (1000, 2)))).astype(np.float32)
        parts.append(Detections(xyxy, rng.random(1000, np.float32), np.zeros(1000, np.int32)))
    assert 0 < len(merge(parts, tiles, AREA, least=least(tiles), whole=None, most=300)) <= 300


# A perfect detector in a random scene: what the tiles show of the objects, and no noise.


def grid(columns: int, rows: int, overlap: float, size: tuple[int, int] = SIZE) -> F32:
    """Tiles over the whole picture; each overlaps its neighbour by this share of itself."""
    axes = []
    for count, length in ((columns, size[0]), (rows, size[1])):
        side = length / (count - (count - 1) * overlap)
        axes.append([(n * side * (1 - overlap), n * side * (1 - overlap) + side) for n in range(count)])
    return np.array([(x1, y1, x2, y2) for (y1, y2), (x1, x2) in itertools.product(*axes[::-1])], np.float32)


def shown(truth: F32, tile: F32) -> Detections:
    """What a perfect detector finds in a tile: the part inside of each object of which it shows some."""
    inside = np.hstack((np.maximum(truth[:, :2], tile[:2]), np.minimum(truth[:, 2:], tile[2:])))
    seen = inside[(inside[:, 2:] - inside[:, :2] >= 4).all(axis=1)]
    return Detections(seen, np.full(len(seen), 0.8, np.float32), np.zeros(len(seen), np.int32))


@st.composite
def scenes(draw: st.DrawFn) -> F32:
    """Objects of all sizes that hardly overlap: each stands in a cell of its own of a jittered lattice."""
    pitch = draw(st.sampled_from([60, 100, 200]))
    found = []
    for x, y in itertools.product(range(0, SIZE[0], pitch), range(0, SIZE[1], pitch)):
        if draw(st.booleans()):
            side = st.floats(0.3 * pitch, 0.95 * pitch)
            width, height = draw(side), draw(side)
            dx = draw(st.floats(0, 1)) * (pitch - width)
            dy = draw(st.floats(0, 1)) * (pitch - height)
            found.append((x + dx, y + dy, x + dx + width, y + dy + height))
    cells = np.array(found, np.float32).reshape(-1, 4)
    return np.minimum(cells, np.array([*SIZE, *SIZE], np.float32))


@given(
    scenes(),
    st.tuples(st.integers(1, 4), st.integers(1, 3)).filter(lambda shape: shape != (1, 1)),
    st.sampled_from([0.25, 0.4]),
    st.booleans(),
)
def test_a_perfect_detector_finds_each_object_once_whatever_the_tiles(
    truth: F32, shape: tuple[int, int], overlap: float, whole: bool
) -> None:
    truth = truth[((truth[:, 2:] - truth[:, :2]) >= 12).all(axis=1)]
    tiles = grid(*shape, overlap)
    if whole:
        tiles = np.vstack((tiles, np.array([WHOLE], np.float32)))
    parts = [shown(truth, tile) for tile in tiles]
    last = len(tiles) - 1 if whole else None
    found = merge(parts, tiles, AREA, least=least(tiles), whole=last, most=500)
    assert len(found) == len(truth)
    if len(truth):
        assert iou(truth, found.xyxy).max(axis=1).min() > 0.8


@given(st.data())
def test_nothing_is_invented_whatever_the_tiles_say(data: st.DataObject) -> None:
    tiles = grid(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), 0.2)
    parts = []
    for tile in tiles:
        corners = st.tuples(*(st.floats(0, 1, width=32),) * 4)
        share = np.array(data.draw(st.lists(corners, max_size=6)), np.float32).reshape(-1, 4)
        ordered = np.hstack((np.minimum(share[:, :2], share[:, 2:]), np.maximum(share[:, :2], share[:, 2:])))
        side = np.tile(tile[2:] - tile[:2], 2)
        n = len(ordered)
        class_id = np.array([data.draw(st.integers(0, 1)) for _ in range(n)], np.int32)
        score = np.array([data.draw(st.floats(0, 1, width=32)) for _ in range(n)], np.float32)
        parts.append(Detections(np.tile(tile[:2], 2) + ordered * side, score, class_id))
    found = merge(parts, tiles, AREA, least=least(tiles), whole=None, most=20)
    everything = np.concatenate([part.xyxy for part in parts])
    assert len(found) <= min(20, len(everything))
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy[:, :2] <= found.xyxy[:, 2:]).all()
    assert (np.diff(found.score) <= 0).all()
    # Each edge is one that a tile reported.
    for edge in range(4):
        assert np.isin(found.xyxy[:, edge], everything[:, edge]).all()
