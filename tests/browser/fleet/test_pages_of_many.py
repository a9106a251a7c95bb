"""More cameras than fit onto a page: names first, pages, a search, and details of what is shown alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from shared.wire import topics
from shared.wire.messages import ZoneDefinition, encode
from tests.browser.conftest import CheckPage, OpenPage, StartViewer
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.live.test_paths import track
from tests.viewer_server.process import ViewerProcess

MANY = 130
"""Cameras of one node: three pages of the live page, and more than a choice offers."""
ZONE = {"gate": ZoneDefinition(polygon=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))}

LONGER_PAUSES = """() => {
  const real = setTimeout;
  window.setTimeout = (then, ms) => real(then, ms === 250 ? 3000 : ms);
}"""
"""The page says what it shows, and then no more for 250 ms, in which a slow machine does nothing else."""


@pytest.fixture
def fleet(viewer: ViewerProcess, own_broker: Any) -> Iterator[ViewerProcess]:
    """A viewer that knows a node with many cameras."""
    with FakeEdge(own_broker.url) as edge:
        edge.announce(*(f"c{number:03}" for number in range(MANY)), name="Harbour")
        edge.zones("c129", ZONE, {})
        edge.zone("c129", "gate", occupancy=7)
        viewer.wait(cameras=MANY)
        yield viewer


def test_many_cameras_are_shown_page_by_page_and_found_by_name(
    fleet: ViewerProcess, open_page: OpenPage, accessible: CheckPage, artifacts: Path
) -> None:
    page = open_page(fleet.url, viewport={"width": 1280, "height": 900})
    tiles, pager = page.locator(".tile"), page.locator("#pager")
    expect(pager).to_contain_text("1 to 48 of 130 cameras")
    expect(tiles).to_have_count(48)
    expect(page.locator("#zones .zone")).to_have_count(0)  # the zone is on another page
    accessible(page)
    page.screenshot(path=artifacts / "fleet.png")
    page.get_by_role("button", name="Next").click()
    expect(pager).to_contain_text("49 to 96 of 130 cameras")
    expect(tiles.first).to_have_attribute("data-camera", "c048")
    page.get_by_role("searchbox", name="Find cameras").fill("harbour C12 streaming")
    expect(pager).to_contain_text("10 found")
    expect(tiles).to_have_count(10)
    expect(page.locator("#zones .zone")).to_contain_text("7inside")
    assert page.url.endswith("?find=harbour+C12+streaming")
    page.reload()
    expect(tiles).to_have_count(10)
    page.get_by_role("searchbox", name="Find cameras").fill("nowhere")
    expect(page.locator("#none")).to_be_visible()
    page.goto(f"{fleet.url}/#/camera/test/c129")  # an address leads to a camera of any page
    expect(page.locator(".tile:visible .state")).to_have_text("streaming")
    expect(page.locator("#zones .zone")).to_contain_text("7inside")


def test_a_choice_among_many_cameras_offers_those_that_are_searched_for(
    fleet: ViewerProcess, open_page: OpenPage, accessible: CheckPage
) -> None:
    page = open_page(f"{fleet.url}/analytics?camera=test%2Fc129")
    choice = page.locator("#camera")
    expect(choice).to_have_value("test/c129")  # though it is not among the first hundred
    expect(page.locator('[data-zone="gate"]')).to_be_visible()
    expect(choice.locator("option")).to_have_count(101)
    page.get_by_role("searchbox", name="Find").fill("c05")
    expect(choice.locator("option")).to_have_count(11)
    accessible(page)
    choice.select_option("test/c051")
    expect(page.locator("#note")).to_contain_text("No zone or line is defined on this camera")


def test_a_page_that_is_left_and_come_back_to_in_a_moment_has_its_details(
    fleet: ViewerProcess, open_page: OpenPage
) -> None:
    page = open_page(fleet.url)
    streaming = page.locator(".tile .state", has_text="streaming")
    expect(streaming).to_have_count(48)
    page.evaluate(LONGER_PAUSES)
    before, after = (page.get_by_role("button", name=name) for name in ("Previous", "Next"))
    after.click()
    expect(page.locator("#pager")).to_contain_text("49 to 96")
    expect(streaming).to_have_count(48)
    after.click()
    before.click()
    expect(page.locator("#pager")).to_contain_text("49 to 96")
    expect(streaming).to_have_count(48)


def test_without_a_history_analytics_shows_no_empty_charts(
    own_broker: Any, start_viewer: StartViewer, open_page: OpenPage, accessible: CheckPage
) -> None:
    viewer = start_viewer(own_broker.url, "history.path=null")
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        edge.zones("yard", ZONE, {})
        viewer.wait(cameras=1)
        edge.client.publish(
            topics.TRACK, edge.path(topics.TRACK, camera="yard"), encode(track(1, node=edge.node))
        )
        page = open_page(f"{viewer.url}/analytics", expect_errors=True)  # 503, which Chromium logs
        expect(page.locator("#note")).to_contain_text("keeps no history")
        expect(page.locator('[data-zone="gate"]')).to_be_attached()
        expect(page.locator('[data-zone="gate"]')).to_be_hidden()
        expect(page.locator("#paths")).to_be_visible(timeout=15_000)
        accessible(page)
