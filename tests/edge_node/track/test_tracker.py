"""What both trackers promise, on scenes made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections, Tracks
from edge_node.track.tracker import Tracker, create
from shared.geometry import iou

Box = tuple[float, float, float, float]
KINDS = ("bytetrack", "ocsort")


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[..., Tracker]:
    def build(**changes: float) -> Tracker:
        return create(TrackerSettings(kind=request.param, **changes))

    return build


def seen(*boxes: Box, score: float = 0.9, class_id: int = 0) -> Detections:
    n = len(boxes)
    xyxy = np.array(boxes, np.float32).reshape(n, 4)
    return Detections(xyxy, np.full(n, score, np.float32), np.full(n, class_id, np.int32))


def person(x: float, y: float = 100.0, height: float = 100.0) -> Box:
    return (x - height * 0.2, y - height / 2, x + height * 0.2, y + height / 2)


def run(tracker: Tracker, frames: Iterable[Detections | None], dt: float = 0.1) -> list[Tracks]:
    return [tracker.update(frame, dt if index else 0.0) for index, frame in enumerate(frames)]


def ids(results: Iterable[Tracks]) -> set[int]:
    return {int(i) for tracks in results for i in tracks.track_id}


def id_at(tracks: Tracks, box: Box) -> int:
    overlap = iou(tracks.xyxy, np.array([box]))[:, 0]
    assert overlap.max(initial=0.0) > 0.3, "no track where the object is"
    return int(tracks.track_id[overlap.argmax()])


NOTHING = seen()


@pytest.mark.parametrize("frame", [NOTHING, None], ids=["empty", "no detector run"])
def test_nothing_seen_gives_no_tracks(make: Callable[..., Tracker], frame: Detections | None) -> None:
    for tracks in run(make(), [frame] * 3):
        assert (len(tracks), len(tracks.ended)) == (0, 0)


def test_a_track_is_confirmed_by_its_second_detection_and_ids_start_at_one(
    make: Callable[..., Tracker],
) -> None:
    results = run(make(), [seen(person(100)), seen(person(102))])
    assert [len(tracks) for tracks in results] == [0, 1]
    assert results[1].track_id.tolist() == [1]
    assert not results[1].predicted[0]


def test_a_detection_seen_once_never_becomes_a_track(make: Callable[..., Tracker]) -> None:
    results = run(make(), [seen(person(100)), NOTHING, NOTHING, seen(person(100)), NOTHING])
    assert ids(results) == set()
    assert [tracks.ended.tolist() for tracks in results] == [[]] * 5


def test_confirmation_can_be_asked_to_take_longer(make: Callable[..., Tracker]) -> None:
    results = run(make(confirm_s=0.3), [seen(person(100))] * 5)
    assert [len(tracks) for tracks in results] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("rate", [5.0, 15.0, 30.0])
def test_a_walker_keeps_one_id_and_its_speed_is_in_pixels_per_second(
    make: Callable[..., Tracker], rate: float
) -> None:
    frames = [seen(person(100 + 60 * i / rate)) for i in range(int(3 * rate))]
    results = run(make(), frames, 1 / rate)
    assert ids(results) == {1}
    assert results[-1].velocity[0] == pytest.approx((60, 0), abs=6)
    assert results[-1].age_s[0] == pytest.approx((len(frames) - 1) / rate, abs=1e-3)


def test_dropped_frames_do_not_change_the_id(make: Callable[..., Tracker]) -> None:
    tracker, now, found = make(), 0.0, set()
    for dt in [0.0, *[0.04] * 20, 0.4, 0.04, 0.04, 0.6, *[0.04] * 5]:
        now += dt
        found |= ids([tracker.update(seen(person(100 + 80 * now)), dt)])
    assert found == {1}


def test_people_who_cross_keep_their_ids(make: Callable[..., Tracker]) -> None:
    tracker = make()
    left, right = [100 + 8 * i for i in range(40)], [412 - 8 * i for i in range(40)]
    results = run(tracker, [seen(person(a, 100), person(b, 130)) for a, b in zip(left, right, strict=True)])
    before, after = results[5], results[-1]
    assert id_at(before, person(left[5], 100)) == id_at(after, person(left[-1], 100))
    assert id_at(before, person(right[5], 130)) == id_at(after, person(right[-1], 130))
    assert ids(results) == {1, 2}


def test_an_occluded_walker_returns_under_its_id(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(100 + 5 * i)) if not 20 <= i < 28 else NOTHING for i in range(40)]
    results = run(make(), frames)
    assert ids(results) == {1}
    assert all(len(tracks.ended) == 0 for tracks in results)


def test_an_unseen_track_is_predicted_briefly_then_hidden_then_ended_once(
    make: Callable[..., Tracker],
) -> None:
    frames = [seen(person(100 + 10 * i)) for i in range(15)] + [NOTHING] * 25
    # Something at the edges of the picture shows the tracker how far it reaches.
    frames[0] = seen(person(100), (0, 0, 5, 5), (600, 300, 640, 360))
    results = run(make(predicted_s=0.25, lost_s=1.05), frames)
    assert [len(tracks) for tracks in results[15:19]] == [1, 1, 0, 0]
    assert results[15].predicted.tolist() == [True]
    assert results[15].xyxy[0, 0] > results[14].xyxy[0, 0] + 5
    assert [i for i, tracks in enumerate(results) if len(tracks.ended)] == [25]
    assert results[25].ended.tolist() == [1]


def test_a_prediction_outside_the_picture_is_not_reported(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(300 - 15 * i)) for i in range(18)] + [NOTHING] * 2
    results = run(make(predicted_s=1.0), frames)
    assert [len(tracks) for tracks in results[-3:]] == [1, 0, 0]


@pytest.mark.parametrize(
    ("speed", "gap_s", "same"),
    [
        (0.0, 5.0, True),  # parked: waited for
        (0.0, 15.0, False),  # parked, but longer than configured
        (40.0, 5.0, False),  # moving: gone after lost_s
    ],
)
def test_stationary_objects_are_waited_for_longer(
    make: Callable[..., Tracker], speed: float, gap_s: float, *, same: bool
) -> None:
    tracker = make(stationary_lost_s=10.0)
    rng = np.random.default_rng(0)
    for i in range(40):
        x, y = np.array([200 + speed * i * 0.1, 200]) + rng.normal(0, 1, 2)
        tracker.update(seen(person(x, y)), 0.1)
    run(tracker, [NOTHING] * int(gap_s / 0.1), 0.1)
    x = 200 + speed * (4.0 + gap_s)
    again = [tracker.update(seen(person(x, 200)), 0.1) for _ in range(3)]
    assert (ids(again) == {1}) == same


def test_between_detector_runs_tracks_are_predicted(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(100 + 4 * i)) if i % 5 == 0 else None for i in range(60)]
    results = run(make(), frames, 0.04)
    assert ids(results) == {1}
    for i, tracks in enumerate(results[30:], start=30):
        assert tracks.predicted.tolist() == [i % 5 != 0]
        assert iou(tracks.xyxy, np.array([person(100 + 4 * i)]))[0, 0] > 0.7


def test_a_prediction_that_drifted_is_replaced_by_the_detection(make: Callable[..., Tracker]) -> None:
    tracker = make()
    run(tracker, [seen(person(100 + 6 * i)) for i in range(20)], 0.1)
    run(tracker, [None] * 5, 0.1)
    stopped = person(100 + 6 * 19)
    tracks = tracker.update(seen(stopped), 0.1)
    assert tracks.track_id.tolist() == [1]
    assert iou(tracks.xyxy, np.array([stopped]))[0, 0] > 0.8


def test_no_track_ends_in_a_frame_without_detector_run(make: Callable[..., Tracker]) -> None:
    tracker = make(lost_s=0.2)
    run(tracker, [seen(person(100))] * 3)
    assert all(len(tracks.ended) == 0 for tracks in run(tracker, [None] * 20))


def test_a_track_that_is_ended_is_reported_once_and_the_others_go_on(make: Callable[..., Tracker]) -> None:
    tracker, there = make(), seen(person(100), person(500))
    tracks = run(tracker, [there] * 5)[-1]
    going = id_at(tracks, person(100))
    tracker.end(np.array([going, 99]))
    after = run(tracker, [seen(person(500))] * 2, dt=0.1)
    assert [one.ended.tolist() for one in after] == [[going], []]
    assert ids(after) == ids([tracks]) - {going}
    assert ids([tracker.update(there, 0.1), tracker.update(there, 0.1)]).isdisjoint({going})


def test_reset_drops_all_tracks_reports_them_once_and_never_reuses_ids(make: Callable[..., Tracker]) -> None:
    tracker = make()
    run(tracker, [seen(person(100), person(300))] * 3)
    tracker.reset()
    tracker.reset()
    first, second = run(tracker, [seen(person(100), person(300))] * 2)
    assert sorted(first.ended.tolist()) == [1, 2]
    assert second.ended.tolist() == []
    assert sorted(second.track_id.tolist()) == [3, 4]


def test_reset_of_one_tracker_does_not_touch_another(make: Callable[..., Tracker]) -> None:
    one, other = make(), make()
    for tracker in (one, other):
        run(tracker, [seen(person(100))] * 3)
    one.reset()
    tracks = other.update(seen(person(100)), 0.1)
    assert (tracks.track_id.tolist(), tracks.ended.tolist()) == ([1], [])


@pytest.mark.parametrize(
    ("typical", "doubtful", "begins"),
    [
        (0.95, 0.70, False),  # low for a detector that is always sure
        (0.60, 0.55, True),  # but fine for one that never is
        (0.60, 0.25, False),  # noise
    ],
)
def test_what_begins_a_track_depends_on_the_detectors_usual_scores(
    make: Callable[..., Tracker], typical: float, doubtful: float, *, begins: bool
) -> None:
    tracker = make()
    regular = seen(person(100), person(300), score=typical)
    run(tracker, [regular] * 30)
    newcomer = seen(person(500), score=doubtful)
    both = Detections(
        np.concatenate((regular.xyxy, newcomer.xyxy)),
        np.concatenate((regular.score, newcomer.score)),
        np.zeros(3, np.int32),
    )
    assert (len(ids(run(tracker, [both] * 5))) == 3) == begins


def test_one_class_does_not_set_the_standard_for_another(make: Callable[..., Tracker]) -> None:
    tracker = make()
    cars = seen(person(100), person(300), score=0.95, class_id=2)
    run(tracker, [cars] * 30)
    someone = seen(person(500), score=0.55)
    both = Detections(
        np.concatenate((cars.xyxy, someone.xyxy)),
        np.concatenate((cars.score, someone.score)),
        np.array([2, 2, 0], np.int32),
    )
    assert len(ids(run(tracker, [both] * 3))) == 3


def test_a_doubtful_detection_continues_a_track(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(100 + 3 * i), score=0.9 if i % 3 else 0.55) for i in range(30)]
    results = run(make(), frames)
    assert ids(results) == {1}
    assert not any(tracks.predicted.any() for tracks in results)


@pytest.mark.parametrize(
    ("classes", "last"),
    [
        ([2, 2, 2, 7, 2, 2, 7, 2], 2),  # a flicker changes nothing
        ([2, 2, 2, 7, 7, 7, 7, 7], 7),  # insistence does
    ],
)
def test_a_wavering_class_neither_splits_the_track_nor_flickers(
    make: Callable[..., Tracker], classes: list[int], last: int
) -> None:
    results = run(make(), [seen(person(100), class_id=c) for c in classes])
    assert ids(results) == {1}
    assert results[-1].class_id.tolist() == [last]


def test_no_time_between_frames_is_survived(make: Callable[..., Tracker]) -> None:
    results = run(make(), [seen(person(100))] * 5, 0.0)
    assert ids(results) == {1}


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    frames=st.lists(
        st.tuples(
            st.floats(0, 3),
            st.one_of(
                st.none(),
                st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.integers(0, 3)), max_size=6),
            ),
            st.booleans(),
        ),
        max_size=25,
    ),
)
def test_ids_never_repeat_and_every_track_ends_at_most_once(
    kind: str, frames: list[tuple[float, list[tuple[int, float, int]] | None, bool]]
) -> None:
    tracker = create(TrackerSettings(kind=kind))  # type: ignore[arg-type]
    ended: set[int] = set()
    newest = 0
    for dt, objects, reset in frames:
        if reset and dt > 2.5:
            tracker.reset()
        detections = objects and Detections(
            np.array([person(20.0 * x) for x, _, _ in objects], np.float32),
            np.array([score for _, score, _ in objects], np.float32),
            np.array([class_id for _, _, class_id in objects], np.int32),
        )
        tracks = tracker.update(NOTHING if objects == [] else detections or None, dt)
        now = tracks.track_id.tolist()
        assert len(set(now)) == len(now)
        assert np.isfinite(tracks.xyxy).all()
        gone = set(tracks.ended.tolist())
        assert not gone & ended
        ended |= gone
        assert not ended & set(now)
        assert all(i <= newest + len(now) for i in now)
        newest = max([newest, *now])


def test_memory_does_not_grow_over_a_long_run(make: Callable[..., Tracker]) -> None:
    tracker = make()
    rng = np.random.default_rng(1)
    begun, ended = 0, 0
    for i in range(3000):
        passing = person(float(i * 20 % 2000), 100.0 + 150 * (i * 20 // 2000 % 4))
        noise = [person(*xy) for xy in rng.uniform(0, 2000, (2, 2))]
        tracks = tracker.update(seen(passing, *noise), 0.2)
        begun = max([begun, *tracks.track_id.tolist()])
        ended += len(tracks.ended)
        assert begun - ended < 20
    assert begun >= 30
    ended += len(tracker.update(NOTHING, 60.0).ended)
    assert ended == begun


# ---- boundaries ----


def share_of(score: float) -> float:
    """Share of the typical score before anything was tracked."""
    return float(np.float64(np.float32(score)) / 0.55)


def test_a_detection_that_just_reaches_the_share_begins_a_track(make: Callable[..., Tracker]) -> None:
    for score, found in ((0.6, {1}), (0.599, set[int]())):
        tracker = make(start_score=share_of(0.6), high_score=0.5)
        assert ids(run(tracker, [seen(person(100), score=score)] * 2)) == found


def test_a_detection_that_just_reaches_the_share_confirms_a_new_track(make: Callable[..., Tracker]) -> None:
    for score, found in ((0.6, {1}), (0.599, set[int]())):
        tracker = make(start_score=share_of(0.65), high_score=share_of(0.6))
        assert ids(run(tracker, [seen(person(100), score=0.9), seen(person(100), score=score)])) == found


def test_a_detection_that_just_reaches_the_share_continues_a_track(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(100), person(500), score=0.55)] * 2
    typical = (10 * 0.55 + 2 * np.float64(np.float32(0.55))) / 12  # the prior, and both tracks' second match
    for score, predicted in ((0.3, [False]), (0.299, [True])):
        tracker = make(low_score=float(np.float64(np.float32(0.3)) / typical), predicted_s=1.0)
        run(tracker, frames)
        tracks = tracker.update(seen(person(100), score=score), 0.05)
        assert [bool(tracks.predicted[tracks.track_id.tolist().index(1)])] == predicted


def test_a_doubtful_detection_begins_no_track_though_a_sure_one_follows(make: Callable[..., Tracker]) -> None:
    results = run(make(), [seen(person(100), score=0.4), *[seen(person(100))] * 2])
    assert [len(tracks) for tracks in results] == [0, 0, 1]


def test_the_third_detection_in_a_row_of_another_class_changes_a_tracks(make: Callable[..., Tracker]) -> None:
    frames = [seen(person(100))] * 3 + [seen(person(100), class_id=1)] * 3
    assert [tracks.class_id.tolist() for tracks in run(make(), frames)[2:]] == [[0], [0], [0], [1]]


@pytest.mark.parametrize("start", [(700.0, 300.0), (300.0, 700.0)])
@pytest.mark.parametrize("step", [(-20.0, 0.0), (20.0, 0.0), (0.0, -50.0), (0.0, 50.0)])
def test_a_track_that_leaves_the_part_of_the_picture_with_objects_is_hidden_at_once(
    make: Callable[..., Tracker], start: tuple[float, float], step: tuple[float, float]
) -> None:
    frames = [seen(person(start[0] + i * step[0], start[1] + i * step[1])) for i in range(10)]
    results = run(make(predicted_s=1.0), [*frames, NOTHING])
    assert [len(tracks) for tracks in results[-2:]] == [1, 0]


def test_a_track_is_predicted_for_half_the_time_it_was_followed_however_late_that_was(
    make: Callable[..., Tracker],
) -> None:
    tracker = make(predicted_s=1.0)
    run(tracker, [seen(person(900), person(50))] * 100)
    for _ in range(3):
        tracker.update(seen(person(900), person(50), person(500)), 0.1)
    shown = [3 in tracker.update(seen(person(900), person(50)), 0.05).track_id for _ in range(4)]
    assert shown == [True, True, False, False]  # it was followed for 0.2 s


def test_of_two_lost_at_once_only_the_one_that_stood_is_waited_for_longer(
    make: Callable[..., Tracker],
) -> None:
    """Both were seen for 2.5 s; standing is told from where a track was two snapshots ago."""
    tracker = make()
    run(tracker, [seen(person(900), person(100 + 10 * i), person(1500)) for i in range(26)])
    gone = run(tracker, [NOTHING] * 30)
    assert {int(i) for tracks in gone for i in tracks.ended} == {2}
    back = [tracker.update(seen(person(900), person(1500)), 0.1) for _ in range(2)][-1]
    assert sorted(back.track_id.tolist()) == [1, 3]


def test_a_runner_who_stopped_while_hidden_is_shown_where_they_were_found() -> None:
    """OC-SORT remembers where they were; two virtual observations do not stop a filter at full speed."""
    tracker = create(TrackerSettings(kind="ocsort"))
    for frame in range(12):
        x = 500 + 20.0 * frame
        tracker.update(seen(person(x)), 0.1 if frame else 0.0)
    for _ in range(2):
        tracker.update(NOTHING, 0.1)
    tracks = tracker.update(seen(person(x)), 0.1)
    assert tracks.track_id.tolist() == [1]
    assert iou(tracks.xyxy, np.array([person(x)])).max() > 0.9
