"""What a person does in the editor: opens a camera, clicks into its picture, drags, saves."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.answering import AnsweringEdge
from tests.browser.conftest import OpenPage
from tests.browser.test_page import wait_drawn
from tests.viewer_server.process import ViewerProcess

SQUARE = ((0.2, 0.3), (0.7, 0.3), (0.7, 0.8), (0.2, 0.8))
PHONE = {"viewport": {"width": 400, "height": 860}, "has_touch": True, "is_mobile": True}
EDIT = "Edit zones, lines and masks"


def open_camera(open_page: OpenPage, viewer: ViewerProcess, edge: AnsweringEdge, **options: Any) -> Page:
    page = open_page(f"{viewer.url}/#/camera/test/yard", **options)
    page.locator(".solo canvas").wait_for()
    edge.frame("yard", 20)
    wait_drawn(page, "yard", 20)
    page.locator(".solo .tools button.primary:enabled").wait_for()  # the editor is loaded
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator(".solo .frame").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def click(page: Page, *points: tuple[float, float]) -> None:
    for point in points:
        page.mouse.click(*place_of(page, *point))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*place_of(page, *start))
    page.mouse.down()
    page.mouse.move(*place_of(page, *end), steps=4)
    page.mouse.up()


def save(page: Page, version: int) -> None:
    button(page, "Save").click()
    expect(page.locator(".said")).to_contain_text(f"Saved as version {version}.")


def assert_near(points: Any, wanted: Any) -> None:
    assert len(points) == len(wanted)
    for point, other in zip(points, wanted, strict=True):
        assert point == pytest.approx(other, abs=0.01)
