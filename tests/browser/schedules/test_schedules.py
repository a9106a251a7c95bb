"""The page of schedules: times are drawn or chosen, previewed by the node's own rules, and saved."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.wire.messages import (
    CalendarDefinition,
    DaySpan,
    ExceptionDays,
    Location,
    ModeDefinition,
    ScheduleDefinition,
    Span,
)
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.edit.editing import PHONE, button
from tests.browser.schedules.calendars import PREFIX, CalendarEdge
from tests.conftest import Mosquitto
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.process import ViewerProcess

CALENDAR = CalendarDefinition(
    timezone="Europe/Berlin",
    location=Location(latitude=52.52, longitude=13.41),
    modes={"home": ModeDefinition(name="<i>Zuhause</i>"), "away": ModeDefinition()},
    schedules={
        "open": ScheduleDefinition(
            name="<b>Öffnungszeiten</b>",
            spans=(Span(days=("mon", "tue"), start="08:00", end="18:00"),),
            exceptions=(ExceptionDays(first="2026-12-24", spans=(DaySpan(start="08:00", end="12:00"),)),),
        ),
        "dark": ScheduleDefinition(spans=(Span(start="sunset-30", end="sunrise"),), modes=("away",)),
    },
)


@pytest.fixture
def schedules(viewer: ViewerProcess, edge: CalendarEdge, open_page: OpenPage) -> Any:
    """Opens the page of a node that has this calendar, or none yet."""

    def opened(calendar: CalendarDefinition | None = None, **options: Any) -> Page:
        edge.begin()
        if calendar is not None:
            edge.keep(calendar)
        viewer.wait(cameras=1)
        page = open_page(f"{viewer.url}/schedules", **options)
        page.locator("[data-key='test change']").wait_for()
        return page

    return opened


def ahead(page: Page) -> list[str]:
    page.locator(".ahead li").first.wait_for()
    return [
        re.sub(r"^\w+, \w+ \d+", "", text).strip() for text in page.locator(".ahead li").all_inner_texts()
    ]


def test_a_first_schedule_is_drawn_previewed_and_saved(
    schedules: Any, edge: CalendarEdge, accessible: CheckPage
) -> None:
    page = schedules()
    button(page, "Make a schedule for test").click()
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Name of the schedule").fill("__proto__")  # which every object of JavaScript has
    expect(page.locator("#edit [data-schedule]")).to_have_attribute("data-schedule", "__proto__-2")
    page.get_by_label("Name of the schedule").fill("Café")
    week = page.locator(".week .day")
    start, end = week.nth(5).bounding_box(), week.nth(6).bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + start["width"] * 10.1 / 24, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] * 13.9 / 24, end["y"] + 5, steps=4)
    page.mouse.up()
    expect(page.locator(".week .bar-of-day")).to_have_count(7)
    bar = page.locator("[data-day='5'] .bar-of-day")
    bar.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".ahead li", has_text="10:15 to 14:30")).to_have_count(2)
    assert sum("08:00 to 18:00" in day for day in ahead(page)) == 5
    accessible(page)
    button(page, "Save").click()
    expect(page.locator("#note")).to_have_text("Saved as version 1.")
    assert edge.calendar == CalendarDefinition(
        timezone="Europe/Berlin",
        schedules={
            "Cafe": ScheduleDefinition(
                name="Café",
                spans=(
                    Span(days=("mon", "tue", "wed", "thu", "fri"), start="08:00", end="18:00"),
                    Span(days=("sat", "sun"), start="10:15", end="14:30"),
                ),
            )
        },
    )
    expect(page.locator("#nodes [data-schedule='Cafe']")).to_contain_text("Café")


def test_many_times_are_told_in_few_words(schedules: Any) -> None:
    times = tuple(Span(start=f"{hour:02}:00", end=f"{hour:02}:30") for hour in range(9))
    page = schedules(CalendarDefinition(schedules={"bells": ScheduleDefinition(spans=times)}))
    told = page.locator("#nodes [data-schedule='bells']")
    expect(told).to_contain_text("every day 05:00 to 05:30; 3 more")
    expect(told).not_to_contain_text("every day 06:00")


def test_what_holds_is_said_in_the_nodes_time_and_changed_with_the_keyboard(
    schedules: Any, edge: CalendarEdge, accessible: CheckPage
) -> None:
    page = schedules(CALENDAR, color_scheme="dark", **PHONE)
    expect(page.locator("#nodes [data-schedule='open']")).to_contain_text("<b>Öffnungszeiten</b>")
    expect(page.locator("#nodes [data-schedule='dark']")).to_contain_text(
        "30 min before sunset to sunrise, in away"
    )
    # Home holds, until somebody sets another mode: nobody knows when.
    expect(page.locator("#nodes [data-schedule='dark']")).to_contain_text("not active in this mode")
    page.locator("[data-mode='away']").press("Enter")
    expect(page.locator("[data-mode='away']")).to_have_attribute("aria-pressed", "true")
    assert edge.mode == "away"
    page.locator("[data-key='test change']").press("Enter")
    page.locator("#edit [data-schedule='dark']").press("Enter")
    page.get_by_label("From", exact=True).select_option("at")
    page.get_by_label("From: time").fill("22:00")
    expect(page.locator(".ahead li").nth(3)).to_contain_text("not active")  # home is the first mode
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    accessible(page)
    page.locator("#save").press("Enter")
    expect(page.locator("#note")).to_have_text("Saved as version 2.")
    assert edge.calendar is not None
    assert edge.calendar.schedules["dark"].spans == (Span(start="22:00", end="sunrise"),)
    assert edge.calendar.schedules["open"] == CALENDAR.schedules["open"]  # what nobody touched


@pytest.mark.parametrize("choice", ["Take theirs", "Overwrite with mine"])
def test_who_saves_second_sees_the_conflict(schedules: Any, edge: CalendarEdge, choice: str) -> None:
    page = schedules(CALENDAR)
    page.locator("[data-key='test change']").click()
    page.get_by_label("Counters of the day begin at").locator("visible=true").or_(
        page.locator("#general summary")
    ).first.click()
    page.get_by_label("Counters of the day begin at").fill("06:00")
    edge.keep(CalendarDefinition(timezone="Asia/Tokyo"))
    expect(page.locator("#said")).to_contain_text("Somebody else saved version 2")
    button(page, choice).click()
    assert edge.calendar is not None
    if choice == "Take theirs":
        expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
        assert edge.saved == 2
    else:
        expect(page.locator("#note")).to_have_text("Saved as version 3.")
        assert (edge.calendar.timezone, edge.calendar.day_starts) == ("Europe/Berlin", ("06:00",))


def test_an_older_node_and_one_that_is_offline_change_nothing(
    schedules: Any, edge: CalendarEdge, broker: Mosquitto
) -> None:
    page = schedules(CALENDAR)
    with FakeEdge(broker.url, node="old", prefix=PREFIX) as old:
        old.announce("attic")
        expect(page.locator("[data-node='old']")).to_contain_text("knows no schedules")
        expect(page.locator("[data-node='old'] button")).to_have_count(0)
        old.client.clear_state(PREFIX)
    edge.announce("yard", online=False)
    expect(page.locator("[data-key='test change']")).to_have_count(0)
    expect(page.locator("[data-mode='away']")).to_be_disabled()
