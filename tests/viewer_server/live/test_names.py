"""Names first: a compact list of everything, and the rest only of what a browser shows."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

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
from viewer_server.live.mailbox import LINES_BYTES, MAX_CREDIT, Mailbox
from viewer_server.live.state import State
from viewer_server.live.updates import content
from viewer_server.quotas import Quotas


def browser(hub: Hub, *, names_first: bool = True) -> Mailbox:
    """A browser that has just come."""
    made = Mailbox(threading.Event(), lambda: None, names_first=names_first)
    hub.join(made, 0)
    made.allow(MAX_CREDIT)
    return made


def sent(box: Mailbox) -> list[dict[str, Any]]:
    """What a browser is sent until nothing waits; of a frame, its header."""
    payloads = [bytes(content(payload)) for payload in iter(box.take, None)]
    starts = (payload.index(b"{") for payload in payloads)
    return [
        json.JSONDecoder().raw_decode(payload[start:].decode(errors="replace"))[0]
        for payload, start in zip(payloads, starts, strict=True)
    ]


def kinds(box: Mailbox) -> list[str]:
    return [message.get("type", "frame") for message in sent(box)]


def lines(box: Mailbox) -> list[list[Any]]:
    """The lines of all lists of names."""
    return [line for message in sent(box) if message["type"] == "names" for line in message["nodes"]]


@pytest.fixture
def hub() -> Hub:
    """Node n with cameras c and d, and node m with c."""
    made = Hub(State("darner/v1"), 3, {})
    for message in (
        status(), info("c", "d"), metrics(), camera(), camera("d"), zones("a"), zone("a"),
        zones("b", camera="d"), status("m"), camera(of="m"), event(1), event(2, of="m"),
    ):  # fmt: skip
        made.handle(message)
    return made


def test_a_browser_is_told_names_before_anything_else_and_details_of_nothing(hub: Hub) -> None:
    messages = sent(browser(hub))
    assert [message["type"] for message in messages] == ["hello", "broker", "names", "live"]
    assert messages[2]["nodes"] == [
        ["n", "online", [["c", "streaming"], ["d", "streaming"]]],
        ["m", "online", [["c", "streaming"]]],
    ]


def test_what_people_call_a_node_and_its_cameras_is_in_the_list(hub: Hub) -> None:
    box = browser(hub)
    sent(box)
    named = json.loads(info("c").payload)
    named |= {
        "name": "Gate",
        "cameras": [{"camera": "c", "name": "Yard", "source": "x", "zones": 0, "lines": 0}],
    }
    hub.handle(received("n/info", named))
    assert lines(box) == [["n", "online", [["c", "streaming", "Yard"]], "Gate"]]  # d is not listed any more


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (status("m", status="offline"), ["m", "offline", [["c", "streaming"]]]),
        (camera(of="m", status="reconnecting"), ["m", "online", [["c", "reconnecting"]]]),
        (camera("e", of="m"), ["m", "online", [["c", "streaming"], ["e", "streaming"]]]),
        (zones("a", of="m", camera="e"), ["m", "online", [["c", "streaming"], ["e", None]]]),
        (received("m/camera/c/status", raw=b""), ["m", "online", []]),
        (received("m/status", raw=b""), ["m"]),
        (info("e", of="m"), ["m", "online", []]),
        (status("new"), ["new", "online", []]),
    ],
)
def test_a_change_of_what_a_line_says_is_told_whether_it_is_shown_or_not(
    hub: Hub, message: Any, line: list[Any]
) -> None:
    box = browser(hub)
    sent(box)
    hub.handle(message)
    assert lines(box) == [line]
    assert [one for one in lines(browser(hub)) if one[0] == line[0]] == ([line] if len(line) > 1 else [])


@pytest.mark.parametrize("message", [metrics(), metrics("m"), zone("a"), event(3), status(), camera()])
def test_what_changes_no_line_is_not_told_to_a_browser_that_does_not_show_it(hub: Hub, message: Any) -> None:
    box = browser(hub)
    sent(box)
    hub.handle(message)
    assert sent(box) == []


def test_a_browser_is_told_details_of_what_it_shows_and_then_each_change_of_it(hub: Hub) -> None:
    box = browser(hub)
    sent(box)
    hub.show(box, [("n", "c")])
    assert kinds(box) == ["status", "info", "metrics", "camera_status", "zones", "zone", "shown", "events"]
    for message in (metrics(), zone("a"), event(3), zones("a"), zones("b", camera="d"), zone("x", of="m")):
        hub.handle(message)
    assert kinds(box) == ["metrics", "zone", "zones", "events"]
    hub.show(box, [("n", "c"), ("n", "d")])
    assert kinds(box) == ["camera_status", "zones", "shown"]  # what it knows already is not sent again
    hub.show(box, [])
    assert kinds(box) == ["shown"]
    hub.handle(metrics())
    hub.handle(zone("a"))
    assert sent(box) == []


def test_a_camera_that_is_shown_before_it_is_known_is_told_when_it_comes(hub: Hub) -> None:
    box = browser(hub)
    hub.show(box, [("later", "c")])
    sent(box)
    hub.handle(status("later"))
    hub.handle(camera(of="later"))
    assert kinds(box) == ["status", "names", "camera_status"]


def test_frames_come_of_watched_cameras_alone_and_none_before_the_first_is_named(hub: Hub) -> None:
    box = browser(hub)
    sent(box)
    for name in ("n", "m"):
        hub.handle(detections(1, of=name))
        hub.handle(thumbnail(1, of=name))
    assert sent(box) == []
    assert hub.watched() == frozenset()
    hub.watch(box, [("m", "c")])
    assert [message["node"] for message in sent(box)] == ["m"]
    assert hub.watched() == frozenset([("m", "c")])
    hub.leave(box)
    assert hub.watched() == frozenset()


def test_a_program_that_does_not_ask_for_names_is_sent_everything_as_ever(hub: Hub) -> None:
    box = browser(hub, names_first=False)
    assert hub.watched() is None
    assert {"names", "shown"}.isdisjoint(kinds(box))
    hub.show(box, [("n", "c")])
    hub.handle(metrics("m"))
    hub.handle(event(9, of="m"))
    assert kinds(box) == ["metrics", "events"]


def test_a_node_with_a_camera_takes_fifty_bytes_in_messages_of_moderate_size() -> None:
    hub = Hub(State("darner/v1", Quotas(QuotaSettings(nodes=2000))), 3, {})
    for number in range(2000):
        hub.handle(status(f"node-{number:05}"))
        hub.handle(camera("cam1", of=f"node-{number:05}"))
    box = browser(hub)
    sizes = [len(payload) for payload in iter(box.take, None)]
    assert sum(sizes) < 2000 * 55
    assert max(sizes) < LINES_BYTES + 1000
