from __future__ import annotations

import itertools
import random

import pytest

from edge_node.capture.clock import StreamClock

MS = 1_000_000
SECOND = 1_000 * MS
WALL = 1_700_000_000 * SECOND


def test_without_time_stamps_a_frame_was_captured_when_it_arrived() -> None:
    clock = StreamClock()
    assert clock.stamp(5 * SECOND, WALL, None, None) == (WALL, 5 * SECOND)
    assert clock.source == "arrival"


def test_frames_that_arrive_unevenly_get_times_as_even_as_their_time_stamps() -> None:
    clock, dice = StreamClock(), random.Random(1)
    captured, stamps, delays = [], [], []
    for number in range(500):
        true = 7 * SECOND + number * 40 * MS
        delay = dice.randint(5, 60) * MS
        wall, monotonic = clock.stamp(true + delay, WALL + true + delay, number * 0.04, None)
        captured.append(true)
        stamps.append(monotonic)
        delays.append(delay)
        assert WALL + true <= wall <= WALL + true + delay
    assert clock.source == "stream"
    late = [stamp - true for stamp, true in zip(stamps, captured, strict=True)]
    # After the first fast frame the error is that frame's delay, and stays the same.
    assert max(late[100:]) < 10 * MS < max(delays)
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))


def test_a_stream_clock_that_runs_slower_than_ours_is_followed() -> None:
    clock = StreamClock()
    for number in range(100_000):
        arrived = round(number * 40 * MS * 1.0001) + SECOND  # 100 parts in a million: 0.4 s in the end
        _, monotonic = clock.stamp(arrived, WALL, number * 0.04, None)
    assert arrived - monotonic < MS


def test_a_stream_that_starts_again_is_tied_to_our_clock_again() -> None:
    clock = StreamClock()
    clock.stamp(10 * SECOND, WALL, 500.0, None)
    assert clock.stamp(11 * SECOND, WALL, 0.0, None)[1] == 11 * SECOND
    later = clock.stamp(11 * SECOND + 50 * MS, WALL, 0.04, None)[1]
    assert later == pytest.approx(11 * SECOND + 40 * MS, abs=MS)


def test_a_frame_that_arrives_late_keeps_its_true_age() -> None:
    clock = StreamClock()
    clock.stamp(10 * SECOND, WALL, 0.0, None)
    wall, monotonic = clock.stamp(13 * SECOND, WALL + 3 * SECOND, 0.04, None)
    assert 13 * SECOND - monotonic == pytest.approx(2.96 * SECOND, abs=MS)
    assert wall == pytest.approx(WALL + 0.04 * SECOND, abs=MS)


def test_times_grow_even_where_the_stream_s_do_not() -> None:
    clock = StreamClock()
    stamps = [clock.stamp(SECOND + n * MS, WALL, media, None)[1] for n, media in enumerate([0.0, 0.0, 0.0])]
    assert stamps == sorted(set(stamps))


def test_the_sender_s_clock_is_used_also_between_its_reports() -> None:
    clock = StreamClock()
    assert clock.stamp(SECOND, WALL, 1.0, WALL - 30 * MS)[0] == WALL - 30 * MS
    assert clock.source == "sender"
    assert clock.stamp(SECOND + 40 * MS, WALL + 40 * MS, 1.04, None)[0] == WALL + 10 * MS


@pytest.mark.parametrize("off_s", [-3600, -6, 6, 3600])
def test_a_sender_whose_clock_is_far_off_is_ignored(off_s: int) -> None:
    clock = StreamClock()
    assert clock.stamp(SECOND, WALL, 1.0, WALL + off_s * SECOND)[0] == WALL
    assert clock.source == "stream"
