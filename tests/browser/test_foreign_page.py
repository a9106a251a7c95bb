"""A page of another origin, in a real browser, tries to make a viewer without a login work for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.conftest import OpenPage
from tests.viewer_server.process import ViewerProcess

REFUSED = 'darner_viewer_browsers_turned_away_total{why="foreign"}'
PAGE = """<!doctype html><title>foreign</title>
<img id="picture" src="{viewer}/api/v1/series?node=n&camera=c&zone=z&step_s=300000000">
<img id="icon" src="{viewer}/static/icon.svg">
<link rel="stylesheet" href="{viewer}/static/style.css">
<script src="{viewer}/static/live/main.js"></script>
<iframe src="{viewer}/analytics"></iframe>
<a id="link" href="{viewer}/analytics">to the viewer</a>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder, and the port on which it is served."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])  # another site, and another port of the same
def test_a_foreign_page_can_embed_nothing_and_lead_to_the_viewer(
    viewer: ViewerProcess, open_page: OpenPage, foreign: tuple[Path, int], host: str
) -> None:
    folder, port = foreign
    (folder / "index.html").write_text(PAGE.format(viewer=viewer.url))
    page = open_page("about:blank", expect_errors=True)
    page.goto(f"http://{host}:{port}/index.html")
    assert viewer.metric(REFUSED) == 5
    for name in ("picture", "icon"):
        assert page.evaluate(f"document.getElementById('{name}').naturalWidth") == 0
    page.evaluate(f"fetch('{viewer.url}/api/v1/nodes', {{mode: 'no-cors'}}).catch(() => null)")
    assert viewer.metric(REFUSED) == 6
    page.click("#link")
    page.wait_for_url(f"{viewer.url}/analytics")
    page.wait_for_function("document.title.includes('Darner')")
    assert viewer.metric(REFUSED) == 6, "our own page may ask for everything it needs"
