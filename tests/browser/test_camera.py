"""The page of one camera: reached by its address, held to look at, and drawn as one likes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.pixels import read
from tests.browser.test_page import canvas_of, streaming, wait_drawn
from tests.viewer_server.fake_edge import FakeEdge, box_of
from tests.viewer_server.process import ViewerProcess


@pytest.fixture
def edge(own_broker: Any) -> Iterator[FakeEdge]:
    with FakeEdge(own_broker.url) as node:
        yield node


def test_an_address_leads_to_one_camera_and_only_that_is_sent(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard", "door")
    page = open_page(viewer.url)
    page.get_by_role("link", name="door", exact=True).click()
    expect(page).to_have_title("door · Darner")
    expect(page.locator(".tile:visible h2")).to_have_text("door")
    with streaming(edge, "yard", "door", fps=15):
        page.wait_for_function("() => document.querySelector('.solo canvas').dataset.seq > 5")
        before = viewer.metric("darner_viewer_frames_sent_total")
        joined = viewer.metric("darner_viewer_frames_joined_total")
        time.sleep(1.5)
        sent = viewer.metric("darner_viewer_frames_sent_total") - before
        assert sent <= (viewer.metric("darner_viewer_frames_joined_total") - joined) * 0.6
        page.go_back()
        expect(page.locator(".tile:visible")).to_have_count(2)
        page.wait_for_function(
            "() => [...document.querySelectorAll('canvas')].every((canvas) => canvas.dataset.seq > 30)"
        )
    page.goto(f"{viewer.url}/#/camera/test/nowhere")
    expect(page.locator("#missing")).to_have_text("There is no camera nowhere on a node test now.")
    page.get_by_role("link", name="All cameras").click()
    expect(page.locator(".tile:visible")).to_have_count(2)


def test_a_held_frame_stays_and_tells_of_its_tracks(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage, artifacts: Path, accessible: CheckPage
) -> None:
    edge.announce("yard")
    viewer.wait(cameras=1)
    edge.event("yard", "zone_entered", 3, zone="square")
    page = open_page(f"{viewer.url}/#/camera/test/yard", viewport={"width": 1280, "height": 900})
    canvas = page.locator(canvas_of("yard"))
    canvas.wait_for()
    edge.frame("yard", 7)
    wait_drawn(page, "yard", 7)
    x1, y1, x2, y2 = box_of(7)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + (x1 + x2) / 2 * box["width"], box["y"] + (y1 + y2) / 2 * box["height"])
    inspect = page.locator("#inspect")
    expect(inspect.get_by_role("heading")).to_have_text("person 3 · main")
    expect(inspect).to_contain_text("Duration4.2 s")
    expect(inspect).to_contain_text(re.compile(r"First seen\d\d:\d\d:\d\d"))
    expect(inspect).to_contain_text("1.0 % of the picture's width per s")
    expect(inspect).to_contain_text(re.compile(r"Zonessquare \(\d\d:"))
    with streaming(edge, "yard"):
        time.sleep(0.7)
    assert read(canvas).seq == 7  # held, and what was missed costs nobody anything
    expect(page.locator(".notice")).to_contain_text("Paused at")
    accessible(page)
    page.screenshot(path=artifacts / "inspect.png", full_page=True)
    page.get_by_role("button", name="Back to live").click()
    expect(inspect).to_be_hidden()
    edge.frame("yard", 900)
    wait_drawn(page, "yard", 900)


def test_what_is_drawn_over_the_picture_is_chosen_and_remembered(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(f"{viewer.url}/#/camera/test/yard")
    canvas = page.locator(canvas_of("yard"))
    canvas.wait_for()
    for seq in (5, 6, 7):
        edge.frame("yard", seq)
        wait_drawn(page, "yard", seq)
    with_all = read(canvas).image
    for name in ("Labels", "Trails", "Boxes"):
        page.get_by_role("checkbox", name=name).uncheck()
    bare = read(canvas).image
    assert (with_all != bare).any(axis=2).mean() > 0.005
    page.reload()
    expect(page.get_by_role("checkbox", name="Trails")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Zones")).to_be_checked()
    edge.frame("yard", 8)
    wait_drawn(page, "yard", 8)
    page.get_by_role("checkbox", name="Boxes").check()
    assert read(canvas).seq == 8


def test_losses_rates_and_the_last_picture_are_told(
    viewer: ViewerProcess, edge: FakeEdge, open_page: OpenPage
) -> None:
    edge.announce("yard")
    page = open_page(f"{viewer.url}/#/camera/test/yard")
    with streaming(edge, "yard", fps=10):
        facts = page.locator(".tile dl")
        expect(facts).to_contain_text("Dropped0 (0.0 %)")
        expect(facts).to_contain_text(re.compile(r"Last seen\d\d:\d\d:\d\d"))
        expect(facts).to_contain_text(re.compile(r"Age\d+ ms"))
