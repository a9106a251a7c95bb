"""examples/fleet/haproxy.cfg with a real haproxy: two live viewers and one archive viewer look like one."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.security import generate_password_hash

from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port, wait_until
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.process import ViewerProcess
from viewer_server.access.key_file import make_key

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed: sudo apt install haproxy")
PASSWORD = "correct horse"
NAMES = ("live1", "live2", "archive")


@dataclass
class Site:
    """What runs, behind one port."""

    port: int
    viewers: dict[str, ViewerProcess]
    broker: MosquittoProcess
    edge: FakeEdge

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pages(self) -> dict[str, int]:
        """How many live pages each viewer has that runs."""
        return {name: one.health()["browsers"] for name, one in self.viewers.items() if runs(one)}

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, body and the cookies of an answer through haproxy."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Origin": self.url} | sent)
            answer = connection.getresponse()
            cookies = [one.partition(";")[0] for one in answer.headers.get_all("Set-Cookie", [])]
            return answer.status, answer.read().decode(), "; ".join(cookies)

    def log_in(self, password: str = PASSWORD, **headers: str) -> tuple[int, str, str]:
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/login", urlencode({"password": password}), **form, **headers)


def runs(viewer: ViewerProcess) -> bool:
    return viewer.process.poll() is None


def kill(viewer: ViewerProcess) -> None:
    """Both of its processes at once, as when its machine loses power."""
    process = psutil.Process(viewer.process.pid)
    for one in (process, *process.children(recursive=True)):
        one.send_signal(signal.SIGKILL)
    viewer.process.wait(10)
    assert viewer.process.stdout is not None
    viewer.process.stdout.close()


@pytest.fixture
def site(own_broker: MosquittoProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    (tmp_path / "viewer.hash").write_text(generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"))
    make_key(tmp_path / "viewer.key")
    shared = (
        f"http.password_file={tmp_path / 'viewer.hash'}",
        f"http.key_file={tmp_path / 'viewer.key'}",
        "http.trusted_proxies=[127.0.0.1]",
    )
    example, port = (REPO / "examples/fleet/haproxy.cfg").read_text(), free_port()
    with ExitStack() as stack:
        edge = stack.enter_context(FakeEdge(own_broker.url))
        viewers: dict[str, ViewerProcess] = {}
        for name in NAMES:
            folder = tmp_path / name
            folder.mkdir()
            monkeypatch.setenv("DARNER_STATE", str(folder / "state"))  # as on machines of their own
            history = f"history.path={folder / 'h.db' if name == 'archive' else 'null'}"
            viewers[name] = stack.enter_context(ViewerProcess(own_broker.url, folder, history, *shared))
            example = example.replace(f" {name}:8080", f" 127.0.0.1:{viewers[name].port}")
        config = tmp_path / "haproxy.cfg"
        config.write_text(example.replace("bind :8080", f"bind 127.0.0.1:{port}"))
        with (tmp_path / "haproxy.log").open("wb") as log:
            haproxy = subprocess.Popen([str(HAPROXY), "-db", "-f", config], stdout=log, stderr=log)
        stack.callback(haproxy.wait, 10)
        stack.callback(haproxy.kill)
        wait_for_port(port)
        for one in viewers.values():
            one.wait(broker_connected=True)
        edge.announce("yard")
        yield Site(port, viewers, own_broker, edge)


def logged_in(site: Site, chromium: Browser) -> Page:
    page = chromium.new_context().new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{site.url}/login")
    page.fill("input[type=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{site.url}/")
    return page


def serving(site: Site) -> str:
    """The live viewer that has the page."""
    wait_until(lambda: sorted(site.pages().values()) == [*[0] * (len(site.pages()) - 1), 1])
    return next(name for name, count in site.pages().items() if count)


def test_a_page_outlives_its_viewer_without_a_new_login(site: Site, chromium: Browser) -> None:
    page = logged_in(site, chromium)
    camera = page.locator('[data-camera="test/yard"], [data-camera="yard"]').first
    expect(camera).to_be_visible()
    first = serving(site)
    assert first in ("live1", "live2")
    kill(site.viewers[first])
    begin = time.monotonic()
    second = serving(site)
    print(f"the page was back after {time.monotonic() - begin:.1f} s")
    assert second in {"live1", "live2"} - {first}
    expect(camera).to_be_visible()
    assert page.url == f"{site.url}/"
    page.reload()
    assert page.url == f"{site.url}/", "no login is asked for"
    assert serving(site) == second
    page.context.close()


def test_events_and_analytics_come_from_the_archive(site: Site, chromium: Browser) -> None:
    site.edge.event("yard", "zone_entered", 1, zone="door", boot="b")
    page = logged_in(site, chromium)
    page.goto(f"{site.url}/events")
    expect(page.locator("#feed li")).to_have_count(1)
    page.goto(f"{site.url}/analytics")
    expect(page.locator('[data-zone="door"]')).to_have_attribute("data-entered", "1")
    kill(site.viewers["archive"])
    wait_until(
        lambda: "this viewer keeps no history" in site.ask("GET", "/api/v1/events", Cookie=cookie_of(page))[1]
    )
    page.goto(f"{site.url}/events")
    expect(page.locator("#note")).to_contain_text("this viewer keeps no history")
    page.context.close()


def cookie_of(page: Page) -> str:
    return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())


def test_a_logout_closes_all_windows_of_the_browser(site: Site, chromium: Browser) -> None:
    page = logged_in(site, chromium)
    window = page.context.new_page()
    window.goto(site.url)
    wait_until(lambda: 2 in site.pages().values())
    page.click("text=Log out")
    wait_until(lambda: sum(site.pages().values()) == 0)
    page.goto(f"{site.url}/events")
    assert "/login" in page.url
    page.context.close()


def test_guesses_of_one_address_are_counted_by_one_viewer(site: Site) -> None:
    codes = [site.log_in(f"guess {number}", X_Forwarded_For=f"192.0.2.{number}")[0] for number in range(8)]
    assert codes == [401] * 5 + [429] * 3, "nor does an address help that the browser invents"
    form = {
        "Content_Type": "application/x-www-form-urlencoded",
    }
    for number in (1, 2):
        form["Cookie"] = f"darner_viewer=live{number}"
        code = site.ask("POST", "/%6Cogin", "password=guess", **form)[0]
        assert code == 429, "nor does another spelling of the path"


def test_pages_open_and_say_so_while_no_viewer_has_its_broker(site: Site) -> None:
    cookie = site.log_in()[2]
    site.edge.event("yard", "zone_entered", 1, zone="door", boot="b")
    wait_until(lambda: '"event_id"' in site.ask("GET", "/api/v1/events", Cookie=cookie)[1])
    site.broker.kill()
    for one in site.viewers.values():
        one.wait(broker_connected=False)
    wait_until(lambda: site.ask("GET", "/", Cookie=cookie)[0] == 200)
    assert site.log_in()[0] == 303
    assert '"event_id"' in site.ask("GET", "/api/v1/events", Cookie=cookie)[1], "what is stored can be read"


def test_a_browser_cannot_say_that_it_came_over_tls(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), 10) as raw:
        body = urlencode({"password": PASSWORD})
        raw.sendall(
            f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nOrigin: {site.url}\r\n"
            "X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /elsewhere\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        answer = b"".join(iter(lambda: raw.recv(65_536), b"")).decode()
    assert answer.startswith("HTTP/1.1 303")
    assert re.search(r"(?i)^set-cookie: darner_[0-9a-f]{8}=.*Path=/;?.*$", answer, re.MULTILINE)
    assert "Secure" not in answer
