from __future__ import annotations

import numpy as np
import pytest

from edge_node.analytics.speed import Ground
from edge_node.config.camera_settings import AnalyticsSettings, GroundCalibration
from shared.errors import ConfigError
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


SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize(
    ("image", "metres", "message"),
    [
        (((0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.1, 0.9)), SQUARE, "ground.image: three"),  # on one line
        (((0.1, 0.1), (0.1, 0.1), (0.9, 0.9), (0.1, 0.9)), SQUARE, "ground.image: three"),  # given twice
        (((0.5, 0.5),) * 4, SQUARE, "ground.image: three"),
        (SQUARE, ((0, 0), (5, 0), (9, 0), (0, 9)), "ground.metres: three"),
        (SQUARE, (SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), "same order"),
    ],
)
def test_points_that_cannot_calibrate_are_refused(
    image: tuple[Spot, ...], metres: tuple[Spot, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Ground(GroundCalibration(image=image, metres=metres))  # type: ignore[arg-type]
