"""Commands over a real broker: every request gets an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import orjson
import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_node.control.commands import Commands, RefusedError
from edge_node.control.inbox import Inbox
from shared import limits
from shared.errors import ConflictError, MessageError, OutputError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import Request
from tests.conftest import Mosquitto

PREFIX = "test-commands/v1"


def echo(request: Request, image: bytes | None) -> dict[str, Any]:
    return {"camera": request.camera, "image": None if image is None else len(image)}


def refuse(request: Request, _: bytes | None) -> dict[str, Any]:
    raise MessageError(f"camera {request.camera!r} is not mine")


def fail(_: Request, __: bytes | None) -> dict[str, Any]:
    raise RuntimeError("secret detail")


def chatter(_: Request, __: bytes | None) -> dict[str, Any]:
    return {"much": "x" * limits.PAYLOAD_BYTES}


def overtaken(_: Request, __: bytes | None) -> dict[str, Any]:
    raise ConflictError("version 2 is in force")


def full_disk(_: Request, __: bytes | None) -> dict[str, Any]:
    raise OutputError("zones.json: cannot be written")


def too_early(_: Request, __: bytes | None) -> dict[str, Any]:
    raise RefusedError("busy", "no frame yet")


def keep(_: Request, __: bytes | None) -> dict[str, Any]:
    return {"version": 2, "warnings": []}


HANDLERS = {
    "keep": keep,
    "overtaken": overtaken,
    "full_disk": full_disk,
    "too_early": too_early,
    "echo": echo,
    "refuse": refuse,
    "fail": fail,
    "chatter": chatter,
}


@pytest.fixture
def node(broker: Mosquitto) -> Iterator[Client]:
    """A connected node that answers."""
    with Client(MqttSettings(url=broker.url), name="node") as client:
        assert client.wait_connected(30)
        with Commands(client, PREFIX, "box", "s", HANDLERS) as commands:
            Inbox(client, PREFIX, "box", {topics.REQUEST: commands.accept}).start()
            assert client.wait_subscribed(30)
            yield client


def ask(
    broker: Mosquitto, command: str, payload: bytes, *, reply_to: str | None = None, retain: bool = False
) -> tuple[str, bytes | None, messages.Response]:
    """One request as a stranger sends it, with paho alone; topic, correlation and answer."""
    answers: list[paho.MQTTMessage] = []
    ready, answered = threading.Event(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_connect = lambda c, *_: c.subscribe([(f"{PREFIX}/box/response/+", 1), ("my/answers", 1)])
    client.on_subscribe = lambda *_: ready.set()

    def on_message(_: object, __: object, message: paho.MQTTMessage) -> None:
        answers.append(message)
        answered.set()

    client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.loop_start()
    assert ready.wait(30)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if reply_to:
        properties.ResponseTopic = reply_to
        properties.CorrelationData = b"42"
    client.publish(f"{PREFIX}/box/request/{command}", payload, 1, retain, properties)
    assert answered.wait(30)
    client.disconnect()
    client.loop_stop()
    correlation = getattr(answers[0].properties, "CorrelationData", None)
    return answers[0].topic, correlation, messages.decode(messages.Response, bytes(answers[0].payload))


@pytest.mark.usefixtures("node")
def test_an_answer_goes_where_the_asker_wants_it_with_what_it_gave(broker: Mosquitto) -> None:
    payload = orjson.dumps({"transaction": "t1", "camera": "yard"})
    topic, correlation, response = ask(broker, "echo", payload, reply_to="my/answers")
    assert (topic, correlation) == ("my/answers", b"42")
    assert (response.transaction, response.error, response.code) == ("t1", None, None)
    assert response.result == {"camera": "yard", "image": None}


@pytest.mark.usefixtures("node")
def test_an_answer_also_goes_where_a_bridge_takes_it_to_the_askers_mailbox(broker: Mosquitto) -> None:
    """A bridge that puts `site1/` before all topics leaves a response topic as it was there."""
    there = f"site1/{PREFIX}/box/response/viewer.abc"
    topic, correlation, response = ask(broker, "echo", b'{"transaction": "t"}', reply_to=there)
    assert (topic, correlation) == (f"{PREFIX}/box/response/viewer.abc", b"42")
    assert response.transaction == "t"


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("reply_to", [None, "$SYS/broker"])
def test_without_a_usable_response_topic_it_goes_to_the_nodes_own(
    broker: Mosquitto, reply_to: str | None
) -> None:
    topic, _, response = ask(broker, "echo", b"{}", reply_to=reply_to)
    assert topic == f"{PREFIX}/box/response/echo"
    assert response.command == "echo"


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("command", "payload", "code", "says"),
    [
        pytest.param("dance", b"{}", "unknown", "no command 'dance'; the commands are: ", id="unknown"),
        pytest.param("echo", b"{not json", "invalid", "not JSON", id="malformed"),
        pytest.param("echo", b"?", "invalid", "neither JPEG nor PNG nor JSON", id="nothing we know"),
        pytest.param("echo", b"RIFF\1\0\0\0WEBPVP8 ", "invalid", "is WebP, which is neither JPEG", id="WebP"),
        pytest.param("echo", b"II*\0", "invalid", "is TIFF, which is neither JPEG", id="TIFF"),
        pytest.param(
            "echo",
            b'{"camera": "a/b"}',
            "invalid",
            "camera: 'a/b': expected 1 to 64 letters",
            id="bad identifier",
        ),
        pytest.param(
            "echo",
            b'{"calendar": {"schedules": {"night": {"spans": [{}, {"start": "25:00"}]}}}}',
            "invalid",
            "calendar.schedules.night.spans.1.start: '25:00': expected local time of day as HH:MM, 24:00 for",
            id="bad time",
        ),
        pytest.param(
            "echo",
            b'{"calendar": {"day_starts": ["6:00"]}}',
            "invalid",
            "calendar.day_starts.0: '6:00': expected local time of day, as HH:MM",
            id="bad time without a name before it",
        ),
        pytest.param("echo", b'{"schema": "darner.request/9"}', "invalid", "$.schema", id="newer schema"),
        pytest.param("echo", b'{"image_base64": "?"}', "invalid", "image_base64", id="bad base64"),
        pytest.param("refuse", b'{"camera": "x"}', "invalid", "camera 'x' is not mine", id="refused"),
        pytest.param("overtaken", b"", "conflict", "version 2", id="another was first"),
        pytest.param("too_early", b"", "busy", "no frame yet", id="not now"),
        pytest.param("full_disk", b"", "failed", "zones.json", id="the node could not"),
        pytest.param("fail", b"", "failed", "internal error", id="our own fault"),
        pytest.param("chatter", b"", "failed", "is longer than", id="an answer that is too long"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(
    broker: Mosquitto, command: str, payload: bytes, code: str, says: str
) -> None:
    _, _, response = ask(broker, command, payload)
    assert response.code == code
    assert response.error is not None
    assert says in response.error
    assert "secret" not in response.error


@pytest.mark.usefixtures("node")
def test_what_is_saved_without_a_key_that_nobody_knows_says_so(broker: Mosquitto) -> None:
    spans = {"spans": [{"weekdays": ["mon"]}]}
    _, _, response = ask(broker, "keep", orjson.dumps({"calendar": {"schedules": {"night": spans}}}))
    assert response.result == {
        "version": 2,
        "warnings": [
            "calendar.schedules.night.spans.0.weekdays: unknown key; did you mean 'days'? It was left out."
        ],
    }
    _, _, response = ask(broker, "keep", b'{"transaction": "t", "version": 1}')
    assert response.result["warnings"] == []


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("payload", "repeated"),
    [
        (b'{"confidence": 7, "transaction": "t1"}', "t1"),
        (b'{"transaction": "t1", "confidence": NaN}', "t1"),  # as Python writes what is no number
        (b'{"transaction": "a\\"b", "camera": "yard"', 'a"b'),  # cut off
        (b'{"transaction": "t1", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "t1"),
        (b'{"transaction": 5}', None),
        (b'{"transaction": "' + b"t" * 600 + b'", "confidence": NaN}', None),
        (b"no JSON at all", None),
    ],
)
def test_the_answer_to_a_request_that_breaks_the_contract_repeats_its_transaction(
    broker: Mosquitto, payload: bytes, repeated: str | None
) -> None:
    _, _, response = ask(broker, "echo", payload)
    assert (response.code, response.transaction) == ("invalid", repeated)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("reply_to", [None, "my/answers"])
@pytest.mark.parametrize(
    "command",
    [
        pytest.param("Ping!", id="other characters"),
        pytest.param("x" * 65, id="too long"),
        pytest.param("x" * 5000, id="far too long"),
        pytest.param("zones/set", id="two levels"),
        pytest.param("", id="empty"),
        pytest.param("\u00e9\u4e16", id="not ASCII"),
    ],
)
def test_what_cannot_be_a_command_is_answered_all_the_same(
    broker: Mosquitto, command: str, reply_to: str | None
) -> None:
    topic, _, response = ask(broker, command, b'{"transaction": "t"}', reply_to=reply_to)
    assert topic == reply_to or topic == f"{PREFIX}/box/response/unknown"
    assert response.error is not None
    assert "no command" in response.error
    assert response.transaction == "t"
    assert response.command == "unknown"


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("payload", "size"),
    [
        pytest.param(b"\xff\xd8 a picture", 12, id="a JPEG alone"),
        pytest.param(b"\x89PNG and so on", 14, id="a PNG alone"),
        pytest.param(b'{"image_base64": "AAAA"}', 3, id="in base64"),
    ],
)
def test_a_picture_comes_along(broker: Mosquitto, payload: bytes, size: int) -> None:
    _, _, response = ask(broker, "echo", payload)
    assert response.result["image"] == size


class NoBroker:
    """Collects what would be published."""

    def __init__(self) -> None:
        self.published: list[bytes] = []

    def publish(self, _: topics.Topic, path: str, payload: bytes, **__: Any) -> bool:
        assert topics.match(PREFIX, path) is not None
        self.published.append(payload)
        return True


@given(payload=st.binary(max_size=200), command=st.sampled_from([*HANDLERS, "other"]))
def test_any_bytes_get_exactly_one_answer(payload: bytes, command: str) -> None:
    client = NoBroker()
    commands = Commands(client, PREFIX, "box", "s", HANDLERS)  # type: ignore[arg-type]  # collects
    commands.answer(Received(f"{PREFIX}/box/request/{command}", payload, 1, False, {}))
    (answer,) = client.published
    messages.decode(messages.Response, answer)
