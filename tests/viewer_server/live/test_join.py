"""A picture meets the boxes of its own frame or none."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.messages import DetectionsMessage
from tests.viewer_server.fake_edge import detections_of
from viewer_server.live.join import PENDING_BYTES, PENDING_DETECTIONS, PENDING_PICTURES, Joiner, Thumbnail


def picture(seq: int, session: str = "s1", size: int = 10) -> Thumbnail:
    return Thumbnail(session, seq, 640, 360, 0, bytes(size))


def boxes(seq: int, session: str = "s1") -> DetectionsMessage:
    return detections_of(seq, "n", session, "c")


def test_the_pair_comes_out_when_the_later_half_comes_in() -> None:
    joiner = Joiner()
    assert joiner.add_picture(picture(1)) is None
    assert joiner.add_detections(boxes(1), 100) is not None
    assert joiner.add_detections(boxes(2), 100) is None
    assert joiner.add_picture(picture(2)) is not None


def test_what_waits_can_be_let_go_and_losses_stay_counted() -> None:
    joiner = Joiner()
    for seq in (1, 3):
        joiner.add_detections(boxes(seq), 100)
    assert not joiner.let_go(), "only boxes waited"
    assert joiner.held == 0
    joiner.add_picture(picture(4))
    assert joiner.let_go()
    joiner.add_detections(boxes(5), 100)
    assert joiner.lost == 2


def test_halves_of_different_frames_never_meet() -> None:
    joiner = Joiner()
    assert joiner.add_picture(picture(1)) is None
    assert joiner.add_detections(boxes(2), 100) is None
    assert joiner.add_detections(boxes(3), 100) is None
    assert joiner.add_picture(picture(4)) is None


def test_the_same_number_in_another_session_is_another_frame() -> None:
    joiner = Joiner()
    assert joiner.add_picture(picture(1, "s1")) is None
    assert joiner.add_detections(boxes(1, "s2"), 100) is None
    pair = joiner.add_picture(picture(1, "s2"))
    assert pair is not None
    assert pair[0].session == pair[1].session == "s2"


def test_an_older_frame_does_not_come_out_after_a_newer_one() -> None:
    joiner = Joiner()
    joiner.add_picture(picture(1))
    joiner.add_picture(picture(2))
    assert joiner.add_detections(boxes(2), 100) is not None
    assert joiner.add_detections(boxes(1), 100) is None
    assert joiner.counts["unmatched"] == 1


def test_a_restarted_edge_counts_from_zero_and_is_shown() -> None:
    joiner = Joiner()
    joiner.add_picture(picture(900))
    joiner.add_detections(boxes(900), 100)
    joiner.add_picture(picture(0, "s2"))
    assert joiner.add_detections(boxes(0, "s2"), 100) is not None


@pytest.mark.parametrize(
    ("count", "size", "kept"),
    [
        (50, 10, PENDING_PICTURES),  # by number
        (3, PENDING_BYTES // 2 + 1, 1),  # by size
        (2, PENDING_BYTES * 2, 1),  # one alone is over the limit, and still the newest
    ],
)
def test_pictures_that_wait_are_bounded_and_the_newest_stay(count: int, size: int, kept: int) -> None:
    joiner = Joiner()
    for seq in range(count):
        joiner.add_picture(picture(seq, size=size))
    assert joiner.counts["unmatched"] == count - kept
    assert joiner.add_detections(boxes(count - 1), 100) is not None


def test_boxes_that_wait_are_bounded() -> None:
    joiner = Joiner()
    for seq in range(1000):
        joiner.add_detections(boxes(seq), 100)
    assert joiner.add_picture(picture(999 - PENDING_DETECTIONS)) is None
    assert joiner.add_picture(picture(1000 - PENDING_DETECTIONS)) is not None


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["s1", "s2"]), st.integers(0, 6)), max_size=60))
def test_whatever_comes_in_whatever_order_a_pair_is_one_frame(arrivals: list[tuple[bool, str, int]]) -> None:
    joiner = Joiner()
    for is_picture, session, seq in arrivals:
        pair = (
            joiner.add_picture(picture(seq, session))
            if is_picture
            else joiner.add_detections(boxes(seq, session), 100)
        )
        if pair is not None:
            assert (pair[0].session, pair[0].seq) == (pair[1].session, pair[1].seq) == (session, seq)


@pytest.mark.parametrize(
    ("arrived", "lost"),
    [
        ([(5, 0), (6, 0), (7, 0)], 0),  # what was before us is not ours to count
        ([(5, 0), (9, 3)], 0),  # the node says itself that it dropped three
        ([(5, 0), (9, 1)], 2),
        ([(5, 0), (7, 0), (6, 0), (8, 0)], 1),  # a straggler does not make it more
    ],
)
def test_messages_lost_on_the_way_are_told_from_frames_the_node_dropped(
    arrived: list[tuple[int, int]], lost: int
) -> None:
    joiner = Joiner()
    for seq, dropped in arrived:
        joiner.add_detections(dataclasses.replace(boxes(seq), dropped=dropped), 100)
    assert joiner.lost == lost
    joiner.add_detections(boxes(1, "s2"), 100)
    assert joiner.lost == 0
