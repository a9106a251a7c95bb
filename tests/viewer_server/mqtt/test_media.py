"""Detections and pictures come from the cameras that somebody looks at, and from no others."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Literal

import pytest

from shared.asking.requests import Busy
from shared.wire import topics
from tests.viewer_server import wire
from viewer_server.live.hub import Hub
from viewer_server.live.mailbox import Mailbox
from viewer_server.live.state import State
from viewer_server.mqtt.interests import Interests
from viewer_server.mqtt.media import ASKED_S, GRACE_S, MOST, Media

ALL = {"darner/v1/+/camera/+/detections", "darner/v1/+/camera/+/thumbnail"}


def of(*cameras: str, node: str = "n") -> set[str]:
    """The topics of these cameras."""
    return {
        f"darner/v1/{node}/camera/{one}/{kind}" for one in cameras for kind in ("detections", "thumbnail")
    }


class Broker:
    """What a viewer is subscribed to, with a clock that the test turns."""

    def __init__(self, *cameras: str, most: int = MOST) -> None:
        self.now_s = 0.0
        self.filters: set[str] = set()
        self.calls = 0
        self.hub = Hub(State(topics.DEFAULT_PREFIX, clock=lambda: self.now_s), 9, {})
        self.interests = interests = Interests(self, topics.DEFAULT_PREFIX, "s", str, self.hub.online, 9)
        self.media = Media(self, topics.DEFAULT_PREFIX, self.hub, interests, lambda: self.now_s, most)
        self.announce(*cameras)

    @property
    def subscribed(self) -> bool:
        return True

    def subscribe(self, topic_filter: Iterable[str], qos: Literal[0, 1] = 0) -> None:
        assert qos == 0
        self.calls += 1
        self.filters |= set(topic_filter)

    def unsubscribe(self, topic_filter: Iterable[str]) -> None:
        self.filters -= set(topic_filter)

    def set_state(self, topic: topics.Topic, path: str, payload: bytes) -> None:
        raise AssertionError(f"no node has asked to be told {topic} {path} {payload!r}")

    def forget_state(self, path: str) -> None:
        raise AssertionError(f"no node has asked to be told {path}")

    def announce(self, *cameras: str) -> None:
        self.hub.handle(wire.status())
        for one in cameras:
            self.hub.handle(wire.camera(one))

    def page(self, *cameras: str) -> Mailbox:
        """A page that watches these cameras of node n."""
        mailbox = Mailbox(threading.Event(), lambda: None, names_first=True)
        self.hub.join(mailbox, 0)
        self.look(mailbox, *cameras)
        return mailbox

    def look(self, page: Mailbox, *cameras: str) -> None:
        self.hub.watch(page, [("n", one) for one in cameras])

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.media.attend()

    def lost(self, camera: str = "c") -> int:
        """Lost detections, as the newest frame of a camera says."""
        frame = self.hub.new_frame(("n", camera))
        assert frame is not None
        return int(frame.payload.split(b'"lost":')[1].split(b"}")[0])

    def frames(self, *numbers: int) -> None:
        for number in numbers:
            self.hub.handle(wire.detections(number))
            self.hub.handle(wire.thumbnail(number))


def test_only_cameras_that_are_watched_are_received_and_for_a_while_after() -> None:
    broker = Broker("c", "d")
    assert not broker.filters, "nobody watches"
    page, other = broker.page("c"), broker.page("c", "d")
    assert broker.filters == of("c", "d")
    broker.look(other, "c")
    broker.wait(GRACE_S - 1)
    assert broker.filters == of("c", "d"), "somebody may scroll back"
    broker.look(other, "d")
    broker.look(other)
    broker.wait(GRACE_S - 1)
    assert broker.filters == of("c", "d"), "somebody did"
    broker.hub.leave(page)
    broker.wait(2)
    assert broker.filters == of("c")
    broker.wait(GRACE_S)
    assert not broker.filters
    calls = broker.calls
    broker.wait(3600)
    assert broker.calls == calls, "nothing is left to do"


def test_a_camera_may_be_watched_before_it_is_announced_and_an_invented_one_costs_nothing() -> None:
    broker = Broker()
    broker.page("c", "+", "a/b")
    assert not broker.filters
    broker.announce("c")
    broker.wait(1)
    assert broker.filters == of("c")
    broker.hub.handle(wire.info("d"))
    broker.hub.handle(wire.camera("d"))
    broker.page("c")
    broker.wait(1)
    assert broker.filters == of("c")


def test_who_watches_everything_takes_wildcards_and_nothing_is_lost_on_the_way() -> None:
    broker = Broker("c", "d")
    page = broker.page("c")
    broker.wait(2)
    broker.frames(1, 2)
    program = Mailbox(threading.Event(), lambda: None)
    broker.hub.join(program, 0)
    assert broker.filters == ALL
    broker.frames(3)
    broker.hub.leave(program)
    broker.wait(GRACE_S + 1)
    assert broker.filters == of("c")
    broker.frames(4, 6)
    assert broker.lost() == 1, "it was listened to all the time"
    broker.hub.leave(page)
    broker.wait(GRACE_S + 1)
    assert not broker.filters


def test_a_pause_in_listening_is_no_loss_and_its_pictures_lack_no_boxes() -> None:
    broker = Broker("c")
    page = broker.page("c")
    broker.wait(2)
    broker.frames(1, 2, 4)
    assert broker.lost() == 1
    broker.look(page)
    broker.wait(GRACE_S + 1)
    assert broker.hub.new_frame(("n", "c")) is not None
    broker.look(page, "c")
    assert broker.hub.new_frame(("n", "c")) is None, "what is known is of before the pause"
    broker.hub.handle(wire.detections(5))  # was on its way when the pause began
    broker.hub.handle(wire.thumbnail(29))  # its boxes were sent before listening began again
    broker.frames(30)
    assert broker.lost() == 1
    assert broker.hub.census()["unmatched"] == 0
    broker.wait(2)
    broker.frames(31, 33)
    assert broker.lost() == 2, "from here on, losses count again"
    broker.hub.handle(wire.thumbnail(34))
    broker.frames(35)
    assert broker.hub.census()["unmatched"] == 1


def test_a_request_for_a_picture_has_it_come_and_the_next_one_does_not_wait() -> None:
    broker = Broker("c")
    assert broker.media.picture(("n", "c"), 0.0) is None
    assert broker.filters == of("c")
    broker.frames(1)
    assert broker.media.picture(("n", "c"), 0.0) is not None
    broker.wait(ASKED_S - 1)
    assert broker.media.picture(("n", "c"), 0.0) is not None
    broker.wait(ASKED_S - 1)
    assert broker.filters == of("c")
    broker.wait(ASKED_S + GRACE_S)
    broker.wait(GRACE_S + 1)
    assert not broker.filters
    assert broker.media.picture(("n", "c"), 0.0) is None, "the one that is known is old"


def test_the_cameras_that_are_received_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker("c", "d", "e", most=2)
    page = broker.page("c", "d")
    broker.page("d", "e")
    assert broker.filters == of("c", "d")
    assert "browsers watch 3 cameras at once: those beyond 2 get no pictures" in caplog.text
    with pytest.raises(Busy, match="the pictures of 2 cameras are wanted already"):
        broker.media.picture(("n", "e"), 0.0)
    broker.hub.leave(page)
    broker.wait(GRACE_S + 1)
    broker.wait(1)
    assert broker.filters == of("d", "e"), "there is room again"
