from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge_node.analytics.watch import Analysed
from edge_node.collect.chooser import Candidate, Chooser
from edge_node.config.collecting import CollectSettings
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Tracks
from edge_node.ignore.rules import Ignored
from shared.collected import Reason
from tests.edge_node.collect.shown import found, show, shown
from tests.edge_node.scenes import HEIGHT, WIDTH, Actor, Spot, clock, film, stand, unseen, walk

TRACKING = TrackerSettings()
HERE = stand(0.5, 0.6)
FPS = 5  # so slow that every frame is looked at


def chooser(*reasons: Reason, looks_again: bool = False, **values: float) -> Chooser:
    settings = replace(CollectSettings(enabled=True, reasons=reasons), **values)  # type: ignore[arg-type]  # by name
    return Chooser(settings, TRACKING, looks_again=looks_again)


def chosen(one: Chooser, frames: Iterable[tuple[Detected, Analysed]]) -> list[Candidate]:
    """What a chooser chooses of a film; a held frame counts when it is to be kept."""
    return [
        candidate
        for detected, item in frames
        if (candidate := one.choose(detected, item)) is not None and candidate.step != "hold"
    ]


def times(candidates: Sequence[Candidate]) -> list[float]:
    return [round(one.item.now_s, 2) for one in candidates if one.item is not None]


def test_an_object_that_is_missed_and_seen_again_gives_the_frame_in_which_it_was_missed() -> None:
    actor = Actor(1, unseen(HERE, (2.0, 2.5)))
    [one] = chosen(chooser("flicker", "lost_track"), show([actor], clock(FPS, 6)))
    assert one.reasons == ("flicker",)
    assert times([one]) == [2.2]


def test_an_object_that_is_only_predicted_is_missed() -> None:
    actor = Actor(1, HERE, predicted=lambda t: 2.0 < t < 2.5)
    [one] = chosen(chooser("flicker"), show([actor], clock(FPS, 6)))
    assert times([one]) == [2.2]


def test_while_a_reason_has_had_its_turn_few_frames_are_encoded_in_vain() -> None:
    gaps = [(t, t + 0.3) for t in np.arange(1.0, 30.0, 0.6)]
    film = show([Actor(1, unseen(HERE, *gaps))], clock(10, 30))
    one = chooser("flicker", "lost_track")
    held, kept = 0, 0
    for frame in film:
        candidate = one.choose(*frame)
        if candidate is not None and candidate.step == "hold":
            held += 1
        elif candidate is not None:
            one.kept(candidate.reasons[0], candidate.now_s, 5.0)
            kept += 1
    assert kept == 2
    assert held < 25


def test_a_track_that_ends_in_the_middle_is_lost() -> None:
    [one] = chosen(chooser("lost_track"), show([Actor(1, stand(0.5, 0.6, 0, 3))], clock(FPS, 8)))
    assert one.reasons == ("lost_track",)
    assert times([one]) == [3.2]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (walk((0, 0.5, 0.6), (3, 0.99, 0.6)), "it stands at the edge"),
        (walk((0, 0.2, 0.6), (3, 0.85, 0.6)), "it would be at the edge in a second"),
        (stand(0.5, 0.6, 0, 0.3), "it was followed for too short a time to be sure"),
    ],
)
def test_a_track_that_may_have_left_is_not_lost(path: object, why: str) -> None:
    actor = Actor(1, path)  # type: ignore[arg-type]  # a path of the table
    assert chosen(chooser("lost_track", "flicker"), show([actor], clock(FPS, 8))) == [], why


def test_what_a_mask_dropped_is_not_lost() -> None:
    one = chooser("lost_track")
    for tracks, t in film([Actor(1, stand(0.5, 0.6, 0, 3))], clock(FPS, 8)):
        dropped = None
        if t > 3.05:
            box = np.array([[0.48 * WIDTH, 0.48 * HEIGHT, 0.52 * WIDTH, 0.6 * HEIGHT]], np.float32)
            alone = Detections(box, np.array([0.9], np.float32), np.array([0], np.int32))
            dropped = Ignored(alone, np.zeros(1, np.int8), np.zeros(1, np.int32), ("m",))
        assert one.choose(*shown(tracks, t, ignored=dropped)) is None


def test_nobody_waits_long_for_an_object_that_stands_still() -> None:
    one = chooser("flicker", "lost_track")
    for tracks, t in film([Actor(1, unseen(HERE, (2.0, 20.0)))], clock(FPS, 22), give_up_s=60):
        candidate = one.choose(*shown(tracks, t))
        assert candidate is None or candidate.step == "hold"


def test_nothing_is_lost_by_a_restart_of_the_picture() -> None:
    one = chooser("lost_track", "flicker")
    for tracks, t in film([Actor(1, stand(0.5, 0.6, 0, 3))], clock(FPS, 8)):
        assert one.choose(*shown(tracks, t, restarted=3.0 < t < 3.3)) is None


def test_a_frame_on_which_the_network_did_not_run_misses_nothing() -> None:
    one = chooser("flicker", "lost_track", "low_score")
    for tracks, t in film([Actor(1, HERE)], clock(FPS, 6)):
        odd = round(t * FPS) % 2 == 1
        seen = replace(tracks, predicted=np.full(len(tracks), odd))
        assert one.choose(*shown(seen, t, looked=not odd)) is None


def test_of_many_frames_a_second_only_some_are_looked_at_and_no_end_is_overlooked() -> None:
    [one] = chosen(chooser("lost_track"), show([Actor(1, stand(0.5, 0.6, 0, 3))], clock(50, 8)))
    assert 3.0 < times([one])[0] <= 3.3


def scored(scores: Iterable[tuple[float, float]]) -> Iterable[tuple[Detected, Analysed]]:
    """A film of a person with a score for each time."""
    values = dict(scores)
    for tracks, t in film([Actor(1, HERE)], list(values)):
        yield shown(replace(tracks, score=np.array([values[t]], np.float32)), t)


def test_an_object_that_is_hardly_recognised_by_what_is_usual_for_it() -> None:
    low = [(t, 0.4 if 4 < t < 5 else 0.9) for t in clock(FPS, 8)]
    [one] = chosen(chooser("low_score"), scored(low))
    assert times([one]) == [4.2]
    usual = [(t, 0.4) for t in clock(FPS, 8)]  # a detector that gives everybody 0.4
    assert chosen(chooser("low_score"), scored(usual)) == []


def test_pictures_keep_their_distance_in_time() -> None:
    low = [(t, 0.2 if t > 2 else 0.9) for t in clock(FPS, 30)]
    one = chooser("low_score", interval_s=3.0)
    assert times(chosen(one, scored(low)))[:3] == [2.2, 5.2, 8.2]
    slow = chooser("low_score", interval_s=3.0)
    first = next(iter(chosen(slow, scored(low[:13]))))
    slow.kept(first.reasons[0], first.now_s, 4.0)
    assert times(chosen(slow, scored(low[13:])))[0] == pytest.approx(2.2 + 4 * 3.0)  # others have their turn


def test_a_reason_that_is_off_chooses_nothing() -> None:
    actor = Actor(1, unseen(HERE, (2.0, 2.5)))
    assert chosen(chooser("low_score"), show([actor], clock(FPS, 6))) == []


def test_scenes_are_sampled_now_and_then() -> None:
    one = chooser("new_scene", interval_s=2.0)
    picked = chosen(one, show([], clock(FPS, 6.5)))
    assert {candidate.step for candidate in picked} == {"sample"}
    assert times(picked) == [0.0, 2.0, 4.0, 6.0]


def test_a_second_look_is_rare_and_only_where_somebody_looks() -> None:
    looking = chooser("disagreement", looks_again=True, second_look_s=3.0)
    picked = chosen(looking, show([Actor(1, HERE)], clock(FPS, 7)))
    assert {candidate.step for candidate in picked} == {"look"}
    assert times(picked) == [0.0, 3.0, 6.0]
    assert chosen(chooser("disagreement"), show([Actor(1, HERE)], clock(FPS, 7))) == []
    never = chooser("disagreement", looks_again=True, second_look_s=0.0)
    assert chosen(never, show([Actor(1, HERE)], clock(FPS, 7))) == []


def jump(t: float) -> Spot:
    return (0.3, 0.6) if t < 3 else (0.7, 0.6)


@pytest.mark.parametrize(("path", "fails"), [(HERE, False), (jump, True)])
def test_a_detection_far_from_where_the_tracker_expected_it(path: object, fails: bool) -> None:
    one = chooser("disagreement")
    picked = []
    before: Tracks | None = None
    for tracks, t in film([Actor(1, path)], clock(FPS, 6)):  # type: ignore[arg-type]  # a path of the table
        skipped = round(t * FPS) % 3 != 0
        now = tracks if before is None or not skipped else replace(before, predicted=np.ones(1, np.bool_))
        candidate = one.choose(
            *shown(replace(now, velocity=np.zeros((1, 2), np.float32)), t, looked=not skipped)
        )
        before = now
        picked += [candidate] if candidate else []
    assert [one.reasons for one in picked] == [("disagreement",)] * fails


class Tiles:
    xyxy = np.array([[0, 0, 800, 720], [480, 0, 1280, 720]], np.float32)
    least = np.array([16, 16], np.float32)

    def __init__(self, *places: int) -> None:
        self.places = places


@pytest.mark.parametrize(
    ("x", "places", "disagree"),
    [
        (0.5, (0, 1), True),  # both tiles show it, and one does not find it
        (0.5, (0,), False),  # the other tile was not looked at now
        (0.2, (0, 1), False),  # only one tile shows it
        (0.61, (0, 1), False),  # the first tile's edge cuts it
    ],
)
def test_tiles_that_show_one_place_and_find_different_things(
    x: float, places: tuple[int, ...], disagree: bool
) -> None:
    one = chooser("disagreement", "low_score")
    picked = []
    for tracks, t in film([Actor(1, stand(x, 0.6))], clock(FPS, 3)):
        detected, item = shown(tracks, t)
        parts = (found(tracks), Detections.empty())
        candidate = one.choose(replace(detected, parts=parts, tiles=Tiles(*places)), item)
        picked += [candidate] if candidate else []
    assert bool(picked) == disagree


def test_a_camera_with_tiles_gets_no_second_look_at_the_whole_frame() -> None:
    one = chooser("disagreement", looks_again=True, second_look_s=1.0)
    for tracks, t in film([Actor(1, stand(0.2, 0.6))], clock(FPS, 3)):
        detected, item = shown(tracks, t)
        parts = (found(tracks), Detections.empty())
        assert one.choose(replace(detected, parts=parts, tiles=Tiles(0, 1)), item) is None


def test_tiles_that_find_the_same_do_not_disagree() -> None:
    one = chooser("disagreement", "low_score")
    for tracks, t in film([Actor(1, stand(0.5, 0.6))], clock(FPS, 3)):
        detected, item = shown(tracks, t)
        parts = (found(tracks), found(tracks))
        assert one.choose(replace(detected, parts=parts, tiles=Tiles(0, 1)), item) is None
