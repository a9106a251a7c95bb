"""The REST API of a viewer process: what it answers, and that the document says so."""

from __future__ import annotations

import csv
import io
import json
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest

from shared.asking.requests import DEADLINE_S
from shared.wire import topics
from shared.wire.messages import (
    CameraInfo,
    CameraMetrics,
    LineDefinition,
    Metrics,
    OutboxMetrics,
    Quantiles,
    ZoneDefinition,
    encode,
    now_us,
)
from tests.browser.lived import Past
from tests.conftest import Mosquitto, wait_until
from tests.viewer_server.asking import get, request
from tests.viewer_server.fake_edge import FakeEdge, picture_of
from tests.viewer_server.live.test_paths import track
from tests.viewer_server.process import ViewerProcess
from viewer_server.api.openapi import FILE, encoded, endpoints

HOUR_US = 3_600_000_000
SQUARE = {
    "square": ZoneDefinition(polygon=((0.1, 0.5), (0.6, 0.45), (0.7, 0.95)), classes=("person",), queue=True)
}
GATE = {"gate": LineDefinition(points=((0.75, 0.95), (0.85, 0.2)))}


def metrics(edge: FakeEdge) -> Metrics:
    quantiles = Quantiles(count=5, p50=1.0, p90=2.0, p95=3.0, p99=4.0)
    one = CameraMetrics(fps_in=10, fps_out=9, captured=100, processed=90, dropped=10, thumbnails=50)
    return Metrics(
        **edge.common(),  # type: ignore[arg-type]  # node, session and published_us
        uptime_s=5, cameras={"yard": one}, stages_ms={"inference": quantiles}, cpu_percent=40, memory_mb=200,
        publish_dropped={}, outbox=OutboxMetrics(backlog=1, bytes=2, dropped=0, on_disk=True),
    )  # fmt: skip


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Two days of events, in the database that the viewer then opens."""
    made = Past(tmp_path_factory.mktemp("past") / "h.db")
    with made:
        made.days(2, per_hour=20)
        made.snapshot(made.events[-1].track_id or 0)
        made.event(
            "zone_entered", made.events[0].occurred_us - 1, zone="square", label='=HYPERLINK("x")', track_id=9
        )
    made.events.sort(key=lambda event: (event.occurred_us, event.number), reverse=True)
    return made


@pytest.fixture(scope="module")
def edge(broker: Mosquitto) -> Iterator[FakeEdge]:
    with FakeEdge(broker.url, prefix="rest/v1") as node:
        yield node


@pytest.fixture(scope="module")
def viewer(
    broker: Mosquitto, past: Past, edge: FakeEdge, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    folder = tmp_path_factory.mktemp("viewer")
    keys = f"history.path={past.path}", "mqtt.prefix=rest/v1", f"label.path={folder}"
    with ViewerProcess(broker.url, folder, *keys) as process, process.watching():
        edge.announce("yard")
        edge.zones("yard", SQUARE, GATE)
        process.wait(broker_connected=True, cameras=1)
        edge.zone("yard", "square", occupancy=2, entered=5, exited=3)
        edge.client.publish(topics.METRICS, edge.path(topics.METRICS), encode(metrics(edge)))
        edge.frame("yard", 7)
        wait_until(lambda: get(process, "/api/v1/cameras/test/yard/picture").status == 200)
        wait_until(lambda: get(process, "/api/v1/metrics").json["metrics"])
        yield process


@pytest.fixture(scope="module")
def document(viewer: ViewerProcess) -> Any:
    return get(viewer, "/api/v1/openapi.json").json


def checked(document: Any, path: str, answer: Any, method: str = "get") -> Any:
    """The answer, after it was compared with the document."""
    content = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]
    schema = content["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    return answer


def about(zone: str, past: Past, **more: object) -> str:
    span = {"from_us": past.events[-1].occurred_us - HOUR_US, "to_us": past.events[0].occurred_us + 1}
    return urlencode({"node": "test", "camera": "yard", "zone": zone} | span | more)


def test_the_document_in_docs_is_the_one_that_is_served(viewer: ViewerProcess) -> None:
    made = encoded(endpoints())
    assert made == FILE.read_bytes(), "run: python -m viewer_server.api.openapi"
    assert get(viewer, "/api/v1/openapi.json").body == made
    jsonschema.Draft202012Validator.check_schema({"$defs": json.loads(made)["components"]["schemas"]})


@pytest.mark.parametrize("path", ["session", "nodes", "metrics", "cameras", "zones"])
def test_what_is_on_the_broker_is_answered_as_documented(
    viewer: ViewerProcess, document: Any, path: str
) -> None:
    answer = get(viewer, f"/api/v1/{path}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    checked(document, f"/api/v1/{path}", answer.json)


def test_nodes_cameras_and_zones_are_those_on_the_broker(viewer: ViewerProcess) -> None:
    [node] = get(viewer, "/api/v1/nodes").json["nodes"]
    assert (node["node"], node["status"]["status"], node["info"]["backend"]) == ("test", "online", "onnx")
    assert node["metrics"]["stages_ms"]["inference"]["p95"] == 3.0
    [camera] = get(viewer, "/api/v1/cameras").json["cameras"]
    assert (camera["camera"], camera["status"]["status"], camera["source"]) == ("yard", "streaming", "test")
    gate, square = get(viewer, "/api/v1/zones").json["zones"]
    assert (gate["kind"], gate["occupancy"], gate["current"]) == ("line", None, True)
    assert (square["kind"], square["occupancy"], square["queue"]) == ("zone", 2, True)
    assert square["classes"] == ["person"]


def test_nobody_is_said_to_be_inside_while_the_camera_gives_no_frames(
    viewer: ViewerProcess, edge: FakeEdge
) -> None:
    def inside() -> int | None:
        _, square = get(viewer, "/api/v1/zones").json["zones"]
        assert square["entered"] == 5, "what was counted stays"
        number: int | None = square["occupancy"]
        return number

    try:
        edge.camera_status("yard", "reconnecting")
        wait_until(lambda: inside() is None)
        edge.camera_status("yard", "streaming")
        wait_until(lambda: inside() == 2)
        edge.announce("yard", online=False)
        wait_until(lambda: inside() is None)
    finally:
        edge.announce("yard")
    wait_until(lambda: inside() == 2)


def test_the_picture_of_a_camera_is_its_newest(viewer: ViewerProcess) -> None:
    answer = get(viewer, "/api/v1/cameras/test/yard/picture")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == picture_of(7)


@pytest.mark.parametrize(
    "more", [{}, {"points": 7}, {"step_s": 3600}, {"step_s": 86_400, "zero_us": HOUR_US}]
)
def test_a_series_counts_every_event_once(
    viewer: ViewerProcess, document: Any, past: Past, more: dict[str, int]
) -> None:
    for zone, kinds in (
        ("square", ("zone_entered", "zone_exited", "zone_lost")),
        ("gate", ("in", "out", "-")),
    ):
        answer = get(viewer, f"/api/v1/series?{about(zone, past, **more)}").json
        checked(document, "/api/v1/series", answer)
        there: list[str] = [event.direction or event.type for event in past.events if event.zone == zone]
        found = [sum(answer[name]) for name in ("entered", "exited", "lost")]
        assert found == [there.count(kind) for kind in kinds]
        assert len(answer["start_us"]) <= more.get("points", 120) + 1


def test_stays_are_those_that_ended(viewer: ViewerProcess, document: Any, past: Past) -> None:
    answer = checked(document, "/api/v1/stays", get(viewer, f"/api/v1/stays?{about('square', past)}").json)
    lengths = sorted(
        event.dwell_s or 0 for event in past.events if event.type in ("zone_exited", "zone_lost")
    )
    assert answer["count"] == len(lengths)
    assert answer["p50_s"] == pytest.approx(lengths[len(lengths) // 2], rel=0.06)


def test_pages_hold_every_event_once_and_in_order_while_new_ones_come(
    viewer: ViewerProcess, document: Any, past: Past, edge: FakeEdge
) -> None:
    seen: list[str] = []
    cursor = None
    for number in range(1, 100):
        page = get(
            viewer, "/api/v1/events?" + urlencode({"limit": 61} | ({"cursor": cursor} if cursor else {}))
        ).json
        checked(document, "/api/v1/events", page)
        seen += [event["event_id"] for event in page["events"]]
        if number < 4:
            edge.event("yard", "loitering", number, zone="square", boot="live")
            wait_until(partial(_has_events, viewer, number))
        cursor = page["next"]
        if cursor is None:
            break
    assert [one for one in seen if one.startswith("test-a-")] == [event.event_id for event in past.events]


def _has_events(viewer: ViewerProcess, count: int) -> bool:
    return len(get(viewer, "/api/v1/events?type=loitering").json["events"]) >= count


def _shows(viewer: ViewerProcess, seq: int) -> bool:
    return get(viewer, "/api/v1/snapshots/test/yard/77").body == picture_of(seq)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"zone": "gate"}, lambda event: event.zone == "gate"),
        ({"type": "zone_lost"}, lambda event: event.type == "zone_lost"),
        (
            {"type": ["zone_lost", "zone_entered"], "zone": "square"},
            lambda e: e.type in ("zone_lost", "zone_entered"),
        ),
        ({"camera": "yard", "node": "test", "label": "person"}, lambda event: event.label == "person"),
        ({"label": '=HYPERLINK("x")'}, lambda event: event.track_id == 9 and event.label != "person"),
        ({"camera": "nowhere"}, lambda _: False),
    ],
)
def test_filters_leave_what_fits(viewer: ViewerProcess, past: Past, query: dict[str, Any], fits: Any) -> None:
    to = past.events[0].occurred_us + 1
    asked = urlencode(query | {"to_us": to, "limit": 500}, doseq=True)
    found = [event["event_id"] for event in get(viewer, f"/api/v1/events?{asked}").json["events"]]
    assert found == [event.event_id for event in past.events if fits(event)][:500]


def test_a_range_of_time_is_half_open(viewer: ViewerProcess, past: Past) -> None:
    begin, end = past.events[20].occurred_us, past.events[5].occurred_us
    found = get(viewer, f"/api/v1/events?from_us={begin}&to_us={end}").json["events"]
    assert [one["event_id"] for one in found] == [
        e.event_id for e in past.events if begin <= e.occurred_us < end
    ]


def test_tables_to_take_away_hold_the_same(viewer: ViewerProcess, past: Past) -> None:
    answer = get(viewer, f"/api/v1/series.csv?{about('square', past)}")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    series = get(viewer, f"/api/v1/series?{about('square', past)}").json
    assert [int(row["entered"]) for row in rows] == series["entered"]
    assert 'filename="darner-series.csv"' in answer.headers["Content-Disposition"]
    to = past.events[0].occurred_us + 1
    table = list(csv.DictReader(io.StringIO(get(viewer, f"/api/v1/events.csv?to_us={to}").body.decode())))
    assert [row["event_id"] for row in table] == [event.event_id for event in past.events]
    assert table[-1]["label"] == '\'=HYPERLINK("x")', "what a spreadsheet would run is text"
    assert table[0]["time"].endswith("+00:00")
    lines = get(viewer, f"/api/v1/events.ndjson?to_us={to}").body.splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == [event.event_id for event in past.events]


def test_answers_and_tables_say_what_people_call_things(
    viewer: ViewerProcess, edge: FakeEdge, document: Any, past: Past
) -> None:
    told = {"yard": CameraInfo(camera="yard", name="חצר", source="test", zones=1, lines=1)}
    events = f"to_us={past.events[0].occurred_us + 1}"
    [zone_event] = [one for one in past.events if one.zone == "square"][:1]
    try:
        edge.announce("yard", name="=1+1", told=told)
        edge.zones("yard", {"square": replace(SQUARE["square"], name="Tür; =cmd")}, GATE, version=2)
        wait_until(lambda: get(viewer, "/api/v1/zones").json["zones"][1]["name"] == "Tür; =cmd")
        [camera] = checked(document, "/api/v1/cameras", get(viewer, "/api/v1/cameras").json)["cameras"]
        assert (camera["node"], camera["node_name"], camera["name"]) == ("test", "=1+1", "חצר")
        assert [one["name"] for one in get(viewer, "/api/v1/zones").json["zones"]] == [None, "Tür; =cmd"]
        page = checked(document, "/api/v1/events", get(viewer, f"/api/v1/events?{events}&limit=200").json)
        [found] = [one for one in page["events"] if one["event_id"] == zone_event.event_id]
        names = [found[f"{what}_name"] for what in ("node", "camera", "zone")]
        assert names == ["=1+1", "חצר", "Tür; =cmd"]
        rows = list(csv.reader(io.StringIO(get(viewer, f"/api/v1/events.csv?{events}").body.decode())))
        assert rows[0][-4:] == ["historical", "node_name", "camera_name", "zone_name"]
        [row] = [row for row in rows if row[10] == zone_event.event_id]
        assert row[-3:] == ["'=1+1", "חצר", "Tür;' =cmd"], "no cell that a spreadsheet would run"
    finally:
        edge.announce("yard")
        edge.zones("yard", SQUARE, GATE, version=3)
        wait_until(lambda: get(viewer, "/api/v1/zones").json["zones"][1]["name"] is None)


def test_an_event_names_the_picture_of_its_track(viewer: ViewerProcess, past: Past) -> None:
    track = past.events[0].track_id or 0
    events = get(viewer, f"/api/v1/events?to_us={past.events[0].occurred_us + 1}").json["events"]
    [address] = {event["snapshot_url"] for event in events if event["track_id"] == track}
    answer = get(viewer, address)
    assert (answer.headers["Content-Type"], answer.body) == ("image/jpeg", picture_of(track))
    assert get(viewer, f"/api/v1/snapshots/test/yard/{track}").body == picture_of(track)
    assert {event["snapshot_url"] for event in events if event["track_id"] != track} == {None}


def test_a_snapshot_that_comes_is_kept_and_a_better_one_replaces_it(
    viewer: ViewerProcess, edge: FakeEdge
) -> None:
    path = edge.path(topics.SNAPSHOT, camera="yard", track="77")
    for seq in (1, 2):
        edge.client.publish(
            topics.SNAPSHOT, path, picture_of(seq), user_properties={"session": "s1", "seq": str(seq)}
        )
        wait_until(partial(_shows, viewer, seq))
    edge.client.publish(topics.SNAPSHOT, path, b"no picture", user_properties={"session": "s1"})
    wait_until(lambda: viewer.metric('darner_viewer_messages_refused_total{topic="snapshot"}') == 1)
    assert get(viewer, "/api/v1/snapshots/test/yard/77?session=s1").body == picture_of(2)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("series", 400, "missing required"),
        ("series?node=test&camera=yard&zone=a/b", 400, "zone"),
        ("series?node=test&camera=yard&zone=z&points=0", 400, "points"),
        ("series?node=test&camera=yard&zone=z&points=100000", 400, "points"),
        ("series?node=test&camera=yard&zone=z&step_s=7", 400, "step_s"),
        ("series?node=test&camera=yard&zone=z&step_s=15&from_us=0&to_us=1", 400, "a multiple of 10"),
        ("series?node=test&camera=yard&zone=z&step_s=60&from_us=0&to_us=9000000000000", 400, "more than"),
        ("series?node=test&camera=yard&zone=z&from_us=5&to_us=5", 400, "from_us must be the earlier one"),
        ("series?node=test&camera=yard&zone=z&from_us=0&to_us=9007199254740991", 400, "400 days"),
        ("stays?node=test&camera=yard", 400, "zone"),
        ("events?limit=501", 400, "limit"),
        ("events?limit=x", 400, "limit"),
        ("events?limit=1&limit=2", 400, "given 2 times"),
        ("events?type=dance", 400, "dance"),
        ("events?cursor=1-2-3", 400, "cursor"),
        ("events?cursor=99999999999999999999-1", 400, "cursor"),
        ("events?colour=red", 400, "unknown parameter 'colour'"),
        ("events?from_us=-1", 400, "from_us"),
        ("nodes?x=1", 400, "known: find, limit, skip"),
        ("nodes?limit=0", 400, "limit"),
        ("cameras?find=" + "x" * 129, 400, "length <= 128"),
        ("cameras/test/nowhere/picture", 404, "no picture"),
        ("cameras/test/a..b/picture", 400, "camera 'a..b'"),
        ("snapshots/test/yard/999", 404, "no picture"),
        ("snapshots/test/yard/..", 400, "track '..'"),
        ("snapshots/test/yard/1?session=../../etc", 400, "session"),
        ("snapshots/test/..%2f..%2fetc/passwd", 404, ""),
        ("heatmap?node=ghost&camera=yard", 404, "no node 'ghost'"),
        ("nowhere", 404, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_a_problem_with_a_reason(
    viewer: ViewerProcess, path: str, status: int, said: str
) -> None:
    answer = get(viewer, f"/api/v1/{path}")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert said in answer.json["detail"]


def png(width: int, height: int) -> bytes:
    """A PNG of that size without pixels: enough to know that it is too large."""
    header = b"IHDR" + struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(13, header), (0, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", size) + chunk + struct.pack("!I", zlib.crc32(chunk)) for size, chunk in chunks
    )


def form(field: str, data: bytes) -> bytes:
    """The body of a form with one file."""
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a.jpg"\r\n\r\n'
    return head.encode() + data + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b"", "image/jpeg", 400, "no picture"),
        (b"hello", "text/plain", 415, "a JPEG or PNG"),
        (b"\xff\xd8\xff", "image/jpeg", 415, "a damaged JPEG or PNG"),
        (png(0, 5), "image/png", 415, "a damaged JPEG or PNG"),
        (png(60_000, 60_000), "image/png", 413, "60000 x 60000 pixels"),
        (picture_of(1) + bytes(700_000), "image/jpeg", 413, "more than 700000 bytes"),
        (bytes(3_000_000), "image/jpeg", 413, "more than 1048576 bytes"),
        (b"--x\r\n\r\nx\r\n--x--", "multipart/form-data; boundary=x", 400, "no picture"),
        (form("image", b"hello"), "multipart/form-data; boundary=x", 415, "a JPEG or PNG"),
        (form("file", b"hello"), "multipart/form-data; boundary=x", 415, "a JPEG or PNG"),
        (form("other", b"hello"), "multipart/form-data; boundary=x", 400, "the field `image` or `file`"),
    ],
)
def test_an_upload_is_judged_before_anybody_decodes_it(
    viewer: ViewerProcess, body: bytes, content_type: str, status: int, said: str
) -> None:
    answer = request(viewer, "POST", "/api/v1/detect", body, Content_Type=content_type)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert said in answer.json["detail"]


def test_a_node_that_does_not_answer_is_not_waited_for_longer_than_asked(viewer: ViewerProcess) -> None:
    begin = time.monotonic()
    answer = request(viewer, "POST", "/api/v1/detect?deadline_s=0.5", picture_of(1))
    assert answer.status == 504
    assert 0.5 <= time.monotonic() - begin < DEADLINE_S
    assert request(viewer, "POST", "/api/v1/detect?deadline_s=100", picture_of(1)).status == 400
    assert request(viewer, "POST", "/api/v1/detect?node=a+b", picture_of(1)).status == 400
    assert request(viewer, "POST", "/api/v1/detect?node=ghost", picture_of(1)).status == 404


def test_without_a_node_or_a_history_the_answer_says_so(tmp_path: Path) -> None:
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path, "history.path=null") as empty:
        detect = request(empty, "POST", "/api/v1/detect", picture_of(1))
        assert (detect.status, detect.json["detail"]) == (503, "no edge node is online")
        events = get(empty, "/api/v1/events")
        assert (events.status, events.json["detail"]) == (
            503,
            "this viewer keeps no history (history.path is null): ask one that does, or set history.path",
        )
        assert get(empty, "/api/v1/zones").json == {"zones": []}
        assert b"it keeps no history" in get(empty, "/").body
        assert b"This viewer keeps no history" in get(empty, "/analytics").body


def test_an_event_that_comes_late_is_counted_in_its_own_time(viewer: ViewerProcess, edge: FakeEdge) -> None:
    then = (now_us() // HOUR_US - 30) * HOUR_US
    for _ in range(2):  # at least once
        edge.event("yard", "zone_entered", 1, zone="late", boot="old", occurred_us=then, historical=True)
    span = {"from_us": then - HOUR_US, "to_us": then + 2 * HOUR_US, "step_s": 3600}
    query = urlencode({"node": "test", "camera": "yard", "zone": "late"} | span)
    wait_until(lambda: get(viewer, f"/api/v1/series?{query}").json["entered"] == [0, 1, 0])


def test_the_paths_of_finished_tracks_come_newest_first(viewer: ViewerProcess, edge: FakeEdge) -> None:
    asked = "/api/v1/paths?node=test&camera=yard"
    assert json.loads(get(viewer, asked).body)["tracks"] == []
    path = edge.path(topics.TRACK, camera="yard")
    for number in (1, 2, 2):
        edge.client.publish(topics.TRACK, path, encode(track(number, node="test")))
    edge.client.publish(topics.TRACK, path, encode(track(3, node="test", camera="elsewhere")))
    wait_until(lambda: viewer.metric('darner_viewer_messages_refused_total{topic="track"}') == 1)
    said = json.loads(get(viewer, asked).body)
    assert [one["track_id"] for one in said["tracks"]] == [2, 1]
    assert said["tracks"][0]["path"] == [[0.0, 0.1, 0.2], [1.0, 0.3, 0.4]]
