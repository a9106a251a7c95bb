from __future__ import annotations

import numpy as np
import pytest

from edge_node.analytics.roster import Sighting
from edge_node.analytics.speed import SMOOTHING_S, Ground
from edge_node.config.camera_settings import AnalyticsSettings, GroundCalibration
from shared.errors import ConfigError
from shared.geometry import F64
from tests.edge_node.scenes import Actor, Path, Spot, clock, film, play, shaken, unseen, walk

# A road, 10 m wide and 40 m long, that narrows towards the horizon at y = 0.2.
ROAD = GroundCalibration(
    image=((0.1, 1.0), (0.9, 1.0), (0.58, 0.36), (0.42, 0.36)),
    metres=((0.0, 0.0), (10.0, 0.0), (10.0, 40.0), (0.0, 40.0)),
)
MIDDLE = 0.5


def height_at(metres: float) -> float:
    """Where on the picture the middle of the road is this far along: depth is 1 / (y - horizon)."""
    return 0.2 + 0.8 / (1 + metres / 10)


def drive(speed: float, start: float = 0.0) -> Path:
    """Along the middle of the road."""
    return lambda t: (MIDDLE, height_at(start + speed * t))


def speeds(path: Path, fps: float = 25, seconds: float = 3.0) -> list[float]:
    played = play(film([Actor(1, path)], clock(fps, seconds)), settings=AnalyticsSettings(ground=ROAD))
    found = []
    for report in played.reports:
        assert report.speed_m_s is not None
        found += report.speed_m_s.tolist()
    return found


def test_the_four_points_lie_where_they_were_measured() -> None:
    assert Ground(ROAD).locate(np.array(ROAD.image)) == pytest.approx(np.array(ROAD.metres), abs=1e-9)


SIDEWAYS = GroundCalibration(
    image=((0.1, 0.9), (0.8, 0.95), (0.7, 0.3), (0.35, 0.4)),
    metres=((1000.0, 3.0), (1006.0, -2.0), (1011.0, 7.0), (1004.0, 12.0)),
)
"""A camera that looks aslant, and coordinates that begin far away."""
DIAMOND = GroundCalibration(
    image=((0.0, 0.5), (0.5, 1.0), (1.0, 0.5), (0.5, 0.0)), metres=((0, 0), (4, 0), (4, 4), (0, 4))
)


@pytest.mark.parametrize("calibration", [SIDEWAYS, DIAMOND], ids=["sideways", "diamond"])
def test_any_four_points_lie_where_they_were_measured(calibration: GroundCalibration) -> None:
    found = Ground(calibration).locate(np.array(calibration.image))
    assert found == pytest.approx(np.array(calibration.metres), abs=1e-6)


def test_straight_lines_stay_straight_whatever_the_camera_sees() -> None:
    """Where the diagonals of the four points cross in the picture, they cross on the ground."""
    image, metres = np.array(SIDEWAYS.image), np.array(SIDEWAYS.metres)

    def crossing(points: F64) -> F64:
        a, b, c, d = points
        share = np.linalg.solve(np.column_stack((c - a, b - d)), b - a)[0]
        return np.asarray(a + share * (c - a))

    assert Ground(SIDEWAYS).locate(crossing(image)[None]) == pytest.approx(crossing(metres)[None], abs=1e-6)


def test_points_between_them_follow_the_perspective() -> None:
    points = np.array([(MIDDLE, height_at(d)) for d in (0.0, 5.0, 20.0, 100.0)])
    assert Ground(ROAD).locate(points) == pytest.approx(np.array([(5.0, d) for d in (0.0, 5.0, 20.0, 100.0)]))


def test_there_is_no_ground_at_and_above_the_horizon() -> None:
    assert np.isnan(Ground(ROAD).locate(np.array([(0.5, 0.2), (0.5, 0.1)]))).all()


@pytest.mark.parametrize("fps", [5, 25, 60])
@pytest.mark.parametrize("speed", [1.4, 13.9])
def test_a_steady_speed_is_found_wherever_on_the_picture_and_at_every_frame_rate(
    speed: float, fps: float
) -> None:
    assert speeds(drive(speed), fps)[-1] == pytest.approx(speed, rel=0.02)
    assert speeds(drive(-speed, start=60), fps)[-1] == pytest.approx(speed, rel=0.02)


def test_somebody_who_stands_has_no_speed_though_the_box_trembles() -> None:
    found = speeds(shaken(drive(0.0, start=5.0), 0.001), seconds=10)
    assert max(found[25:]) < 0.4


def test_the_first_frame_takes_the_trackers_word_for_the_speed() -> None:
    found = speeds(drive(3.0), fps=25, seconds=0.04)
    assert found[0] == 0.0  # the tracker has seen one box and knows no motion yet
    tracks, t = list(film([Actor(1, drive(3.0))], clock(25, 0.04)))[1]
    first = play([(tracks, t)], settings=AnalyticsSettings(ground=ROAD)).reports[0].speed_m_s
    assert first == pytest.approx([3.0], rel=0.02)


def test_a_change_of_pace_shows_after_a_second() -> None:
    def path(t: float) -> Spot:
        return MIDDLE, height_at(2 * min(t, 5.0))

    found = speeds(path, seconds=7)
    assert found[120] == pytest.approx(2.0, rel=0.05)
    assert found[150] < 0.4


def test_a_speed_goes_on_over_missed_frames() -> None:
    assert speeds(unseen(drive(3.0), (1, 2)))[-1] == pytest.approx(3.0, rel=0.05)


def test_the_speed_above_the_horizon_is_unknown_and_comes_back_below_it() -> None:
    found = speeds(walk((0, 0.5, 0.1), (1, 0.5, 0.1), (1.04, 0.5, 0.6), (10, 0.5, 0.6)), seconds=10)
    assert np.isnan(found[0])
    assert found[-1] == pytest.approx(0.0, abs=0.01)


def test_without_a_calibration_there_are_no_speeds() -> None:
    assert play(film([Actor(1, drive(1.0))], clock(5, 1))).reports[-1].speed_m_s is None


def test_empty_frames_have_no_speeds() -> None:
    speed = play(film([], [0.0]), settings=AnalyticsSettings(ground=ROAD)).reports[0].speed_m_s
    assert speed is not None
    assert speed.shape == (0,)


def standing(rows: list[int], previous_s: list[float], now_s: float) -> Sighting:
    index = np.array(rows, np.intp)
    return Sighting(index, index, np.zeros(len(rows), np.int32), np.array(previous_s), now_s)


def feet(*metres: float) -> F64:
    return np.array([(MIDDLE, height_at(one)) for one in metres])


NO_DRIFT = np.zeros((1, 2))


def test_a_speed_approaches_the_motion_by_the_share_of_the_time_constant_that_passed() -> None:
    ground = Ground(ROAD)
    ground.update(standing([0], [0.0], 0.0), feet(10.0), NO_DRIFT, 2)
    ground.update(standing([0], [0.0], 0.25), feet(12.0), NO_DRIFT, 2)
    gained = 1 - np.exp(-0.25 / SMOOTHING_S)
    assert ground.speed(np.array([0])) == pytest.approx([8.0 * gained])
    ground.update(standing([0], [0.25], 0.75), feet(12.0), NO_DRIFT, 2)
    assert ground.speed(np.array([0])) == pytest.approx([8.0 * gained * np.exp(-0.5 / SMOOTHING_S)])


def test_a_second_look_at_the_same_time_changes_no_speed() -> None:
    ground = Ground(ROAD)
    ground.update(standing([0], [0.0], 0.0), feet(10.0), NO_DRIFT, 1)
    ground.update(standing([0], [0.0], 1.0), feet(15.0), NO_DRIFT, 1)
    before = ground.speed(np.array([0]))
    ground.update(standing([0], [1.0], 1.0), feet(17.0), NO_DRIFT, 1)
    assert ground.speed(np.array([0])) == pytest.approx(before)


def test_the_first_guess_goes_where_the_tracker_says_even_when_the_way_is_short_there() -> None:
    ground = Ground(ROAD)
    towards_the_horizon = np.array([(0.0, -0.2)])
    ground.update(standing([0], [0.0], 0.0), feet(30.0), towards_the_horizon, 1)
    first = ground.speed(np.array([0]))[0]
    ground.update(standing([0], [0.0], 0.1), feet(30.0), NO_DRIFT, 1)  # it stands after all
    assert ground.speed(np.array([0])) == pytest.approx([first * np.exp(-0.1 / SMOOTHING_S)])
    ground.update(standing([0], [0.1], 0.2), feet(30.0 + 0.1 * first), NO_DRIFT, 1)
    assert ground.speed(np.array([0]))[0] > first * np.exp(-0.2 / SMOOTHING_S)


def test_a_slot_that_is_free_again_starts_without_a_past() -> None:
    ground = Ground(ROAD)
    for step in range(3):
        ground.update(standing([1], [max(step - 1, 0) * 0.1], step * 0.1), feet(10.0 + step), NO_DRIFT, 2)
    assert ground.speed(np.array([1]))[0] > 1.0
    ground.forget(np.array([1]))
    assert ground.speed(np.array([0, 1])).tolist() == [0.0, 0.0]
    ground.update(standing([1], [9.0], 9.0), feet(40.0), NO_DRIFT, 2)
    assert ground.speed(np.array([1])).tolist() == [0.0]


@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_points_on_one_line_are_told_by_the_shape_not_by_its_size(factor: float) -> None:
    def scaled(*points: Spot) -> tuple[Spot, ...]:
        return tuple((x * factor, y * factor) for x, y in points)

    image = SQUARE
    Ground(GroundCalibration(image=image, metres=scaled((0, 0), (4, 0), (3, 1), (0, 1))))  # type: ignore[arg-type]
    for bent in (0.0, 3e-5):  # in a thousandth part of the longer side
        with pytest.raises(ConfigError, match="three of the four points"):
            Ground(
                GroundCalibration(image=image, metres=scaled((0, 0), (4, bent), (8, 0), (0, 8)))  # type: ignore[arg-type]
            )


SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize(
    ("image", "metres", "message"),
    [
        (((0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.1, 0.9)), SQUARE, "ground.image: three"),  # on one line
        (((0.1, 0.1), (0.1, 0.1), (0.9, 0.9), (0.1, 0.9)), SQUARE, "ground.image: three"),  # given twice
        (((0.5, 0.5),) * 4, SQUARE, "ground.image: three"),
        (SQUARE, ((0, 0), (5, 0), (9, 0), (0, 9)), "ground.metres: three"),
        (
            SQUARE,
            (SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]),
            "ground: image and metres must list the same four points in the same order",
        ),
    ],
)
def test_points_that_cannot_calibrate_are_refused(
    image: tuple[Spot, ...], metres: tuple[Spot, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Ground(GroundCalibration(image=image, metres=metres))  # type: ignore[arg-type]
