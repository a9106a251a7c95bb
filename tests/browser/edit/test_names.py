"""Names for people are given in the editor and shown on every page; topics keep their identifiers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from shared.wire.messages import CameraInfo, LineDefinition, ZoneDefinition
from tests.browser.answering import AnsweringEdge
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.edit.editing import button, click, open_camera, save
from tests.browser.test_page import wait_drawn
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.process import ViewerProcess

HEBREW = "דלת כניסה"
GERMAN = "Haustür 🏡"
SHOP = "金物店 Müller"
SQUARE = ZoneDefinition(polygon=((0.1, 0.5), (0.6, 0.45), (0.7, 0.95), (0.05, 0.9)))
GATE = LineDefinition(points=((0.75, 0.95), (0.85, 0.2)))


def yard(name: str | None) -> dict[str, CameraInfo]:
    return {"yard": CameraInfo(camera="yard", name=name, source="test", zones=1, lines=1)}


def named(edge: FakeEdge, version: int = 1, zone: str | None = HEBREW) -> None:
    edge.zones("yard", {"square": replace(SQUARE, name=zone)}, {"gate": GATE}, version=version)


def test_every_page_shows_what_people_call_things(
    viewer: ViewerProcess, own_broker: Any, open_page: OpenPage, artifacts: Path, accessible: CheckPage
) -> None:
    with FakeEdge(own_broker.url) as edge:
        edge.announce("yard", name=SHOP, told=yard(GERMAN))
        named(edge)
        viewer.wait(cameras=1)
        edge.zone("yard", "square", occupancy=3)
        edge.event("yard", "zone_entered", 1, zone="square", boot="b")
        edge.frame("yard", 20)
        page = open_page(viewer.url)
        wait_drawn(page, "yard", 20)
        tile = page.get_by_role("article", name=f"Camera {GERMAN}")
        expect(tile.get_by_role("heading")).to_have_text(GERMAN)
        expect(tile.locator("header")).to_contain_text(SHOP)
        expect(page.locator("[data-zone=square] .name")).to_have_text(HEBREW)
        expect(page.locator("[data-zone=square] bdi")).to_have_attribute("title", "square")
        expect(page.locator("#events strong").first).to_have_text(HEBREW)
        page.screenshot(path=artifacts / "names-live.png", full_page=True)
        edge.announce("yard", name=SHOP, told=yard("Hof"))  # a reload has renamed it
        named(edge, 2, None)
        expect(page.get_by_role("article", name="Camera Hof").get_by_role("heading")).to_have_text("Hof")
        expect(page.locator("[data-zone=square] .name")).to_have_text("square")
        expect(page.locator("#events strong").first).to_have_text("square")
        edge.announce("yard", name=SHOP, told=yard(GERMAN))
        named(edge, 3)
        page.goto(f"{viewer.url}/#/camera/test/yard")
        expect(page).to_have_title(f"\u2068{GERMAN}\u2069 · Darner")
        page.set_viewport_size({"width": 400, "height": 850})
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=artifacts / "names-live-phone.png", full_page=True)
        look_at_the_other_pages(page, viewer.url, edge, artifacts)
        accessible(page)


def look_at_the_other_pages(page: Page, url: str, edge: FakeEdge, artifacts: Path) -> None:
    page.goto(f"{url}/events")
    item = page.locator("#feed li").first
    expect(item.locator("strong")).to_have_text(HEBREW)
    expect(item).to_contain_text(f"{GERMAN} · {SHOP}")
    page.get_by_label("Zone or line").select_option(label=f"\u2068{HEBREW}\u2069")
    expect(page).to_have_url(re.compile(r"zone=square"))
    page.screenshot(path=artifacts / "names-events-phone.png", full_page=True)
    page.goto(f"{url}/analytics")
    panel = page.get_by_role("region", name=f"zone {HEBREW}")
    expect(panel.get_by_role("heading").first).to_contain_text(f"{HEBREW} square, zone")
    expect(page.get_by_label("Camera")).to_have_value("test/yard")
    page.screenshot(path=artifacts / "names-analytics-phone.png", full_page=True)
    edge.metrics("yard", {})
    page.goto(f"{url}/system")
    card = page.get_by_role("region", name=f"Node {SHOP}")
    expect(card.get_by_role("heading")).to_have_text(f"{SHOP} test")
    expect(card.get_by_role("row", name=f"{GERMAN} yard")).to_be_visible()
    expect(page.locator("#try-node")).to_have_value("test")
    page.screenshot(path=artifacts / "names-system-phone.png", full_page=True)


def name_of(page: Page) -> Any:
    return page.get_by_label("Name", exact=True)


def test_the_editor_gives_changes_and_takes_names(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage, artifacts: Path
) -> None:
    edge.begin({"square": SQUARE})
    page = open_camera(open_page, viewer, edge)
    button(page, "Draw a counting line").click()
    click(page, (0.2, 0.3), (0.8, 0.3))
    name_of(page).press_sequentially("square")
    expect(page.get_by_label("Identifier")).to_have_value("square-2")  # "square" is the zone's
    for nothing in ("", " \u200b\u3164\u00ad"):
        name_of(page).fill(nothing)
        expect(page.get_by_label("Identifier")).to_have_value("line-1")
        expect(page.locator("#editor").get_by_role("button", name="line-1")).to_be_visible()
    name_of(page).fill("Tür \u202e1\u0007")  # what no name may hold is left out while it is typed
    expect(page.get_by_label("Identifier")).to_have_value("Tur-1")
    save(page, 2)
    assert edge.store["yard"].lines["Tur-1"].name == "Tür 1"
    button(page, "Edit zones, lines and masks").click()
    row = page.locator("#editor").get_by_role("button", name="square")
    row.focus()
    row.press("Enter")
    name_of(page).focus()
    page.keyboard.type(HEBREW)  # the keyboard alone
    expect(page.get_by_label("Identifier")).to_have_value("square")
    expect(page.locator(".overlay text").first).to_contain_text(HEBREW)
    page.screenshot(path=artifacts / "names-editor.png", full_page=True)
    save(page, 3)
    assert edge.store["yard"].zones["square"].name == HEBREW
    button(page, "Edit zones, lines and masks").click()
    page.locator("#editor").get_by_role("button", name=HEBREW).click()
    name_of(page).fill("")
    save(page, 4)
    assert edge.store["yard"].zones["square"].name is None


def test_the_editor_of_an_older_node_has_identifiers_only(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.capabilities = ("masks",)
    edge.begin({"square": SQUARE})
    page = open_camera(open_page, viewer, edge)
    button(page, "Edit zones, lines and masks").click()
    page.locator("#editor").get_by_role("button", name="square").click()
    name_of(page).fill("front door")
    expect(page.get_by_label("Identifier")).to_have_count(0)
    save(page, 2)
    assert list(edge.store["yard"].zones) == ["front-door"]
