"""What waits for a target: in order in each lane, and fair between them."""

from __future__ import annotations

from viewer_server.notify.queue import MOST_TOGETHER, Queue

A, B = ("node", "a"), ("node", "b")


def filled(*waiting: tuple[tuple[str, str], int]) -> Queue:
    queue = Queue()
    for lane, alert in waiting:
        queue.put(lane, alert)
    return queue


def drained(queue: Queue, now_s: float = 0.0) -> list[int]:
    order = []
    while found := queue.next(now_s):
        order += found[1]
        queue.remove(found[1])
    return order


def test_lanes_have_turns_and_keep_their_order() -> None:
    queue = filled(*((A, alert) for alert in (1, 2, 4, 5)), (B, 3), (B, 6), (A, 2))
    assert drained(queue) == [1, 3, 2, 6, 4, 5]
    assert len(queue) == 0


def test_a_node_with_many_rules_delays_no_other_node() -> None:
    queue = filled(*((("loud", f"r{number}"), number) for number in range(1000)), (A, 5000), (A, 5001))
    assert drained(queue)[:4] == [0, 5000, 1, 5001]


def test_a_failed_alert_holds_up_its_lane_until_it_is_due() -> None:
    queue = filled((A, 1), (A, 2), (B, 3))
    queue.later(A, 10.0, receivers_fault=False)
    assert queue.wait_s(4.0) == 6.0
    assert drained(queue, 4.0) == [3]
    queue.hasten(all_of_them=False)  # the receiver is back, but it has refused this one
    assert drained(queue, 4.0) == []
    assert queue.next(10.0) == (A, [1], 1)
    queue.remove([1])
    assert queue.next(10.0) == (A, [2], 0)


def test_who_could_not_be_reached_is_tried_at_once_when_he_is_back() -> None:
    queue = filled((A, 1))
    queue.later(A, 60.0, receivers_fault=True)
    queue.hasten(all_of_them=False)
    assert drained(queue) == [1]


def test_what_goes_together_stays_together_though_more_comes() -> None:
    queue = filled(*((A, alert) for alert in range(1, 4)))
    together = queue.together(A)
    queue.bind(A, together)
    queue.put(A, 4)
    assert queue.next(0.0) == (A, [1, 2, 3], 0)
    queue.later(A, 0.0, receivers_fault=True)
    assert queue.next(0.0) == (A, [1, 2, 3], 1)
    assert drained(queue) == [1, 2, 3, 4]
    assert len(filled(*((A, alert) for alert in range(200))).together(A)) == MOST_TOGETHER


def test_an_alert_that_waits_for_its_picture_holds_up_its_lane_alone() -> None:
    ready = {2, 3}
    queue = Queue(ready.__contains__)
    for lane, alert in ((A, 1), (A, 2), (B, 3)):
        queue.put(lane, alert)
    assert drained(queue) == [3]
    ready.add(1)
    assert drained(queue) == [1, 2]
