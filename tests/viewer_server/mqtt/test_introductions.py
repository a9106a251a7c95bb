"""Nodes whose retained messages do not come by themselves are asked for by topic."""

from __future__ import annotations

from typing import Literal

from shared.wire import topics
from viewer_server.mqtt.introductions import AFTER_S, MOST, MOST_OF_A_NODE, Introductions

IDS = {"node": "shop", "camera": "yard"}


class Asker:
    """Notes what is subscribed to."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.filters: set[str] = set()
        self.introductions = Introductions(self, "p", lambda: self.now_s)

    def subscribe(self, topic_filter: str, qos: Literal[0, 1] = 0) -> None:
        assert qos == 1
        self.filters.add(topic_filter)

    def unsubscribe(self, topic_filter: str) -> None:
        self.filters.remove(topic_filter)

    def hear(self, row: topics.Topic, **ids: str) -> None:
        self.introductions.heard(row, ids)


def test_who_speaks_without_a_status_is_asked_for_until_it_comes() -> None:
    asker = Asker()
    asker.hear(topics.DETECTIONS, **IDS)
    assert not asker.filters, "it is probably on its way"
    asker.now_s = AFTER_S
    asker.hear(topics.DETECTIONS, **IDS)
    of_node = {"p/shop/status", "p/shop/info"}
    of_camera = {"p/shop/camera/yard/status", "p/shop/camera/yard/zones"}
    assert asker.filters == of_node | of_camera
    asker.hear(topics.CAMERA_STATUS, **IDS)
    assert asker.filters == of_node
    asker.hear(topics.STATUS, node="shop")
    assert not asker.filters
    asker.now_s = 10 * AFTER_S
    asker.hear(topics.DETECTIONS, **IDS)
    assert not asker.filters


def test_who_introduces_itself_is_not_asked_for() -> None:
    asker = Asker()
    asker.hear(topics.STATUS, node="shop")
    asker.hear(topics.CAMERA_STATUS, **IDS)
    asker.hear(topics.DETECTIONS, **IDS)
    asker.now_s = AFTER_S
    asker.hear(topics.DETECTIONS, **IDS)
    assert not asker.filters


def test_a_camera_of_which_only_its_nodes_metrics_speak_is_asked_for() -> None:
    asker = Asker()
    asker.introductions.heard_cameras("shop", ["yard"])
    asker.now_s = AFTER_S
    asker.introductions.heard_cameras("shop", ["yard"])
    assert asker.filters == {"p/shop/camera/yard/status", "p/shop/camera/yard/zones"}
    asker.hear(topics.CAMERA_STATUS, **IDS)
    assert not asker.filters


def test_one_node_cannot_use_up_what_may_be_asked_for() -> None:
    asker = Asker()
    for _ in range(2):
        for number in range(2 * MOST):
            asker.hear(topics.EVENTS, node="evil", camera=f"c{number}")
        asker.hear(topics.EVENTS, **IDS)
        asker.now_s += AFTER_S
    assert len(asker.filters) == 2 * MOST_OF_A_NODE + 4


def test_who_has_introduced_itself_makes_room_for_the_next() -> None:
    """A node whose cameras are all heard before their status, as after a restart of the viewer."""
    asker = Asker()
    asker.hear(topics.STATUS, node="shop")
    for number in range(2 * MOST_OF_A_NODE):
        asker.hear(topics.EVENTS, node="shop", camera=f"c{number}")
        asker.hear(topics.CAMERA_STATUS, node="shop", camera=f"c{number}")
    asker.hear(topics.EVENTS, **IDS)
    asker.now_s += AFTER_S
    asker.hear(topics.EVENTS, **IDS)
    assert asker.filters == {"p/shop/camera/yard/status", "p/shop/camera/yard/zones"}


def test_nobody_of_a_fleet_is_asked_again_and_again_while_there_is_room_for_all() -> None:
    asker = Asker()
    asker.introductions = Introductions(asker, "p", lambda: asker.now_s, met=10_000)
    for turn in range(3):
        asker.now_s = turn * AFTER_S
        for number in range(10_000):
            node = f"n{number}"
            if turn == 0:
                asker.hear(topics.STATUS, node=node)
            asker.hear(topics.METRICS, node=node)
    assert not asker.filters
