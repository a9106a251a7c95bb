"""Real Chromium, a viewer process, and pixels read back from the page."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.conftest import unmeasured
from tests.viewer_server.process import ViewerProcess

REPO = Path(__file__).resolve().parents[2]
ARTIFACTS = REPO / "artifacts"

OpenPage = Callable[..., Page]
CheckPage = Callable[[Page], None]
StartViewer = Callable[..., ViewerProcess]


@pytest.fixture(scope="module", autouse=True)
def _not_measured() -> Iterator[None]:
    """Do not measure which lines the programs behind the pages run: `tests/viewer_server` does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(unmeasured()):
            patch.delenv(name)
        yield


@pytest.fixture
def start_viewer(tmp_path: Path) -> Iterator[StartViewer]:
    """Starts viewers, given the broker's URL and settings, that end after all pages have been closed."""
    with ExitStack() as running:
        yield lambda url, *keys: running.enter_context(ViewerProcess(url, tmp_path, *keys))


@pytest.fixture
def open_page(chromium: Browser, start_viewer: StartViewer) -> Iterator[OpenPage]:  # noqa: ARG001 - ends later
    """Opens pages that fail the test when anything is written to the console as an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opened(url: str, *, expect_errors: bool = False, **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        if not expect_errors:
            page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def viewer(own_broker: Any, tmp_path: Path) -> Iterator[ViewerProcess]:
    """A viewer on a broker of this test's own; it receives every frame, also before a page looks."""
    with ViewerProcess(own_broker.url, tmp_path) as process, process.watching():
        yield process


@pytest.fixture
def artifacts() -> Path:
    """Where screenshots are kept."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


@pytest.fixture(scope="session")
def accessible() -> CheckPage:
    """Fails the test with what axe-core (rules for WCAG 2 A and AA, and good practice) finds on a page."""
    script = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()

    def check(page: Page) -> None:
        page.evaluate(script)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        nodes = [(rule["id"], rule["help"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]
        assert nodes == []

    return check
