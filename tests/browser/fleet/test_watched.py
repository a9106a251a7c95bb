"""The viewer receives what a page shows, and nothing else."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import OpenPage, StartViewer
from tests.conftest import wait_until
from tests.viewer_server.fake_edge import FakeEdge

CAMERAS = 40


def test_only_cameras_on_the_screen_are_received(
    own_broker: Any, start_viewer: StartViewer, open_page: OpenPage
) -> None:
    viewer = start_viewer(own_broker.url)
    with FakeEdge(own_broker.url) as edge:
        edge.announce(*(f"c{number:02}" for number in range(CAMERAS)))
        viewer.wait(cameras=CAMERAS)
        edge.frame("c00", 1)
        page = open_page(viewer.url, viewport={"width": 1000, "height": 700})
        wait_until(lambda: 0 < viewer.metric("darner_viewer_cameras_watched") < CAMERAS)
        assert viewer.metric("darner_viewer_all_watched") == 0
        edge.frame("c00", 2)
        page.locator('.tile[data-camera="c00"] canvas[data-seq="2"]').wait_for()
        edge.frame(f"c{CAMERAS - 1}", 1)  # far below the screen, as the first one was before the page came
        assert viewer.metric('darner_viewer_messages_total{topic="thumbnail"}') == 1
        page.locator(f'.tile[data-camera="c{CAMERAS - 1}"]').scroll_into_view_if_needed()
        wait_until(lambda: _shows(edge, page, f"c{CAMERAS - 1}"))


def _shows(edge: FakeEdge, page: Any, camera: str) -> bool:
    edge.frame(camera, 2)
    return bool(page.locator(f'.tile[data-camera="{camera}"] canvas[data-seq="2"]').count())
