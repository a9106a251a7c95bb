"""The viewer as a process, with a real broker and real websockets."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psutil
import pytest
import websocket as client_library
from paho.mqtt.enums import CallbackAPIVersion

from shared.wire import topics
from tests.conftest import wait_until
from tests.viewer_server.asking import get, loaded_by, request
from tests.viewer_server.fake_edge import FakeEdge, picture_of
from tests.viewer_server.process import ARRIVES_S, ViewerProcess

STATIC = Path(__file__).resolve().parents[2] / "viewer_server"


def browse(viewer: ViewerProcess, **options: Any) -> client_library.WebSocket:
    """A websocket as a browser on the viewer's own page opens it."""
    return client_library.create_connection(
        f"ws://127.0.0.1:{viewer.port}/ws", timeout=ARRIVES_S, **({"origin": viewer.url} | options)
    )


def hang_up(ws: client_library.WebSocket) -> None:
    """Close the socket, whatever state the conversation is in."""
    ws.shutdown()  # type: ignore[no-untyped-call]  # typed in part


@contextmanager
def closed(ws: client_library.WebSocket) -> Iterator[client_library.WebSocket]:
    """Hangs up at the end."""
    try:
        yield ws
    finally:
        hang_up(ws)


def messages(ws: client_library.WebSocket, *, frames: int = 0) -> Iterator[dict[str, Any]]:
    """What the viewer sends: JSON messages, and headers of frames, each of which is answered for."""
    if frames:
        ws.send(json.dumps({"type": "ready", "frames": frames}))
    while True:
        # Not recv_data(), which answers a goodbye although there may be nobody left to answer.
        received = ws.recv_frame()  # type: ignore[no-untyped-call]
        opcode, data = received.opcode, received.data
        if opcode == client_library.ABNF.OPCODE_TEXT:
            yield json.loads(data)
        elif opcode == client_library.ABNF.OPCODE_BINARY:
            size = int.from_bytes(data[:4], "big")
            yield {"type": "frame", **json.loads(data[4 : 4 + size])}
            with contextlib.suppress(OSError):  # its last messages can be read after the viewer has gone
                ws.send(json.dumps({"type": "ready", "frames": 1}))
        elif opcode == client_library.ABNF.OPCODE_CLOSE:
            yield {"type": "close", "code": int.from_bytes(data[:2], "big"), "reason": data[2:].decode()}
            return


def until(ws: client_library.WebSocket, kind: str, **options: Any) -> dict[str, Any]:
    return next(message for message in messages(ws, **options) if message["type"] == kind)


def ask(viewer: ViewerProcess, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    """Status, headers and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=ARRIVES_S)) as connection:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.headers, answer.read().decode()


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def test_a_frame_goes_from_the_broker_to_the_browser(viewer: ViewerProcess, own_broker: Any) -> None:
    with FakeEdge(own_broker.url) as edge, closed(browse(viewer)) as ws:
        edge.announce("yard")
        viewer.wait(cameras=1)
        wait_until(lambda: viewer.metric("darner_viewer_all_watched") == 1)
        edge.frame("yard", 4)
        frame = until(ws, "frame", frames=1)
        assert frame["picture"]["seq"] == frame["detections"]["seq"] == 4
    assert viewer.metric("darner_viewer_frames_joined_total") == 1
    assert viewer.metric("darner_viewer_frames_sent_total") == 1
    assert viewer.metric('darner_viewer_messages_total{topic="detections"}') == 1


def test_a_browser_opened_later_gets_all_of_it(viewer: ViewerProcess, own_broker: Any) -> None:
    with FakeEdge(own_broker.url) as edge, viewer.watching():
        edge.announce("yard")
        viewer.wait(cameras=1)
        edge.zone("yard", "square", occupancy=3)
        edge.event("yard", "zone_entered", 1, zone="square")
        edge.frame("yard", 9)
        wait_until(lambda: viewer.metric("darner_viewer_frames_joined_total") == 1)
    with closed(browse(viewer)) as ws:
        seen = {}
        for message in messages(ws, frames=1):
            seen[message["type"]] = message
            if {"zone", "events", "frame"} <= seen.keys():
                break
    assert next(iter(seen)) == "hello"
    assert seen["zone"]["message"]["occupancy"] == 3
    assert seen["frame"]["picture"]["seq"] == 9


def test_a_browser_that_never_reads_does_not_keep_frames_from_another(
    viewer: ViewerProcess, own_broker: Any
) -> None:
    with (
        FakeEdge(own_broker.url) as edge,
        closed(browse(viewer)) as stuck,
        closed(browse(viewer)) as reader,
    ):
        stuck.send(json.dumps({"type": "ready", "frames": 10_000}))
        edge.announce("yard")
        viewer.wait(cameras=1)
        wait_until(lambda: viewer.metric("darner_viewer_all_watched") == 1)
        arrived = messages(reader, frames=2)
        for seq in range(150):
            edge.frame("yard", seq)
            assert next(m for m in arrived if m["type"] == "frame")["picture"]["seq"] == seq


def test_the_servers_clock_is_told(idle_viewer: ViewerProcess) -> None:
    with closed(browse(idle_viewer)) as ws:
        ws.send(json.dumps({"type": "ping", "client_ms": 12.5}))
        pong = until(ws, "pong")
    assert pong["client_ms"] == 12.5
    assert abs(pong["server_us"] / 1e6 - time.time()) < 60


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "null", '"ready"', '{"type": 5}', '{"type": "ready"}', '{"type": "ready", "frames": "9"}',
     '{"type": "watch", "cameras": [5, ["a"], [[], {}]]}', '{"type": "watch", "cameras": {}}',
     '{"type": "ready", "frames": 1e400}', '{"type": "ping", "client_ms": {}}', "[" * 4000],
)  # fmt: skip
def test_nonsense_from_a_browser_is_passed_over(idle_viewer: ViewerProcess, said: str) -> None:
    with closed(browse(idle_viewer)) as ws:
        ws.send(said)
        ws.send_binary(b"\x00\xff")
        ws.send(json.dumps({"type": "ping", "client_ms": 1}))
        assert until(ws, "pong")["client_ms"] == 1


def test_garbage_on_every_topic_is_counted_said_once_and_survived(
    viewer: ViewerProcess, own_broker: Any
) -> None:
    with FakeEdge(own_broker.url, node="n") as edge:
        edge.announce("c")
        viewer.wait(cameras=1)
    publisher = paho.Client(CallbackAPIVersion.VERSION2)
    publisher.connect("127.0.0.1", own_broker.port)
    publisher.loop_start()
    ids = {"node": "n", "camera": "c", "zone": "z", "track": "1", "command": "ping", "archive": "a"}
    with viewer.watching():
        for _ in range(3):
            for row in topics.TABLE:
                path = f"{topics.DEFAULT_PREFIX}/{row.pattern.format(**ids, viewer='v')}"
                for payload in (b"\xff\xd8garbage", b"{}", b"[[[[", b"null", bytes(1_100_000)):
                    publisher.publish(path, payload, 1).wait_for_publish(ARRIVES_S)
    publisher.disconnect()
    publisher.loop_stop()
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        viewer.wait(status="ok", cameras=2)
    assert viewer.metric('darner_viewer_messages_refused_total{topic="detections"}') == 15
    assert viewer.metric('darner_viewer_messages_refused_total{topic="thumbnail"}') == 15
    assert viewer.log.count("n/camera/c/detections") == 1
    assert "Traceback" not in viewer.log


def test_pictures_over_mqtt_3_are_matched_by_their_comment_or_shown_with_the_newest_boxes(
    viewer: ViewerProcess, own_broker: Any
) -> None:
    with FakeEdge(own_broker.url, version="3.1.1") as edge, viewer.watching():
        edge.announce("yard")
        viewer.wait(cameras=1)
        edge.detections("yard", 1)
        edge.picture("yard", 1)
        edge.detections("yard", 2)
        edge.picture("yard", 2, commented=True)
        edge.announce("yard", "later")
        viewer.wait(cameras=2)
    assert viewer.metric("darner_viewer_pictures_not_joinable_total") == 1
    assert viewer.metric("darner_viewer_frames_joined_total") == 1
    assert viewer.log.count("do not say which frame they show") == 1


@pytest.mark.timing
def test_a_broker_that_comes_back_is_found_and_browsers_are_told(
    viewer: ViewerProcess, own_broker: Any
) -> None:
    with closed(browse(viewer)) as ws:
        arriving = messages(ws)
        own_broker.kill()
        assert next(m for m in arriving if m["type"] == "broker" and not m["connected"])
        assert viewer.health()["status"] == "waiting for the broker"
        assert get(viewer, "/ready").status == 503
        own_broker.start()
        begin = time.monotonic()
        assert next(m for m in arriving if m["type"] == "broker" and m["connected"])
        assert time.monotonic() - begin < 5
        assert get(viewer, "/ready").status == 200
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        viewer.wait(cameras=1)


def test_browsers_over_the_cap_are_told_and_ordinary_requests_are_served(viewer: ViewerProcess) -> None:
    open_ones = [browse(viewer) for _ in range(3)]
    viewer.wait(browsers=3)
    with closed(browse(viewer)) as fourth:
        last = list(messages(fourth))[-1]
    assert (last["code"], last["reason"]) == (1013, "3 browsers are connected already (http.max_browsers)")
    hang_up(open_ones.pop())
    viewer.wait(browsers=2)
    open_ones.append(browse(viewer))
    assert until(open_ones[-1], "live")
    for ws in open_ones:
        hang_up(ws)
    assert viewer.metric('darner_viewer_browsers_turned_away_total{why="full"}') == 1


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil"]
)
def test_a_foreign_pages_websocket_is_refused(idle_viewer: ViewerProcess, origin: str) -> None:
    before = idle_viewer.metric('darner_viewer_browsers_turned_away_total{why="origin"}')
    assert ask(idle_viewer, "/ws", Origin=origin, **HANDSHAKE)[0] == 403
    assert idle_viewer.metric('darner_viewer_browsers_turned_away_total{why="origin"}') == before + 1


def test_a_foreign_name_for_this_machine_is_refused_with_a_hint(idle_viewer: ViewerProcess) -> None:
    host = f"rebound.example:{idle_viewer.port}"
    code, _, text = ask(idle_viewer, "/", Host=host)
    assert code == 403
    assert "http.allowed_origins" in text
    assert ask(idle_viewer, "/ws", Host=host, Origin=f"http://{host}", **HANDSHAKE)[0] == 403
    assert ask(idle_viewer, "/metrics", Host=host)[0] == 403
    assert ask(idle_viewer, "/health", Host="viewer:8080")[0] == 200


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/api/v1/nodes", {}, 403),
        ("/api/v1/nodes", LINK, 403),  # a hidden window would make the viewer work just as well
        ("/api/v1/cameras/n/c/picture", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("/static/style.css", {"Sec-Fetch-Dest": "style", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("/metrics", {"Sec-Fetch-Mode": "no-cors"}, 403),
        ("/analytics", {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}, 403),
        ("/analytics", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("/analytics", LINK, 200),
        ("/", LINK, 200),
        ("/api/v1/nodes", {"Origin": "http://elsewhere.example"}, 403),
    ],
)
def test_a_foreign_page_may_lead_here_and_embed_nothing(
    idle_viewer: ViewerProcess, site: str, path: str, more: dict[str, str], status: int
) -> None:
    assert ask(idle_viewer, path, **{"Sec-Fetch-Site": site} | more)[0] == status


@pytest.mark.parametrize("site", [None, "none", "same-origin"])
def test_programs_and_our_own_pages_are_answered(idle_viewer: ViewerProcess, site: str | None) -> None:
    headers = {} if site is None else {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"}
    for path in ("/api/v1/nodes", "/metrics", "/static/style.css", "/"):
        assert ask(idle_viewer, path, **headers)[0] == 200


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", "no-store"),
        ("/analytics", "no-store"),
        ("/health", "no-store"),
        ("/metrics", "no-store"),
        ("/api/v1/nodes", "no-store"),
        ("/api/v1/events.csv", "no-store"),
        ("/api/v1/cameras/n/c/picture", "no-store"),
        ("/nothing", "no-store"),
        ("/static/style.css", "no-cache"),
        ("/static/live/main.js", "no-cache"),
    ],
)
def test_only_what_everybody_may_have_stays_in_caches(
    idle_viewer: ViewerProcess, path: str, kept: str
) -> None:
    assert ask(idle_viewer, path)[1]["Cache-Control"] == kept


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/nodes", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/api/v1/zones/n/c", {"POST", "OPTIONS"}),
        ("PUT", "/", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/metrics", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/logout", {"POST", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_which_ones_are_right(
    idle_viewer: ViewerProcess, method: str, path: str, allowed: set[str]
) -> None:
    answer = request(idle_viewer, method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed
    if path.startswith("/api/"):
        assert answer.json["status"] == 405
    options = request(idle_viewer, "OPTIONS", path)
    assert (options.status, options.body) == (200, b"")
    assert set(options.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path", ["/", "/health", "/metrics", "/api/v1/nodes", "/static/style.css", "/nothing"]
)
def test_a_head_is_told_what_a_get_would_be_and_no_body(idle_viewer: ViewerProcess, path: str) -> None:
    head, got = request(idle_viewer, "HEAD", path), request(idle_viewer, "GET", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_a_name_that_is_configured_is_accepted(own_broker: Any, tmp_path: Path) -> None:
    allowed = 'http.allowed_origins=["https://cameras.example"]'
    with ViewerProcess(own_broker.url, tmp_path, allowed) as viewer:
        with closed(browse(viewer, origin="https://cameras.example")) as ws:
            assert until(ws, "live")
        assert ask(viewer, "/", Host="cameras.example")[0] == 200


def test_a_program_without_a_page_may_connect(idle_viewer: ViewerProcess) -> None:
    with closed(browse(idle_viewer, origin=None, suppress_origin=True)) as ws:
        assert until(ws, "live")


@pytest.mark.parametrize(
    "path", ["/", "/static/live/main.js", "/static/style.css", "/health", "/metrics", "/nothing"]
)
def test_every_answer_carries_the_security_headers(idle_viewer: ViewerProcess, path: str) -> None:
    _, headers, _ = ask(idle_viewer, path)
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    if path.endswith(".js"):
        assert headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/", "/analytics", "/events", "/system", "/alerts", "/rules", "/schedules"])
def test_no_page_loads_much(idle_viewer: ViewerProcess, path: str) -> None:
    page = idle_viewer.get(path).decode()
    assert len(page) + loaded_by(page) < 170_000


def test_the_page_is_small_and_needs_nothing_from_elsewhere(idle_viewer: ViewerProcess) -> None:
    page = idle_viewer.get("/").decode()
    static = STATIC / "static"
    files = {str(path.relative_to(static)): path.read_bytes() for path in static.rglob("*.*")}
    # The label page is there only for who asks for it; tests/viewer_server/api/test_labelling.py weighs it.
    # What is in cameras/ is loaded where there is no camera yet, paths/ where nodes tell of tracks, notices/
    # where something is wrong, and alerts/, lists/ and schedules/ by pages of their own, which the test above
    # weighs.
    extra = {"label", "cameras", "paths", "notices", "alerts", "lists", "schedules"}
    shown = {name: data for name, data in files.items() if name.split("/")[0] not in extra}
    assert len(page) + sum(map(len, shown.values())) < 289_300
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)
    outside = re.compile(rb"""["'(]\s*(?:https?:)?//(?!www\.w3\.org/2000/svg)""")
    assert [name for name, data in (files | {"page": page.encode()}).items() if outside.search(data)] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},  # no websocket at all
        {"Upgrade": "websocket", "Connection": "Upgrade"},  # no key
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "x",
            "Sec-WebSocket-Version": "1",
        },
    ],
)
def test_a_bad_handshake_is_the_clients_fault(idle_viewer: ViewerProcess, headers: dict[str, str]) -> None:
    assert ask(idle_viewer, "/ws", **headers)[0] == 400
    assert "Traceback" not in idle_viewer.log


@pytest.mark.timing
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_five_seconds_with_browsers_open(
    viewer: ViewerProcess, own_broker: Any, sig: signal.Signals
) -> None:
    with (
        FakeEdge(own_broker.url) as edge,
        closed(browse(viewer)) as reading,
        closed(browse(viewer)) as stuck,
    ):
        edge.announce("yard")
        viewer.wait(cameras=1)
        stuck.send(json.dumps({"type": "ready", "frames": 16}))
        arriving = messages(reading, frames=1)
        for seq in range(12):  # megabytes, more than the kernel holds for one that does not read
            edge.picture("yard", seq, picture_of(seq) + bytes(900_000))
            edge.detections("yard", seq)
            assert next(m for m in arriving if m["type"] == "frame")["picture"]["seq"] == seq
        [worker] = psutil.Process(viewer.process.pid).children()
        code, seconds = viewer.stop(sig)
        assert code == 0
        assert seconds < 5
        assert not worker.is_running()
        assert list(arriving)[-1] == {"type": "close", "code": 1001, "reason": "the viewer is stopping"}
    assert "Traceback" not in viewer.log


@pytest.mark.timing
def test_ctrl_c_in_a_terminal_reaches_both_processes_and_ends_them(viewer: ViewerProcess) -> None:
    with closed(browse(viewer)):
        [worker] = psutil.Process(viewer.process.pid).children()
        worker.send_signal(signal.SIGINT)
        code, seconds = viewer.stop(signal.SIGINT)
    assert code == 0
    assert seconds < 5
    assert "Traceback" not in viewer.log


def test_the_worker_does_not_outlive_a_killed_master(viewer: ViewerProcess) -> None:
    with closed(browse(viewer)):
        [worker] = psutil.Process(viewer.process.pid).children()
        viewer.stop(signal.SIGKILL)
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_names_come_first_where_the_address_asks_for_it_and_for_nothing_else(
    idle_viewer: ViewerProcess,
) -> None:
    address = f"ws://127.0.0.1:{idle_viewer.port}/ws?first="
    with closed(client_library.create_connection(f"{address}names", origin=idle_viewer.url)) as ws:
        hello, _, live = itertools.islice(messages(ws), 3)
        assert (hello["type"], live["type"]) == ("hello", "live")
        ws.send('{"type": "show", "cameras": [["n", "c"], "nonsense", [1]]}')
        assert next(messages(ws)) == {"type": "shown"}
    with pytest.raises(client_library.WebSocketBadStatusException) as refused:
        client_library.create_connection(f"{address}all", origin=idle_viewer.url)
    assert refused.value.status_code == 400
    assert b"first='all' is unknown: say first=names, or nothing." in (refused.value.resp_body or b"")
