"""A node makes no thumbnails while viewers say that nobody looks, and makes them in every case of doubt."""

from __future__ import annotations

import dataclasses
from typing import Literal, cast

import pytest

from edge_node.config.settings import EdgeConfig
from edge_node.publish.thumbnails.interests import Interests
from shared import limits
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire.messages import Interest, encode

CAMERA = {"source": "0", "thumbnail": {"on_demand": True}}


def config(**more: object) -> EdgeConfig:
    cameras = {"yard": CAMERA, "gate": CAMERA, "door": {"source": "0"}}
    return convert(EdgeConfig, {"node": "n", "cameras": cameras} | more, where="test")


class Node:
    """A node's side, with clocks that the test turns."""

    def __init__(self, configured: EdgeConfig | None = None) -> None:
        self.now_s, self.wall_us = 0.0, 10_000_000_000
        self.filters: set[str] = set()
        self.interests = Interests(cast(Client, self), "p", "n", lambda: self.now_s, lambda: self.wall_us)
        self.interests.configure(configured or config())

    def subscribe(self, topic_filter: str, qos: Literal[0, 1]) -> None:
        assert qos == 1
        self.filters.add(topic_filter)

    def unsubscribe(self, topic_filter: str) -> None:
        self.filters.remove(topic_filter)

    def hear(
        self,
        *cameras: str,
        by: str = "v",
        everything: bool = False,
        kept_us: int | None = None,
        left_s: int | None = None,
        holds_s: int = 180,
    ) -> None:
        """Take in what a viewer says; `kept_us` is when a retained message was made."""
        message = Interest(
            node="n",
            session="s",
            published_us=self.wall_us if kept_us is None else kept_us,
            viewer=by,
            cameras=None if everything else cameras,
            holds_s=holds_s,
        )
        received = Received(f"p/n/interest/{by}", encode(message), 1, kept_us is not None, {})
        self.interests.handle(dataclasses.replace(received, expiry_s=left_s))

    @property
    def idle(self) -> set[str]:
        """The cameras that nobody looks at."""
        return {name for name in ("yard", "gate", "door") if self.interests.nobody_looks(name)}


def test_only_cameras_on_demand_idle_and_only_while_a_viewer_says_that_nobody_looks() -> None:
    node = Node()
    assert node.idle == set(), "nobody has said anything"
    node.hear()
    assert node.idle == {"yard", "gate"}
    node.hear("gate", by="other")
    assert node.idle == {"yard"}
    node.hear(everything=True)
    assert node.idle == set()
    node.hear("yard")
    node.interests.handle(Received("p/n/interest/other", b"", 1, False, {}))
    assert node.idle == {"gate"}, "the other one was taken out of use"
    node.now_s += 181
    assert node.idle == set(), "the viewer was killed"


@pytest.mark.parametrize(
    ("kept_s", "left_s", "idle"), [(0, None, True), (179, None, True), (181, None, False), (9000, 5, True)]
)
def test_a_retained_message_counts_from_when_it_was_made(kept_s: int, left_s: int | None, idle: bool) -> None:
    node = Node()
    node.hear(kept_us=node.wall_us - kept_s * 1_000_000, left_s=left_s)
    assert bool(node.idle) is idle
    node.now_s += 6
    assert bool(node.idle) is (idle and left_s is None and kept_s < 100)


def test_more_viewers_than_are_remembered_mean_that_all_thumbnails_are_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = Node()
    for number in range(limits.INTERESTS):
        node.hear(by=f"v{number}")
    assert node.idle == {"yard", "gate"}
    node.hear(by="more", holds_s=60)
    node.hear(by="again", holds_s=60)
    assert node.idle == set()
    assert caplog.text.count("more than 32 viewers") == 1
    node.now_s += 61
    assert node.idle == {"yard", "gate"}


def test_what_breaks_the_contract_changes_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    node.hear()
    for _ in range(2):
        node.interests.handle(Received("p/n/interest/v", b'{"cameras": 5}', 1, False, {}))
        node.interests.handle(Received("p/n/interest/w", node_of("v"), 1, False, {}))
    assert node.idle == {"yard", "gate"}
    assert caplog.text.count("skipped a message") == 2


def node_of(viewer: str) -> bytes:
    """A message of another viewer than the topic says."""
    return encode(
        Interest(node="n", session="s", published_us=1, viewer=viewer, cameras=("yard",), holds_s=60)
    )


def test_a_reload_begins_and_ends_it_and_home_assistant_gets_all_thumbnails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = Node(config(cameras={"yard": {"source": "0"}}))
    assert not node.filters
    node.interests.configure(config())
    assert node.filters == {"p/n/interest/+"}
    assert node.interests.wanted
    node.hear()
    for _ in range(2):
        node.interests.configure(config(homeassistant={"enabled": True}))
        assert not node.filters
        assert node.idle == set()
    assert caplog.text.count("thumbnail.on_demand of gate, yard is not used: Home Assistant") == 1
