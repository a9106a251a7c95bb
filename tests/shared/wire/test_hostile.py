"""What decode() does with payloads made to hurt: no crash, and bounded time and memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import limits
from shared.documents.schema import json_schema
from shared.errors import MessageError
from shared.wire import messages, topics
from tests.shared.wire.test_messages import EXAMPLES

ROOM = limits.PAYLOAD_BYTES - 200
WITHIN_S = 3.0
"""Ten times what the worst of these took on two slow cores; without a bound they take minutes or more."""
PEAK = 64_000_000
"""Bytes, twice the worst: of 1 MB, at most; the smallest values, `{}`, become 30 times that in Python."""
HEAD = b'"node":"n","session":"s","published_us":1'
FRAME = HEAD + b',"camera":"c","seq":1,"captured_us":1'
DETECTIONS = (
    b'{"schema":"darner.detections/1",'
    + FRAME
    + b',"width":1,"height":1,"timings_ms":{},"dropped":0,"objects":'
)
ONE = (
    b'{"track_id":1,"class_id":1,"label":"p","score":1,"box":[0,0,1,1],"age_s":1,"velocity":[0,0],'
    b'"speed_m_s":null,"predicted":false,"zones":[]}'
)


def response(result: bytes) -> bytes:
    return b'{"schema":"darner.response/1",' + HEAD + b',"command":"x","result":{"a":' + result + b"}}"


def repeated(one: bytes, size: int = ROOM) -> bytes:
    return b",".join([one] * (size // (len(one) + 1)))


HOSTILE = {
    "lists in lists": b"[" * (ROOM // 2) + b"]" * (ROOM // 2),
    "objects in objects, as deep as the parser goes": response(b'{"a":' * 1000 + b"1" + b"}" * 1000),
    "deep in a field nobody knows": b'{"schema":"darner.status/1","x":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a number of a million digits": b'{"published_us":' + b"9" * ROOM + b"}",
    "an exponent of a million digits": b'{"confidence":1e' + b"9" * ROOM + b"}",
    "a fraction of a million digits": b'{"confidence":0.' + b"3" * ROOM + b"}",
    "a giant string": b'{"transaction":"' + b"x" * ROOM + b'"}',
    "a giant string of escapes": b'{"transaction":"' + b"\\u4e16" * (ROOM // 6) + b'"}',
    "a giant picture that is none": b'{"image_base64":"' + b"=" * ROOM + b'"}',
    "many keys nobody knows": b"{" + b",".join(b'"k%d":0' % i for i in range(80_000)) + b"}",
    "one key many times": b"{" + repeated(b'"node":"n"') + b"}",
    "a list of nothing": b"[" + repeated(b"{}") + b"]",
    "more objects than are allowed": DETECTIONS + b"[" + repeated(b"{}", ROOM - 500) + b"]}",
    "as many objects as fit": DETECTIONS + b"[" + repeated(ONE, ROOM - 500) + b"]}",
    "a wide result": response(b"[" + repeated(b"{}", ROOM - 500) + b"]"),
    "a result of many keys": response(b"{" + b",".join(b'"%d":{}' % i for i in range(80_000)) + b"}"),
    "too long": b" " * (limits.PAYLOAD_BYTES + 1),
    "very much too long": b" " * 100_000_000,
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_time_and_memory_are_bounded_whatever_comes(payload: bytes) -> None:
    for row in topics.TABLE:
        if row.payload == "jpeg":
            continue
        tracemalloc.start()
        started = time.thread_time()  # the processor's: a busy machine makes no message hostile
        try:
            messages.decode(row.payload, payload)
        except MessageError as error:
            assert len(str(error)) < 1000, "an error does not repeat what came"
        took = time.thread_time() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert took < WITHIN_S, row.name
        assert peak < PEAK, row.name


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.sampled_from([2**53 - 1, 2**53, 2**63, 2**64, 1e308, -1e308, 1e16])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where something could be put in a message."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [here] + [path for key, one in inner for path in paths(one, (*here, key))]


@given(data=st.data())
def test_a_real_message_with_anything_in_any_place_decodes_or_is_refused(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(EXAMPLES))
    wire = orjson.loads(messages.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(paths(wire)[1:]))
        place = wire
        for key in way:
            place = place[key]
        place[last] = data.draw(JSON)
        if not isinstance(wire, dict) or not wire:
            break
    payload = json.dumps(wire).encode()  # not orjson, which has no room for large integers
    try:
        decoded = messages.decode(type(message), payload)
    except MessageError:
        return
    assert messages.decode(type(message), messages.encode(decoded)) == decoded, (
        "what is let in can go out again"
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(b"9007199254740992", "whole number", id="an integer that no JavaScript has"),
        pytest.param(b"1" + b"0" * 400, "number", id="an integer of 400 digits"),
        pytest.param(b"[" * 33 + b"]" * 33, "nested too deeply", id="33 levels"),
        pytest.param(b'{"a":' * 300 + b"1" + b"}" * 300, "nested too deeply", id="300 levels"),
    ],
)
def test_what_could_not_be_written_again_is_not_read(value: bytes, says: str) -> None:
    with pytest.raises(MessageError, match=says):
        messages.decode(messages.Response, response(value))


def numbers(schema: object, here: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number in a JSON Schema, with its place."""
    if isinstance(schema, dict):
        if schema.get("type") in ("number", "integer"):
            yield here, schema
        for key, inner in schema.items():
            yield from numbers(inner, f"{here}.{key}")
    elif isinstance(schema, list):
        for inner in schema:
            yield from numbers(inner, here)


@pytest.mark.parametrize("kind", [type(example) for example in EXAMPLES], ids=lambda kind: kind.__name__)
def test_every_number_on_the_wire_has_bounds(kind: type[Any]) -> None:
    for place, schema in numbers(json_schema(kind), kind.__name__):
        assert {"minimum", "exclusiveMinimum"} & schema.keys(), place
        assert {"maximum", "exclusiveMaximum"} & schema.keys(), place
