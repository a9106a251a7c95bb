"""The page in real Chromium, fed through a real broker."""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from shared.wire import topics
from shared.wire.messages import LineDefinition, ZoneDefinition
from tests.browser.conftest import CheckPage, OpenPage, StartViewer
from tests.browser.pixels import read, watch
from tests.conftest import wait_until
from tests.viewer_server.fake_edge import FakeEdge, box_of, picture_of
from tests.viewer_server.process import ViewerProcess

SQUARE = {"square": ZoneDefinition(polygon=((0.1, 0.5), (0.6, 0.45), (0.7, 0.95), (0.05, 0.9)))}
GATE = {"gate": LineDefinition(points=((0.75, 0.95), (0.85, 0.2)))}


@pytest.fixture
def edge(own_broker: Any) -> Iterator[FakeEdge]:
    """An edge node that does as it is told."""
    with FakeEdge(own_broker.url) as node:
        yield node


@contextmanager
def streaming(edge: FakeEdge, *cameras: str, fps: float = 25) -> Iterator[None]:
    """Frames of these cameras, until the end of the block."""
    stop = threading.Event()

    def run() -> None:
        seq = 0
        while not stop.wait(1 / fps):
            for camera in cameras:
                edge.frame(camera, seq)
            seq += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def canvas_of(camera: str) -> str:
    return f'[data-camera="{camera}"] .frame canvas'


def wait_drawn(page: Page, camera: str, seq: int) -> None:
    expect(page.locator(canvas_of(camera))).to_have_attribute("data-seq", str(seq))


def test_every_drawn_frame_carries_its_own_boxes(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard", "door")
    page = open_page(viewer.url)
    page.evaluate("localStorage.setItem('darner.show', JSON.stringify({ trails: false }))")
    page.reload()  # a trail would lie over the pixels that are looked at
    with streaming(edge, "yard", "door", fps=40):
        page.locator(canvas_of("yard")).wait_for()
        frames = watch(page, canvas_of("yard"), 300)
    assert len({frame.seq for frame in frames}) == 300
    for frame in frames:
        assert frame.seq == frame.boxes_seq == frame.seq_in_picture
        assert frame.box_is_on_the_block()
    assert [frame.seq for frame in frames] == sorted(frame.seq for frame in frames)


def test_a_picture_without_its_boxes_is_not_drawn(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    page.locator(canvas_of("yard")).wait_for()
    edge.frame("yard", 1)
    edge.picture("yard", 2)  # its boxes never come
    edge.detections("yard", 3)  # nor does this one's picture
    wait_drawn(page, "yard", 1)
    edge.frame("yard", 4)
    wait_drawn(page, "yard", 4)
    assert viewer.metric("darner_viewer_frames_sent_total") == 2


def test_a_picture_that_the_viewer_refuses_is_said_instead_of_waited_for(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page, name = open_page(viewer.url), "Camera yard"
    tile = page.get_by_role("article", name=name)
    expect(tile).to_contain_text("Waiting for the first picture")
    wide = cv2.imencode(".jpg", np.zeros((8, 5000, 3), np.uint8))[1].tobytes()
    edge.picture("yard", 1, wide)
    says = "The viewer refused the newest picture: not a JPEG of at most 4096 x 4096 pixels"
    expect(tile).to_contain_text(says)
    later = open_page(viewer.url).get_by_role("article", name=name)
    expect(later).to_contain_text(says)
    edge.frame("yard", 2)
    wait_drawn(page, "yard", 2)
    for shown in (tile, later):
        expect(shown).not_to_contain_text("refused")


def test_a_page_opened_later_shows_the_last_frame_zones_numbers_and_events(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    edge.zones("yard", SQUARE, GATE)
    viewer.wait(cameras=1)
    edge.zone("yard", "square", occupancy=2, entered=5, exited=3, longest_s=12)
    edge.zone("yard", "gate", line=True, entered=7, exited=4)
    edge.event("yard", "zone_entered", 5, zone="square")
    edge.frame("yard", 11)
    wait_until(lambda: viewer.metric("darner_viewer_frames_joined_total") >= 1)
    time.sleep(1.2)  # by now the frame is older than what is drawn when it arrives live
    page = open_page(viewer.url)
    wait_drawn(page, "yard", 11)
    assert read(page.locator(canvas_of("yard"))).box_is_on_the_block()
    square, gate = page.locator('[data-zone="square"]'), page.locator('[data-zone="gate"]')
    expect(square).to_contain_text("2inside")
    expect(square).to_contain_text("5 in, 3 out · longest 12 s · average stay 8.5 s")
    expect(gate).to_contain_text("7in 4out")
    expect(page.locator("#events li")).to_contain_text("person 5 entered square")


def test_zone_numbers_and_definitions_change_and_go_away(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    edge.zones("yard", SQUARE, {})
    page = open_page(viewer.url)
    zone = page.locator('[data-zone="square"]')
    for occupancy in (1, 4, 0):
        edge.zone("yard", "square", occupancy=occupancy)
        expect(zone).to_contain_text(f"{occupancy}inside")
    edge.zones("yard", {}, {})
    expect(zone).to_have_count(0)
    expect(page.locator("#no-zones")).to_be_visible()


def test_the_arrow_of_a_line_points_to_the_right_hand_of_who_walks_along_it(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    edge.zones(
        "yard", {}, {"gate": LineDefinition(points=((0.2, 0.5), (0.8, 0.5)))}
    )  # walks right: "in" is down
    viewer.wait(cameras=1)
    page = open_page(viewer.url)
    page.locator(canvas_of("yard")).wait_for()
    edge.picture("yard", 60, picture_of(60))
    edge.detections("yard", 60)
    wait_drawn(page, "yard", 60)
    image = read(page.locator(canvas_of("yard"))).image
    height, width = image.shape[:2]
    middle = slice(width // 2 - 2, width // 2 + 3)
    above = image[height // 2 - 14 : height // 2 - 6, middle].mean()
    below = image[height // 2 + 6 : height // 2 + 14, middle].mean()
    assert below > above + 40


def test_names_and_labels_from_the_wire_are_text(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    edge.announce("yard")
    edge.camera_status("yard", "reconnecting", reason=evil)
    viewer.wait(cameras=1)
    edge.event("yard", "zone_entered", 1, label=evil, zone="square")
    page = open_page(viewer.url)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    expect(page.locator("#events li")).to_contain_text(evil)
    expect(page.locator(".notice")).to_contain_text(evil)
    edge.detections("yard", 1, label=evil[:128])
    edge.picture("yard", 1)
    wait_drawn(page, "yard", 1)
    assert page.locator("#events img, .notice img, script:not([src])").count() == 0


def test_the_page_says_what_it_waits_for(
    own_broker: Any,
    start_viewer: StartViewer,
    open_page: OpenPage,
    artifacts: Path,
    accessible: CheckPage,
) -> None:
    own_broker.kill()
    viewer = start_viewer(own_broker.url)
    page = open_page(viewer.url)
    now = page.locator('#steps li[data-now="true"]')
    expect(now).to_contain_text("looks for the broker at mqtt://127.0.0.1")
    expect(page.locator("#connection")).to_have_text("No broker connection")
    accessible(page)
    page.screenshot(path=artifacts / "waiting.png")
    own_broker.start()
    expect(now).to_contain_text("An edge node must announce itself on darner/v1/…/status")
    commands = now.locator("code")
    expect(commands).to_have_text(
        [
            "darner-edge discover --output darner.yaml",
            f"darner-edge --config darner.yaml --set mqtt.url={own_broker.url}",
        ]
    )
    accessible(page)
    page.screenshot(path=artifacts / "no-node.png")
    with FakeEdge(own_broker.url) as edge:
        edge.announce()
        expect(now).to_contain_text("cameras will appear here")
        expect(now.get_by_role("link", name="add its first camera")).to_have_attribute("href", "cameras")
        accessible(page)
        edge.announce("yard")
        expect(page.locator(".tile h2")).to_have_text("yard")
        expect(page.locator("#waiting")).to_be_hidden()
        expect(page.locator("#connection")).to_have_text("Live")


def test_the_page_comes_back_by_itself_after_the_viewer_restarts(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard", "gone")
    page = open_page(viewer.url, expect_errors=True)  # Chromium reports refused connections
    expect(page.locator(".tile")).to_have_count(2)
    viewer.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost, trying again in")
    edge.client.set_state(topics.CAMERA_STATUS, edge.path(topics.CAMERA_STATUS, camera="gone"), b"")
    viewer.start()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator(".tile")).to_have_count(1)
    edge.frame("yard", 3)
    wait_drawn(page, "yard", 3)


def test_pictures_go_on_after_the_broker_restarts(
    viewer: ViewerProcess, own_broker: Any, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    edge.frame("yard", 1)
    wait_drawn(page, "yard", 1)
    own_broker.kill()
    expect(page.locator("#connection")).to_have_text("No broker connection")
    own_broker.start()
    expect(page.locator("#connection")).to_have_text("Live")
    assert edge.client.wait_connected(30)
    with streaming(edge, "yard"):
        page.wait_for_function("() => document.querySelector('canvas').dataset.seq > 5")


def test_a_foreign_pages_websocket_gets_nothing(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage, tmp_path: Path
) -> None:
    edge.announce("yard")
    (tmp_path / "evil.html").write_text("<!doctype html><title>evil</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        page = open_page(f"http://127.0.0.1:{foreign.server_port}/evil.html", expect_errors=True)
        heard = page.evaluate(
            """url => new Promise((resolve) => {
                const heard = [];
                const socket = new WebSocket(url);
                socket.onopen = socket.onmessage = (event) => heard.push(event.type);
                socket.onclose = () => resolve(heard);
            })""",
            f"ws://127.0.0.1:{viewer.port}/ws",
        )
        foreign.shutdown()
    assert heard == []
    assert viewer.metric('darner_viewer_browsers_turned_away_total{why="origin"}') == 1


def test_a_camera_cannot_be_called_by_markup_and_would_be_text_if_it_were(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    viewer.wait(cameras=1)
    evil = "<script>alert(1)<script>"
    status = {"schema": "darner.camera-status/1", "node": "test", "session": "s1", "published_us": 1}
    payload = json.dumps(status | {"camera": evil, "status": "streaming", "since_us": 1}).encode()
    edge.client.publish(topics.EVENTS, f"darner/v1/test/camera/{evil}/status", payload)
    page = open_page(viewer.url)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.locator(canvas_of("yard")).wait_for()
    wait_until(lambda: viewer.metric('darner_viewer_messages_refused_total{topic="unknown"}'))
    expect(page.locator(".tile")).to_have_count(1)
    # Past the server's check, as if that had a hole:
    page.evaluate(
        """async (evil) => {
            const { Tile } = await import("/static/live/tile.js");
            const { ServerClock } = await import("/static/common/clock.js");
            const tile = new Tile(evil, evil, new ServerClock(), () => {});
            document.querySelector("#cameras").append(tile.root);
        }""",
        evil,
    )
    expect(page.locator(".tile h2").nth(1)).to_have_text(evil)
    assert page.locator("script:not([src]), .tile script").count() == 0


def test_a_frame_that_was_held_up_on_its_way_is_not_drawn(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    edge.frame("yard", 1)
    wait_drawn(page, "yard", 1)
    drawn = page.evaluate(
        """async () => {
            const { Tile } = await import("/static/live/tile.js");
            const { ServerClock } = await import("/static/common/clock.js");
            const canvas = document.querySelector("canvas");
            const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg"));
            const jpeg = new Uint8Array(await picture.arrayBuffer());
            const clock = new ServerClock();
            let done = 0;
            const tile = new Tile("n", "c", clock, () => { done += 1; });
            document.body.append(tile.root);
            const offer = (seq, agoMs) => tile.add({
                picture: { session: "s", seq, received_us: (clock.now() - agoMs) * 1000 },
                detections: {
                    session: "s", seq, captured_us: clock.now() * 1000, dropped: 0, objects: [], ignored: [],
                },
            }, jpeg);
            const seqs = [];
            for (const [seq, ago] of [[1, 5000], [2, 0], [3, 1500], [4, 500]]) {
                offer(seq, ago);
                while (done < seq) await new Promise((resolve) => { setTimeout(resolve, 5); });
                seqs.push(tile.root.querySelector("canvas").dataset.seq);
            }
            return seqs;
        }"""
    )
    assert drawn == ["1", "2", "2", "4"]  # the first of a connection is drawn, however old: better than none


def test_states_of_nodes_and_cameras_are_shown(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    state = page.locator(".tile .state")
    expect(state).to_have_text("streaming")
    edge.zone("yard", "square", occupancy=2)
    expect(page.locator("#zones .camera-zones")).to_have_attribute("data-live", "true")
    edge.frame("yard", 20)
    objects = page.locator(".tile dl div", has_text="Objects").locator("dd")
    expect(objects).to_have_text("1")
    edge.camera_status("yard", "reconnecting", reason="connection refused")
    expect(state).to_have_text("reconnecting")
    expect(objects).to_have_text("\N{EN DASH}")
    expect(page.locator(".notice")).to_contain_text("connection refused")
    edge.announce("yard", online=False)
    expect(state).to_have_text("node offline")
    expect(page.locator(".notice")).to_have_text("The node is offline")
    expect(page.locator("#zones .camera-zones")).to_have_attribute("data-live", "false")
    expect(page.locator(".node")).to_have_text("test offline")


def test_numbers_around_the_picture_are_measured(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    with streaming(edge, "yard", fps=10):
        facts = page.locator(".tile dl")
        expect(facts).to_contain_text("per s")
        expect(page.locator(".tile dd").nth(2)).to_contain_text(" ms")
        expect(page.locator(".tile dd").nth(0)).to_have_text("1")
    age = page.locator(".tile dl div").nth(2)
    expect(age).to_have_attribute("title", re.compile("clock is corrected by"))
    expect(page.locator(".notice")).to_contain_text("No new picture for")


def test_a_hidden_page_asks_for_no_frames_and_shows_the_newest_when_it_is_back(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    page.locator(canvas_of("yard")).wait_for()
    hide = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    edge.frame("yard", 0)
    wait_drawn(page, "yard", 0)
    page.evaluate(hide, True)
    for seq in range(1, 60):
        edge.frame("yard", seq)
    wait_until(lambda: viewer.metric("darner_viewer_frames_joined_total") >= 60)
    assert viewer.metric("darner_viewer_frames_sent_total") <= 1 + 6
    page.evaluate(hide, False)
    edge.frame("yard", 61)
    wait_drawn(page, "yard", 61)


def test_more_windows_see_the_same(viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage) -> None:
    edge.announce("yard")
    pages = [open_page(viewer.url), open_page(viewer.url, viewport={"width": 390, "height": 844})]
    for page in pages:
        page.locator(canvas_of("yard")).wait_for()
    edge.frame("yard", 33)
    for page in pages:
        wait_drawn(page, "yard", 33)
        drawn = read(page.locator(canvas_of("yard")))
        assert drawn.boxes == [[3, *box_of(33)]]
        assert drawn.seq_in_picture == 33


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desktop-light", {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}),
        ("desktop-dark", {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}),
        (
            "phone",
            {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "color_scheme": "dark"},
        ),
    ],
)
def test_the_page_fits_its_screen(
    viewer: ViewerProcess,
    edge: FakeEdge,
    open_page: OpenPage,
    artifacts: Path,
    accessible: CheckPage,
    name: str,
    options: dict[str, Any],
) -> None:
    edge.announce("yard", "a-camera-with-a-name-that-is-as-long-as-names-of-cameras-may-be")
    edge.zones("yard", SQUARE, GATE)
    viewer.wait(cameras=2)
    edge.zone("yard", "square", occupancy=2, entered=5, exited=3, longest_s=12)
    edge.event("yard", "loitering", 4, zone="square", dwell_s=31.0)
    page = open_page(viewer.url, **options)
    page.locator(canvas_of("yard")).wait_for()
    edge.frame("yard", 20)
    wait_drawn(page, "yard", 20)
    accessible(page)
    page.screenshot(path=artifacts / f"page-{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_can_be_used_with_a_keyboard_and_a_screen_reader(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(viewer.url)
    expect(page.get_by_role("article", name="Camera yard")).to_be_visible()
    expect(page.get_by_role("img", name="Live picture of camera yard: no picture yet")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Live")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    names = []
    for _ in range(11):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.closest('label, a')?.textContent.trim()"))
    assert names == [
        "Darner", "Live", "Analytics", "Events", "Alerts", "Schedules", "Cameras", "System",
        "yard", "Draw a counting line", "show tracks",
    ]  # fmt: skip
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox", name="show tracks")).to_be_checked()
    edge.event("yard", "track_started", 8)
    expect(page.get_by_role("log", name="Events")).to_contain_text("person 8 appeared")
