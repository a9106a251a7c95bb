from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_node.analytics.heatmap import Heatmap
from edge_node.config.camera_settings import AnalyticsSettings
from tests.edge_node.scenes import Actor, clock, film, play, stand, unseen, walk

GRID = AnalyticsSettings(heatmap_columns=10, heatmap_rows=5, heatmap_half_life_s=1e9)


def test_presence_is_counted_in_seconds_where_the_feet_are() -> None:
    actors = [
        Actor(1, stand(0.25, 0.9, 0, 4)),
        Actor(2, stand(0.99, 1.0, 2, 4)),
        Actor(3, stand(-0.2, 0.1, 0, 1)),
    ]
    seconds = play(film(actors, clock(10, 6)), settings=GRID).analytics.heatmap.seconds
    assert seconds.shape == (5, 10)
    assert seconds[4, 2] == pytest.approx(4)
    assert seconds[4, 9] == pytest.approx(2)
    assert seconds[0, 0] == pytest.approx(1)  # beyond the left edge: the cell at it
    assert seconds.sum() == pytest.approx(7)


@pytest.mark.parametrize("fps", [1, 5, 30])
def test_the_frame_rate_does_not_matter(fps: float) -> None:
    settings = AnalyticsSettings(heatmap_columns=2, heatmap_rows=1, heatmap_half_life_s=3.0)
    actors = [Actor(1, walk((0, 0.2, 0.5), (10, 0.2, 0.5))), Actor(2, stand(0.8, 0.5, 4, 7))]
    seconds = play(film(actors, clock(fps, 12)), settings=settings).analytics.heatmap.seconds
    life = 3.0 / np.log(2)
    left = life * (1 - 2 ** (-10 / 3)) * 2 ** (-2 / 3)
    right = life * (1 - 2 ** (-3 / 3)) * 2 ** (-5 / 3)
    assert seconds == pytest.approx(np.array([[left, right]]))


def test_time_out_of_sight_is_nobodys() -> None:
    actor = Actor(1, unseen(stand(0.5, 0.5), (2, 6)))
    assert play(film([actor], clock(10, 8)), settings=GRID).analytics.heatmap.seconds.sum() == pytest.approx(
        4
    )


def test_the_time_before_somebody_came_is_nobodys() -> None:
    seconds = play(
        film([Actor(1, stand(0.5, 0.5, 1, 3))], clock(1, 3)), settings=GRID
    ).analytics.heatmap.seconds
    assert seconds.sum() == pytest.approx(2)


def test_a_restart_keeps_the_map_and_does_not_count_the_pause() -> None:
    played = play(film([Actor(1, stand(0.5, 0.5))], clock(10, 2)), settings=GRID)
    played.analytics.restart()
    played.feed(film([Actor(2, stand(0.5, 0.5, 100))], clock(10, 1, 100.0)))
    assert played.analytics.heatmap.seconds.sum() == pytest.approx(3)


def test_the_picture_is_grey_one_pixel_a_cell_and_brightest_where_most_time_was_spent() -> None:
    heatmap = Heatmap(4, 3, 60.0)
    heatmap.update(np.array([[0.1, 0.1], [0.9, 0.9], [0.9, 0.9], [0.9, 0.9]]), 1.0)
    png = heatmap.to_png()
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    expected = np.zeros((3, 4), np.uint8)
    expected[0, 0], expected[2, 3] = 85, 255
    assert picture.tolist() == expected.tolist()


def test_an_empty_map_is_a_black_picture() -> None:
    heatmap = Heatmap(4, 3, 60.0)
    heatmap.update(np.zeros((0, 2)), 1.0)
    picture = cv2.imdecode(np.frombuffer(heatmap.to_png(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert (picture.shape, int(picture.max())) == ((3, 4), 0)
