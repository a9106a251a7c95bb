from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from shared.channel import Channel, Closed
from tests.conftest import wait_until


def test_newest_wins_in_a_full_lane_and_the_loss_is_counted_by_key() -> None:
    channel: Channel[int] = Channel()
    for number in range(5):
        channel.put_newest(number, "a")
    channel.put_newest(10, "b")
    assert [channel.get(), channel.get()] == [4, 10]
    assert channel.dropped == {"a": 4}


def test_items_of_several_lanes_that_are_put_together_replace_older_ones() -> None:
    channel: Channel[int] = Channel()
    channel.put_newest(1, "a")
    channel.put_all_newest([(2, "a"), (10, "b"), (3, "a")])
    assert channel.take(9) == [3, 10]
    assert channel.dropped == {"a": 2}


def test_newest_wins_in_a_lane_that_holds_too_many_bytes() -> None:
    channel: Channel[bytes] = Channel(depth=4, room=10, size=len)
    for item in (b"a" * 4, b"b" * 4, b"c" * 3, b"d", b"e"):
        channel.put_newest(item)
    assert [channel.get() for _ in range(4)] == [b"b" * 4, b"c" * 3, b"d", b"e"]
    for item in (b"f" * 9, b"g" * 99):
        channel.put_newest(item)
    assert channel.get() == b"g" * 99, "one that is too large alone is still the newest"
    assert channel.dropped == {"": 2}
    channel.put_newest(b"h" * 10)
    channel.put_newest(b"", "other")
    assert len(channel) == 2, "what was taken takes no room any more, and other lanes have their own"


def test_a_full_lane_takes_nothing_more_when_nothing_may_be_dropped() -> None:
    channel: Channel[bytes] = Channel(depth=3, room=8, size=len)
    assert channel.put_if_room(b"a" * 20), "a lone item may be larger than the room"
    assert not channel.put_if_room(b"b")
    assert channel.put_if_room(b"b", "other")
    channel.get()
    assert [channel.put_if_room(item) for item in (b"c" * 4, b"d" * 3, b"e" * 2, b"f", b"")] == [
        True,
        True,
        False,
        True,
        False,
    ]
    channel.close()
    with pytest.raises(Closed):
        channel.put_if_room(b"")


def test_lanes_are_served_in_turn_so_that_a_busy_one_starves_nobody() -> None:
    channel: Channel[str] = Channel(depth=3)
    for item in ("a1", "a2", "a3"):
        channel.put(item, "a")
    channel.put("b1", "b")
    assert [channel.get() for _ in range(4)] == ["a1", "b1", "a2", "a3"]


def test_put_waits_until_there_is_room() -> None:
    channel: Channel[int] = Channel()
    channel.put(1)
    second_in = threading.Event()

    def put_second() -> None:
        channel.put(2)
        second_in.set()

    thread = threading.Thread(target=put_second)
    thread.start()
    assert not second_in.wait(0.05)
    assert channel.get() == 1
    assert second_in.wait(30)
    assert channel.get() == 2
    thread.join()


def test_who_waits_for_room_is_woken_once_there_is_some_for_several() -> None:
    channel: Channel[int] = Channel(depth=6)
    for number in range(6):
        channel.put(number)
    thread = threading.Thread(target=channel.put, args=(6,))
    thread.start()
    wait_until(lambda: channel.putters[""])
    taken = [channel.get(), channel.get()]
    assert channel.putters[""] == 1
    taken.append(channel.get())
    thread.join(30)
    assert (taken, channel.take(9)) == ([0, 1, 2], [3, 4, 5, 6])


def test_several_are_put_at_once_when_there_is_room_for_all_or_the_lane_is_empty() -> None:
    channel: Channel[int] = Channel(depth=3)
    channel.put_all([0, 1])
    channel.put_all([2])
    channel.put_all([10] * 5, "other")
    thread = threading.Thread(target=channel.put_all, args=([3, 4, 5, 6],))
    thread.start()
    wait_until(lambda: channel.putters[""])
    assert len(channel) == 8
    taken = channel.take(8)
    thread.join(30)
    assert sorted(taken) == [0, 1, 2] + [10] * 5
    assert channel.take(9) == [3, 4, 5, 6], "more than fit, but the lane was empty"
    channel.close()
    with pytest.raises(Closed):
        channel.put_all([7])


def test_a_full_lane_does_not_block_another() -> None:
    channel: Channel[int] = Channel()
    channel.put(1, "a")
    channel.put(2, "b")
    assert len(channel) == 2


def test_close_wakes_a_waiting_put() -> None:
    channel: Channel[int] = Channel()
    channel.put(1)
    outcome: list[str] = []

    def blocked() -> None:
        try:
            channel.put(2)
        except Closed:
            outcome.append("closed")

    thread = threading.Thread(target=blocked)
    thread.start()
    channel.close()
    thread.join(30)
    assert outcome == ["closed"]


def test_what_is_in_a_closed_channel_can_still_be_taken() -> None:
    channel: Channel[int] = Channel(depth=2)
    channel.put(1)
    channel.put(2)
    channel.close()
    assert list(channel) == [1, 2]
    with pytest.raises(Closed):
        channel.put_newest(3)


def test_get_times_out_when_nothing_comes() -> None:
    with pytest.raises(TimeoutError):
        Channel[int]().get(timeout=0.01)


def test_several_are_taken_at_once_each_lane_in_its_order() -> None:
    channel: Channel[str] = Channel(depth=3)
    for item in ("a1", "a2", "a3"):
        channel.put(item, "a")
    channel.put("b1", "b")
    assert channel.take(3) == ["a1", "b1", "a2"]
    assert channel.take(3) == ["a3"]


def test_a_batch_waits_for_more_but_not_for_long() -> None:
    channel: Channel[int] = Channel()
    channel.put(1, "a")
    thread = threading.Timer(0.05, channel.put, (2, "b"))
    thread.start()
    start = time.monotonic()
    assert channel.take(2, fill_s=60.0) == [1, 2]
    assert time.monotonic() - start < 30
    thread.join()
    channel.put(3, "a")
    assert channel.take(2, fill_s=0.01) == [3]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        pytest.param({}, {"a": 100, "b": 100, "c": 100}, id="equal"),
        pytest.param({"a": 4.0}, {"a": 200, "b": 50, "c": 50}, id="one counts for four"),
        pytest.param({"a": 0.5}, {"a": 60, "b": 120, "c": 120}, id="one counts for half"),
    ],
)
def test_busy_lanes_are_served_by_weight(weights: dict[str, float], shares: dict[str, int]) -> None:
    channel: Channel[str] = Channel(weights=weights)
    served: Counter[str] = Counter()
    for _ in range(300):
        for key in "abc":
            channel.put_newest(key, key)
        served[channel.get()] += 1
    assert all(abs(served[key] - share) <= 2 for key, share in shares.items()), served


def test_a_lane_that_was_empty_for_long_has_saved_up_no_turns() -> None:
    channel: Channel[str] = Channel()
    for _ in range(100):
        channel.put_newest("a", "a")
        channel.get()
    served = []
    for _ in range(10):
        channel.put_newest("a", "a")
        channel.put_newest("b", "b")
        served.append(channel.get())
    assert served.count("b") == 5


def test_an_item_uses_up_as_much_of_its_lanes_turn_as_it_costs() -> None:
    channel: Channel[tuple[str, int]] = Channel(depth=100, cost=lambda item: item[1])
    for _ in range(100):
        channel.put(("dear", 4), "dear")
        channel.put(("cheap", 1), "cheap")
    taken = [channel.get()[0] for _ in range(50)]
    assert taken.count("cheap") == pytest.approx(4 * taken.count("dear"), abs=4)


def test_a_batch_is_full_when_its_items_cost_as_much_as_it_takes() -> None:
    channel: Channel[int] = Channel(depth=10, cost=lambda item: item)
    for item in (3, 3, 3, 1):
        channel.put(item)
    assert channel.take(4) == [3, 3]
    assert channel.take(4) == [3, 1]
