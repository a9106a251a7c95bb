"""What decode() does with payloads made to hurt: no crash, and bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.wire import messages, topics
from tests.shared.wire.test_messages import EXAMPLES

ROOM = messages.MAX_PAYLOAD - 200
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
    "too long": b" " * (messages.MAX_PAYLOAD + 1),
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
    | st.integers(-(2**80), 2**80)
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
    try:
        payload = orjson.dumps(wire)
    except TypeError:  # an integer that JSON here has no room for
        return
    try:
        decoded = messages.decode(type(message), payload)
    except MessageError:
        return
    assert messages.decode(type(message), messages.encode(decoded)) == decoded, (
        "what is let in can go out again"
    )
