"""The site that `make site` builds has every page, leads nowhere wrong, and loads nothing from elsewhere."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Browser, Request

from tests.conftest import REPO
from tests.docs.pages import DOCS

GENERATOR = REPO / ".cache" / "site" / "bin" / "zensical"
LISTED = re.findall(r'= "([\w/-]+\.md)"', (REPO / "zensical.toml").read_text())
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""What a browser fetches by itself. A link of the kind "canonical" is not fetched."""


def test_the_navigation_lists_every_page_once() -> None:
    assert sorted(LISTED) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if not GENERATOR.exists():
        pytest.skip("the site's generator is not installed: make site")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(REPO / "zensical.toml", folder)
    done = subprocess.run([GENERATOR, "build", "--strict"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class Read(HTMLParser):
    """What one page of the site loads, where it leads, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if identity := found.get("id"):
            self.anchors.add(identity)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif LOADS.get(tag) in found and found.get("rel") != "canonical":
            self.loads.append(found[LOADS[tag]])


def test_every_page_of_the_navigation_is_built(site: Path) -> None:
    missing = [page for page in LISTED if not (site / page).with_suffix(".html").exists()]
    assert not missing


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        elsewhere = [url for url in Read(page).loads if re.match(r"(\w+:)?//", url)]
        assert not elsewhere, page
    for sheet in site.rglob("*.css"):
        elsewhere = re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]+", sheet.read_text())
        assert not elsewhere, sheet


def test_every_link_of_the_site_leads_to_a_file_and_an_anchor(site: Path) -> None:
    read = {page: Read(page) for page in site.rglob("*.html") if page.name != "404.html"}
    for page, content in read.items():
        for link in content.links:
            path, fragment = urldefrag(link)
            if re.match(r"\w+:", path):
                continue
            target = (page.parent / unquote(path)).resolve() if path else page
            assert target.exists(), f"{page.relative_to(site)}: {link}"
            if fragment and target in read:
                assert unquote(fragment) in read[target].anchors, f"{page.relative_to(site)}: {link}"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("path", ["index.html", "concepts/delivery.html", "reference/wire.html"])
def test_a_browser_asks_nobody_else_for_anything(chromium: Browser, address: str, path: str) -> None:
    asked: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page = chromium.new_page()
    page.on("request", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address + path, wait_until="networkidle")
    assert page.locator("h1").count() == 1
    page.close()
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not errors
