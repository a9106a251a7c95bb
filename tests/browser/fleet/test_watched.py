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
        near, far = _Sent(edge, page, "c00"), _Sent(edge, page, f"c{CAMERAS - 1}")
        wait_until(near.is_shown)
        edge.frame(far.camera, 1)  # far below the screen, as the first one was before the page came
        assert 1 <= viewer.metric('darner_viewer_messages_total{topic="thumbnail"}') <= near.count
        page.locator(f'.tile[data-camera="{far.camera}"]').scroll_into_view_if_needed()
        wait_until(far.is_shown)


class _Sent:
    """Frames of a camera: nobody else can say when the viewer's subscription has reached the broker."""

    def __init__(self, edge: FakeEdge, page: Any, camera: str) -> None:
        self._edge, self._page, self.camera = edge, page, camera
        self.count = 0

    def is_shown(self) -> bool:
        """Send another one; whether the page shows one by now."""
        self.count += 1
        self._edge.frame(self.camera, 1 + self.count)
        canvas = self._page.locator(f'.tile[data-camera="{self.camera}"] canvas')
        return int(canvas.get_attribute("data-seq") or 0) > 1
