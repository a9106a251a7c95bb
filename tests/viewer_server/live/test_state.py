"""What is remembered, what is refused, and that both have bounds."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire.messages import PictureName, encode
from shared.wire.picture_names import with_name
from tests.viewer_server.fake_edge import HEIGHT, WIDTH, detections_of, picture_of
from tests.viewer_server.wire import (
    COMMON,
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
from viewer_server.live.recent import MAX_EVENTS
from viewer_server.live.state import RefusedPicture, State
from viewer_server.live.updates import Update, jpeg_of


def told(updates: list[Update]) -> list[dict[str, Any]]:
    """The JSON of text updates, and the headers of frames."""
    texts = (update.payload[update.payload.index(b"{") :].decode(errors="replace") for update in updates)
    return [json.JSONDecoder().raw_decode(text)[0] for text in texts]


def known(state: State) -> list[tuple[str, ...]]:
    return [update.key for update in state.everything()]


@pytest.fixture
def state() -> State:
    """A node with one camera."""
    made = State("darner/v1")
    made.apply(status())
    made.apply(camera())
    return made


def test_suspects_are_told_and_taken_back(state: State) -> None:
    path, about = "n/camera/c/suspects", COMMON | {"camera": "c", "schema": "darner.suspects/1"}
    assert told(state.apply(received(path, about | {"suspects": []})))[0]["type"] == "suspects"
    assert ("suspects", "n", "c") in known(state)
    with pytest.raises(MessageError):
        state.apply(received(path, about | {"suspects": [{}]}))
    assert told(state.apply(received(path, raw=b"")))[0]["message"] is None
    assert ("suspects", "n", "c") not in known(state)


@pytest.mark.parametrize(
    ("kind", "about", "wrong"),
    [
        ("calendar", {"version": 1, "schedules": {"open": {}}}, {"schedules": {"open": {"spans": 1}}}),
        ("mode", {"mode": "home", "since_us": 1}, {"mode": "at home"}),
        ("rules", {"version": 1, "rules": {"r": {"when": {"trigger": "stay"}}}}, {"rules": {"r": {}}}),
        ("camera/c/health", {"problems": [{"problem": "moved", "since_us": 1}]}, {"problems": [{}]}),
    ],
)  # fmt: skip
def test_what_a_node_says_of_times_rules_and_pictures_is_told_and_taken_back(
    state: State, kind: str, about: dict[str, Any], wrong: dict[str, Any]
) -> None:
    name, path = kind.rsplit("/", 1)[-1], f"n/{kind}"
    message = COMMON | {"schema": f"darner.{name}/1"} | ({"camera": "c"} if "camera" in kind else {}) | about
    [update] = told(state.apply(received(path, message)))
    assert (update["type"], update["node"]) == (name, "n")
    assert name in {key[0] for key in known(state)}
    for bad in (wrong, {"node": "another"}):
        with pytest.raises(MessageError):
            state.apply(received(path, message | bad))
    assert told(state.apply(received(path, raw=b"")))[0]["message"] is None
    assert name not in {key[0] for key in known(state)}


def test_an_alert_is_told_once_as_an_event(state: State) -> None:
    sent = event(1, "alert")
    assert len(state.apply(sent)) == 1
    with pytest.raises(MessageError):
        state.apply(received("n/camera/c/alert", raw=bytes(sent.payload)))


def test_what_an_older_node_leaves_out_is_told_as_empty(state: State) -> None:
    [definitions] = told(state.apply(zones("a")))
    assert (definitions["message"]["masks"], definitions["message"]["filters"]) == ({}, {})
    camera_metrics = {"fps_in": 1, "fps_out": 1, "captured": 1, "processed": 1, "dropped": 0, "thumbnails": 1}
    [numbers] = told(state.apply(metrics(cameras={"c": camera_metrics})))
    assert numbers["message"]["cameras"]["c"]["ignored"] == {}
    boxes = json.loads(encode(detections_of(1, "n", "s1", "c")))
    assert boxes.pop("ignored") == []
    state.apply(received("n/camera/c/detections", boxes))
    [frame] = told(state.apply(thumbnail(1)))
    assert frame["detections"]["ignored"] == []


def test_a_new_browser_is_told_everything_that_is_known(state: State) -> None:
    for message in (zones("a"), zone("a"), event(1), detections(1), thumbnail(1)):
        state.apply(message)
    assert known(state) == [
        ("status", "n"),
        ("camera_status", "n", "c"),
        ("zones", "n", "c"),
        ("zone", "n", "c", "a"),
        ("events", "n", "c", "e1"),
        ("n", "c"),
    ]


def test_the_newest_of_each_thing_replaces_the_older(state: State) -> None:
    [update] = told(state.apply(camera(status="ended")))
    assert update["message"]["status"] == "ended"
    assert len(list(state.everything())) == 2


def test_an_event_delivered_twice_is_told_once(state: State) -> None:
    assert len(state.apply(event(1))) == 1
    assert state.apply(event(1)) == []


def test_events_are_bounded_and_tracks_do_not_push_out_the_others(state: State) -> None:
    state.apply(event(1))
    for number in range(2, 1000):
        state.apply(event(number, "track_started"))
    events = [key for key in known(state) if key[0] == "events"]
    assert ("events", "n", "c", "e1") in events
    assert len(events) == 1 + MAX_EVENTS


def test_numbers_of_a_zone_that_is_not_defined_any_more_go_away(state: State) -> None:
    for message in (zones("a", "b"), zone("a"), zone("b")):
        state.apply(message)
    gone, _ = told(state.apply(zones("b")))
    assert gone == {"type": "zone", "node": "n", "camera": "c", "zone": "a", "message": None}
    assert ("zone", "n", "c", "a") not in known(state)
    assert ("zone", "n", "c", "b") in known(state)


@pytest.mark.parametrize(
    ("last", "left"),
    [
        (received("n/camera/c/zone/a", raw=b""), {"status", "camera_status", "zones", "n"}),  # one zone
        (received("n/camera/c/status", raw=b""), {"status"}),  # a camera and all of it; the node stays
        (info(), {"status", "info"}),  # the node says that it has no such camera
        (received("n/status", raw=b""), set()),  # a node and all of it
        (
            received("n/camera/x/zone/a", raw=b""),
            {"status", "camera_status", "zones", "zone", "n"},
        ),  # nothing
    ],
)
def test_what_is_cleared_is_forgotten_with_all_that_belongs_to_it(
    state: State, last: Received, left: set[str]
) -> None:
    for message in (zones("a"), zone("a"), detections(1), thumbnail(1)):
        state.apply(message)
    before = {key[0] for key in known(state)}
    gone = {update["type"] for update in told(state.apply(last)) if update["message"] is None}
    assert {key[0] for key in known(state)} == left
    assert gone == before - left - {"n"}  # frames go without a word


def test_the_page_gets_every_field_although_the_edge_left_defaults_out(state: State) -> None:
    [update] = told(state.apply(zone("a")))
    assert update["message"]["occupancy"] == 0
    assert update["message"]["queue"] is None
    assert update["message"]["dwell"]["completed"] == 0


def test_class_names_are_not_passed_on(state: State) -> None:
    [update] = state.apply(info("c", classes=5000))
    assert len(update.payload) < 1000


def test_a_frame_is_told_with_picture_and_boxes_of_the_same_number(state: State) -> None:
    assert state.apply(thumbnail(7)) == []
    [update] = state.apply(detections(7))
    assert update.kind == "frame"
    body = update.payload[update.payload.index(b"{") :]
    header = json.loads(body[: body.index(b"\xff\xd8")])
    assert header["picture"] | {"received_us": 0} == {
        "session": "s1", "seq": 7, "width": 640, "height": 360, "received_us": 0, "matched": True,
    }  # fmt: skip
    assert header["detections"]["seq"] == 7
    assert body.endswith(picture_of(7))


HOSTILE = [
    (received("n/camera/c/detections", raw=b"\xff\x00"), "not JSON"),
    (received("n/camera/c/detections", raw=b'{"a":' * 100_000), "nested"),
    (received("n/camera/c/detections", raw=b" " * 1_000_001), "1000001 bytes"),
    (received("n/camera/c/detections", {}), "missing"),
    (received("n/unknown", {}), "not one of"),
    (received("n/../status", {}), "not one of"),
    (Received("elsewhere/n/status", b"{}", 0, False, {}), "not one of"),
    (camera("c", camera="other"), "the topic says camera c, the message other"),
    (camera("c", node="other"), "the topic says node n"),
    (camera("c", status="x"), "status|enum"),
    (thumbnail(1, b"GIF89a"), "not a JPEG"),
    (thumbnail(1, b""), "not a JPEG"),
    (thumbnail(1, b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff"), "not a JPEG of at most"),
    (thumbnail(1, bytes(1_000_001)), "over 1000000 bytes"),
    (thumbnail(1, session="s1", seq="-1"), "not a frame"),
    (thumbnail(1, session="s1", seq="1e5"), "not a frame"),
    (thumbnail(1, session="s1", seq="٣"), "not a frame"),
    (thumbnail(1, session="s" * 65, seq="1"), "not a frame"),
    (received("n/camera/unseen/thumbnail", raw=b"\xff\xd8"), "has not announced"),
    (received("other/metrics", COMMON | {"node": "other"}), "missing"),
]


def test_a_camera_without_pictures_is_told_by_its_boxes_alone(state: State) -> None:
    about = {"camera": "c", "source": "mqtt://h/t", "zones": 0, "lines": 0, "reader": "mqtt"}
    manifest = json.loads(info().payload) | {"cameras": [about]}
    state.apply(received("n/info", manifest))
    [update] = state.apply(detections(1))
    [frame] = told([update])
    assert (frame["picture"]["seq"], frame["detections"]["seq"]) == (1, 1)
    assert (frame["picture"]["width"], frame["picture"]["height"]) == (
        frame["detections"]["width"],
        frame["detections"]["height"],
    )
    assert jpeg_of(update.payload) == b""
    assert state.apply(detections(1)) == []


@pytest.mark.parametrize(("message", "reason"), HOSTILE)
def test_what_breaks_the_contract_is_refused_with_a_reason(
    state: State, message: Received, reason: str
) -> None:
    before = known(state)
    with pytest.raises(MessageError, match=reason):
        state.apply(message)
    assert [key for key in known(state) if key[0] != "picture"] == before, "at most, a picture was refused"


def test_a_picture_without_a_number_is_shown_with_the_newest_boxes_and_marked(state: State) -> None:
    bare = received("n/camera/c/thumbnail", raw=picture_of(1))
    assert state.apply(bare) == [], "before there are boxes"
    state.apply(detections(7))
    [header] = told(state.apply(bare))
    assert header["picture"]["matched"] is False
    assert header["picture"]["seq"] == header["detections"]["seq"] == 7
    state.apply(detections(8))
    [header] = told(state.apply(thumbnail(8)))
    assert (header["picture"]["matched"], header["picture"]["seq"]) == (True, 8)
    assert (state.unnamed, state.joined) == (2, 1)


def test_a_picture_whose_comment_names_its_frame_needs_no_properties(state: State) -> None:
    def named(seq: int) -> Received:
        name = PictureName(session="s1", seq=seq, captured_us=1, width=WIDTH, height=HEIGHT)
        return received("n/camera/c/thumbnail", raw=with_name(picture_of(seq), name))

    state.apply(detections(7))
    state.apply(detections(8))
    [header] = told(state.apply(named(7)))
    assert (header["picture"]["matched"], header["picture"]["seq"]) == (True, 7)
    assert header["detections"]["seq"] == 7
    assert state.apply(named(9)) == [], "before its boxes have come"
    [header] = told(state.apply(detections(9)))
    assert (header["picture"]["seq"], state.unnamed, state.joined) == (9, 0, 2)
    broken = named(10).payload.replace(b'"seq":10', b'"seq":-1')
    with pytest.raises(MessageError, match="comment names no frame"):
        state.apply(received("n/camera/c/thumbnail", raw=broken))


def test_a_broken_picture_without_a_number_is_refused(state: State) -> None:
    state.apply(detections(7))
    with pytest.raises(MessageError, match="not a JPEG"):
        state.apply(received("n/camera/c/thumbnail", raw=b"GIF89a"))


@given(
    st.sampled_from(
        ["n/status", "n/info", "n/metrics", "n/camera/c/status", "n/camera/c/zones", "n/camera/c/events"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
)
def test_any_json_is_taken_in_or_refused_and_nothing_else(path: str, message: object) -> None:
    with contextlib.suppress(MessageError):
        State("darner/v1").apply(received(path, message))


def test_a_picture_that_is_refused_is_said_once_until_one_is_shown_again(state: State) -> None:
    large = thumbnail(1, picture_of(1) + bytes(1_000_000))
    with pytest.raises(RefusedPicture, match="over 1000000 bytes") as refused:
        state.apply(large)
    [said] = told([refused.value.update])
    assert (said["type"], said["node"], said["camera"]) == ("picture", "n", "c")
    assert "over 1000000 bytes" in said["message"]["refused"]
    with pytest.raises(MessageError) as again:
        state.apply(large)
    assert not isinstance(again.value, RefusedPicture), "browsers know it"
    assert ("picture", "n", "c") in known(state), "and so will those that come"
    [shown] = told(state.apply(thumbnail(2)))
    assert shown["message"] is None
    assert ("picture", "n", "c") not in known(state)
