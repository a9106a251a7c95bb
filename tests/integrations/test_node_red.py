"""The flows of examples/node-red in a real Node-RED, beside a real broker, node and video."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page
from simple_websocket import Client as Websocket  # type: ignore[import-untyped]  # has no types
from simple_websocket import ConnectionClosed

from shared.wire import topics
from tests.conftest import REPO, MosquittoProcess, wait_until
from tests.integration.test_file_to_mqtt import config, edge, listening
from tests.integrations.node_red import NodeRed, flows

PREFIX = "darner/v1"
CAMERA = {"node": "box", "camera": "street"}
EXAMPLES = REPO / "docs" / "examples"


class Phone:
    """A server that takes what the alert flow sends, as ntfy does."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.answers: list[int] = []
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = phone.answers.pop(0) if phone.answers else 200
                title = parse_qs(urlsplit(self.path).query)["title"][0]
                phone.taken.append((title, self.headers["content-type"], body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Phone:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    def titles(self) -> list[str]:
        return [title for title, _, _ in self.taken]


@dataclass(frozen=True)
class Lab:
    """What runs in these tests."""

    broker: MosquittoProcess
    phone: Phone
    node_red: NodeRed
    folder: Path

    def publish(self, topic: str, body: object, *more: str) -> None:
        words = ["mosquitto_pub", "-p", str(self.broker.port), "-V", "5", "-q", "1", "-t", topic, *more]
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        subprocess.run([*words, "-s"], input=payload, check=True)

    def crosses(self, **more: Any) -> dict[str, Any]:
        """Publish a crossing of the line "test", now unless said otherwise; its event."""
        event: dict[str, Any] = json.loads((EXAMPLES / "events.json").read_text())["payload"]
        event |= CAMERA | {"type": "line_crossed", "direction": "in", "zone": "test", "snapshot": None}
        event |= {"event_id": f"box-{time.time_ns()}", "occurred_us": time.time_ns() // 1000} | more
        self.publish(topics.EVENTS.path(PREFIX, **CAMERA), event)
        return event


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Broker and Node-RED with all three flows, and the phone."""
    folder = tmp_path_factory.mktemp("node-red")
    broker = MosquittoProcess(folder)
    broker.start()
    with Phone() as phone:
        environment = {"ALERT_URL": phone.url, "ALERT_FOLDER": str(folder / "alerts")}
        environment |= {"DARNER_NODE": "box", "DARNER_CAMERA": "street"}
        with NodeRed(
            folder / "node-red", flows("count", "alert", "set"), broker.port, environment
        ) as node_red:
            yield Lab(broker, phone, node_red, folder)
    broker.kill()


@pytest.fixture
def node(lab: Lab, people_video: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A node on a video of people who walk past, over and over."""
    settings = config(lab.broker.url, people_video, pace="realtime", loop=True, name="Straße")
    settings["cameras"]["street"]["lines"]["gate"]["name"] = "大門"
    with listening(lab.broker.url) as heard, edge(tmp_path, settings) as process:
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))
        yield process


def ends_with(lab: Lab, title: str) -> Callable[[], bool]:
    return lambda: any(title in each for each in lab.phone.titles())


@pytest.mark.usefixtures("node")
def test_every_crossing_alerts_once_with_its_picture(lab: Lab) -> None:
    lab.phone.taken.clear()
    with listening(lab.broker.url) as heard:
        heard.listen_until(lambda: len(crossed_in(heard)) >= 3, 90)
        wait_until(lambda: len(lab.phone.taken) >= len(crossed_in(heard)))
        pictures = [received.payload for row, _, received, _ in heard.seen if row is topics.SNAPSHOT]
    assert {(title, kind) for title, kind, _ in lab.phone.taken} == {
        ("person in at 大門 (box)", "image/jpeg")
    }
    assert all(body.startswith(b"\xff\xd8") for _, _, body in lab.phone.taken)
    assert {body for _, _, body in lab.phone.taken} & set(pictures), "as the node sent it"
    newest = lab.folder / "alerts" / "box-street-gate.jpg"
    wait_until(lambda: newest.read_bytes() in [body for _, _, body in lab.phone.taken])


def crossed_in(heard: Any) -> set[str]:
    return {e.event_id for e in heard.of(topics.EVENTS) if e.type == "line_crossed" and e.direction == "in"}


def test_what_is_late_or_comes_again_alerts_nobody(lab: Lab) -> None:
    lab.phone.taken.clear()
    lab.crosses(zone="late", historical=True)
    lab.crosses(zone="old", occurred_us=time.time_ns() // 1000 - 120_000_000)
    lab.crosses(zone="out", direction="out")
    lab.publish(topics.EVENTS.path(PREFIX, **CAMERA), b"no message")
    event = lab.crosses(zone="once")
    lab.publish(topics.EVENTS.path(PREFIX, **CAMERA), event)
    lab.crosses(zone="end")
    wait_until(ends_with(lab, "end"))
    assert lab.phone.titles() == ["person in at once (box)", "person in at end (box)"]


def test_an_alert_of_a_rule_says_its_text(lab: Lab) -> None:
    lab.phone.taken.clear()
    alert = {"rule": "till", "severity": "warning", "text": "Six wait at the till", "trigger": "occupancy"}
    lab.crosses(type="alert", direction=None, zone="till", alert=alert)
    wait_until(ends_with(lab, "till"))
    assert lab.phone.titles() == ["Six wait at the till (box)"]


def test_a_picture_may_come_after_its_event_or_not_at_all(lab: Lab) -> None:
    lab.phone.taken.clear()
    topic = topics.SNAPSHOT.path(PREFIX, **CAMERA, track="777")
    lab.crosses(zone="first", snapshot=topic)
    lab.publish(topic, (EXAMPLES / "snapshot.jpg").read_bytes())
    lab.crosses(zone="never", snapshot=topics.SNAPSHOT.path(PREFIX, **CAMERA, track="778"))
    wait_until(ends_with(lab, "never"))
    kinds = {title: kind for title, kind, _ in lab.phone.taken}
    assert kinds["person in at first (box)"] == "image/jpeg"
    assert kinds["person in at never (box)"] == "text/plain; charset=utf-8"


def test_an_alert_that_is_refused_is_sent_again(lab: Lab) -> None:
    lab.phone.taken.clear()
    lab.phone.answers[:] = [503]
    lab.crosses(zone="refused")
    wait_until(lambda: len(lab.phone.taken) == 2, 20)
    assert lab.phone.taken[0] == lab.phone.taken[1]


def test_what_happened_while_node_red_was_away_arrives_afterwards(lab: Lab) -> None:
    lab.phone.taken.clear()
    lab.node_red.kill()
    lab.crosses(zone="meanwhile")
    lab.node_red.start()
    wait_until(ends_with(lab, "meanwhile"), 30)


def test_the_dashboard_shows_what_is_true_now(
    lab: Lab, node: subprocess.Popen[str], chromium: Browser
) -> None:
    page = chromium.new_page(viewport={"width": 1300, "height": 760})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{lab.node_red.url}/dashboard/darner")
    wait_until(lambda: counted(page), 30)
    page.screenshot(path=REPO / ".cache" / "node-red" / "dashboard.png")
    node.kill()
    wait_until(lambda: ["box · Straße", "the whole picture", "offline", "", ""] in cells(page), 30)
    assert ["box · Straße", "all", "", "", ""] in cells(page), "nothing of what the dead node left"
    assert said == []
    page.goto(f"{lab.node_red.url}/#flow/da24e22000000001")
    page.get_by_text("Once, and only what is new").wait_for()
    page.screenshot(path=REPO / ".cache" / "node-red" / "editor.png")
    page.close()


def cells(page: Page) -> list[list[str]]:
    return [
        [cell.inner_text().strip() for cell in row.locator("td").all()] for row in page.locator("tr").all()
    ]


def counted(page: Page) -> bool:
    """Whether picture, zone and line have numbers."""
    rows = {row[1]: row[2:] for row in cells(page) if len(row) == 5}
    return (
        rows.get("the whole picture", [""])[0].isdigit()
        and all(cell.isdigit() for cell in rows.get("all", [""]))
        and [cell.isdigit() for cell in rows.get("大門", [])] == [False, True, True]
    )


@pytest.mark.usefixtures("node")
def test_a_setting_is_changed_and_answered(lab: Lab) -> None:
    with listening(lab.broker.url) as heard:
        says = debug(lab)
        lab.node_red.press("pause")
        wait_until(lambda: any("carried out" in each for each in says))
        heard.listen_until(lambda: [m.status for m in heard.of(topics.CAMERA_STATUS)][-1:] == ["paused"])
        lab.node_red.press("go on")
        heard.listen_until(lambda: [m.status for m in heard.of(topics.CAMERA_STATUS)][-1:] == ["streaming"])


def test_a_node_that_is_not_there_is_no_answer(lab: Lab) -> None:
    says = debug(lab)
    lab.node_red.press("lowest score 0.5")
    wait_until(lambda: any("node box did not answer within 10 s" in each for each in says), 20)


def debug(lab: Lab) -> list[str]:
    """What the editor's debug panel shows from now on."""
    says: list[str] = []
    socket = Websocket(f"ws://127.0.0.1:{lab.node_red.port}/comms")
    socket.send(json.dumps({"subscribe": "debug"}))

    def listen() -> None:
        with contextlib.suppress(ConnectionClosed):
            while (text := socket.receive(timeout=30)) is not None:
                says.append(str(text))
            socket.close()

    threading.Thread(target=listen, daemon=True).start()
    return says


def test_node_red_had_nothing_to_complain_about(lab: Lab) -> None:
    lines = [line for line in lab.node_red.log().splitlines() if "[warn]" in line or "[error]" in line]
    of_every_start = ("Projects disabled", "Encrypted credentials not found")
    assert [line for line in lines if not any(known in line for known in of_every_start)] == []
