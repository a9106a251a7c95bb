"""Each way to break the contract, through a real broker, is found and named; what keeps it is left alone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conformance import __main__ as conformance
from shared.conformance.rules import Checker, Report
from shared.documents.asyncapi import PICTURE_PROPERTIES
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.picture_names import with_name
from tests.conftest import REPO, Mosquitto, free_port, wait_until

PREFIX = "conformance/v1"
JPEG = cv2.imencode(".jpg", np.zeros((18, 32, 3), np.uint8))[1].tobytes()


IDS = {
    "archive": "a",
    "viewer": "v",
    "node": "n",
    "camera": "c",
    "zone": "z",
    "track": "1",
    "command": "ping",
}


def sent(row: topics.Topic, payload: bytes, **changes: Any) -> Received:
    """A message as the contract wants it, except for what is changed."""
    good = Received(
        topic=row.path(
            PREFIX, **{name: value for name, value in IDS.items() if f"{{{name}}}" in row.pattern}
        ),
        payload=payload,
        qos=row.qos,
        retain=row.retain,
        user_properties={},
        content_type="image/jpeg" if row.payload == "jpeg" else "application/json",
        expiry_s=row.expiry_s,
    )
    return dataclasses.replace(good, **changes)


def head(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"node": "n", "session": "s", "published_us": 5000 + number} | changes


def frame(seq: int, **changes: Any) -> dict[str, Any]:
    return head(seq, camera="c", seq=seq, captured_us=1000 + seq) | changes


def boxes(seq: int, dropped: int = 0, changed: dict[str, Any] | None = None, **body: Any) -> Received:
    message = messages.DetectionsMessage(
        **frame(seq, **body), width=640, height=480, timings_ms={}, dropped=dropped, objects=[]
    )
    return sent(topics.DETECTIONS, messages.encode(message), **(changed or {}))


def picture(seq: int, payload: bytes = JPEG, **properties: str) -> Received:
    about = {"session": "s", "seq": str(seq), "captured_us": str(1000 + seq), "width": "32", "height": "18"}
    return sent(topics.THUMBNAIL, payload, user_properties=about | properties)


def event(seq: int, number: int, **body: Any) -> Received:
    message = messages.Event(
        **frame(seq, **body), event_id=f"n-s-{number}", type="track_ended", occurred_us=1
    )
    return sent(topics.EVENTS, messages.encode(message))


ALERT = messages.Alert(rule="r", severity="info", text="x", trigger="stay")


def newer(seq: int, number: int | None, **body: Any) -> Received:
    """An event of a type that only a newer version knows."""
    known = {
        "event_id": f"n-b-{number}",
        "type": "zone_repainted",
        "occurred_us": 1,
        "boot": "b",
        "number": number,
    }
    return sent(topics.EVENTS, messages.encode({"schema": "darner.event/1"} | frame(seq) | known | body))


def alert(number: int, row: topics.Topic = topics.ALERT, **body: Any) -> Received:
    known = {"event_id": f"n-s-{number}", "type": "alert", "occurred_us": 1, "alert": ALERT}
    return sent(row, messages.encode(messages.Event(**frame(number) | known | body)))


def rules(version: int) -> Received:
    return sent(topics.RULES, messages.encode(messages.Rules(**head(), version=version)))


def track(seq: int, number: int) -> Received:
    known: dict[str, Any] = {
        "track_id": number,
        "class_id": 0,
        "label": "person",
        "classes": {},
        "score": 0.9,
    }
    when: dict[str, Any] = {
        "started_us": 1,
        "ended_us": 2,
        "duration_s": 0.1,
        "ended": "left",
        "detections": 1,
    }
    where: dict[str, Any] = {
        "path": [],
        "path_error": 0.0,
        "first_box": (0, 0, 1, 1),
        "last_box": (0, 0, 1, 1),
    }
    return sent(topics.TRACK, messages.encode(messages.Track(**frame(seq) | known | when | where)))


def status(word: Any = "online", number: int = 0, **changes: Any) -> Received:
    message = messages.NodeStatus(**head(number), status=word, version="1")
    return sent(topics.STATUS, messages.encode(message), **changes)


def zone(**body: Any) -> Received:
    return sent(
        topics.ZONE, messages.encode(messages.ZoneState(**frame(1) | {"zone": "z", "kind": "zone"} | body))
    )


def response(**body: Any) -> Received:
    return sent(topics.RESPONSE, messages.encode(messages.Response(**head(), command="ping", **body)))


def renamed(received: Received, **properties: str) -> Received:
    return dataclasses.replace(received, user_properties={**received.user_properties, **properties})


def without_schema(received: Received) -> Received:
    body = orjson.loads(received.payload)
    del body["schema"]
    return dataclasses.replace(received, payload=orjson.dumps(body))


@pytest.fixture(scope="module")
def wire(broker: Mosquitto) -> Iterator[tuple[Client, Client]]:
    """A connection that sends, and one that hears everything as it was published."""
    settings = MqttSettings(url=broker.url)
    with Client(settings, name="writer") as writer, Client(settings, name="reader") as reader:
        reader.subscribe(f"{PREFIX}/#", 1, as_published=True)
        reader.subscribe("conformance-end", 1)
        assert writer.wait_connected(30)
        assert reader.wait_subscribed(30)
        yield writer, reader


def checked(wire: tuple[Client, Client], received: list[Received], seconds: float = 0.01) -> Report:
    """The checker's report on messages that went through the broker, `seconds` apart."""
    writer, reader = wire
    for message in received:
        assert writer.republish(message)
    assert writer.republish(Received("conformance-end", b"", 1, False, {}))
    checker = Checker(PREFIX)
    now_s = 0.0
    while (message := reader.received.get(30)).topic != "conformance-end":
        now_s += seconds
        checker.check(message, now_s)
    return checker.finish()


BREAKS: list[Any] = [
    ([status(topic=f"{PREFIX}/n/extra")], "unknown", "not in the topic table"),
    ([status(topic=f"{PREFIX}/n/camera/c d/status")], "unknown", "not in the topic table"),
    ([sent(topics.STATUS, b"{")], "status", "schema"),
    ([without_schema(status())], "status", "schema"),
    ([sent(topics.EVENTS, b"")], "events", "schema"),
    ([response(code="unknown")], "response", "code without an error"),
    ([response(error="no", code="mood")], "response", "schema"),
    ([status(qos=0)], "status", "QoS too low"),
    ([status(retain=False)], "status", "retain flag"),
    ([boxes(0, changed={"retain": True})], "detections", "retain flag"),
    ([status(content_type=None)], "status", "content type"),
    ([boxes(0, changed={"content_type": "text/plain"})], "detections", "content type"),
    ([boxes(0, changed={"expiry_s": None})], "detections", "expiry"),
    ([boxes(0, changed={"expiry_s": 60})], "detections", "expiry"),
    ([status(expiry_s=60)], "status", "expiry"),
    ([boxes(0, node="other")], "detections", "topic and body differ"),
    ([boxes(0, camera="other")], "detections", "topic and body differ"),
    ([zone(zone="other")], "zone", "topic and body differ"),
    ([boxes(5), boxes(4)], "detections", "seq runs backwards"),
    ([boxes(5), boxes(6, captured_us=900)], "detections", "captured_us runs backwards"),
    ([boxes(5), boxes(6, published_us=900)], "detections", "published_us runs backwards"),
    ([status(number=5), status(number=4)], "status", "published_us runs backwards"),
    ([event(5, 1), event(4, 2)], "events", "seq runs backwards"),
    ([rules(2), rules(1)], "rules", "version runs backwards"),
    ([alert(1, type="track_ended", alert=None)], "alert", "no alert"),
    ([alert(1, topics.EVENTS, alert=None)], "events", "alert and type differ"),
    ([newer(5, None)], "events", "schema"),  # what every event has
    ([newer(5, 1, occurred_us="now")], "events", "schema"),
    ([newer(5, 1, type="Zone repainted")], "events", "schema"),
    ([newer(5, 1, type="loitering", direction="up")], "events", "schema"),  # of a known type, all is known
    ([newer(5, 1), newer(4, 2)], "events", "seq runs backwards"),
    ([alert(1, topics.EVENTS, type="loitering")], "events", "alert and type differ"),
    ([alert(1, topics.EVENTS, alert=None, type="problem_started")], "events", "problem and type differ"),
    ([boxes(5), boxes(5)], "detections", "dropped does not add up"),
    ([boxes(5), boxes(6, dropped=2)], "detections", "dropped does not add up"),
    ([boxes(5, dropped=3), boxes(9, dropped=1)], "detections", "dropped does not add up"),
    ([boxes(5, dropped=9)], "detections", "dropped does not add up"),
    ([picture(1, b"no jpeg")], "thumbnail", "not a JPEG"),
    ([picture(1, JPEG[:-9])], "thumbnail", "not a JPEG"),
    ([sent(topics.THUMBNAIL, JPEG)], "thumbnail", "user properties"),
    ([sent(topics.SNAPSHOT, JPEG)], "snapshot", "user properties"),
    ([renamed(picture(1), seq="one")], "thumbnail", "user properties"),
    ([picture(1, width="33")], "thumbnail", "user properties"),
    ([picture(2), picture(1)], "thumbnail", "seq runs backwards"),
    ([boxes(1), picture(1, captured_us="7")], "thumbnail", "picture of another frame"),
    ([picture(1, captured_us="7"), boxes(1)], "detections", "picture of another frame"),
    (
        [boxes(1), picture(3, captured_us="1009"), boxes(6, dropped=4)],
        "detections",
        "picture of another frame",
    ),
    ([boxes(1), picture(99, captured_us="1002"), boxes(6)], "thumbnail", "picture of no frame"),
    ([zone(entered=2), zone(entered=1)], "zone", "counters run backwards"),
]


@pytest.mark.parametrize(("messages_sent", "row", "kind"), BREAKS)
def test_a_break_is_found_and_named(
    wire: tuple[Client, Client], messages_sent: list[Received], row: str, kind: str
) -> None:
    report = checked(wire, messages_sent)
    named = {(found.row, found.kind): found.count for found in report.breaks}
    assert named.pop((row, kind)) == 1
    # What follows from a wrong number may be named as well; nothing else may.
    assert not named or kind == "seq runs backwards"


@pytest.mark.parametrize("others", [[], [boxes(1), boxes(2), boxes(3), boxes(4)]])
def test_a_picture_whose_number_never_comes_is_a_break_after_a_while(
    wire: tuple[Client, Client], others: list[Received]
) -> None:
    again = [picture(50, captured_us="1050")] * (1 if others else 4)
    report = checked(wire, [*again, *others], seconds=2.5)
    assert {(found.row, found.kind) for found in report.breaks} == {("thumbnail", "picture of no frame")}


@pytest.mark.parametrize(
    ("between", "kind"),
    [
        ([alert(1), alert(1, topics.EVENTS)], None),
        ([alert(1, topics.EVENTS)], "alert on one topic alone"),
        ([alert(1)], "alert on one topic alone"),
        ([alert(1), alert(1, topics.EVENTS, count=7)], "alert differs from its event"),
        # It was sent again, and then as a late one.
        ([alert(1), alert(1, topics.EVENTS, historical=True), alert(1, topics.EVENTS)], None),
    ],
)
def test_an_alert_comes_as_it_is_on_both_topics(
    wire: tuple[Client, Client], between: list[Received], kind: str | None
) -> None:
    report = checked(
        wire, [boxes(1), boxes(2), boxes(3), *between, boxes(4), boxes(5), boxes(6)], seconds=2.5
    )
    assert [found.kind for found in report.breaks] == ([] if kind is None else [kind])
    # When listening begins or ends between the two, nobody is to blame.
    assert checked(wire, between[:1], seconds=2.5).breaks == []


KEPT: list[Any] = [
    ([boxes(0), boxes(1), boxes(4, dropped=2), boxes(5, dropped=2)], {}),
    ([boxes(0), boxes(4), boxes(9, dropped=2)], {"lost": 5}),
    ([boxes(7, dropped=5), boxes(0, session="t", published_us=1, captured_us=1)], {}),
    # Zeros before the first frame have the node's time; the camera's own clock may be behind it.
    ([zone(seq=0, captured_us=9000, published_us=1), zone(seq=3, captured_us=1003)], {}),
    # The host's clock was set back by an hour.
    ([boxes(5, captured_us=4 * 10**9, published_us=4 * 10**9), boxes(6, captured_us=7, published_us=7)], {}),
    ([picture(3), boxes(3)], {}),
    ([boxes(3), picture(3)], {}),
    ([boxes(1), picture(3), boxes(6, dropped=4)], {"unpaired": 1}),
    ([boxes(1), boxes(6, dropped=4), picture(3)], {"unpaired": 1}),
    ([event(5, 1), event(6, 2), event(5, 1)], {"repeated": 1}),
    ([event(5, 2), event(4, 1, historical=True)], {"repeated": 1}),
    ([newer(5, 1, colour="red"), newer(6, 2, alert={"what": 1})], {"zone_repainted": 2}),
    ([track(5, 1), track(6, 2), track(5, 1)], {"repeated": 1}),
    ([status(number=9), status("offline", number=1)], {}),
    ([sent(topics.STATUS, b"")], {}),
    ([response()], {}),
    ([dataclasses.replace(response(), topic=response().topic.replace("/ping", "/fleet"))], {}),
    ([response(error="no such camera", code="unknown")], {}),
    ([response(error="said by a node of an older version")], {}),
    ([sent(topics.REQUEST, b"", content_type=None)], {}),
    ([sent(topics.REQUEST, b"{}", content_type=None, expiry_s=9)], {}),
]


@pytest.mark.parametrize(("messages_sent", "counted"), KEPT)
def test_what_keeps_the_contract_is_no_break(
    wire: tuple[Client, Client], messages_sent: list[Received], counted: dict[str, int]
) -> None:
    report = checked(wire, messages_sent)
    assert report.breaks == []
    numbers = {"lost": report.lost, "unpaired": report.unpaired, "repeated": report.repeated}
    numbers |= report.unknown_types
    assert numbers == {"lost": 0, "unpaired": 0, "repeated": 0} | counted


def test_types_of_events_that_a_newer_node_sends_are_named_and_only_some_are_remembered() -> None:
    checker = Checker(PREFIX)
    for number in range(1, 31):
        checker.check(newer(number, number, type=f"new_{number}"), 0.0)
    report = checker.finish()
    assert (report.breaks, len(report.unknown_types), report.unknown_types["others"]) == ([], 21, 10)
    assert "1 events of the type new_1, which this version does not know" in conformance.table(report)


def test_a_node_without_mqtt_5_is_not_asked_for_properties() -> None:
    checker = Checker(PREFIX, properties=False)
    plain: dict[str, Any] = {"content_type": None, "expiry_s": None, "user_properties": {}}
    checker.check(sent(topics.THUMBNAIL, JPEG, **plain), 0.0)
    checker.check(boxes(1, changed=plain), 0.0)
    report = checker.finish()
    assert (report.breaks, report.unnamed) == ([], 1)
    assert "1 pictures that do not name their frame" in conformance.table(report)


def test_a_listener_that_asks_for_less_does_not_blame_the_node_for_it() -> None:
    at_0 = dataclasses.replace(status(), qos=0)
    for qos, kinds in ((True, ["QoS too low"]), (False, [])):
        checker = Checker(PREFIX, qos=qos)
        checker.check(at_0, 0.0)
        assert [one.kind for one in checker.finish().breaks] == kinds


def commented(seq: int, **about: Any) -> bytes:
    known: dict[str, Any] = {"session": "s", "seq": seq, "captured_us": 1000 + seq, "width": 32}
    return with_name(JPEG, messages.PictureName(**known | {"height": 18} | about))


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        pytest.param(commented(2), None, id="as it must be"),
        pytest.param(commented(1, captured_us=900), "picture of another frame", id="another frame"),
        pytest.param(commented(2, width=33), "comment", id="another size"),
        pytest.param(commented(22).replace(b'"seq":22', b'"seq":-2'), "comment", id="no frame"),
        pytest.param(commented(2).replace(b'"s","seq":2', b'"","seq":22'), "comment", id="no session"),
    ],
)
def test_without_properties_a_picture_is_held_to_its_comment(payload: bytes, says: str | None) -> None:
    checker = Checker(PREFIX, properties=False)
    plain: dict[str, Any] = {"content_type": None, "expiry_s": None, "user_properties": {}}
    for seq in (1, 2):
        checker.check(boxes(seq, changed=plain), 0.0)
    checker.check(sent(topics.THUMBNAIL, payload, **plain), 0.0)
    assert [one.kind for one in checker.finish().breaks] == ([] if says is None else [says])


@pytest.mark.parametrize("comment", ["the same", "another"])
def test_comment_and_properties_say_the_same(comment: str) -> None:
    checker = Checker(PREFIX)
    checker.check(boxes(2), 0.0)
    checker.check(picture(2, commented(2 if comment == "the same" else 1)), 0.0)
    assert [one.kind for one in checker.finish().breaks] == ([] if comment == "the same" else ["comment"])


@given(
    st.sampled_from([row.path(PREFIX, **dict.fromkeys(IDS, "x")) for row in topics.TABLE]),
    st.one_of(st.binary(max_size=80), st.just(JPEG), st.sampled_from([boxes(1).payload, status().payload])),
    st.dictionaries(st.sampled_from(list(PICTURE_PROPERTIES)), st.text("0179 -x\n", max_size=6)),
)
def test_no_message_stops_the_checker(topic: str, payload: bytes, properties: dict[str, str]) -> None:
    checker = Checker(PREFIX)
    for _ in range(2):
        checker.check(Received(topic, payload, 1, False, properties), 0.0)
    assert checker.finish().messages


def test_what_a_stranger_sent_cannot_speak_to_the_terminal() -> None:
    checker = Checker(PREFIX)
    checker.check(status(topic=f"{PREFIX}/\x1b[2J"), 0.0)
    checker.check(sent(topics.STATUS, status().payload.replace(b'"online"', b'"\\u001b[2J"')), 0.0)
    assert "\x1b" not in conformance.table(checker.finish())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shared.conformance", *arguments],
        capture_output=True,
        text=True,
        cwd=REPO,
        timeout=60,
        check=False,
    )


def test_the_command_counts_names_and_fails(broker: Mosquitto, tmp_path: Path) -> None:
    stop, speaks = threading.Event(), threading.Event()
    prefix = "conformance-run/v1"

    def misbehave() -> None:
        with Client(MqttSettings(url=broker.url), name="wrong") as writer:
            assert writer.wait_connected(30)
            while not stop.wait(0.02):
                writer.republish(status(topic=f"{prefix}/n/status", retain=False))
                speaks.set()

    thread = threading.Thread(target=misbehave)
    thread.start()
    assert speaks.wait(30)
    try:
        file = tmp_path / "report.json"
        result = run("--broker", broker.url, "--prefix", prefix, "--seconds", "2", "--json", str(file))
    finally:
        stop.set()
        thread.join(30)
    assert result.returncode == 1, result.stderr
    assert f"first on {prefix}/n/status: is not retained, but must be" in result.stdout
    report = orjson.loads(file.read_bytes())
    assert report["messages"]["status"] == report["breaks"][0]["count"] >= 2
    assert report["breaks"][0]["kind"] == "retain flag"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(
            ["--prefix", "nobody/v1", "--seconds", "0.3"], "nothing came below 'nobody/v1'", id="silence"
        ),
        pytest.param(["--prefix", "a/#"], "letters, digits", id="a prefix that is none"),
        pytest.param(
            ["--set", "mqtt.url=mqtt://x"], "--broker and --set mqtt.url are both given", id="twice"
        ),
        pytest.param(["--set", "mqtt.user=x"], "did you mean 'username'?", id="an unknown setting"),
        pytest.param(
            ["--json", "/nowhere/x", "--prefix", "nobody/v1", "--seconds", "0.3"], "nothing", id="both"
        ),
    ],
)
def test_when_nothing_can_be_heard_it_says_why_and_ends_with_2(
    broker: Mosquitto, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert conformance.main(["--broker", broker.url, *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_over_mqtt_3_what_it_cannot_carry_is_not_missed_and_the_rest_is_checked(broker: Mosquitto) -> None:
    prefix = "conformance-older/v1"
    settings = MqttSettings(url=broker.url, version="3.1.1", prefix=prefix)
    stop, speaks = threading.Event(), threading.Event()
    good = status(topic=f"{prefix}/n/status")

    def speak(payload: bytes) -> None:
        with Client(settings, name="older") as writer:
            assert writer.wait_connected(30)
            while not stop.wait(0.05):
                writer.republish(dataclasses.replace(good, payload=payload))
                speaks.set()

    for payload, code in ((good.payload, 0), (b"{}", 1)):
        stop.clear()
        speaks.clear()
        thread = threading.Thread(target=speak, args=(payload,))
        thread.start()
        assert speaks.wait(30)
        words = (
            "--broker",
            broker.url,
            "--prefix",
            prefix,
            "--seconds",
            "2",
            "--set",
            "mqtt.version=3.1.1",
        )
        try:
            assert conformance.main(list(words)) == code
        finally:
            stop.set()
            thread.join(30)


def test_no_broker_is_one_line_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shared.mqtt.command_line.CONNECT_WITHIN_S", 0.5)
    assert conformance.main(["--broker", f"mqtt://127.0.0.1:{free_port()}"]) == 2
    assert "no broker answers at" in capsys.readouterr().err.splitlines()[-1]


def test_state_published_before_and_after_a_reconnect_says_what_it_is(broker: Mosquitto) -> None:
    # Whatever way it takes to the broker: kept until connected, with the farewell, as a will.
    topic = "conformance-early/v1/n/status"
    will = (topic, b"will")
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        reader.subscribe(topic, 1, as_published=True)
        assert reader.wait_subscribed(30)
        with Client(MqttSettings(url=broker.url), name="early", will=will) as early:
            early.set_state(topics.STATUS, topic, b"before the connection")
            assert early.wait_connected(30)
            assert early.finish(30)
            early.cut()
            wait_until(lambda: not early.connected)
            got = [reader.received.get(30) for _ in range(3)]
    assert {one.payload for one in got} == {b"before the connection", b"will"}
    assert all(one.content_type == "application/json" and one.retain for one in got)
