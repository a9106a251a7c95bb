"""What is wrong with a camera on its tile and page, and zones that are put back as its view has moved."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from shared.wire.messages import (
    CameraProblem,
    DayCounters,
    LineDefinition,
    MaskDefinition,
    Presence,
    ViewShift,
    ZoneDefinition,
    now_us,
)
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.edit.editing import button, open_camera
from tests.browser.schedules.calendars import CalendarEdge
from tests.browser.schedules.test_schedules import CALENDAR
from tests.viewer_server.fake_edge import HEIGHT, WIDTH
from tests.viewer_server.process import ViewerProcess

SQUARE = ((0.3, 0.3), (0.6, 0.3), (0.6, 0.7), (0.3, 0.7))
LINE = ((0.2, 0.2), (0.8, 0.25))
SHIFT = ViewShift(dx=0.12, dy=-0.05, degrees=8.0, scale=1.1)


def moved(point: tuple[float, float]) -> tuple[float, float]:
    """As `ViewShift` says, in pixels: turned and scaled about the middle of the frame, then shifted."""
    x, y = (point[0] - 0.5) * WIDTH, (point[1] - 0.5) * HEIGHT
    angle = math.radians(SHIFT.degrees)  # y goes downwards, so this turns clockwise on the picture
    turned = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return (
        0.5 + SHIFT.scale * turned[0] / WIDTH + SHIFT.dx,
        0.5 + SHIFT.scale * turned[1] / HEIGHT + SHIFT.dy,
    )


def test_zones_of_a_moved_camera_are_put_back_looked_at_and_saved(
    viewer: ViewerProcess, edge: CalendarEdge, open_page: OpenPage, accessible: CheckPage
) -> None:
    edge.begin(
        {"till": ZoneDefinition(polygon=SQUARE, presence=Presence())},
        {"gate": LineDefinition(points=LINE)},
        {"tree": MaskDefinition(polygon=SQUARE)},
    )
    page = open_camera(open_page, viewer, edge)
    edge.health(CameraProblem(problem="moved", since_us=now_us(), shift=SHIFT))
    wrong = page.locator(".solo .wrong")
    expect(wrong).to_contain_text(
        "The camera has been moved by 12 % to the left, by 5 % downwards, "
        "turned by 8° anticlockwise, closer by 10 %"
    )
    expect(wrong).to_contain_text("its zones and lines do not count")
    accessible(page)
    button(page, "Put the zones back").click()
    expect(page.locator(".hint")).to_contain_text("Here they would be on the new view")
    assert edge.store["yard"].version == 1  # nothing is saved before somebody has looked
    button(page, "Save").click()
    expect(page.locator(".said")).to_have_text(
        "Saved as version 2. The node takes this view for the right one."
    )
    saved = edge.store["yard"]
    for points, before in (
        (saved.zones["till"].polygon, SQUARE),
        (saved.lines["gate"].points, LINE),
        (saved.masks["tree"].polygon, SQUARE),
    ):
        for point, old in zip(points, before, strict=True):
            assert point == pytest.approx(moved(old), abs=1e-5)
    assert saved.zones["till"].presence == Presence()
    assert edge.accepted == ("yard",)
    expect(wrong).to_be_hidden()


def test_a_view_can_be_right_as_it_is(viewer: ViewerProcess, edge: CalendarEdge, open_page: OpenPage) -> None:
    edge.begin({"till": ZoneDefinition(polygon=SQUARE)})
    edge.health(
        CameraProblem(problem="moved", since_us=now_us()), CameraProblem(problem="out_of_focus", since_us=1)
    )
    page = open_page(f"{viewer.url}/")
    expect(page.locator(".tile .health")).to_have_text("moved, out of focus")
    page.get_by_role("link", name="The picture cannot be trusted").click()
    expect(button(page, "Put the zones back")).to_be_hidden()  # nobody knows how far it has moved
    button(page, "This view is right").click()
    said = re.compile("The node takes this view for the right one|The picture is right again")
    expect(page.locator(".solo .answered")).to_have_text(said)  # the node's news may come before its answer
    assert edge.accepted == ("yard",)


def test_zones_say_why_they_pause_and_who_was_there_today(
    viewer: ViewerProcess, edge: CalendarEdge, open_page: OpenPage, accessible: CheckPage
) -> None:
    edge.begin(
        {name: ZoneDefinition(polygon=SQUARE, schedule="open") for name in ("off", "on")},
        {"gate": LineDefinition(points=LINE)},
    )
    edge.keep(CALENDAR)
    day: Any = DayCounters(since_us=now_us() - 60_000_000, entered=7, exited=6)
    edge.numbers("off", paused="schedule", entered=12, exited=11, day=day, present=False)
    edge.numbers("on", occupancy=2, present=True, day=day)
    edge.numbers("gate", kind="line", paused="moved", entered=5)
    page = open_page(f"{viewer.url}/")
    off, on, gate = (page.locator(f"[data-zone='{name}']") for name in ("off", "on", "gate"))
    expect(off).to_contain_text("paused: off schedule until")
    expect(off).to_contain_text("7 in, 6 out")
    expect(off.locator(".big")).to_have_text("\u2013inside")
    expect(on).to_contain_text("somebody present")
    expect(gate).to_contain_text("paused: camera moved")
    expect(page.locator("#modes .button[aria-pressed='true']")).to_have_text("<i>Zuhause</i>")
    accessible(page)
    page.locator("[data-mode='away']").click()
    expect(page.locator("[data-mode='away']")).to_have_attribute("aria-pressed", "true")


def test_a_zone_is_given_a_schedule_and_presence_in_its_form(
    viewer: ViewerProcess, edge: CalendarEdge, open_page: OpenPage
) -> None:
    edge.keep(CALENDAR)  # a node that was updated says this before what it is
    edge.begin({"till": ZoneDefinition(polygon=SQUARE)}, None, {"tree": MaskDefinition(polygon=SQUARE)})
    page = open_camera(open_page, viewer, edge)
    button(page, "Edit zones, lines and masks").click()
    page.locator("#editor .row-button", has_text="till").click()
    page.get_by_label("Counts during").select_option("open")
    page.get_by_label("Say whether somebody is present").check()
    page.get_by_label("Nobody after").fill("90")
    page.locator("#editor .row-button", has_text="tree").click()
    page.get_by_label("Holds").select_option("dark")
    button(page, "Save").click()
    expect(page.locator(".said")).to_contain_text("Saved as version 2.")
    saved = edge.store["yard"]
    assert saved.zones["till"].schedule == "open"
    assert saved.zones["till"].presence == Presence(on_after_s=0, off_after_s=90)
    assert saved.masks["tree"].schedule == "dark"
