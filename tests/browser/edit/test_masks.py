"""What a camera ignores, in real Chromium: masks and filters are drawn, saved and shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.wire.messages import FilterDefinition, IgnoredObject, MaskDefinition, ZoneDefinition
from tests.browser.answering import AnsweringEdge
from tests.browser.conftest import OpenPage
from tests.browser.edit.editing import (
    EDIT,
    PHONE,
    SQUARE,
    assert_near,
    button,
    click,
    open_camera,
    place_of,
    save,
)
from tests.browser.pixels import read
from tests.browser.test_page import canvas_of, wait_drawn
from tests.viewer_server.fake_edge import KITE, SMALL
from tests.viewer_server.process import ViewerProcess

SKY = ((0.1, 0.05), (0.9, 0.05), (0.9, 0.4), (0.1, 0.4))


def test_a_mask_is_drawn_set_and_saved_and_removed(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin({"square": ZoneDefinition(polygon=SQUARE)})
    page = open_camera(open_page, viewer, edge, viewport={"width": 1280, "height": 900})
    button(page, "Draw a mask").click()
    expect(page.locator(".hint")).to_have_text("Click corner 1 of the mask.")
    click(page, *SKY[:2])
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("link", name="All cameras").click()  # asks, because two corners are something to lose
    click(page, *SKY[2:])
    button(page, "Finish the mask").click()
    expect(page.locator(".hint")).to_contain_text("Mask: never report anything here.")
    page.get_by_label("Name", exact=True).fill("sky")
    page.get_by_label("Never reports", exact=True).fill("person")
    page.get_by_label("Never reports", exact=True).press("Enter")
    expect(page.locator(".hint")).to_contain_text("Mask: never report person here.")
    page.get_by_label("Inside when").select_option("overlap")
    page.get_by_label("At least").fill("30")
    expect(page.get_by_label("Point", exact=True)).to_be_hidden()
    save(page, 2)
    saved = edge.store["yard"].masks["sky"]
    assert_near(saved.polygon, SKY)
    assert (saved.classes, saved.by, saved.overlap) == (("person",), "overlap", 0.3)
    assert list(edge.store["yard"].zones) == ["square"]
    button(page, EDIT).click()
    page.locator("#editor").get_by_role("button", name="sky").click()
    page.get_by_label("Inside when").select_option("anchor")
    page.get_by_label("Point", exact=True).select_option("center")
    save(page, 3)
    assert (edge.store["yard"].masks["sky"].by, edge.store["yard"].masks["sky"].anchor) == (
        "anchor",
        "center",
    )
    button(page, EDIT).click()
    page.locator("#editor").get_by_role("button", name="sky").click()
    button(page, "Delete sky").click()
    page.keyboard.press("Control+z")
    expect(button(page, "Save")).to_be_disabled()  # it is there again
    page.keyboard.press("Control+Shift+z")
    save(page, 4)
    assert edge.store["yard"].masks == {}


def test_a_mask_is_drawn_with_the_keyboard_and_with_a_finger(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge, **PHONE)
    button(page, "Draw a mask").focus()
    page.keyboard.press("Enter")
    for key in ("Enter", *["Shift+ArrowRight"] * 2, "Enter", *["Shift+ArrowDown"] * 3, "Enter"):
        page.keyboard.press(key)
    button(page, "Finish the mask").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Corner 3 of 3 of mask-1")).to_be_focused()
    save(page, 2)
    assert_near(edge.store["yard"].masks["mask-1"].polygon, [(0.5, 0.5), (0.6, 0.5), (0.6, 0.65)])
    button(page, "Draw a mask").tap()
    for point in SKY:
        page.touchscreen.tap(*place_of(page, *point))
    button(page, "Finish the mask").tap()
    save(page, 3)
    assert_near(edge.store["yard"].masks["mask-2"].polygon, SKY)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_filters_are_set_checked_and_saved_with_the_zones(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin({"square": ZoneDefinition(polygon=SQUARE)}, filters={"all": FilterDefinition(score=0.5)})
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    button(page, EDIT).click()
    page.get_by_text("Filters by size, shape and score: all").click()
    page.get_by_label("Class to filter").fill("person")
    button(page, "Add a filter").click()
    person = page.get_by_role("group", name="Drop boxes of person that are")
    person.get_by_label("Smaller than").fill("4")
    person.get_by_label("Larger than").fill("2")
    expect(page.locator("#problems")).to_contain_text(
        "Filter of person: its lowest size is above its highest"
    )
    expect(button(page, "Save")).to_be_disabled()
    person.get_by_label("Larger than").fill("")
    every = page.get_by_role("group", name="Drop boxes of any class that are")
    every.get_by_label("Larger than").fill("3")  # holds for a person, too
    expect(page.locator("#problems")).to_contain_text("Filter of person: its lowest size")
    every.get_by_label("Larger than").fill("")
    expect(page.locator("#problems")).not_to_contain_text("size")
    person.get_by_label("Smaller than").fill("29")
    expect(person).to_contain_text("drops 0 now")
    person.get_by_label("Smaller than").fill("31")
    expect(person).to_contain_text("drops 1 now")  # the block is 30 % of the height
    person.get_by_label("Smaller than").fill("4.1")
    every.get_by_label("Score below").fill("90")
    expect(every).to_contain_text("drops 1 now")
    person.get_by_label("Score below").fill("80")
    expect(every).to_contain_text("drops 0 now")  # the bound of person holds
    every.get_by_label("Score below").fill("50")
    person.get_by_label("Score below").fill("")
    person.get_by_label("Wider than").fill("2.5")
    save(page, 2)
    saved = edge.store["yard"].filters
    assert saved["person"] == FilterDefinition(min_size=0.041, max_aspect=2.5)
    assert saved["all"].score == 0.5
    panel = page.locator("#ignored")
    expect(panel).to_contain_text("drops: smaller than 4.1 % of the height, wider than 2.5 : 1")
    button(page, EDIT).click()
    page.get_by_text("Filters by size, shape and score: all, person").click()
    button(page, "Remove the filter of all").click()
    button(page, "Undo").click()
    expect(page.get_by_role("group", name="Drop boxes of any class that are")).to_be_visible()
    button(page, "Redo").click()
    save(page, 3)
    assert list(edge.store["yard"].filters) == ["person"]


def test_a_number_that_is_not_valid_is_not_saved_and_changes_nothing(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin(filters={"all": FilterDefinition(score=0.3)})
    page = open_camera(open_page, viewer, edge)
    button(page, EDIT).click()
    page.get_by_text("Filters by size, shape and score: all").click()
    page.get_by_label("Smaller than").fill("4")
    score = page.get_by_label("Score below")
    score.fill("")
    score.press_sequentially("150")  # over 1 and 15, which are valid
    button(page, "Save").click()
    expect(score).to_be_focused()  # the browser says there what is wrong
    assert edge.store["yard"].version == 1
    page.get_by_text("Filters by size, shape and score: all").click()  # folded away
    button(page, "Save").click()
    expect(score).to_be_focused()
    button(page, "Undo").click()
    expect(score).to_have_value("30")
    button(page, "Redo").click()
    expect(score).to_have_value("30")
    save(page, 2)
    assert edge.store["yard"].filters == {"all": FilterDefinition(score=0.3, min_size=0.04)}


def test_two_editors_of_masks_meet_a_conflict_and_an_earlier_version_brings_a_mask_back(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin(masks={"sky": MaskDefinition(polygon=SKY)})
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    button(page, "Draw a mask").click()
    click(page, (0.2, 0.6), (0.4, 0.6), (0.4, 0.9))
    button(page, "Finish the mask").click()
    edge.save({}, {}, {"sea": MaskDefinition(polygon=SKY)})
    note = page.get_by_role("alert")
    expect(note).to_contain_text("Somebody else saved version 2 meanwhile")
    expect(note).to_contain_text("Added: sea. Removed: sky.")
    button(page, "Overwrite with mine").click()
    expect(page.locator(".said")).to_contain_text("Saved as version 3")
    assert list(edge.store["yard"].masks) == ["sky", "mask-1"]
    button(page, EDIT).click()
    button(page, "Earlier versions").click()
    entries = page.locator(".versions li")
    expect(entries).to_have_count(3)
    expect(entries.nth(1)).to_contain_text("0 zones, 0 lines, 1 mask")
    entries.nth(1).get_by_role("button").click()
    save(page, 4)
    assert list(edge.store["yard"].masks) == ["sea"]


def test_what_is_ignored_is_shown_on_wish_and_counted(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    sky = MaskDefinition(polygon=SKY, by="overlap", overlap=0.9)
    edge.begin(masks={"sky": sky}, filters={"all": FilterDefinition(min_size=0.08)})
    page = open_camera(open_page, viewer, edge, viewport={"width": 1280, "height": 900})
    canvas = page.locator(canvas_of("yard"))
    option = page.get_by_role("checkbox", name="What is ignored")
    expect(option).not_to_be_checked()
    edge.picture("yard", 27)
    small_in_the_sky: IgnoredObject = {**SMALL, "box": (0.3, 0.1, 0.33, 0.16)}
    edge.detections("yard", 27, ignored=[KITE, SMALL, small_in_the_sky])
    wait_drawn(page, "yard", 27)
    without = read(canvas).image
    option.check()
    shown = (read(canvas).image != without).any(axis=2)
    height, width = shown.shape
    for x1, y1, x2, y2 in (KITE["box"], SMALL["box"]):
        part = shown[int(y1 * height) - 3 : int(y2 * height) + 25, int(x1 * width) - 3 : int(x2 * width) + 3]
        assert part.any()
    assert shown.mean() < 0.05
    button(page, EDIT).click()
    row = page.locator("#editor").get_by_role("button", name="sky")
    expect(row).to_contain_text("hides 1 now")  # the kite; a filter has dropped what is small
    row.click()
    page.get_by_label("Never reports", exact=True).fill("person")
    page.get_by_label("Never reports", exact=True).press("Enter")
    expect(row).to_contain_text("hides 0 now")
    button(page, "Cancel").click()
    page.reload()
    expect(option).to_be_checked()
    edge.metrics("yard", {"mask": 1200, "mask:sky": 1200, "min_size": 34})
    panel = page.locator("#ignored")
    expect(panel).to_contain_text("mask sky1200dropped")
    expect(panel).to_contain_text("Dropped by filters since the node started: 34 too small")
    page.goto(f"{viewer.url}/system")
    table = page.get_by_role("region", name="Cameras")
    expect(table).to_contain_text("1234 (mask sky 1200, too small 34)")


@pytest.mark.parametrize(
    ("ignored", "filters", "says"),
    [
        pytest.param({"reason": "mask", "mask": "sky"}, {}, "mask sky", id="a mask"),
        pytest.param({"reason": "min_size"}, {"all": {"min_size": 0.02}}, "smaller than 22 px", id="all"),
        pytest.param(
            {"reason": "min_size"},
            {"all": {"min_size": 0.02}, "kite": {"min_size": 0.05}},
            "smaller than 54 px",
            id="its class before all",
        ),
        pytest.param({"reason": "max_aspect"}, {"kite": {"max_aspect": 3}}, "wider than 3 : 1", id="aspect"),
        pytest.param({"reason": "score"}, {"kite": {"score": 0.4}}, "score below 40 %", id="score"),
        pytest.param({"reason": "score"}, {}, "score too low", id="a filter that is gone"),
        pytest.param({"reason": "colour"}, {}, "colour", id="a reason of a newer node"),
    ],
)
def test_a_reason_is_said_in_words(
    idle_page: Page, ignored: dict[str, Any], filters: dict[str, dict[str, float]], says: str
) -> None:
    script = """async ([object, filters]) =>
        (await import("/static/common/ignoring.js")).reasonOf(object, filters, 1080)"""
    assert idle_page.evaluate(script, [{"label": "kite", "mask": None} | ignored, filters]) == says


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"mask": 7, "mask:a": 5, "mask:b": 2}, {"mask a": 5, "mask b": 2}, id="masks"),
        pytest.param({"mask": 9, "mask:a": 2}, {"deleted masks": 7, "mask a": 2}, id="a mask is deleted"),
        pytest.param({"mask": 9, "score": 0}, {"deleted masks": 9}, id="all masks are deleted"),
        pytest.param({"min_size": 3, "score": 8}, {"score too low": 8, "too small": 3}, id="filters"),
    ],
)
def test_the_counts_add_up_to_what_was_dropped(
    idle_page: Page, counts: dict[str, int], says: dict[str, int]
) -> None:
    script = """async (counts) => {
        const { parts, countName } = await import("/static/common/ignoring.js");
        return parts(counts).map(([key, count]) => [countName(key), count]);
    }"""
    assert idle_page.evaluate(script, counts) == [list(item) for item in says.items()]


@pytest.fixture(scope="module")
def idle_page(chromium: Any, broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a viewer that has nothing to show."""
    with ViewerProcess(broker.url, tmp_path_factory.mktemp("viewer"), "mqtt.prefix=idle/v1") as viewer:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(viewer.url)
        yield page
        context.close()


def test_an_older_node_is_offered_no_masks(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.capabilities = ()
    edge.begin()
    page = open_camera(open_page, viewer, edge)
    expect(button(page, "Draw a zone")).to_be_visible()
    expect(button(page, "Draw a mask")).to_be_hidden()
    button(page, "Draw a zone").click()
    expect(page.locator("#editor").get_by_text("Filters by size")).to_have_count(0)
    click(page, *SQUARE)
    button(page, "Finish the zone").click()
    save(page, 2)
