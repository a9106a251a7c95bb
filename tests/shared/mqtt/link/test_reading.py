"""What a broker sends, taken apart: whatever the pieces are that it comes in, and however it is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mqtt.link.reading import Malformed, Reading, read_publish
from shared.mqtt.received import Received
from tests.bench.fleet import packets

JSON = b"\x03\x00\x10application/json"
SEEN = Received("a/b", b"xyz", 0, True, {}, None, None, "application/json", None)


def body(properties: bytes, payload: bytes = b"xyz", number: bytes = b"") -> bytes:
    return b"\x00\x03a/b" + number + bytes([len(properties)]) + properties + payload


@given(
    st.lists(st.tuples(st.sampled_from([0x30, 0x40, 0xD0]), st.binary(max_size=400)), max_size=8),
    st.lists(st.integers(1, 200), max_size=40),
)
def test_packets_are_whole_in_whatever_pieces_they_come(
    sent: list[tuple[int, bytes]], pieces: list[int]
) -> None:
    stream = b"".join(packets.packet(*one) for one in sent)
    reading, found, at = Reading(), list[tuple[int, bytes]](), 0
    for size in [*pieces, len(stream)]:
        found += reading.packets(stream[at : at + size])
        at += size
    assert found == sent


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (JSON, {}),
        (JSON + b"\x02\x00\x00\x00\x1e", {"expiry_s": 30}),
        (b"\x01\x01\x0b\xff\x01" + JSON, {}),
        (JSON + packets.user("seq", "7") + packets.user("ä", ""), {"user_properties": {"seq": "7", "ä": ""}}),
        (b"\x08\x00\x01r\x09\x00\x02\xff\x00" + JSON, {"response_topic": "r", "correlation": b"\xff\x00"}),
        (b"", {"content_type": None}),
    ],
)
def test_a_message_has_what_its_properties_say(properties: bytes, expected: dict[str, object]) -> None:
    for _ in range(2):  # the second time from what is remembered
        message, number = read_publish(0x31, body(properties), v5=True)
        assert number == b""
        for name in SEEN.__slots__:
            assert getattr(message, name) == expected.get(name, getattr(SEEN, name)), name
        message.user_properties.update(other="changed")  # type: ignore[attr-defined]  # the reader's own


def test_a_message_at_qos_1_has_a_number_and_one_of_mqtt_3_no_properties() -> None:
    message, number = read_publish(0x32, body(JSON, number=b"\x01\x02"), v5=True)
    assert (message.qos, message.retain, message.payload, number) == (1, False, b"xyz", b"\x01\x02")
    message, number = read_publish(0x32, b"\x00\x03a/b\x00\x09\x00xyz", v5=False)
    assert (message.payload, message.content_type, number) == (b"\x00xyz", None, b"\x00\x09")


@given(st.binary(max_size=60), st.integers(0, 255), st.booleans())
def test_bytes_that_are_no_message_are_malformed_and_nothing_else(data: bytes, first: int, v5: bool) -> None:
    try:
        message, _ = read_publish(first, data, v5=v5)
    except Malformed:
        return
    assert len(message.payload) <= len(data)


@pytest.mark.parametrize(
    "broken", [b"\x00", b"\x00\x09a", body(b"\x03\x00\x10app"), body(b"\x7f"), body(JSON)[:12], body(b"\x0b")]
)
def test_what_is_cut_off_is_malformed(broken: bytes) -> None:
    with pytest.raises(Malformed):
        read_publish(0x30, broken, v5=True)


def test_no_length_has_five_bytes() -> None:
    with pytest.raises(Malformed):
        list(Reading().packets(b"\x30\xff\xff\xff\xff\x01"))


def test_a_topic_that_is_no_text_is_nobodys_and_ends_nothing() -> None:
    message, _ = read_publish(0x30, b"\x00\x02a\xff\x00x", v5=True)
    assert (message.topic, message.payload) == ("a\ufffd", b"x")
