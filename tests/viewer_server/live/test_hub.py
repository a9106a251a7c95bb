"""One mailbox a browser: bounded, newest wins, nobody waits for anybody."""

from __future__ import annotations

import threading

import pytest

from tests.viewer_server.wire import camera, detections, status, thumbnail, zones
from viewer_server.live import mailbox as module
from viewer_server.live.hub import Full, Hub
from viewer_server.live.mailbox import Mailbox
from viewer_server.live.node import gone
from viewer_server.live.state import State
from viewer_server.live.updates import Update


class Cut:
    """Counts how often a connection was cut."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def mailbox(credit: int = 0) -> Mailbox:
    made = Mailbox(threading.Event(), Cut())
    made.allow(credit)
    return made


def a_frame(seq: int, camera_name: str = "c") -> Update:
    return Update("frame", ("n", camera_name), f"{camera_name} {seq}".encode())


def take_all(box: Mailbox) -> list[bytes]:
    return list(iter(box.take, None))


def hub(max_browsers: int = 3) -> Hub:
    made = Hub(State("darner/v1"), max_browsers, {})
    made.handle(status())
    made.handle(camera())
    return made


def test_frames_wait_for_the_browsers_word() -> None:
    box = mailbox()
    box.put(a_frame(1))
    assert box.take() is None
    box.allow(1)
    assert box.take() == a_frame(1).payload
    assert box.take() is None


def test_the_newest_frame_of_each_camera_wins_and_cameras_take_turns() -> None:
    box = mailbox(10)
    for seq in range(5):
        box.put(a_frame(seq, "a"))
        box.put(a_frame(seq, "b"))
    assert take_all(box) == [a_frame(4, "a").payload, a_frame(4, "b").payload]
    assert box.counts == {"sent": 2, "replaced": 8}


def test_state_needs_no_word_and_comes_before_frames() -> None:
    box = mailbox(1)
    box.put(a_frame(1))
    box.put(Update("event", ("events", "1"), b"event"))
    for value in (b"old", b"new"):
        box.put(Update("state", ("zone", "n", "c", "a"), value))
    assert take_all(box) == [b"new", b"event", a_frame(1).payload]


@pytest.mark.parametrize("granted", [10**12, -5])
def test_a_browser_cannot_ask_for_a_flood(granted: int) -> None:
    box = mailbox(granted)
    sent = 0
    for seq in range(100):
        box.put(a_frame(seq))
        sent += len(take_all(box))
    assert sent == (module.MAX_CREDIT if granted > 0 else 0)


def test_a_browser_that_takes_nothing_holds_a_bounded_number_of_messages() -> None:
    box = mailbox()
    for number in range(5000):
        box.put(a_frame(number))
        box.put(Update("event", ("events", str(number)), b"event"))
        box.put(Update("state", ("zone", "n", "c", str(number % 50)), b"state"))
    box.allow(100)
    assert len(take_all(box)) == 50 + module.MAX_EVENTS + 1
    assert box.closing is None


def test_a_browser_that_misses_endless_changes_is_sent_away() -> None:
    box = mailbox()
    for number in range(module.MAX_STATES + 1):
        box.put(Update("state", ("zone", "n", "c", str(number)), b"gone"))
    assert box.closing is not None
    assert box.closing[0] == 1013


def test_every_browser_gets_the_same_bytes_not_a_copy() -> None:
    everyone = hub()
    boxes = [mailbox(5), mailbox(5)]
    for box in boxes:
        everyone.join(box, 0)
    everyone.handle(detections(1))
    everyone.handle(thumbnail(1))
    first, second = (take_all(box)[-1] for box in boxes)
    assert first is second


def test_a_new_browser_is_told_hello_then_all_that_is_known_then_live_then_news() -> None:
    everyone = hub()
    box = mailbox()
    everyone.join(box, 5)
    everyone.handle(zones("a"))
    kinds = [payload[payload.index(b'"type":"') + 8 :].split(b'"')[0].decode() for payload in take_all(box)]
    assert kinds == ["hello", "broker", "status", "camera_status", "live", "zones"]


def test_one_that_never_reads_does_not_keep_the_others_from_their_frames() -> None:
    everyone = hub()
    stuck, quick = mailbox(), mailbox(module.MAX_CREDIT)
    everyone.join(stuck, 0)
    everyone.join(quick, 0)
    take_all(quick)
    for seq in range(300):
        everyone.handle(detections(seq))
        everyone.handle(thumbnail(seq))
        assert len(take_all(quick)) == 1
        quick.allow(1)
    assert everyone.counts == {"sent": 300, "replaced": 299}


def test_only_cameras_on_the_screen_are_sent_and_one_that_comes_back_shows_its_newest() -> None:
    everyone = hub()
    everyone.handle(camera("d"))
    box = mailbox(module.MAX_CREDIT)
    everyone.join(box, 0)
    take_all(box)
    everyone.handle(detections(1))
    everyone.handle(thumbnail(1))
    everyone.watch(box, [("n", "d")])
    assert take_all(box) == []  # what waited of the other is not sent any more
    everyone.handle(detections(2))
    everyone.handle(thumbnail(2))
    assert take_all(box) == []
    everyone.watch(box, [("n", "c"), ("n", "d"), ("n", "of nobody")])
    [newest] = take_all(box)
    assert b'"seq":2,' in newest
    everyone.watch(box, None)
    assert take_all(box) == []  # it had been told of all there is
    everyone.handle(detections(3))
    everyone.handle(thumbnail(3))
    assert len(take_all(box)) == 1


def test_browsers_over_the_cap_are_refused_until_one_leaves() -> None:
    everyone = hub(max_browsers=1)
    first, second = mailbox(), mailbox()
    everyone.join(first, 0)
    with pytest.raises(Full, match=r"1 browsers .*http\.max_browsers"):
        everyone.join(second, 0)
    everyone.leave(second)
    everyone.leave(first)
    everyone.join(second, 0)
    assert len(everyone) == 1


def test_at_the_end_everyone_is_told_and_nobody_comes_in() -> None:
    everyone = hub()
    box = mailbox()
    everyone.join(box, 0)
    everyone.close()
    assert box.closing == (1001, "the viewer is stopping")
    with pytest.raises(Full, match="stopping"):
        everyone.join(mailbox(), 0)
    everyone.cut()
    assert isinstance(box.cut, Cut)
    assert box.cut.times == 1


def test_counts_survive_the_browsers_they_were_made_with() -> None:
    everyone = hub()
    box = mailbox(1)
    everyone.join(box, 0)
    everyone.handle(detections(1))
    everyone.handle(thumbnail(1))
    take_all(box)
    everyone.leave(box)
    assert everyone.counts["sent"] == 1


def frame_of(camera: str, size: int) -> Update:
    return Update("frame", ("n", camera), bytes(size))


def test_frames_that_wait_for_a_slow_browser_are_bounded_and_small_ones_stay() -> None:
    box = Mailbox(threading.Event(), lambda: None)
    box.put(Update("frame", ("shop", "front"), bytes(1000)))
    for number in range(1000):
        box.put(frame_of(f"c{number}", 1_000_000))
    box.allow(16)
    taken = take_all(box)
    assert sum(map(len, taken)) <= module.MAX_FRAME_BYTES
    assert len(taken[0]) == 1000
    for number in range(1000):  # what was taken or replaced makes room
        box.put(frame_of("c", 1_000_000 + number))
        box.allow(1)
        assert len(take_all(box)) == 1


def test_the_frame_of_a_camera_that_is_no_more_is_not_sent() -> None:
    box = Mailbox(threading.Event(), lambda: None)
    box.put(frame_of("c", 10))
    box.put(gone(("camera_status", "n", "c")))
    box.allow(2)
    assert len(take_all(box)) == 1
