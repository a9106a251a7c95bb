from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_node.config.camera_settings import AnalyticsSettings
from shared.geometry import side_of_line
from shared.wire.messages import LineDefinition
from tests.edge_node.scenes import (
    HEIGHT,
    WIDTH,
    Actor,
    Film,
    Path,
    Spot,
    clock,
    film,
    frame_of,
    play,
    shaken,
    stand,
    unseen,
    walk,
)
from tests.geometry import segments_cross

BAND = 0.02
"""Of the frame's height; across an upright line that is 0.01125 of its width."""
UP = LineDefinition(points=((0.5, 0.8), (0.5, 0.2)), band=BAND)
"""Walked from its first point, it goes up the screen: the right hand, "in", is to the right."""
NO_LINKS = AnalyticsSettings(link_within_s=0.0)
RIGHT = walk((0, 0.2, 0.5), (4, 0.8, 0.5))
LEFT = walk((0, 0.8, 0.5), (4, 0.2, 0.5))


def line(**options: object) -> LineDefinition:
    return LineDefinition(**({"points": UP.points, "band": BAND} | options))  # type: ignore[arg-type]


def jittered_pause(amount: float, back: bool) -> Path:
    """Comes to the line, trembles on it for six seconds, and goes on or back."""
    pause = shaken(walk((2, 0.5, 0.5), (8, 0.5, 0.5)), amount)
    come, go = walk((0, 0.2, 0.5), (2, 0.5, 0.5)), walk((8, 0.5, 0.5), (10, 0.2 if back else 0.8, 0.5))
    return lambda t: come(t) if t < 2 else pause(t) if t <= 8 else go(t)


@dataclass(frozen=True)
class Case:
    reason: str
    actors: Sequence[Actor]
    entered: int
    exited: int
    definition: LineDefinition = UP


def one(path: Path) -> list[Actor]:
    return [Actor(1, path)]


SCENES = [
    Case("walks to the right", one(RIGHT), 1, 0),
    Case("walks to the left", one(LEFT), 0, 1),
    Case("crosses a line drawn the other way round", one(RIGHT), 0, 1, line(points=UP.points[::-1])),
    Case(
        "crosses a slanted line: the motion decides", one(RIGHT), 1, 0, line(points=((0.3, 0.8), (0.7, 0.2)))
    ),
    Case(
        "crosses at a shallow angle, mostly along the line",
        one(walk((0, 0.45, 0.75), (5, 0.55, 0.25))),
        1,
        0,
    ),
    Case(
        "crosses in, out and in again",
        one(walk((0, 0.2, 0.5), (3, 0.8, 0.5), (6, 0.2, 0.5), (9, 0.8, 0.5))),
        2,
        1,
    ),
    Case("meets somebody on the line", [Actor(1, RIGHT), Actor(2, LEFT)], 1, 1),
    Case("stands on the line", one(stand(0.5, 0.5)), 0, 0),
    Case("trembles on the line for ever", one(shaken(stand(0.5, 0.5), 0.01)), 0, 0),
    Case("trembles on the line and goes on", one(jittered_pause(0.01, back=False)), 1, 0),
    Case("trembles on the line and goes back", one(jittered_pause(0.01, back=True)), 0, 0),
    Case(
        "turns back on the line, within the band",
        one(walk((0, 0.2, 0.5), (3, 0.508, 0.5), (6, 0.2, 0.5))),
        0,
        0,
    ),
    Case("turns back beyond the band", one(walk((0, 0.2, 0.5), (3, 0.6, 0.5), (6, 0.2, 0.5))), 1, 1),
    Case("comes near and turns back", one(walk((0, 0.2, 0.5), (3, 0.49, 0.5), (6, 0.2, 0.5))), 0, 0),
    Case("passes around the line's end", one(walk((0, 0.2, 0.9), (4, 0.8, 0.9))), 0, 0),
    Case(
        "goes through the line and back around its end",
        one(walk((0, 0.3, 0.5), (3, 0.7, 0.5), (6, 0.7, 0.95), (9, 0.3, 0.95))),
        1,
        0,
    ),
    Case(
        "comes from beyond the end, within the band, and crosses",
        one(walk((0, 0.3, 0.95), (2, 0.495, 0.95), (8, 0.495, 0.5), (10, 0.7, 0.3))),
        1,
        0,
    ),
    Case(
        "walks within the band past the end, and crosses there",
        one(walk((0, 0.3, 0.5), (2, 0.495, 0.5), (8, 0.495, 0.95), (10, 0.7, 0.95))),
        0,
        0,
    ),
    Case(
        "jumps over line and band in one frame",
        one(walk((0, 0.1, 0.5), (1, 0.1, 0.5), (1.01, 0.9, 0.5), (3, 0.9, 0.5))),
        1,
        0,
    ),
    Case("is missed over the line for two seconds", one(unseen(RIGHT, (1, 3))), 1, 0),
    Case("appears in the band before the line and crosses", one(walk((0, 0.495, 0.5), (3, 0.8, 0.5))), 1, 0),
    Case("appears in the band behind the line and crosses", one(walk((0, 0.505, 0.5), (3, 0.2, 0.5))), 0, 1),
    Case("appears in the band and goes away", one(walk((0, 0.495, 0.5), (3, 0.2, 0.5))), 0, 0),
    Case(
        "appears in the band, crosses and turns back within the band",
        one(walk((0, 0.495, 0.5), (2, 0.508, 0.5), (6, 0.2, 0.5))),
        0,
        0,
    ),
    Case(
        "appears in the band, crosses and comes back",
        one(walk((0, 0.495, 0.5), (3, 0.8, 0.5), (6, 0.2, 0.5))),
        1,
        1,
    ),
    Case(
        "appears in the band and passes around the line's end",
        one(walk((0, 0.495, 0.9), (3, 0.8, 0.9))),
        0,
        0,
    ),
    Case("starts on the line and goes on", one(walk((0, 0.5, 0.5), (3, 0.8, 0.5))), 0, 0),
    Case("starts on the line and goes back", one(walk((0, 0.5, 0.5), (3, 0.2, 0.5))), 0, 0),
    Case("starts at the line, too near to know the side", one(walk((0, 0.498, 0.5), (3, 0.8, 0.5))), 0, 0),
    Case(
        "trembles on the line, first seen there, and goes on",
        one(lambda t: shaken(walk((0, 0.5, 0.5), (6, 0.5, 0.5)), 0.002)(t) if t <= 6 else (t / 12, 0.5)),
        0,
        0,
    ),
    Case(
        "is lost before the line, and another is found behind it",
        [Actor(1, walk((0, 0.2, 0.5), (2, 0.495, 0.5))), Actor(2, walk((7, 0.505, 0.5), (10, 0.8, 0.5)))],
        0,
        0,
    ),
    Case(
        "is lost over the line, and found where it had crossed already",
        [Actor(1, walk((0, 0.2, 0.5), (3, 0.508, 0.5))), Actor(2, walk((8, 0.508, 0.5), (10, 0.8, 0.5)))],
        0,
        0,
    ),
    Case("touches the line and turns back", one(walk((0, 0.2, 0.5), (3, 0.5, 0.5), (6, 0.2, 0.5))), 0, 0),
    Case(
        "walks along the line, exactly on it",
        one(walk((0, 0.2, 0.7), (2, 0.5, 0.7), (5, 0.5, 0.3), (7, 0.2, 0.3))),
        0,
        0,
    ),
    Case(
        "walks along the line, exactly on it, and leaves on the other side",
        one(walk((0, 0.2, 0.7), (2, 0.5, 0.7), (5, 0.5, 0.3), (7, 0.8, 0.3))),
        1,
        0,
    ),
    Case("ends in the band", one(walk((0, 0.2, 0.5), (3, 0.505, 0.5))), 0, 0),
    Case("is of a class the line ignores", [Actor(1, RIGHT, 1)], 0, 0, line(classes=("person",))),
    Case(
        "is of a class the line wants, with others about",
        [Actor(1, RIGHT, 1), Actor(2, LEFT, 2), Actor(3, RIGHT, 0)],
        1,
        0,
        line(classes=("car",)),
    ),
    Case(
        "changes its id on the line",
        [Actor(1, walk((0, 0.2, 0.5), (2, 0.498, 0.5))), Actor(2, walk((2.2, 0.51, 0.5), (4, 0.8, 0.5)))],
        1,
        0,
    ),
    Case(
        "changes its id over the line, unseen",
        [Actor(1, walk((0, 0.2, 0.5), (1.8, 0.47, 0.5))), Actor(2, walk((2.2, 0.53, 0.5), (4, 0.8, 0.5)))],
        1,
        0,
    ),
    Case(
        "vanishes before the line while somebody else appears far behind it",
        [Actor(1, walk((0, 0.1, 0.5), (2, 0.3, 0.5))), Actor(2, walk((2.4, 0.7, 0.5), (4, 0.9, 0.5)))],
        0,
        0,
    ),
    Case(
        "is predicted over the line and found where it was",
        [
            Actor(
                1,
                walk((0, 0.2, 0.5), (2, 0.4, 0.5), (3, 0.7, 0.5), (3.1, 0.4, 0.5), (6, 0.2, 0.5)),
                predicted=lambda t: 2 < t < 3.1,
            )
        ],
        0,
        0,
    ),
    Case(
        "walks out over a line closer to the frame's edge than its band is wide",
        one(walk((0, 0.5, 0.5), (3, 0.5, 1.0), (4, 0.5, 1.0))),
        1,
        0,
        line(points=((0.0, 0.99), (1.0, 0.99))),
    ),
    Case(
        "walks out over the same line, drawn the other way round",
        one(walk((0, 0.5, 0.5), (3, 0.5, 1.0), (4, 0.5, 1.0))),
        0,
        1,
        line(points=((1.0, 0.99), (0.0, 0.99))),
    ),
    Case(
        "crosses with its head",
        one(walk((0, 0.2, 0.85), (4, 0.8, 0.85))),
        1,
        0,
        line(anchor="top_center"),
    ),
    Case("crosses a line without a band", one(RIGHT), 1, 0, line(band=0.0)),
    Case(
        "trembles on a line without a length",
        one(shaken(stand(0.5, 0.5), 0.01)),
        0,
        0,
        line(points=((0.5, 0.5),) * 2),
    ),
]
TIMES = {
    "5 fps": clock(5, 11),
    "20 fps": clock(20, 11),
    "irregular": [0.0, *np.cumsum(np.random.default_rng(3).choice([0.04, 0.08, 0.2], size=110)).tolist()],
}


@pytest.mark.parametrize("timing", TIMES)
@pytest.mark.parametrize("case", SCENES, ids=lambda case: case.reason)
def test_a_line_counts_what_truly_crossed(case: Case, timing: str) -> None:
    played = play(film(case.actors, TIMES[timing]), lines={"l": case.definition})
    numbers = played.numbers["l"]
    assert (numbers.entered, numbers.exited) == (case.entered, case.exited)
    assert len(played.of("line_crossed")) == case.entered + case.exited
    assert (numbers.kind, numbers.occupancy, numbers.dwell.completed) == ("line", 0, 0)


@pytest.mark.parametrize("fps", [2, 10, 60])
def test_a_crossing_is_told_with_the_moment_on_the_line_whatever_the_frame_rate(fps: float) -> None:
    played = play(film([Actor(5, RIGHT), Actor(6, LEFT, 1)], clock(fps, 4)), lines={"l": UP})
    crossings = [(h.track_id, h.class_id, h.zone, h.direction) for h in played.of("line_crossed")]
    assert sorted(crossings) == [(5, 0, "l", "in"), (6, 1, "l", "out")]
    assert [h.occurred_s for h in played.of("line_crossed")] == pytest.approx([2.0, 2.0], abs=1e-3)


def test_crossings_are_told_per_class() -> None:
    actors = [Actor(1, RIGHT), Actor(2, RIGHT, 1), Actor(3, LEFT, 1), Actor(4, RIGHT, 1)]
    flows = play(film(actors, clock(10, 4)), lines={"l": UP}).numbers["l"].by_class
    assert {name: (f.entered, f.exited) for name, f in flows.items()} == {"person": (1, 0), "car": (2, 1)}


@pytest.mark.parametrize(("jitter", "crossings"), [(0.015, 0), (0.3, 20)])
def test_a_box_that_changes_its_height_crosses_only_when_its_foot_leaves_the_band(
    jitter: float, crossings: int
) -> None:
    level = line(points=((0.0, 0.5), (1.0, 0.5)))
    frames = []
    for k in range(21):
        foot = 0.5 + (jitter if k % 2 else -jitter)
        frames.append((frame_of([(Actor(1, stand(0, 0)), (0.5, foot), 0.0, (0.0, 0.0))], [], k / 10), k / 10))
    assert len(play(frames, lines={"l": level}).of("line_crossed")) == crossings


def test_a_crossing_while_the_camera_changes_its_resolution_is_counted_once() -> None:
    slanted = line(points=((0.4, 0.8), (0.6, 0.2)))
    played = play(film(one(walk((0, 0.2, 0.5), (2, 0.45, 0.5))), clock(10, 2)), lines={"l": slanted})
    for k, x in enumerate((0.45, 0.55, 0.6)):
        t = 2.1 + k / 10
        tracks, _ = next(iter(film(one(stand(x, 0.5)), [t])))
        tracks.xyxy[:] /= (1, 2, 1, 2)  # the picture is half as high now
        played.add(played.analytics.update(tracks, t, WIDTH, HEIGHT // 2))
        assert (played.numbers["l"].entered, played.numbers["l"].exited) == (int(k > 0), 0)


def shaking(*distances: float) -> Film:
    """Somebody of height 0.12 at these distances below a level line at 0.5, ten times a second."""
    return [
        (frame_of([(Actor(1, stand(0, 0)), (0.5, 0.5 + d), 0.0, (0.0, 0.0))], [], k / 10), k / 10)
        for k, d in enumerate(distances)
    ]


@pytest.mark.parametrize(
    ("distances", "crossings"),
    [
        pytest.param([-0.05, *[0.011, -0.011] * 10], 0, id="shakes across line and band, less than a tenth"),
        pytest.param([-0.05, *[0.013, -0.013] * 10], 20, id="goes there and back by more than a tenth"),
        pytest.param([-0.05, *[0.011] * 2, -0.05], 0, id="is back at once"),
        pytest.param([-0.05, *[0.011] * 4, -0.05], 2, id="stays beyond the band for 0.3 s"),
        pytest.param([-0.05, 0.05], 1, id="is clear of the line"),
    ],
)
def test_a_box_that_shakes_across_a_line_has_not_crossed_it(distances: list[float], crossings: int) -> None:
    level = line(points=((1.0, 0.5), (0.0, 0.5)), band=0.01)
    assert len(play(shaking(*distances), lines={"l": level}).of("line_crossed")) == crossings


def test_somebody_who_is_hidden_just_behind_a_line_has_crossed_it_a_moment_later() -> None:
    level = line(points=((1.0, 0.5), (0.0, 0.5)), band=0.01)
    played = play(shaking(-0.005, -0.05, 0.011), lines={"l": level})
    assert played.of("line_crossed") == []
    nobody = [(frame_of([], [], t), t) for t in (0.4, 0.5, 0.6)]
    (crossed,) = played.feed(nobody).of("line_crossed")
    assert 0.1 < crossed.occurred_s < 0.2, "when the line was crossed, not when it was certain"


def test_a_crossing_that_is_not_certain_yet_counts_when_the_picture_starts_again() -> None:
    level = line(points=((1.0, 0.5), (0.0, 0.5)), band=0.01)
    played = play(shaking(-0.05, 0.011), lines={"l": level})
    assert next(event.type for event in played.analytics.restart()) == "line_crossed"


place = st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98))
near = st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7))


def crossings_of(spots: list[Spot], points: tuple[Spot, Spot], band: float) -> tuple[int, int]:
    """In and out, by cutting the way into stretches between two places outside the band."""
    unit = np.array([WIDTH / HEIGHT, 1.0])
    way, ends = np.array(spots) * unit, np.array(points) * unit
    distance = side_of_line(way, ends)
    outside = np.flatnonzero(np.abs(distance) > band)
    known = np.flatnonzero(np.abs(distance) > band / 4)[:1]  # where it comes from
    outside = np.union1d(outside, known)
    counts = {1: 0, -1: 0}
    for a, b in pairwise(outside.tolist()):
        hits = segments_cross(way[a:b], way[a + 1 : b + 1], ends)
        inward = np.where(distance[a + 1 : b + 1] >= 0, 1, -1)
        net = int(inward[hits].sum())
        before, after = np.sign(distance[[a, b]])
        if before != after and net * after > 0:
            counts[int(after)] += 1
    return counts[1], counts[-1]


@settings(max_examples=250, deadline=None)
@given(st.lists(place, min_size=1, max_size=30), near, near, st.sampled_from([0.0, 0.01, 0.1]))
def test_every_walk_gives_the_crossings_that_its_stretches_outside_the_band_give(
    spots: list[Spot], start: Spot, end: Spot, band: float
) -> None:
    assume(np.hypot(end[0] - start[0], end[1] - start[1]) > 0.05)
    actor = Actor(1, stand(0, 0))
    frames = [
        (frame_of([(actor, spot, 0.0, (0.0, 0.0))], [], float(k)), float(k))
        for k, spot in enumerate([*spots, spots[-1]])  # the last spot twice: it is believed a moment later
    ]
    seen = [((t.xyxy[0, 0] + t.xyxy[0, 2]) / 2 / WIDTH, t.xyxy[0, 3] / HEIGHT) for t, _ in frames]
    # No point on the line or on the edge of its band.
    unit = np.array([WIDTH / HEIGHT, 1.0])
    ends = np.array((start, end)) * unit
    distance = side_of_line(np.array(seen, np.float64) * unit, ends)
    assume(all((np.abs(np.abs(distance) - edge) > 1e-5).all() for edge in (band, band / 4, 0)))
    # Nor a motion through the very end of the line, where rounding decides.
    way = np.array(seen, np.float64) * unit
    motions = [np.array(pair) for pair in pairwise(way) if (pair[0] != pair[1]).any()]
    assume(all((np.abs(side_of_line(ends, motion)) > 1e-5).all() for motion in motions))
    numbers = play(frames, lines={"l": line(points=(start, end), band=band)}, settings=NO_LINKS).numbers["l"]
    assert (numbers.entered, numbers.exited) == crossings_of(
        [(float(x), float(y)) for x, y in seen], (start, end), band
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(place, min_size=2, max_size=6), st.sampled_from([3.0, 7.0, 12.0]), st.floats(0, 1e6))
def test_a_line_through_the_whole_picture_counts_the_same_at_every_frame_rate(
    stops: list[Spot], fps: float, shift: float
) -> None:
    # Stops outside the band, so that no turn lies in it, and a line without ends in reach.
    assume(all(abs(x - 0.5) > 0.05 for x, _ in stops))
    path = walk(*((3.0 * k, x, y) for k, (x, y) in enumerate(stops)))
    seconds = 3.0 * (len(stops) - 1)
    wall = line(points=((0.5, 1.0), (0.5, 0.0)))
    sides = [x > 0.5 for x, _ in stops]
    truth = (sum(b > a for a, b in pairwise(sides)), sum(a > b for a, b in pairwise(sides)))
    for rate in (1 / 3, fps):  # the lowest rate sees the stops only
        numbers = play(
            film(one(lambda t: path(t - shift)), clock(rate, seconds, shift)), lines={"l": wall}
        ).numbers["l"]
        assert (numbers.entered, numbers.exited) == truth


EXACT = (1 / 16, 1 / 8)
"""A box whose foot is exactly where it is put, if that is a sixteenth of the picture."""
in_the_middle = st.integers(5, 11).map(lambda n: n / 16)
corner = st.tuples(in_the_middle, in_the_middle)
step = st.tuples(st.integers(-4, 4), st.integers(-4, 4)).filter(any)


@settings(max_examples=300, deadline=None)
@given(st.lists(corner, min_size=3, max_size=5, unique=True), step, st.integers(0, 4), st.booleans())
def test_a_motion_through_a_corner_of_lines_counts_as_one_a_hair_beside_it(
    corners: list[Spot], way: tuple[int, int], chosen: int, backwards: bool
) -> None:
    through, reach = corners[chosen % len(corners)], (way[0] / 16, way[1] / 16)
    walked = [(through[0] - reach[0], through[1] - reach[1]), (through[0] + reach[0], through[1] + reach[1])]
    lines = {
        str(k): line(points=pair[::-1] if backwards and k % 2 else pair, band=0.0)
        for k, pair in enumerate(pairwise([*corners, corners[0]]))
    }
    ends = [np.array(one.points) for one in lines.values()]
    assume(all((np.abs(side_of_line(np.array(walked), pair)) > 1e-9).all() for pair in ends))
    shifted = np.array(walked) - (1e-6, 1e-9)
    truth = [bool(segments_cross(shifted[:1], shifted[1:], pair)[0]) for pair in ends]
    for there in (walked, walked[::-1]):
        actor = Actor(1, stand(0, 0), size=EXACT)
        frames = [
            (frame_of([(actor, at, 0.0, (0.0, 0.0))], [], float(k)), float(k))
            for k, at in enumerate([*there, there[-1]])
        ]
        numbers = play(frames, lines=lines).numbers
        assert [numbers[name].entered + numbers[name].exited for name in lines] == truth


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(
    ("middle", "to"), [((0.5, 0.5), (0.5, 0.875)), ((0.5, 0.5), (0.25, 0.75)), ((0.5, 0.5), (0.75, 0.75))]
)
@pytest.mark.parametrize("steps", [1, 2, 4, 8], ids="{} steps".format)
def test_of_two_lines_with_a_common_end_one_counts_who_passes_exactly_through_it(
    turned: tuple[bool, bool], middle: Spot, to: Spot, steps: int
) -> None:
    pieces = (((0.5, 0.125), middle), (middle, to))
    lines = {
        str(k): line(points=pair[::-1] if turn else pair)
        for k, (pair, turn) in enumerate(zip(pieces, turned, strict=True))
    }
    path = walk((0, 0.25, 0.5), (steps, 0.75, 0.5))
    there_and_back = walk((0, 0.25, 0.5), (steps, 0.75, 0.5), (2 * steps, 0.25, 0.5))
    actor = Actor(1, path, size=EXACT)
    numbers = play(film([actor], clock(2, steps)), lines=lines).numbers
    assert sum(one.entered + one.exited for one in numbers.values()) == 1
    back = play(film([Actor(1, there_and_back, size=EXACT)], clock(2, 2 * steps)), lines=lines).numbers
    assert [(one.entered, one.exited) for one in back.values() if one.entered or one.exited] == [(1, 1)]


def test_no_lines_and_nobody_are_fine() -> None:
    assert play(film(one(RIGHT), clock(10, 4))).numbers == {}
    assert play(film([], clock(10, 1)), lines={"l": UP}).numbers["l"].by_class == {}
