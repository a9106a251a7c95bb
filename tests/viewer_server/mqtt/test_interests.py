"""A viewer tells nodes that want to know which of their cameras somebody looks at, and tells them again."""

from __future__ import annotations

import dataclasses

from shared.wire.messages import Interest, NodeInfo, decode
from shared.wire.topics import INTEREST, Topic
from tests.viewer_server import wire
from viewer_server.live.updates import Key
from viewer_server.mqtt.interests import AGAIN_S, HOLDS_S, Interests


class Nodes:
    """What nodes were told, with a clock that the test turns."""

    def __init__(self, name: str = "archive", most: int = 9) -> None:
        self.now_s = 0.0
        self.told: list[tuple[str, tuple[str, ...] | None]] = []
        self.cleared: list[str] = []
        self.kept: set[str] = set()
        self.online = {"n": True, "m": True}
        self.interests = Interests(
            self, "p", "session", lambda: name, lambda: self.online, most, lambda: self.now_s
        )

    def set_state(self, topic: Topic, path: str, payload: bytes) -> None:
        assert topic is INTEREST
        self.kept.add(path)
        if not payload:
            self.cleared.append(path)
            return
        said = decode(Interest, payload)
        assert path == f"p/{said.node}/interest/{said.viewer}"
        assert said.holds_s == HOLDS_S
        self.told.append((said.node, said.cameras))

    def forget_state(self, path: str) -> None:
        self.kept.remove(path)

    def inform(self, node: str = "n", *, wants: bool = True) -> None:
        info = decode(NodeInfo, wire.info("c", "d", of=node).payload)
        self.interests.hear(dataclasses.replace(info, capabilities=("interest",) * wants))

    def listen(self, *cameras: Key) -> None:
        self.interests.listens_to(cameras)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.interests.attend()

    def news(self) -> list[tuple[str, tuple[str, ...] | None]]:
        told, self.told = self.told, []
        return told


def test_a_node_is_told_when_it_asks_and_when_something_changes_for_it() -> None:
    nodes = Nodes()
    nodes.inform(wants=False)
    nodes.listen(("n", "c"))
    assert nodes.news() == []
    nodes.inform()
    nodes.inform("m")
    assert nodes.news() == [("n", ("c",)), ("m", ())]
    nodes.listen(("n", "d"), ("n", "c"))
    nodes.listen(("n", "c"), ("n", "d"))
    assert nodes.news() == [("n", ("c", "d"))]
    nodes.interests.listens_to(None)
    assert nodes.news() == [("n", None), ("m", None)]
    nodes.inform(wants=False)
    assert nodes.cleared == ["p/n/interest/archive"]
    nodes.listen()
    assert nodes.news() == [("m", ())]


def test_it_is_said_again_before_it_is_over_and_not_to_nodes_that_are_away() -> None:
    nodes = Nodes()
    nodes.inform()
    nodes.inform("m")
    nodes.news()
    for _ in range(int(HOLDS_S)):
        nodes.wait(1)
    assert 2 <= nodes.news().count(("n", ())) <= HOLDS_S / AGAIN_S * 2
    nodes.online = {"n": False}
    nodes.wait(AGAIN_S)
    assert nodes.cleared == ["p/m/interest/archive"], "it is no more, and the other may come back"
    nodes.wait(HOLDS_S)
    assert (nodes.news(), nodes.kept) == ([], set())
    nodes.inform()
    assert nodes.news() == [("n", ())]


def test_a_viewer_that_ends_clears_what_it_said_and_one_without_a_name_goes_by_its_session() -> None:
    nodes = Nodes(name="")
    nodes.inform()
    nodes.interests.close()
    assert nodes.cleared == ["p/n/interest/session"]
    assert nodes.kept == set()


def test_no_more_nodes_are_told_than_the_quota_allows() -> None:
    nodes = Nodes(most=2)
    for node in ("n", "m", "k"):
        nodes.inform(node)
    nodes.news()
    nodes.interests.listens_to(None)
    assert nodes.news() == [("m", None), ("k", None)]
