"""Where the network looks: drawn over the pictures, and counted on the system page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page, expect

from shared.wire import topics
from shared.wire.messages import encode, now_us
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.pixels import read
from tests.browser.test_live import RealNode
from tests.browser.test_page import canvas_of, wait_drawn
from tests.browser.test_pages import DESKTOP, LOOKS
from tests.viewer_server.fake_edge import FakeEdge, Region, detections_of
from tests.viewer_server.process import ViewerProcess

OPTION = "Where the network looks"
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
LEFT: Region = (0.1, 0.62, 0.3, 0.97)
RIGHT: Region = (0.55, 0.62, 0.75, 0.97)


@pytest.fixture
def edge(own_broker: Any) -> Iterator[FakeEdge]:
    with FakeEdge(own_broker.url) as node:
        node.announce("yard")
        yield node


def opened(open_page: OpenPage, viewer: ViewerProcess, **options: Any) -> Page:
    viewer.wait(cameras=1)
    page = open_page(f"{viewer.url}/#/camera/test/yard", **options)
    page.locator(canvas_of("yard")).wait_for()
    return page


class Film:
    """Frames of the camera "yard", with times of their own."""

    def __init__(self, edge: FakeEdge, page: Page) -> None:
        self._edge, self._page = edge, page
        self._seq, self._begin_us = 0, now_us() - 10_000_000

    def at(self, second: float, *looked: Region) -> npt.NDArray[np.uint8]:
        """What is on the canvas once the frame of a second is drawn."""
        self._seq += 1
        self._edge.picture("yard", self._seq)
        captured_us = self._begin_us + round(second * 1e6)
        self._edge.detections("yard", self._seq, looked=looked, captured_us=captured_us)
        wait_drawn(self._page, "yard", self._seq)
        return read(self._page.locator(canvas_of("yard"))).image


def edge_of(image: npt.NDArray[np.uint8], region: Region) -> float:
    """How bright the lower edge of a region is drawn, between its corners; the picture there is dark grey."""
    height, width = image.shape[:2]
    x1, _, x2, y2 = region
    row = round(y2 * height)
    strip = image[row - 6 : row, round((x1 + 0.02) * width) : round((x2 - 0.02) * width)]
    return float(strip.mean(axis=(1, 2)).max())


def test_where_the_network_looks_is_shown_on_wish_and_fades(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    page = opened(open_page, viewer, **DESKTOP)
    option = page.get_by_role("checkbox", name=OPTION)
    film = Film(edge, page)
    bare = film.at(0.0)
    expect(option).to_be_hidden()  # the node has said nothing yet
    film.at(0.1, WHOLE, LEFT)
    expect(option).to_be_visible()
    expect(option).not_to_be_checked()
    assert edge_of(film.at(0.2, LEFT), LEFT) == pytest.approx(edge_of(bare, LEFT), abs=3)
    option.check()
    fresh = film.at(0.3, LEFT)
    assert edge_of(fresh, WHOLE) > edge_of(bare, WHOLE) + 60, "of the frame before last"
    assert edge_of(fresh, LEFT) > edge_of(bare, LEFT) + 100
    later = film.at(0.8, RIGHT)
    assert edge_of(bare, LEFT) + 30 < edge_of(later, LEFT) < edge_of(fresh, LEFT) - 30
    assert edge_of(later, RIGHT) > edge_of(bare, RIGHT) + 100
    gone = film.at(1.35)
    assert edge_of(gone, LEFT) == pytest.approx(edge_of(bare, LEFT), abs=3)
    assert edge_of(gone, WHOLE) == pytest.approx(edge_of(bare, WHOLE), abs=3)
    assert edge_of(film.at(0.5), RIGHT) == pytest.approx(edge_of(bare, RIGHT), abs=3), "a film begins again"
    page.reload()
    film.at(2.0, LEFT)
    expect(option).to_be_checked()
    edge.session = "s2"  # the node starts again, without tiles
    film.at(3.0)
    expect(option).to_be_hidden()


def test_an_older_node_that_does_not_say_where_it_looks_is_shown_as_ever(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    page = opened(open_page, viewer)
    message = json.loads(encode(detections_of(5, "test", "s1", "yard")))
    del message["looked"]
    edge.picture("yard", 5)
    path = edge.path(topics.DETECTIONS, camera="yard")
    edge.client.publish(topics.DETECTIONS, path, json.dumps(message).encode())
    wait_drawn(page, "yard", 5)
    expect(page.get_by_role("checkbox", name="What is ignored")).to_be_visible()
    expect(page.get_by_role("checkbox", name=OPTION)).to_be_hidden()
    edge.metrics("yard", {})
    page.goto(f"{viewer.url}/system")
    expect(page.get_by_role("region", name="Cameras")).to_contain_text("none")
    expect(page.get_by_role("columnheader", name="Looks per s")).to_have_count(0)


@pytest.mark.parametrize(("name", "options"), LOOKS[:2])
def test_looks_are_counted_by_purpose_and_both_pages_can_be_used_by_everybody(
    viewer: ViewerProcess,
    edge: FakeEdge,
    open_page: OpenPage,
    accessible: CheckPage,
    artifacts: Path,
    name: str,
    options: dict[str, Any],
) -> None:
    page = opened(open_page, viewer, **options)
    film = Film(edge, page)
    film.at(0.0, WHOLE, LEFT)
    page.get_by_role("checkbox", name=OPTION).check()
    for step in range(1, 9):
        moved = tuple(round(side + 0.02 * step * (1 - i % 2), 3) for i, side in enumerate(LEFT))
        film.at(step / 10, (moved[0], moved[1], moved[2], moved[3]), RIGHT)
    accessible(page)
    scheme = options["color_scheme"]
    page.screenshot(path=artifacts / f"looks-{name}-{scheme}.png", full_page=True)
    begin_us = now_us() - 5_000_000
    edge.metrics("yard", {}, looks={"whole": 20, "track": 70}, published_us=begin_us)
    page.goto(f"{viewer.url}/system")
    table = page.get_by_role("region", name="Cameras")
    expect(table.get_by_role("row").last).to_contain_text("…")  # one report gives no rate
    counts = {"whole": 30, "track": 170, "sweep": 5}
    edge.metrics("yard", {}, looks=counts, published_us=begin_us + 5_000_000)
    expect(table).to_contain_text("23.0 (track 20.0, whole 2.0, sweep 1.0)")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=artifacts / f"looks-system-{name}-{scheme}.png", full_page=True)


@pytest.mark.long
def test_a_real_node_with_a_budget_shows_where_it_looks(
    own_broker: Any,
    viewer: ViewerProcess,
    people_video: Path,
    tmp_path: Path,
    open_page: OpenPage,
    artifacts: Path,
) -> None:
    node = RealNode(own_broker.url, people_video, tmp_path, tiles={"runs": 3})
    node.start()
    try:
        page = open_page(f"{viewer.url}/#/camera/test/yard", **DESKTOP)
        page.set_default_timeout(60_000)
        option = page.get_by_role("checkbox", name=OPTION)
        option.wait_for()
        page.get_by_role("button", name="Pause").click()
        canvas = page.locator(canvas_of("yard"))
        without = read(canvas).image
        option.check()
        page.screenshot(path=artifacts / "looks-real.png")
        changed = (read(canvas).image != without).any(axis=2).mean()
        assert 0.001 < changed < 0.2, "thin rectangles"
        page.goto(f"{viewer.url}/system")
        expect(page.get_by_role("columnheader", name="Looks per s")).to_be_visible(timeout=30_000)
    finally:
        node.stop()
