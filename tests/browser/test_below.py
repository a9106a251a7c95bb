"""Every page below a path of a proxy: nginx with its example, and Home Assistant's ingress."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Frame, Page, expect
from werkzeug.security import generate_password_hash

from shared.wire import topics
from shared.wire.messages import encode
from tests.browser.conftest import OpenPage
from tests.browser.ingress import PATH, ingress
from tests.browser.lived import Past
from tests.browser.test_pages import GATE, PASSWORD, SQUARE, log_in
from tests.conftest import Mosquitto, free_port
from tests.proxies import nginx, running
from tests.viewer_server.api.test_routes import metrics
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.process import ViewerProcess

PREFIX = "below/v1"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    with Past(tmp_path_factory.mktemp("past") / "h.db") as made:
        made.days(1, per_hour=3)
        for event in made.events[-9:]:
            if event.track_id:
                made.snapshot(event.track_id)
    return made


@pytest.fixture(scope="module")
def proxy_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def viewer(
    broker: Mosquitto, past: Past, proxy_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    hashed = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")
    keys = (
        f"history.path={past.path}",
        f"mqtt.prefix={PREFIX}",
        f"http.password_hash={hashed}",
        f'http.allowed_origins=["https://127.0.0.1:{proxy_port}"]',
        "http.trusted_proxies=[127.0.0.1]",
    )
    with (
        FakeEdge(broker.url, prefix=PREFIX) as edge,
        ViewerProcess(broker.url, tmp_path_factory.mktemp("viewer"), *keys) as process,
    ):
        edge.announce("yard")
        edge.zones("yard", SQUARE, GATE)
        process.wait(broker_connected=True, cameras=1)
        edge.frame("yard", 20)
        edge.client.publish(topics.METRICS, edge.path(topics.METRICS), encode(metrics(edge)))
        yield process


@pytest.fixture(scope="module")
def site(viewer: ViewerProcess, proxy_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The viewer's address behind nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    with running(nginx(folder, viewer.port, proxy_port, "/darner"), folder, proxy_port):
        yield f"https://127.0.0.1:{proxy_port}/darner"


def visit_everything(page: Page | Frame, below: str) -> None:
    """Each page shows what it has, from the live page on."""
    expect(page.get_by_role("status").first).to_have_text("Live")
    expect(page.locator("#cameras canvas").first).to_be_visible()
    expect(page.locator("#cameras")).to_contain_text("yard")
    page.get_by_role("link", name="Analytics").click()
    expect(page.locator('[data-zone="gate"]')).to_have_attribute("data-entered", re.compile(r"\d+"))
    page.get_by_role("link", name="Events").click()
    picture = page.locator("#feed img").first
    expect(picture).to_be_visible()
    picture.evaluate("(image) => image.decode()")  # fails where it is no picture
    for name in ("CSV", "JSON"):
        href = page.get_by_role("link", name=name, exact=True).evaluate("(link) => link.href")
        assert f"{below}/api/v1/events." in href
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("region", name="Node test")).to_contain_text("online")
    served = page.evaluate("fetch('api/v1/openapi.json').then((answer) => answer.json())")["servers"]
    assert served == [{"url": below}]


def test_every_page_works_below_a_path_of_nginx(site: str, proxy_port: int, open_page: OpenPage) -> None:
    page = open_page(f"{site}/events", expect_errors=True, ignore_https_errors=True)
    strays: list[str] = []

    def note(url: str) -> None:
        if f"://127.0.0.1:{proxy_port}/darner/" not in url:
            strays.append(url)

    page.on("request", lambda request: note(request.url))
    page.on("websocket", lambda socket: note(socket.url))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    expect(page).to_have_url(f"{site}/login?next=/events")
    log_in(page, PASSWORD)
    expect(page).to_have_url(f"{site}/events")
    page.get_by_role("link", name="Live").click()
    expect(page).to_have_url(f"{site}/")
    visit_everything(page, "/darner")
    page.get_by_role("link", name="Darner").click()
    expect(page).to_have_url(f"{site}/")
    other = page.context.new_page()
    other.goto(f"{site}/system")
    expect(other.get_by_role("heading", name="System")).to_be_visible()
    other.get_by_role("button", name="Log out").click()
    expect(other).to_have_url(f"{site}/login")
    expect(page).to_have_url(f"{site}/login")  # its websocket was closed, and it asked
    assert (strays, errors) == ([], [])


def test_a_script_sends_to_the_login_and_back_below_the_path(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}/login", expect_errors=True, ignore_https_errors=True)
    log_in(page, PASSWORD)
    page.goto(f"{site}/events")
    expect(page.locator("#feed li").first).to_be_visible()
    page.context.clear_cookies()
    expect(page).to_have_url(f"{site}/login?next=%2Fevents")
    log_in(page, PASSWORD)
    expect(page).to_have_url(f"{site}/events")


def test_two_paths_of_one_host_have_logins_of_their_own(viewer: ViewerProcess, open_page: OpenPage) -> None:
    """As two viewers have on two machines behind one proxy, whose cookies have one name."""
    with ingress(viewer.port) as home:
        page = open_page(f"{home}{PATH}/login", expect_errors=True)
        log_in(page, PASSWORD)
        expect(page).to_have_url(f"{home}{PATH}/")
        [cookie] = page.context.cookies()
        assert cookie["path"] == PATH
        assert page.context.cookies(f"{home}/somewhere/else/") == []


@pytest.mark.long
def test_home_assistant_shows_the_viewer_in_a_frame(viewer: ViewerProcess, open_page: OpenPage) -> None:
    with ingress(viewer.port) as home:
        page = open_page(home, expect_errors=True)
        frame = page.frames[1]
        frame.get_by_label("Password").fill(PASSWORD)
        frame.get_by_role("button", name="Log in").click()
        visit_everything(frame, PATH)
