"""Whatever one node announces, the others are shown; and what a node has no more is not."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from shared.errors import MessageError
from shared.mqtt.received import Received
from tests.viewer_server.fake_edge import picture_of
from tests.viewer_server.wire import (
    camera,
    detections,
    event,
    info,
    metrics,
    received,
    status,
    thumbnail,
    zone,
    zones,
)
from viewer_server.config import QuotaSettings
from viewer_server.live.hub import Hub
from viewer_server.live.mailbox import MAX_STATES, Mailbox
from viewer_server.live.node import Node
from viewer_server.live.nodes import ASK_AGAIN_S, SILENT_S
from viewer_server.live.state import State
from viewer_server.live.updates import Update
from viewer_server.quotas import Quotas

SMALL = QuotaSettings(nodes=4, cameras=8, states=32, states_total=60, live_mb=1, pictures_mb=4)


class Shown:
    """A state, and what a browser that was there from the beginning shows."""

    def __init__(self, quotas: QuotaSettings = SMALL) -> None:
        self.now_s = 0.0
        self.quotas = Quotas(quotas)
        self.state = State("darner/v1", self.quotas, lambda: self.now_s)
        self.page: dict[tuple[str, ...], Any] = {}

    def apply(self, *messages: Received) -> list[Update]:
        told = [update for message in messages for update in self.state.apply(message)]
        for update in told:
            if update.kind == "state":
                body = json.loads(update.payload[update.payload.index(b"{") :])["message"]
                self.page.pop(update.key, None)
                if body is not None:
                    self.page[update.key] = body
        assert self.page.keys() == set(self.known()), "a browser that was there knows what a new one is told"
        return told

    def try_all(self, messages: Iterable[Received]) -> int:
        """Apply; how many were refused."""
        refused = 0
        for message in messages:
            try:
                self.apply(message)
            except MessageError:
                refused += 1
        return refused

    def known(self) -> list[tuple[str, ...]]:
        return [update.key for update in self.state.everything() if update.kind == "state"]

    def of(self, node: str) -> list[tuple[str, ...]]:
        return [key for key in self.known() if key[1] == node]

    def reached(self) -> set[tuple[str, str]]:
        return {(one.node, one.limit) for one in self.quotas.reached()}


def shop(*cameras: str) -> list[Received]:
    """A node with two zones for each camera."""
    about = [status("shop"), info(*cameras, of="shop")]
    for name in cameras:
        about += [camera(name, "shop"), zones("a", "b", of="shop", camera=name)]
        about += [zone(number, "shop", name) for number in ("a", "b")]
    return about


def flood() -> list[Received]:
    """More than fits of everything that is retained."""
    return [
        status("evil"),
        *(camera(f"c{number}", "evil") for number in range(300)),
        *(zone(f"z{number}", "evil") for number in range(300)),
        *(zones(*(f"zone{n}" for n in range(250)), of="evil", camera=f"big{number}") for number in range(60)),
    ]


@pytest.mark.parametrize("first", ["flood", "shop"])
def test_a_flood_of_one_node_hides_nothing_of_another(first: str) -> None:
    shown = Shown()
    parts = [shop("front"), flood()]
    for part in parts if first == "shop" else parts[::-1]:
        shown.try_all(part)
    assert len(shown.of("shop")) == 6
    shown.apply(camera("back", "shop"), info("front", "back", of="shop"), zone("a", "shop", "front"))
    shown.apply(detections(1, "shop", "back"))
    assert [update.kind for update in shown.apply(thumbnail(1, None, "shop", "back"))] == ["frame"]
    assert shown.state.nodes == {"shop", "evil"}
    assert ("status", "evil") in shown.known()
    assert {node for node, _ in shown.reached()} == {"evil"}
    assert len(shown.known()) <= 60


def test_a_node_keeps_its_newest_within_its_quotas() -> None:
    shown = Shown()
    shown.apply(status(), *(camera(f"c{number}") for number in range(20)))
    assert [key[2] for key in shown.of("n") if key[0] == "camera_status"] == [f"c{n}" for n in range(12, 20)]
    shown.apply(*(zone(f"z{number}", camera="c19") for number in range(100)))
    kept = [key[3] for key in shown.of("n") if key[0] == "zone"]
    assert kept[-1] == "z99"
    assert len(shown.of("n")) == 32
    assert ("status", "n") in shown.of("n")
    assert shown.reached() == {("n", "cameras"), ("n", "states")}


def test_what_is_cleared_makes_room() -> None:
    shown = Shown()
    shown.apply(status(), camera())
    for number in range(1000):
        shown.apply(zone(f"z{number}"), received(f"n/camera/c/zone/z{number}", raw=b""))
    assert len(shown.known()) == 2
    assert shown.reached() == set()
    for _ in range(50):
        shown.apply(status("x"), camera("c", "x"), *(zone(f"z{n}", "x") for n in range(20)))
        shown.apply(received("x/status", raw=b""))
    assert shown.reached() == set()


def test_the_largest_node_gives_way_where_all_are_over_the_limit() -> None:
    shown = Shown()
    shown.apply(*shop("front"))
    for node in ("a", "b"):
        shown.apply(status(node), *(zone(f"z{number}", node) for number in range(31)))
    assert len(shown.of("shop")) == 6
    assert abs(len(shown.of("a")) - len(shown.of("b"))) <= 1


def test_a_message_costs_no_look_at_every_node_where_all_are_over_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = State("darner/v1", Quotas(QuotaSettings(nodes=1000, states_total=2000)))
    nodes = [f"n{number}" for number in range(1000)]
    for message in (status, lambda node: zone("z0", node)):
        for node in nodes:
            state.apply(message(node))
    looks, length = 0, Node.__len__

    def counted(node: Node) -> int:
        nonlocal looks
        looks += 1
        return length(node)

    monkeypatch.setattr(Node, "__len__", counted)
    for node in nodes[:500]:
        state.apply(zone("z1", node))
    assert looks < 500 * 20
    kept = [len(list(state.known({"zone"}, [node]))) for node in nodes]
    assert sum(kept) == 1000
    assert max(kept) == 1, "who has the most gives way"


def test_who_grows_after_others_gave_way_is_the_next_to_give_way() -> None:
    shown = Shown()
    for node in ("a", "b", "shop"):
        shown.apply(status(node), *(zone(f"z{number}", node) for number in range(19)))
    shown.apply(zone("more", "a"), zone("more", "b"))
    assert [len(shown.of(node)) for node in ("a", "b", "shop")] == [20, 20, 20]
    shown.apply(*(received(f"shop/camera/c/zone/z{number}", raw=b"") for number in range(10)))
    shown.apply(*(zone(f"new{number}", "b") for number in range(11)))
    assert [len(shown.of(node)) for node in ("a", "b", "shop")] == [20, 30, 10]
    shown.apply(zone("last", "a"))
    assert [len(shown.of(node)) for node in ("a", "b", "shop")] == [21, 29, 10]


def test_memory_of_the_newest_messages_is_bounded_and_shared() -> None:
    shown = Shown(QuotaSettings(cameras=256, states=500, states_total=1000, live_mb=1))
    shown.apply(*shop("front"), status("evil"))
    for number in range(150):
        shown.apply(zones(*(f"zone{n}" for n in range(100)), of="evil", camera=f"c{number}"))
    assert sum(len(update.payload) for update in shown.state.everything()) < 1e6
    assert len(shown.of("shop")) == 6
    assert shown.reached() == {("evil", "live_mb")}


def big(number: int, node: str, camera: str) -> Received:
    """A picture of 400 kB whose boxes do not come."""
    jpeg = picture_of(number)
    return thumbnail(number, jpeg + bytes(400_000 - len(jpeg)), node, camera)


def test_pictures_of_many_cameras_take_a_bounded_memory_of_which_others_have_theirs() -> None:
    shown = Shown()
    shown.apply(*shop("front"), detections(1, "shop", "front"), thumbnail(1, None, "shop", "front"))
    shown.apply(status("evil"), *(camera(f"c{number}", "evil") for number in range(8)))
    for seq in range(1, 6):
        shown.apply(*(big(seq, "evil", f"c{number}") for number in range(8)))
    assert shown.state.last_frame(("shop", "front")) is not None
    shown.apply(detections(2, "shop", "front"))
    assert len(shown.apply(thumbnail(2, None, "shop", "front"))) == 1
    assert shown.reached() == {("evil", "pictures_mb")}


def test_boxes_of_cameras_without_pictures_give_way_without_a_word() -> None:
    shown = Shown(QuotaSettings(nodes=4, cameras=256, pictures_mb=4))
    names = [f"c{number}" for number in range(60)]
    shown.apply(status("shop"), *(camera(name, "shop") for name in names))
    shown.apply(*(detections(seq, "shop", name) for seq in range(64) for name in names))
    assert shown.reached() == set(), "no picture was lost"


def test_events_of_a_node_that_tells_a_lot_leave_those_of_others() -> None:
    shown = Shown()
    shown.apply(*shop("c"), status("evil"), camera("c", "evil"))
    shown.apply(*(event(number, of="shop") for number in range(10)))
    shown.apply(*(event(number, of="evil") for number in range(1000, 3000)))
    events = [update.key[-1] for update in shown.state.everything() if update.kind == "event"]
    assert events[:10] == [f"e{number}" for number in range(10)]
    assert events[-1] == "e2999"
    assert len(events) == 100


def test_a_silent_node_gives_way_to_a_new_one_and_one_that_is_heard_does_not() -> None:
    shown = Shown()
    shown.apply(*shop("front"), status("off", status="offline"), camera("c", "unsaid"), status("still"))
    assert shown.try_all(status(f"new{number}") for number in range(20)) == 20
    for expected in ("unsaid", "off", "still"):
        shown.now_s += SILENT_S + 1
        shown.apply(metrics("shop"), *(metrics(node) for node in shown.state.nodes if node.startswith("new")))
        shown.apply(status(f"new-{expected}"))
        assert expected not in {key[1] for key in shown.known()}
    assert len(shown.of("shop")) == 7
    assert shown.try_all([status("more")]) == 1
    assert shown.reached() == {("", "nodes")}


def test_the_broker_is_asked_again_when_there_is_room_for_a_node_that_speaks() -> None:
    shown = Shown()
    shown.apply(*(status(f"n{number}") for number in range(4)))
    assert shown.try_all([*shop("front"), metrics("shop")]) == 7
    assert not shown.state.should_ask_again(), "there is no room yet"
    shown.now_s += SILENT_S + 1
    assert shown.try_all([metrics("unheard")]) == 1
    assert not shown.state.should_ask_again(), "a node that was never refused has announced nothing"
    assert shown.try_all([metrics("shop")]) == 1
    assert shown.state.should_ask_again()
    assert not shown.state.should_ask_again()
    assert shown.try_all(shop("front")) == 0
    assert shown.try_all([status("late"), status("later")]) == 0
    shown.now_s += ASK_AGAIN_S


FORMER = [
    info("gate"),
    camera("gate"),
    camera("front"),
    zones("new", camera="gate"),
    zone("new", camera="gate"),
    zone("old", camera="gate"),
    zones("a", camera="front"),
    zone("a", camera="front"),
    status(),
]
"""What is retained of a node that renamed its camera from front to gate, and a zone of it from old to new."""


@pytest.mark.parametrize("seed", range(20))
def test_cameras_and_zones_that_a_node_has_no_more_are_hidden_in_whatever_order_they_come(seed: int) -> None:
    shown = Shown()
    order = random.Random(seed).sample(FORMER, len(FORMER))
    shown.apply(*order)
    assert set(shown.known()) == {
        ("status", "n"), ("info", "n"), ("camera_status", "n", "gate"), ("zones", "n", "gate"),
        ("zone", "n", "gate", "new"),
    }  # fmt: skip
    assert shown.state.cameras == [("n", "gate")]
    assert shown.apply(detections(1, camera="front"), thumbnail(1, camera="front")) == []
    assert shown.state.last_frame(("n", "front")) is None


def test_a_camera_that_speaks_before_it_is_listed_is_shown_with_all_that_it_said() -> None:
    shown = Shown()
    shown.apply(
        status(), info("c"), camera(), camera("new"), zones("a", camera="new"), zone("a", camera="new")
    )
    assert shown.state.cameras == [("n", "c")]
    told = shown.apply(info("c", "new"))
    assert {update.key[0] for update in told} == {"info", "camera_status", "zones", "zone"}
    assert shown.state.cameras == [("n", "c"), ("n", "new")]


def test_hidden_things_give_way_before_those_that_are_shown() -> None:
    shown = Shown()
    shown.apply(status(), info("c"), camera(), *(zone(f"z{number}") for number in range(20)))
    shown.apply(*(camera(f"old{number}") for number in range(7)))
    shown.apply(*(zone(f"y{number}", camera="old1") for number in range(40)))
    assert len([key for key in shown.known() if key[0] == "zone"]) == 20
    shown.apply(*(camera(f"older{number}") for number in range(20)))
    assert shown.state.cameras == [("n", "c")]


def test_a_mailbox_has_room_for_all_that_quotas_allow() -> None:
    hub = Hub(State("darner/v1", Quotas(QuotaSettings(states_total=50_000))), 1, {})
    box = Mailbox(threading.Event(), lambda: None)
    assert box.max_states == MAX_STATES
    hub.join(box, 0)
    assert box.max_states >= 50_000


def test_a_node_whose_description_is_cleared_is_counted_no_longer() -> None:
    shown = Shown()
    shown.apply(info("c"), camera())
    assert shown.state.census() == (1, 1)
    shown.apply(received("n/info", raw=b""))
    assert shown.state.census() == (0, 1), "its camera has announced itself"
    assert shown.state.nodes == set()


def test_any_order_of_announcing_and_clearing_leaves_the_counts_right() -> None:
    """What is counted is what is there: else room would be lost for ever."""
    source = random.Random(1)
    shown = Shown(QuotaSettings(nodes=4, cameras=8, states=16, states_total=40, live_mb=1, pictures_mb=4))
    nodes = [f"n{number}" for number in range(6)]
    for step in range(1200):
        node, name = source.choice(nodes), f"c{source.randrange(12)}"
        shown.now_s += source.random() * 10
        shown.try_all(
            [
                source.choice(
                    [
                        status(node),
                        info(*source.sample([f"c{n}" for n in range(12)], 3), of=node),
                        camera(name, node),
                        zones(*"abc"[: source.randrange(4)], of=node, camera=name),
                        zone(source.choice("abcdef"), node, name),
                        detections(step, node, name),
                        thumbnail(step, None, node, name),
                        received(f"{node}/camera/{name}/status", raw=b""),
                        received(f"{node}/camera/{name}/zones", raw=b""),
                        received(f"{node}/camera/{name}/zone/a", raw=b""),
                        received(f"{node}/info", raw=b""),
                        received(f"{node}/status", raw=b""),
                    ]
                )
            ]
        )
        assert shown.state.census() == (len(shown.state.nodes), len(shown.state.cameras))
    shown.try_all(received(f"{node}/status", raw=b"") for node in nodes)
    assert shown.known() == []
    before = shown.reached()
    fresh = [status("x"), *(zone(f"z{number}", "x") for number in range(15))]
    shown.apply(*itertools.chain(fresh, [status("y")], (zone(f"z{number}", "y") for number in range(15))))
    assert len(shown.known()) == 32
    assert shown.reached() == before
