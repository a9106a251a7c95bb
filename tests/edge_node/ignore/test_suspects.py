"""What is offered as a static false positive, and what is not, in made-up hours of known truth.

A node offers a thing after 2 hours; here `AFTER_S` stands for them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from edge_node.frames import Looked, Tracks
from edge_node.ignore.suspects import MOST_PLACES, SAMPLE_S, SuspectHunt
from shared import limits
from shared.geometry import iou
from shared.wire.messages import Suspect
from tests.edge_node.ignore.scene import Film, Light, Thing, Where, passes, stands

AFTER_S = 300.0
CLASSES = ("person", "car", "kite")
CAR = (0.2, 0.15)


def sign(start_s: float = 300.0, found: float = 0.5, score: float = 0.4) -> Thing:
    """Scenery that the network takes for a kite, on some pictures."""
    return Thing(stands(0.4, 0.5, start_s), found=found, score=score, class_id=2)


def person(where: Where, pixels: int = 3, sway: float = 0.03) -> Thing:
    return Thing(where, pixels=pixels, sway=sway)


def car(where: Where, pixels: int = 3, score: float = 0.7, found: float = 1.0) -> Thing:
    return Thing(where, CAR, pixels, found, score, class_id=1)


def night(dark_s: float, light_s: float) -> Light:
    """Bright, then dark, then a slow dawn."""
    return lambda t: 1.0 if t < dark_s else 0.02 if t < light_s else min(1.0, (t - light_s) / 400 + 0.02)


def beside() -> list[Thing]:
    """People below the sign, one of whom is always close to it."""
    return [Thing(passes(0.71, 8, first_s=-n), pixels=20 + n, found=1.0, sway=0) for n in range(8)]


def hunt(film: Film, until_s: float, after_s: float = AFTER_S) -> SuspectHunt:
    one = SuspectHunt(after_s, CLASSES)
    for shown in film.play(until_s):
        one.sample(*shown)
    return one


def ever(film: Film, until_s: float, after_s: float = AFTER_S) -> list[str]:
    """Every class that was offered at any time, in this order."""
    one, labels = SuspectHunt(after_s, CLASSES), []
    for shown in film.play(until_s):
        one.sample(*shown)
        labels += [suspect.label for suspect in one.news() or () if suspect.label not in labels]
    return labels


@pytest.mark.parametrize(
    "film",
    [
        pytest.param(Film([sign()]), id="flickers, and began while the camera watched"),
        pytest.param(Film([sign(0.0, found=0.25, score=0.3)]), id="found in a quarter of the pictures"),
        pytest.param(Film([sign(found=1.0, score=0.8)]), id="always found, and sure"),
        pytest.param(Film([sign(), person(passes(0.5, 20), sway=0)]), id="people pass before it"),
        pytest.param(Film([sign(), *beside()]), id="people walk close to it all the time"),
        pytest.param(Film([sign()], noise=8), id="a noisy sensor"),
        pytest.param(Film([sign()], light=lambda t: max(0.05, 1 - t / 600)), id="dusk"),
        pytest.param(Film([sign()], light=lambda t: 0.6 + 0.4 * np.sin(t / 40)), id="clouds"),
        pytest.param(Film([sign()], switched=(400, 500)), id="lamps are switched"),
        pytest.param(Film([sign(), car(stands(0.7, 0.6, 350, 500))]), id="a car parks beside it"),
    ],
)
def test_scenery_that_is_found_again_and_again_is_offered(film: Film) -> None:
    assert ever(film, 700) == ["kite"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("film", "until_s"),
    [
        pytest.param(Film([person(stands(0.4, 0.5, 300, 500))]), 800, id="a person stands for minutes"),
        pytest.param(Film([person(stands(0.4, 0.5, 200))]), 800, id="a person stands for hours, and sways"),
        pytest.param(Film([person(stands(0.4, 0.5, 0))]), 800, id="a person was there from the start"),
        pytest.param(
            Film([person(stands(0.4, 0.5, 300), sway=0)]), 800, id="a person who stands like a stone"
        ),
        pytest.param(
            Film([Thing(stands(0.4, 0.5), (0.3, 0.6), 3, found=0.9, score=0.5, sway=0.004)]),
            800,
            id="somebody sits there from the start, and breathes",
        ),
        pytest.param(Film([car(stands(0.4, 0.5, 300))]), 800, id="a car parks"),
        pytest.param(Film([car(stands(0.4, 0.5, 200, 700))]), 1100, id="a parked car leaves"),
        pytest.param(Film([car(stands(0.4, 0.5, 0, 250))]), 700, id="a car that was there leaves in time"),
        pytest.param(
            Film([car(stands(0.4, 0.5, 0, 250), score=0.5), car(stands(0.41, 0.5, 310), 4, score=0.5)]),
            1000,
            id="a car leaves and another comes",
        ),
        pytest.param(
            Film([person(stands(0.4, 0.5, 60 * n, 60 * n + 55), n, sway=0.02) for n in range(17)]),
            1000,
            id="a queue",
        ),
        pytest.param(
            Film([person(stands(0.4, 0.5, 120 * n, 120 * n + 118), n, sway=0) for n in range(9)]),
            1000,
            id="a queue of stones",
        ),
        pytest.param(
            Film([car(stands(0.4, 0.5, 200), score=0.5, found=0.8)], night(400, 800)),
            1700,
            id="a car parks before the night, and is there in the morning",
        ),
        pytest.param(Film([car(stands(0.4, 0.5, 300))], switched=(500, 700, 900)), 800, id="lamps on a car"),
        pytest.param(Film([car(stands(0.4, 0.5, 300))], noise=8), 800, id="a car and a noisy sensor"),
    ],
)
def test_what_is_real_is_not_offered(film: Film, until_s: float) -> None:
    assert ever(film, until_s) == []


@functools.cache
def offered() -> Suspect:
    [suspect] = hunt(Film([sign()]), 800).offers()
    return suspect


def test_an_offer_says_what_was_found_where_since_when_and_how_to_mask_it() -> None:
    one = offered()
    assert (one.label, one.class_id) == ("kite", 2)
    assert 300 <= (one.since_us / 1e6 - 1.7e9) < 310
    assert 780 < (one.last_us / 1e6 - 1.7e9) < 800
    assert one.seen_share == pytest.approx(0.5, abs=0.08)
    assert one.score == pytest.approx(0.4, abs=0.02)
    truth = np.array([[0.37, 0.4, 0.43, 0.6]])
    assert iou(np.array([one.box]), truth)[0, 0] > 0.9
    (left, top), _, (right, bottom), _ = one.polygon
    feet = (one.box[0] + one.box[2]) / 2, one.box[3]
    assert left < feet[0] < right
    assert top < feet[1] < bottom
    assert iou(np.array([[left, top, right, bottom]]), truth)[0, 0] > 0.6, "no larger than it must be"


def test_what_was_there_from_the_start_is_asked_about_because_nobody_can_tell() -> None:
    assert ever(Film([car(stands(0.4, 0.5))]), 400) == ["car"]


def test_a_box_that_trembles_is_one_thing() -> None:
    """The network sees all of it, or its lower half."""
    whole = Thing(stands(0.4, 0.5), (0.1, 0.4), found=0.5, score=0.4, class_id=2)
    half = Thing(stands(0.4, 0.59), (0.1, 0.22), found=0.5, score=0.4, class_id=2)
    assert len(hunt(Film([whole, half]), 500).offers()) <= 2
    same = Thing(stands(0.405, 0.52), (0.1, 0.36), found=0.5, score=0.4, class_id=2)
    assert len(hunt(Film([whole, same]), 500).offers()) == 1


def test_an_offer_comes_when_the_time_is_over_and_not_before() -> None:
    first = {}
    for after_s in (200.0, 400.0):
        one = SuspectHunt(after_s, CLASSES)
        for shown in Film([sign()]).play(900):
            one.sample(*shown)
            if one.offered:
                first[after_s] = shown[-1]
                break
    assert first == {200.0: pytest.approx(500, abs=10), 400.0: pytest.approx(700, abs=10)}


def test_what_is_called_real_is_not_offered_again_and_others_are() -> None:
    film = Film([sign(), Thing(stands(0.8, 0.3, 300), found=0.5, score=0.4, class_id=2)])
    one = hunt(film, 700)
    left = min(one.offers(), key=lambda suspect: suspect.box[0])
    one.news()
    assert one.dismiss(left.id)
    assert not one.dismiss(left.id), "it is not offered any more"
    news = one.news()
    assert news is not None
    assert [suspect.box[0] > 0.5 for suspect in news] == [True]
    for shown in film.play(800, 700):
        one.sample(*shown)
    assert [suspect.box[0] > 0.5 for suspect in one.offers()] == [True]
    again = SuspectHunt(AFTER_S, CLASSES, real=one.real)
    for shown in film.play(700):
        again.sample(*shown)
    assert [suspect.box[0] > 0.5 for suspect in again.offers()] == [True]


def test_what_masks_cover_is_forgotten_at_once() -> None:
    film = Film([sign()])
    one = hunt(film, 700)
    one.news()
    frame = next(film.play(2))[0].frame
    one.forget_covered(lambda found, _: found.class_id == 1, frame)
    assert (len(one.offers()), one.news()) == (1, None)
    one.forget_covered(lambda found, frame: found.xyxy[:, 2] / frame.width < 0.5, frame)
    assert one.offers() == ()
    assert one.news() == ()


def test_what_the_network_did_not_look_at_is_not_missing() -> None:
    """Tiles: only every tenth picture is looked at where the sign is; the others see another corner."""
    corner = Looked(np.array([[0, 0, 60, 60]], np.float32), np.array([4], np.float32))
    one = SuspectHunt(AFTER_S, CLASSES)
    for step, (detected, found, tracks, now_s) in enumerate(Film([sign(found=1.0)]).play(800)):
        if step % 10:
            nothing = found[:0]
            one.sample(dataclasses.replace(detected, looked=corner), nothing, tracks, now_s)
        else:
            one.sample(detected, found, tracks, now_s)
    [suspect] = one.offers()
    assert suspect.seen_share == 1.0


def test_time_that_nobody_watched_does_not_count() -> None:
    film = Film([sign(0.0)])
    one = SuspectHunt(AFTER_S, CLASSES)
    for shown in itertools.chain(film.play(100), film.play(10_100, 10_000), film.play(80, 0)):
        one.sample(*shown)
    assert one.offers() == (), "100 + 100 + 80 seconds"
    for shown in film.play(150, 80):
        one.sample(*shown)
    assert len(one.offers()) == 1, "a film that begins again is the same scene"


def test_a_hunt_looks_at_one_picture_in_two_seconds_and_at_none_when_it_is_off() -> None:
    one = SuspectHunt(AFTER_S, CLASSES)
    assert one.due(100.0)
    one.sample(*next(Film([]).play(102.0, 100.0)))
    assert [one.due(100.0 + after) for after in (0.0, 1.9, SAMPLE_S, -5.0)] == [False, False, True, True]
    assert not SuspectHunt(0.0, CLASSES).due(100.0)


def test_memory_is_bounded_however_many_things_are_found() -> None:
    rng = np.random.default_rng(0)
    one = SuspectHunt(AFTER_S, CLASSES)

    def scattered(count: int) -> Sequence[Thing]:
        return [Thing(stands(*rng.uniform(0.05, 0.95, 2)), (0.02, 0.02), found=1) for _ in range(count)]

    for _ in range(8):
        for shown in Film(scattered(90)).play(4):
            one.sample(*shown)
    assert 100 < len(one.places) <= MOST_PLACES
    for place in one.places:
        place.offered = True
    assert len(one.offers()) == limits.SUSPECTS


def test_a_thing_that_no_track_reports_is_nobody_s_trouble() -> None:
    one = SuspectHunt(AFTER_S, CLASSES)
    for detected, found, tracks, now_s in Film([sign()]).play(800):
        assert len(tracks) == len(found)
        one.sample(detected, found, Tracks.empty(), now_s)
    assert one.offers() == ()
