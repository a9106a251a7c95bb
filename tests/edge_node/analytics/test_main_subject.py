from __future__ import annotations

import pytest

from edge_node.config.camera_settings import AnalyticsSettings
from tests.edge_node.scenes import Actor, clock, film, play, stand, unseen

SETTINGS = AnalyticsSettings(main_classes=("person",), main_score=0.5, main_ratio=1.25, main_after_s=1.0)


def person(track_id: int, size: float, *, start: float = 0.0, end: float = 99.0, score: float = 0.9) -> Actor:
    return Actor(track_id, stand(0.1 * track_id, 0.9, start, end), size=(0.1, size), score=score)


def mains(
    *actors: Actor, fps: float = 10, seconds: float = 6, settings: AnalyticsSettings = SETTINGS
) -> list[int | None]:
    return [
        report.main_track_id for report in play(film(actors, clock(fps, seconds)), settings=settings).reports
    ]


def test_the_largest_confident_object_of_the_class_is_the_subject() -> None:
    unsure, car = person(3, 0.9, score=0.3), Actor(4, stand(0.5, 0.9), 1, size=(0.5, 0.5))
    assert set(mains(person(1, 0.2), person(2, 0.4), unsure, car)) == {2}


def test_without_classes_every_object_may_be_the_subject() -> None:
    car = Actor(4, stand(0.5, 0.9), 99, size=(0.5, 0.5))
    assert set(mains(person(1, 0.2), car, settings=AnalyticsSettings())) == {4}


def test_there_is_none_while_nobody_fits() -> None:
    assert set(mains(person(1, 0.9, score=0.3))) == {None}
    assert set(mains()) == {None}


def test_two_of_about_the_same_size_do_not_take_turns() -> None:
    small = [person(1, 0.40), person(2, 0.42)]
    frames = [*film(small, clock(10, 3)), *film([person(1, 0.42), person(2, 0.40)], clock(10, 3, 3.1))]
    assert {report.main_track_id for report in play(frames, settings=SETTINGS).reports} == {2}


@pytest.mark.parametrize("fps", [10, 25])
def test_a_clearly_larger_one_takes_over_after_a_while(fps: float) -> None:
    chosen = mains(person(1, 0.3), person(2, 0.6, start=2.0), fps=fps)
    assert chosen.index(2) / fps == pytest.approx(3.0, abs=1 / fps)
    assert chosen == [1] * chosen.index(2) + [2] * (len(chosen) - chosen.index(2))


def test_one_that_passes_by_quickly_does_not() -> None:
    assert set(mains(person(1, 0.3), person(2, 0.6, start=2.0, end=2.8))) == {1}


def test_nor_does_one_that_passes_by_quickly_again_and_again() -> None:
    larger = Actor(2, unseen(stand(0.2, 0.9, 1.0, 5.8), (1.7, 2.3), (3.0, 3.6), (4.3, 5.0)), size=(0.1, 0.6))
    assert set(mains(person(1, 0.3), larger)) == {1}


def test_a_subject_missed_for_a_moment_stays_the_subject() -> None:
    blinking = Actor(1, unseen(stand(0.1, 0.9), (2, 2.5)), size=(0.1, 0.5))
    chosen = mains(blinking, person(2, 0.3))
    assert chosen[21:25] == [None] * 4
    assert set(chosen[:21] + chosen[25:]) == {1}


def test_a_subject_that_is_gone_is_followed_by_the_next() -> None:
    chosen = mains(person(1, 0.5, end=2.0), person(2, 0.3))
    assert chosen == [1] * 21 + [None] * 10 + [2] * 30


def test_a_subject_whose_score_falls_stays_the_subject() -> None:
    frames = [
        *film([person(1, 0.5), person(2, 0.3)], clock(10, 2)),
        *film([person(1, 0.5, score=0.2), person(2, 0.3)], clock(10, 2, 2.1)),
    ]
    assert {report.main_track_id for report in play(frames, settings=SETTINGS).reports} == {1}


def test_a_restart_chooses_anew() -> None:
    played = play(film([person(1, 0.5)], clock(10, 1)), settings=SETTINGS)
    played.analytics.restart()
    assert played.feed(film([person(2, 0.3)], [2.0])).reports[-1].main_track_id == 2
