"""Analytics, events, system and login in real Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest
from playwright.sync_api import Page, expect
from werkzeug.security import generate_password_hash

from shared.wire import topics
from shared.wire.messages import (
    CameraInfo,
    CollectMetrics,
    LineDefinition,
    ModelInfo,
    NodeInfo,
    ZoneDefinition,
    encode,
    now_us,
)
from tests.browser.conftest import CheckPage, OpenPage, StartViewer
from tests.browser.lived import HOUR_US, Past
from tests.conftest import Mosquitto
from tests.viewer_server.api.test_routes import metrics
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.live.test_paths import track
from tests.viewer_server.process import ViewerProcess

SQUARE = {"square": ZoneDefinition(polygon=((0.1, 0.5), (0.6, 0.45), (0.7, 0.95), (0.05, 0.9)))}
GATE = {"gate": LineDefinition(points=((0.75, 0.95), (0.85, 0.2)))}
PASSWORD = "correct horse"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "has_touch": True}
LOOKS = [
    pytest.param(name, size | {"color_scheme": scheme}, id=f"{name}-{scheme}", marks=marks)
    for name, size, scheme, marks in (
        ("desktop", DESKTOP, "light", ()),
        ("phone", PHONE, "dark", ()),
        ("desktop", DESKTOP, "dark", pytest.mark.long),
        ("phone", PHONE, "light", pytest.mark.long),
    )
]
"""Both sizes and both colour schemes; `make test-long` looks at the other two pairs."""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    with Past(tmp_path_factory.mktemp("past") / "h.db") as made:
        made.days(7, per_hour=20)
        for event in made.events[-40:]:
            if event.track_id and event.track_id % 4:
                made.snapshot(event.track_id)
    return made


@pytest.fixture(scope="module")
def edge(broker: Mosquitto) -> Iterator[FakeEdge]:
    with FakeEdge(broker.url, prefix="pages/v1") as node:
        yield node


@pytest.fixture(scope="module")
def viewer(
    broker: Mosquitto, past: Past, edge: FakeEdge, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    keys = f"history.path={past.path}", "mqtt.prefix=pages/v1"
    folder = tmp_path_factory.mktemp("viewer")
    with ViewerProcess(broker.url, folder, *keys) as process, process.watching():
        edge.announce("yard")
        edge.zones("yard", SQUARE, GATE)
        process.wait(broker_connected=True, cameras=1)
        edge.frame("yard", 20)
        edge.client.publish(topics.METRICS, edge.path(topics.METRICS), encode(metrics(edge)))
        yield process


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ViewerProcess]:
    hashed = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path, f"http.password_hash={hashed}") as process:
        yield process


def log_in(page: Page, password: str) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def counted(past: Past, zone: str, hours: float) -> list[str]:
    """Entries, exits, losses and stays of the last hours, as the page has them in its attributes."""
    since = now_us() - int(hours * HOUR_US)
    mine = [event for event in past.events if event.zone == zone and event.occurred_us >= since]
    found: list[str] = [event.direction or event.type for event in mine]
    kinds = ("in", "out", "-") if zone == "gate" else ("zone_entered", "zone_exited", "zone_lost")
    return [str(found.count(kind)) for kind in kinds]


def shown(page: Page, zone: str) -> list[str | None]:
    panel = page.locator(f'[data-zone="{zone}"]')
    return [panel.get_attribute(f"data-{name}") for name in ("entered", "exited", "lost")]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_login_lets_in_and_a_logout_sends_away(
    guarded: ViewerProcess, open_page: OpenPage, size: dict[str, Any]
) -> None:
    page = open_page(f"{guarded.url}/events", expect_errors=True, **size)  # Chromium reports the 401
    expect(page).to_have_url(f"{guarded.url}/login?next=/events")
    expect(page.get_by_role("navigation")).to_have_count(0)
    log_in(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    log_in(page, PASSWORD)
    expect(page).to_have_url(f"{guarded.url}/events")
    live = page.context.new_page()
    live.goto(guarded.url)
    expect(live.get_by_role("status").first).to_contain_text("No broker connection")  # its websocket is open
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{guarded.url}/login")
    expect(live).to_have_url(f"{guarded.url}/login")  # the other window is told by its websocket
    page.goto(f"{guarded.url}/system")
    expect(page).to_have_url(f"{guarded.url}/login?next=/system")


def test_guessing_is_answered_with_a_wait(guarded: ViewerProcess, open_page: OpenPage) -> None:
    page = open_page(guarded.url, expect_errors=True)
    for _ in range(5):
        log_in(page, "guess")
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    log_in(page, PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Too many attempts\. Try again in \d+ s\."))


@contextmanager
def foreign_page(html: str) -> Iterator[str]:
    """A page of somebody else's, on the same machine: the same site to a browser, another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_foreign_pages_form_and_requests_are_refused(guarded: ViewerProcess, open_page: OpenPage) -> None:
    form = f'<form method="post" action="{guarded.url}/logout"><button>A prize</button></form>'
    page = open_page(guarded.url, expect_errors=True)
    log_in(page, PASSWORD)
    page.wait_for_url(f"{guarded.url}/")
    with foreign_page(form) as address:
        page.goto(address)
        with page.expect_response(f"{guarded.url}/logout") as caught:
            page.get_by_role("button").click()
        assert caught.value.status == 403
        page.goto(address)
        tried = page.evaluate(
            """url => fetch(url, {method: "POST", body: "x", credentials: "include", mode: "no-cors"})
               .then(() => "answered", () => "refused")""",
            f"{guarded.url}/api/v1/detect",
        )
        assert tried == "refused"
    page.goto(f"{guarded.url}/events")
    expect(page.get_by_role("heading", name="Events")).to_be_visible()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_analytics_page_shows_what_is_stored(
    viewer: ViewerProcess, past: Past, open_page: OpenPage, size: dict[str, Any]
) -> None:
    page = open_page(f"{viewer.url}/analytics?range=7d", expect_errors=True, **size)
    for hours, name in ((7 * 24, "7 days"), (24, "24 hours"), (1, "1 hour")):
        page.get_by_label("Range").select_option(label=f"Last {name}")
        for zone in ("square", "gate"):
            # The page's range begins with a whole step, up to two hours earlier on seven days.
            wanted = [int(value) for value in counted(past, zone, hours)]
            expect(page.locator(f'[data-zone="{zone}"]')).to_be_visible()
            page.wait_for_function(
                """([zone, wanted, slack]) => {
                    const at = document.querySelector(`[data-zone="${zone}"]`).dataset;
                    return ["entered", "exited", "lost"].every((name, i) =>
                        Number(at[name]) >= wanted[i] && Number(at[name]) <= wanted[i] + slack);
                }""",
                arg=[zone, wanted, 12 if hours > 1 else 2],
            )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_counts_of_whole_days_are_exactly_those_stored(
    viewer: ViewerProcess, past: Past, open_page: OpenPage
) -> None:
    page = open_page(
        f"{viewer.url}/analytics?range=custom&from=2020-01-01T00:00&to=2020-01-02T00:00",
        expect_errors=True,  # as no node answers for the heatmap, here and in the tests below
        timezone_id="UTC",
    )
    day = 24 * HOUR_US
    begin = (now_us() // day - 3) * day
    fields = [f"{_iso(at)}" for at in (begin, begin + 2 * day)]
    page.get_by_label("From", exact=True).fill(fields[0])
    page.get_by_label("To", exact=True).fill(fields[1])
    page.get_by_label("To", exact=True).blur()
    within = [event for event in past.events if begin <= event.occurred_us < begin + 2 * day]
    kinds = [event.type for event in within]
    wanted = [str(kinds.count(kind)) for kind in ("zone_entered", "zone_exited", "zone_lost")]
    square = page.locator('[data-zone="square"]')
    expect(square).to_have_attribute("data-entered", wanted[0])
    assert shown(page, "square") == wanted
    page.get_by_text("As a table").nth(1).click()  # of square's first chart
    cells = square.locator("tbody tr")
    expect(cells.nth(40)).to_be_attached()  # the rows are filled in when the table is opened


def _iso(at_us: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(at_us / 1e6, timezone.utc).strftime("%Y-%m-%dT%H:%M")


def test_a_chart_can_be_read_with_the_keyboard(viewer: ViewerProcess, open_page: OpenPage) -> None:
    page = open_page(f"{viewer.url}/analytics?range=24h", expect_errors=True)
    chart = page.locator('[data-zone="square"] .plot').first
    expect(chart).to_have_attribute("aria-label", re.compile(r"Inside\. At the busiest moment .* inside\."))
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")  # the last interval may have begun a moment ago, with nothing in it yet
    readout = page.locator('[data-zone="square"] .readout').first
    expect(readout).to_contain_text("inside on average")
    last = readout.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(readout).not_to_have_text(last)
    page.keyboard.press("Tab")
    expect(readout).to_have_text("")


def test_an_event_that_happens_is_counted_and_shown_while_the_pages_are_open(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    analytics = open_page(f"{viewer.url}/analytics?range=15m", expect_errors=True)
    events = open_page(f"{viewer.url}/events")
    gate = analytics.locator('[data-zone="gate"]')
    expect(gate).to_have_attribute("data-entered", re.compile(r"\d+"))
    before = int(gate.get_attribute("data-entered") or 0)
    expect(events.locator("#feed li")).to_have_count(50)
    edge.event("yard", "line_crossed", 1, zone="gate", direction="in", boot="now", label="bus")
    expect(gate).to_have_attribute("data-entered", str(before + 1))
    expect(events.locator("#feed li").first).to_contain_text("bus 1 crossed gate, in")


def test_paths_of_finished_tracks_are_drawn_where_a_node_tells_of_them(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage, artifacts: Path
) -> None:
    page = open_page(f"{viewer.url}/analytics?range=15m", expect_errors=True)
    expect(page.locator("#zones")).to_contain_text("gate")
    expect(page.locator("#paths")).to_be_hidden()
    path = edge.path(topics.TRACK, camera="yard")
    for number, label in enumerate(("person", "person", "car"), 1):
        way = [(0.0, 0.1, 0.2 * number), (1.0, 0.5, 0.3), (2.0, 0.9, 0.25 * number)]
        edge.client.publish(topics.TRACK, path, encode(track(number, node=edge.node, label=label, path=way)))
    expect(page.locator("#paths-note")).to_contain_text("last 3 finished tracks")
    expect(page.locator("#paths-canvas")).to_have_attribute("aria-label", "Paths: 1 car, 2 person")
    page.locator("#paths").screenshot(path=artifacts / "paths.png")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_events_are_filtered_and_paged(
    viewer: ViewerProcess, past: Past, open_page: OpenPage, size: dict[str, Any]
) -> None:
    page = open_page(f"{viewer.url}/events?kind=zone_lost", **size)
    newest = sorted(past.events, key=lambda event: (event.occurred_us, event.number), reverse=True)
    ids = [event.event_id for event in newest if event.type == "zone_lost"]
    items = page.locator("#feed li")
    expect(items).to_have_count(50)
    page.get_by_role("button", name="Older events").click()
    expect(items).to_have_count(100)
    found = page.evaluate("[...document.querySelectorAll('#feed li')].map(one => one.dataset.id)")
    assert found == ids[:100]
    page.get_by_label("What").select_option("line_crossed")
    expect(items.first).to_contain_text("crossed gate")
    assert page.url.endswith("/events?kind=line_crossed")
    page.get_by_label("Zone or line").select_option("square")
    expect(page.get_by_text("No stored event matches.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(items).to_have_count(50)
    expect(page.locator("#feed img").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "darner-events.csv"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.long
def test_what_was_counted_is_there_after_the_viewer_restarts(
    own_broker: Any, start_viewer: StartViewer, open_page: OpenPage
) -> None:
    viewer = start_viewer(own_broker.url)
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        edge.zones("yard", SQUARE, GATE)
        viewer.wait(cameras=1)
        for number in range(1, 8):
            edge.event("yard", "line_crossed", number, zone="gate", direction="in", boot="b")
        page = open_page(f"{viewer.url}/analytics", expect_errors=True)
        gate = page.locator('[data-zone="gate"]')
        expect(gate).to_have_attribute("data-entered", "7")
        viewer.stop()
        edge.event("yard", "line_crossed", 8, zone="gate", direction="in", boot="b")  # lost: it has no outbox
        viewer.start()
        viewer.wait(broker_connected=True, cameras=1)
        for number in (7, 8, 9):  # what an outbox does: again, from where it was not acknowledged
            edge.event("yard", "line_crossed", number, zone="gate", direction="in", boot="b", historical=True)
        page.goto(f"{viewer.url}/analytics")
        expect(gate).to_have_attribute("data-entered", "9")
        page.goto(f"{viewer.url}/events")
        expect(page.locator("#feed li")).to_have_count(9)
        expect(page.get_by_text("late", exact=True)).to_have_count(2)


def test_the_system_page_tells_how_nodes_are_doing(viewer: ViewerProcess, open_page: OpenPage) -> None:
    page = open_page(f"{viewer.url}/system")
    card = page.get_by_role("region", name="Node test")
    for text in (
        "online",
        "0.1.0",
        "nanodet_g_416, 416",
        "onnx",
        "cpu",
        "bytetrack",
        "40 % of one core",
    ):
        expect(card).to_contain_text(text)
    stage = card.get_by_role("row", name=re.compile("inference"))
    assert stage.locator("td").all_inner_texts()[:3] == ["1.0", "2.0", "3.0"]
    expect(card.get_by_role("row", name=re.compile("yard"))).to_contain_text("10")
    expect(card).to_contain_text("1 waiting, 2 B, on disk")


def test_the_system_page_tells_which_file_the_model_is_and_that_another_took_its_place(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    page = open_page(f"{viewer.url}/system")
    card = page.get_by_role("region", name="Node test")
    expect(card).to_contain_text("Model file")
    try:
        edge.announce("yard", lineage={"sha256": "a" * 64})
        expect(card.get_by_title("a" * 64)).to_be_visible()
        assert "new since" not in card.inner_text()
        made = {"parent": "a" * 64, "made": "2026-05-04T03:02:01Z"}
        edge.announce("yard", lineage={"sha256": "b" * 64, **made})
        expect(card).to_contain_text(re.compile("adapted from a+ on 2026-05-04 \\(new since"))
        box = card.get_by_title("b" * 64).bounding_box()
        assert box is not None and box["width"] < 150, "the hash is cut on the screen"
    finally:
        edge.announce("yard")


def test_the_system_page_tells_what_decodes_a_camera_once_a_gpu_could(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage, artifacts: Path
) -> None:
    page = open_page(f"{viewer.url}/system")
    table = page.get_by_role("region", name="Node test").get_by_role("region", name="Cameras")
    expect(table.get_by_role("columnheader", name="Captured")).to_be_visible()
    expect(table.get_by_role("columnheader", name="Decoded by")).to_have_count(0)
    about = {"camera": "yard", "source": "test", "zones": 1, "lines": 1, "reader": "nvdec"}
    try:
        for how, says in (
            ({"decoder": "gpu"}, "GPU"),
            (
                {"decoder": "cpu", "decoder_reason": "the GPU does not decode MPEG-4"},
                "processor: the GPU does not",
            ),
        ):
            edge.announce("yard", told={"yard": CameraInfo(**about, **how)})  # type: ignore[arg-type]  # by name
            expect(table.get_by_role("row", name=re.compile("yard"))).to_contain_text(says)
        page.screenshot(path=artifacts / "system-decoder.png", full_page=True)
    finally:
        edge.announce("yard")


def test_the_system_page_tells_what_is_kept_for_labelling(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage, artifacts: Path
) -> None:
    page = open_page(f"{viewer.url}/system")
    table = page.get_by_role("region", name="Node test").get_by_role("region", name="Cameras")
    expect(table.get_by_role("columnheader", name="Kept for labelling")).to_have_count(0)
    full = "less than 100 MB are free on the disk"
    for kept, says in (
        (
            CollectMetrics(pictures=12, bytes=3_400_000, last_reason="lost_track"),
            "12 pictures, 3.4 MB, lost track",
        ),
        (CollectMetrics(pictures=0, bytes=0, trouble=full), f"0 pictures, 0 B, {full}"),
    ):
        edge.metrics("yard", {}, collected=kept)
        expect(table.get_by_role("row", name=re.compile("yard"))).to_contain_text(says)
    page.screenshot(path=artifacts / "system-kept.png", full_page=True)
    edge.metrics("yard", {})
    expect(table.get_by_role("columnheader", name="Kept for labelling")).to_have_count(0)


def test_names_and_labels_from_the_wire_are_text_on_every_page(
    own_broker: Any, start_viewer: StartViewer, open_page: OpenPage
) -> None:
    viewer = start_viewer(own_broker.url)
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        edge.camera_status("yard", "reconnecting", reason=EVIL)
        evil = NodeInfo(
            **edge.common(),  # type: ignore[arg-type]  # node, session and published_us
            name=EVIL, version=EVIL,
            cameras=(CameraInfo(camera="yard", name=EVIL, source=EVIL, zones=1, lines=0),),
            model=ModelInfo(name=EVIL, classes=(EVIL,), input_width=1, input_height=1, layout=EVIL),
            backend=EVIL, device=EVIL, tracker=EVIL, capabilities=(EVIL,),
        )  # fmt: skip
        edge.client.set_state(topics.INFO, edge.path(topics.INFO), encode(evil))
        edge.zones("yard", {"square": replace(SQUARE["square"], name=EVIL)}, {})
        viewer.wait(cameras=1)
        edge.event("yard", "loitering", 1, label=EVIL, zone="square", boot="b")
        for path, place in (("", "#events li"), ("events", "#feed li"), ("system", ".node-card")):
            page = open_page(f"{viewer.url}/{path}")
            page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
            expect(page.locator(place).first).to_contain_text(EVIL)
            assert page.locator("script:not([src]), img[src=x]").count() == 0
        page = open_page(f"{viewer.url}/analytics?camera={EVIL}&range={EVIL}&from={EVIL}", expect_errors=True)
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        expect(page.locator("[data-zone='square'] h2")).to_contain_text(EVIL)
        page = open_page(f"{viewer.url}/events?label={EVIL}&camera={EVIL}&kind={EVIL}", expect_errors=True)
        expect(page.locator("#feed li")).to_have_count(1)


@pytest.mark.parametrize(("name", "options"), LOOKS)
def test_every_page_fits_its_screen_and_can_be_used_by_everybody(
    viewer: ViewerProcess,
    guarded: ViewerProcess,
    open_page: OpenPage,
    accessible: CheckPage,
    artifacts: Path,
    name: str,
    options: dict[str, Any],
) -> None:
    scheme = options["color_scheme"]
    for path, ready in PAGES.items():
        base = guarded.url if path == "login" else viewer.url
        page = open_page(f"{base}/{path}", expect_errors=True, **options)
        ready(page)
        page.screenshot(path=artifacts / f"{path.partition('?')[0]}-{name}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        rows = page.locator(".nav a").evaluate_all("links => new Set(links.map((one) => one.offsetTop)).size")
        assert rows <= (2 if name == "phone" else 1), f"{path}: the navigation takes {rows} rows"
        accessible(page)
        page.close()


@pytest.mark.long
def test_a_picture_is_detected_on_and_a_heatmap_drawn_by_a_real_node(
    own_broker: Any,
    tmp_path: Path,
    start_viewer: StartViewer,
    open_page: OpenPage,
    people_video: Path,
    artifacts: Path,
) -> None:
    command = [sys.executable, "-m", "edge_node", "--source", str(people_video)]
    sets = f"mqtt.url={own_broker.url}", "node=real", "model.threads=1", "model.input_size=256"
    frame = cv2.VideoCapture(str(people_video)).read()[1]
    picture = tmp_path / "photo.png"
    cv2.imwrite(str(picture), cv2.resize(frame, None, fx=2, fy=2))  # too large to be sent as it is
    assert picture.stat().st_size > 700_000
    viewer = start_viewer(own_broker.url)
    arguments = [part for one in sets for part in ("--set", one)]
    node = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        viewer.wait(cameras=1)
        page = open_page(f"{viewer.url}/system", expect_errors=True)
        expect(page.locator("#try-node")).to_contain_text("real")
        page.locator("#try-file").set_input_files(picture)
        page.get_by_role("button", name="Detect").click()
        expect(page.locator("#try-note")).to_contain_text(re.compile(r"Node real sees .*\d+ person"))
        assert int(page.locator("#try-canvas").get_attribute("data-objects") or 0) >= 3
        page.locator("#try-canvas").screenshot(path=artifacts / "detect.png")
        page.goto(f"{viewer.url}/analytics")
        expect(page.locator("#heat-note")).to_contain_text("Most time in one place")
        page.locator("#heat").screenshot(path=artifacts / "heatmap.png")
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#heat-note")).to_contain_text("Most time in one place")
    finally:
        node.terminate()
        node.wait(60)


def _charts_drawn(page: Page) -> None:
    expect(page.locator('[data-zone="square"] text.halo').last).to_be_visible()


def _first_of(selector: str) -> Callable[[Page], None]:
    return partial(_wait_for, selector=selector)


def _wait_for(page: Page, selector: str) -> None:
    expect(page.locator(selector).first).to_be_visible()


PAGES: dict[str, Callable[[Page], None]] = {
    "analytics?range=24h": _charts_drawn,
    "events": _first_of("#feed img"),
    "system": _first_of(".node-card table"),
    "login": _first_of("#password"),
}
