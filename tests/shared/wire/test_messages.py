from __future__ import annotations

import contextlib
import tracemalloc
from dataclasses import replace
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import limits
from shared.documents.schema import json_schema
from shared.errors import MessageError
from shared.wire import messages, topics

HEAD: dict[str, Any] = {"node": "n", "session": "s", "published_us": 3}
FRAME: dict[str, Any] = HEAD | {"camera": "c", "seq": 7, "captured_us": 2}

EXAMPLES: list[Any] = [
    messages.NodeStatus(**HEAD, status="online", version="1"),
    messages.NodeInfo(
        **HEAD,
        version="1",
        cameras=(messages.CameraInfo(camera="c", source="x.avi", zones=1, lines=0),),
        model=messages.ModelInfo(
            name="m", classes=("person",), input_width=416, input_height=416, layout="yolov8"
        ),
        backend="onnxruntime",
        device="cpu",
        tracker="bytetrack",
        capabilities=("zones",),
    ),
    messages.Metrics(
        **HEAD,
        uptime_s=1.5,
        cameras={
            "c": messages.CameraMetrics(fps_in=1, fps_out=1, captured=1, processed=1, dropped=0, thumbnails=0)
        },
        stages_ms={"decode": messages.Quantiles(count=1, p50=1, p90=1, p95=1, p99=1)},
        cpu_percent=10,
        memory_mb=100,
        publish_dropped={},
    ),
    messages.CameraStatus(**HEAD, camera="c", status="streaming", since_us=1),
    messages.DetectionsMessage(
        **FRAME,
        width=640,
        height=480,
        timings_ms={"inference": 10.5},
        dropped=0,
        objects=[
            {
                "track_id": 1,
                "class_id": 0,
                "label": "person",
                "score": 0.9,
                "box": (0.1, 0.2, 0.3, 0.4),
                "age_s": 2.0,
                "velocity": (0.0, -0.1),
                "speed_m_s": None,
                "predicted": False,
                "zones": ["z"],
            }
        ],
        ignored=[
            {
                "class_id": 33,
                "label": "kite",
                "score": 0.4,
                "box": (0.1, 0.2, 0.3, 0.4),
                "reason": "mask",
                "mask": "m",
            }
        ],
    ),
    messages.Event(**FRAME, event_id="n-s-1", type="zone_entered", occurred_us=1, zone="z", track_id=1),
    messages.Event(
        **FRAME,
        event_id="n-b-2",
        type="gap",
        occurred_us=1,
        boot="b",
        number=2,
        oldest=2,
        gap=messages.Gap(boot="b", first=1, last=1, count=1),
    ),
    messages.Cameras(
        **HEAD,
        version=2,
        changeable="network",
        cameras={"yard": messages.CameraEntry(source="rtsp://h/yard", login=True, origin="added")},
    ),
    messages.Track(
        **FRAME,
        track_id=1,
        class_id=0,
        label="person",
        classes={"person": messages.ClassVotes(detections=9, score=0.8)},
        score=0.9,
        detections=9,
        started_us=1,
        ended_us=2,
        duration_s=0.9,
        ended="left",
        path=[(0.0, 0.1, 0.2), (0.9, 0.3, 0.2)],
        path_error=0.004,
        first_box=(0.1, 0.2, 0.3, 0.4),
        last_box=(0.1, 0.2, 0.3, 0.4),
        stays=(messages.TrackStay(zone="z", entered_s=0, dwell_s=0.4, ended="exited"),),
        crossings=(messages.TrackCrossing(line="l", direction="in", at_s=0.2),),
    ),
    messages.Ack(**HEAD, boot="b", number=2, archive="viewer-1"),
    messages.Interest(**HEAD, viewer="viewer-1", cameras=("c",), holds_s=180),
    messages.Zones(
        **HEAD,
        camera="c",
        version=1,
        zones={"z": messages.ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)), crowd=messages.Crowd(count=3))},
        lines={"l": messages.LineDefinition(points=((0, 0), (1, 1)))},
        masks={"m": messages.MaskDefinition(polygon=((0, 0), (1, 0), (1, 1)), by="overlap")},
        filters={"all": messages.FilterDefinition(score=0.3)},
    ),
    messages.Calendar(
        **HEAD,
        version=1,
        timezone="Europe/Berlin",
        location=messages.Location(latitude=52.5, longitude=13.4),
        modes={"open": messages.ModeDefinition(), "closed": messages.ModeDefinition(during="night")},
        schedules={
            "night": messages.ScheduleDefinition(
                spans=(messages.Span(start="sunset-30", end="06:00", days=("mon",)),),
                exceptions=(messages.ExceptionDays(first="2028-02-29", spans=(messages.DaySpan(),)),),
            )
        },
    ),
    messages.ModeState(
        **HEAD, mode="open", since_us=1, schedules={"night": messages.ScheduleNow(active=True)}
    ),
    messages.Rules(
        **HEAD,
        version=1,
        rules={
            "r": messages.RuleDefinition(
                when=messages.Condition(trigger="stay", zones=("z",), for_s=60), notify=("mail",)
            )
        },
        problems={"r": ("there is no zone z",)},
    ),
    messages.Health(
        **HEAD,
        camera="c",
        problems=(
            messages.CameraProblem(problem="moved", since_us=1, shift=messages.ViewShift(dx=0.1, dy=-0.1)),
        ),
        paused=True,
    ),
    messages.Suspects(
        **HEAD,
        camera="c",
        suspects=(
            messages.Suspect(
                id="kite-1",
                class_id=33,
                label="kite",
                box=(0.1, 0.2, 0.3, 0.4),
                polygon=((0, 0), (1, 0), (1, 1)),
                since_us=1,
                last_us=2,
                seen_share=0.5,
                score=0.4,
            ),
        ),
    ),
    messages.CountState(**HEAD, camera="c", captured_us=1, total=2, classes={"person": 2, "dog": 0}),
    messages.SettingsState(
        **HEAD, camera="c", confidence=0.3, detect_every=1, paused=False, thumbnail_fps=5.0
    ),
    messages.Request(transaction="1", camera="c", format="png"),
    messages.Response(**HEAD, command="ping", transaction="1", result={"version": "1"}),
    messages.Response(**HEAD, command="ping", error="no such camera", code="unknown"),
    messages.ZoneState(**FRAME, zone="z", kind="zone", queue=messages.Queue(length=2)),
]


def test_every_json_topic_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == {
        row.payload for row in topics.TABLE if row.payload != "jpeg"
    }


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_what_is_encoded_decodes_to_the_same(message: Any) -> None:
    assert messages.decode(type(message), messages.encode(message)) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_what_is_encoded_fits_the_published_schema(message: Any) -> None:
    schema = json_schema(type(message))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(orjson.loads(messages.encode(message)), schema)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_of_only_the_required_fields_is_passed_on_with_all(message: Any) -> None:
    every = orjson.loads(messages.encode(message))
    required = json_schema(type(message))["$defs"][type(message).__name__]["required"]
    sparse = messages.decode(type(message), orjson.dumps({key: every[key] for key in required}))
    assert orjson.loads(messages.encode(sparse)).keys() == every.keys()


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_unknown_fields_are_ignored(message: Any) -> None:
    wire = orjson.loads(messages.encode(message)) | {"from_the_future": {"deep": [1]}}
    assert messages.decode(type(message), orjson.dumps(wire)) == message


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"\xff\xfe", "not JSON", id="not utf-8"),
        pytest.param(b"[1, 2]", "Expected `object`", id="another type"),
        pytest.param(b'{"a":' * 50_000, "nested too deeply", id="too deep"),
        pytest.param(b"{}", "missing required field", id="fields missing"),
        pytest.param(b'"' + b"x" * limits.PAYLOAD_BYTES + b'"', "at most", id="too long"),
        pytest.param(
            messages.encode(EXAMPLES[0]).replace(b'"node":"n"', b'"node":"a/#"'),
            "$.node",
            id="wildcard in a name",
        ),
        pytest.param(
            messages.encode(EXAMPLES[0]).replace(b"darner.status/1", b"darner.status/2"),
            "$.schema",
            id="newer schema",
        ),
        pytest.param(
            messages.encode(EXAMPLES[0]).replace(b'"schema":"darner.status/1",', b""),
            "missing required field `schema`",
            id="does not say what it is",
        ),
        pytest.param(messages.encode(EXAMPLES[0]).replace(b":3", b":-3"), ">= 0", id="negative time"),
    ],
)
def test_a_bad_payload_is_a_message_error_that_says_where(payload: bytes, says: str) -> None:
    with pytest.raises(MessageError) as caught:
        messages.decode(messages.NodeStatus, payload)
    assert says in str(caught.value)


@given(st.binary(max_size=300))
def test_no_bytes_make_decode_fail_in_another_way(payload: bytes) -> None:
    for row in topics.TABLE:
        if row.payload != "jpeg":
            with contextlib.suppress(MessageError):  # `{}` is a good request
                messages.decode(row.payload, payload)


EVENT = messages.Event(
    **FRAME, event_id="n-b-3", type="zone_entered", occurred_us=1, zone="till", boot="b", number=3
)


@pytest.mark.parametrize(
    ("changes", "type_", "zone"),
    [
        ({"type": "zone_emptied"}, "zone_emptied", "till"),
        ({"problem": "fog", "direction": "up", "alert": {"rule": 1}}, "zone_entered", "till"),
        ({"schema": "darner.event/2"}, "zone_entered", None),  # other fields, as far as anybody knows
        ({"type": "constructor", "zone": "a/b"}, "constructor", None),
        ({"type": "Zone Emptied"}, None, None),
        ({"type": "zone_emptied", "number": None}, None, None),
        ({"type": "zone_emptied", "boot": "../b"}, None, None),
        ({"type": "zone_emptied", "camera": "#"}, None, None),
        ({"type": "zone_emptied", "schema": "darner.track/1"}, None, None),
        ({"type": "zone_emptied", "more": "x" * limits.NEWER_EVENT_BYTES}, None, None),
    ],
)
def test_of_a_newer_nodes_event_is_read_what_is_known(
    changes: dict[str, Any], type_: str | None, zone: str | None
) -> None:
    payload = orjson.dumps(orjson.loads(messages.encode(EVENT)) | changes)
    if type_ is None:
        with pytest.raises(MessageError):
            messages.decode_event(payload)
        return
    event, known = messages.decode_event(payload)
    assert (known, event.type, event.zone, event.number) == (False, type_, zone, 3)
    assert (event.problem, event.direction, event.alert) == (None, None, None)
    assert messages.decode_event(messages.encode(EVENT)) == (EVENT, True)


def test_an_answer_of_a_node_from_before_the_code_has_none() -> None:
    wire = orjson.loads(messages.encode(messages.Response(**HEAD, command="set", error="no")))
    del wire["code"]
    assert messages.decode(messages.Response, orjson.dumps(wire)).code is None


def test_a_code_is_one_of_the_documented_ones() -> None:
    wire = orjson.loads(messages.encode(messages.Response(**HEAD, command="set", error="no")))
    with pytest.raises(MessageError, match=r"\$\.code"):
        messages.decode(messages.Response, orjson.dumps(wire | {"code": "mood"}))


def test_a_request_by_hand_needs_nothing() -> None:
    assert messages.decode(messages.Request, b"{}") == messages.Request()


def test_times_survive_javascript_numbers() -> None:
    late = replace(EXAMPLES[0], published_us=2**53 - 1)
    assert messages.decode(messages.NodeStatus, messages.encode(late)).published_us == 2**53 - 1


@pytest.mark.parametrize("kind", [type(example) for example in EXAMPLES], ids=lambda kind: kind.__name__)
def test_what_nobody_asked_for_takes_no_memory(kind: type[Any]) -> None:
    payload = b'{"schema":"x","from_nowhere":[' + b",".join([b"{}"] * 300_000) + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            messages.decode(kind, payload)
        assert tracemalloc.get_traced_memory()[1] < len(payload)
    finally:
        tracemalloc.stop()
