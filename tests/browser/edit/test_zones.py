"""Drawing zones and lines in real Chromium: mouse, finger and keyboard; saving, refusals and conflicts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, expect

from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition
from tests.browser.answering import AnsweringEdge
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.edit.editing import (
    PHONE,
    SQUARE,
    assert_near,
    button,
    click,
    drag,
    open_camera,
    place_of,
    save,
)
from tests.browser.test_page import streaming, wait_drawn
from tests.viewer_server.fake_edge import KITE, SMALL, suspect
from tests.viewer_server.process import ViewerProcess


def test_a_zone_is_drawn_shaped_named_saved_and_deleted_with_the_mouse(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge, viewport={"width": 1280, "height": 900})
    button(page, "Draw a zone").click()
    expect(button(page, "Finish the zone")).to_be_disabled()
    click(page, *SQUARE, SQUARE[0])  # on the first corner again: finished
    page.get_by_label("Name", exact=True).fill("front door")
    page.get_by_label("Name", exact=True).blur()
    page.get_by_label("Treat it as a queue").check()
    page.get_by_label("Loitering after").fill("20")
    page.get_by_label("Crowded from").fill("4")
    page.get_by_label("Counts", exact=True).fill("person")
    page.get_by_label("Counts", exact=True).press("Enter")
    drag(page, SQUARE[2], (0.8, 0.9))  # a corner
    drag(page, (0.45, 0.3), (0.45, 0.2))  # the middle of an edge: a new corner
    drag(page, (0.4, 0.5), (0.45, 0.55))  # all of it
    save(page, 2)
    saved = edge.store["yard"].zones["front-door"]
    assert saved.name == "front door"
    shape = [(0.25, 0.35), (0.5, 0.25), (0.75, 0.35), (0.85, 0.95), (0.25, 0.85)]
    assert_near(saved.polygon, shape)
    assert (saved.queue, saved.loitering_s, saved.classes) == (True, 20, ("person",))
    assert saved.crowd is not None
    assert saved.crowd.count == 4
    button(page, "Edit zones, lines and masks").click()
    page.locator("#editor").get_by_role("button", name="front door").click()
    button(page, "Delete front door").click()
    save(page, 3)
    assert edge.store["yard"].zones == {}


def test_a_line_is_drawn_with_two_clicks_and_its_arrow_can_be_turned(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_page(viewer.url)
    page.get_by_role("link", name="Draw a counting line").click()
    page.locator(".solo .overlay[data-tool=line]").wait_for()
    edge.frame("yard", 20)
    wait_drawn(page, "yard", 20)
    click(page, (0.3, 0.5), (0.7, 0.6))
    button(page, "Turn the arrow").click()
    save(page, 2)
    assert_near(edge.store["yard"].lines["line-1"].points, [(0.7, 0.6), (0.3, 0.5)])
    assert page.url.endswith("#/camera/test/yard")  # a reload does not begin another one


def test_the_counts_to_come_are_shown_while_drawing(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge)
    with streaming(edge, "yard"):  # the block jumps about, from left to right and back
        button(page, "Draw a zone").click()
        click(page, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
        button(page, "Finish the zone").click()
        expect(page.locator("#editor .rows")).to_contain_text("1 inside now")
        button(page, "Draw a line").click()
        click(page, (0.5, 0.99), (0.5, 0.01))
        row = page.locator("#editor").get_by_role("button", name="line-1")
        page.wait_for_function(
            """row => {
                const [, a, b] = row.textContent.match(/([0-9]+) in, ([0-9]+) out/) ?? [];
                return a > 3 && b > 3;
            }""",
            arg=row.element_handle(),
        )
        expect(page.locator(".overlay")).to_contain_text(" out in 30 s")


def test_everything_can_be_drawn_and_moved_with_the_keyboard(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge)
    press = page.keyboard.press
    button(page, "Draw a counting line").focus()
    press("Enter")
    expect(page.get_by_role("application")).to_be_focused()
    for key in [*["Shift+ArrowLeft"] * 4, "Enter", *["Shift+ArrowRight"] * 8, "ArrowUp", "Enter"]:
        press(key)
    expect(page.get_by_role("button", name="End of line-1")).to_be_focused()
    press("Shift+ArrowDown")
    expect(page.get_by_role("button", name="End of line-1, 70 % across, 55 % down")).to_be_focused()
    button(page, "Draw a zone").focus()
    press("Enter")
    for key in [
        "Enter",
        "Shift+ArrowRight",
        "Shift+ArrowRight",
        "Enter",
        "Shift+ArrowDown",
        "Shift+ArrowDown",
    ]:
        press(key)
    press("Enter")
    button(page, "Finish the zone").focus()
    press("Enter")
    expect(page.get_by_role("button", name="Corner 3 of 3")).to_be_focused()
    page.get_by_role("button", name="Zone zone-1").focus()
    press("Shift+ArrowLeft")
    page.get_by_role("button", name="Add a corner after corner 3").focus()
    press("Enter")
    expect(page.locator(".handle:not(.small)")).to_have_count(4)
    page.get_by_role("button", name="Corner 4 of 4").focus()
    press("Delete")
    expect(page.locator(".handle:not(.small)")).to_have_count(3)
    button(page, "Save").focus()
    press("Enter")
    expect(page.locator(".said")).to_contain_text("Saved as version 2.")
    assert_near(edge.store["yard"].lines["line-1"].points, [(0.3, 0.5), (0.7, 0.545)])
    [zone] = edge.store["yard"].zones.values()
    xs = [x for x, _ in zone.polygon]
    assert max(xs) - min(xs) == pytest.approx(0.1, abs=0.01)


def test_a_finger_draws_on_a_phone(viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge, **PHONE)
    button(page, "Draw a zone").tap()
    for point in SQUARE:
        page.touchscreen.tap(*place_of(page, *point))
    button(page, "Finish the zone").tap()
    button(page, "Save").tap()
    expect(page.locator(".said")).to_contain_text("Saved as version 2.")
    assert_near(edge.store["yard"].zones["zone-1"].polygon, SQUARE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_steps_are_undone_and_earlier_versions_come_back(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin({"square": ZoneDefinition(polygon=SQUARE)})
    page = open_camera(open_page, viewer, edge)
    button(page, "Edit zones, lines and masks").click()
    expect(button(page, "Save")).to_be_disabled()  # nothing has changed
    drag(page, (0.4, 0.5), (0.5, 0.5))
    drag(page, (0.5, 0.5), (0.6, 0.5))
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(button(page, "Save")).to_be_disabled()
    button(page, "Redo").click()
    save(page, 2)
    assert edge.store["yard"].zones["square"].polygon[0] == pytest.approx((0.3, 0.3), abs=0.01)
    button(page, "Edit zones, lines and masks").click()
    button(page, "Earlier versions").click()
    expect(page.locator(".versions li")).to_have_count(2)
    button(page, "Version 1").click()
    save(page, 3)
    assert_near(edge.store["yard"].zones["square"].polygon, SQUARE)


def test_what_cannot_work_is_said_before_it_is_saved(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin({"square": ZoneDefinition(polygon=SQUARE)})
    page = open_camera(open_page, viewer, edge)
    problems = page.locator("#problems")
    button(page, "Draw a counting line").click()
    click(page, (0.0, 0.1), (0.0, 0.9))
    expect(problems).to_contain_text(
        "Line line-1 can never count anything: all of the picture lies on one side"
    )
    drag(page, (0.003, 0.9), (0.5, 0.9))
    expect(problems).to_be_empty()
    page.get_by_label("Counts", exact=True).fill("unicorn")
    page.get_by_label("Counts", exact=True).press("Enter")
    expect(problems).to_contain_text("asks for unicorn, which the model does not know")
    expect(button(page, "Save")).to_be_enabled()  # odd, but the author's to decide
    for name, reason in (
        ("", "needs an identifier"),
        ("ö", "needs an identifier"),
        ("square", "has the identifier of another"),
    ):
        page.get_by_label("Identifier").fill(name)
        expect(problems).to_contain_text(reason)
        expect(button(page, "Save")).to_be_disabled()
    page.get_by_label("Identifier").fill("gate")
    save(page, 2)
    expect(page.locator(".said")).to_contain_text("Warning: line 'gate' asks for class 'unicorn'")


def test_a_refusal_and_a_node_that_is_gone_keep_the_drawing(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    edge.refusal = "<b>no</b>"
    page = open_camera(open_page, viewer, edge, expect_errors=True)  # Chromium reports the answer's status
    button(page, "Draw a counting line").click()
    click(page, (0.2, 0.5), (0.8, 0.5))
    button(page, "Save").click()
    note = page.get_by_role("alert")
    expect(note).to_contain_text("Not saved")
    expect(note).to_contain_text("<b>no</b>")
    edge.refusal = None
    save(page, 2)


def test_a_conflict_shows_what_changed_and_either_side_can_win(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage, artifacts: Path, accessible: CheckPage
) -> None:
    square, gate = ZoneDefinition(polygon=SQUARE), LineDefinition(points=((0.1, 0.1), (0.9, 0.1)))
    edge.begin({"square": square})
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    note = page.get_by_role("alert")
    for take_theirs in (True, False):
        button(page, "Edit zones, lines and masks").click()
        drag(page, (0.4, 0.5), (0.45, 0.5))
        moved = ZoneDefinition(polygon=tuple((x, y + 0.05) for x, y in square.polygon))
        if take_theirs:  # the page hears of it while it is being drawn
            edge.save({"square": moved}, {"gate": gate})
        else:  # and here only by the refusal, as the retained message is late
            edge.store.save("yard", {}, {"gate": gate}, edge.store["yard"].version)
            button(page, "Save").click()
            edge.publish_zones()
        expect(note).to_contain_text(f"Somebody else saved version {edge.store['yard'].version} meanwhile")
        if take_theirs:
            expect(note).to_contain_text("Added: gate. Changed: square.")
            accessible(page)
            page.screenshot(path=artifacts / "conflict.png", full_page=True)
            button(page, "Take theirs").click()
            expect(page.locator(".said")).to_contain_text("your changes were dropped")
            expect(page.locator("canvas")).to_be_visible()
        else:
            expect(note).to_contain_text("Removed: square.")
            button(page, "Overwrite with mine").click()
            expect(page.locator(".said")).to_contain_text("Saved as version")
            assert list(edge.store["yard"].zones) == ["square"]
            assert list(edge.store["yard"].lines) == ["gate"]


def test_a_drawing_outlives_a_restart_of_the_viewer(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge, expect_errors=True)
    button(page, "Draw a counting line").click()
    click(page, (0.2, 0.5), (0.8, 0.5))
    viewer.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    button(page, "Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The viewer cannot be reached")
    viewer.start()
    expect(page.locator("#connection")).to_have_text("Live")
    save(page, 2)
    assert list(edge.store["yard"].lines) == ["line-1"]


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_editor_looks_right_and_is_accessible(
    viewer: ViewerProcess,
    edge: AnsweringEdge,
    open_page: OpenPage,
    artifacts: Path,
    accessible: CheckPage,
    scheme: str,
    size: str,
) -> None:
    edge.begin(
        {"square": ZoneDefinition(polygon=SQUARE)},
        {"gate": LineDefinition(points=((0.8, 0.9), (0.9, 0.2)))},
        {"sky": MaskDefinition(polygon=((0.1, 0.05), (0.7, 0.05), (0.7, 0.25)), classes=("kite",))},
        {"all": FilterDefinition(score=0.4), "person": FilterDefinition(min_size=0.08)},
    )
    edge.suspect(suspect(), suspect("b2", "kite"))
    options = PHONE if size == "phone" else {"viewport": {"width": 1280, "height": 900}}
    page = open_camera(open_page, viewer, edge, color_scheme=scheme, **options)
    edge.metrics("yard", {"mask": 1200, "mask:sky": 1200, "min_size": 34})
    page.get_by_role("checkbox", name="What is ignored").check()
    edge.picture("yard", 21)
    edge.detections("yard", 21, ignored=[KITE, SMALL])
    wait_drawn(page, "yard", 21)
    expect(page.locator("#ignored")).to_contain_text("1200")
    accessible(page)
    page.screenshot(path=artifacts / f"camera-{size}-{scheme}.png", full_page=True)
    button(page, "Draw a zone").click()
    click(page, (0.3, 0.1), (0.6, 0.2), (0.5, 0.5))
    page.mouse.move(*place_of(page, 0.4, 0.6))
    accessible(page)
    page.screenshot(path=artifacts / f"drawing-{size}-{scheme}.png", full_page=True)
    button(page, "Finish the zone").click()
    page.get_by_text("Finer settings").click()
    button(page, "Earlier versions").click()
    page.locator(".versions li").wait_for()
    accessible(page)
    page.screenshot(path=artifacts / f"editing-{size}-{scheme}.png", full_page=True)
    page.locator("#editor").get_by_role("button", name="sky").click()
    page.get_by_text("Filters by size, shape and score").click()
    accessible(page)
    page.screenshot(path=artifacts / f"mask-{size}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="All cameras").click()
    page.get_by_role("link", name="2 things here never move").wait_for()
    accessible(page)
    page.screenshot(path=artifacts / f"suspects-{size}-{scheme}.png", full_page=True)


def test_an_unsaved_drawing_is_not_dropped_without_a_question(
    viewer: ViewerProcess, edge: AnsweringEdge, open_page: OpenPage
) -> None:
    edge.begin()
    page = open_camera(open_page, viewer, edge, viewport={"width": 1280, "height": 900})
    here, asked = page.url, []
    answers = {"confirm": False, "beforeunload": False}

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if answers[dialog.type]:
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    button(page, "Draw a zone").click()
    click(page, *SQUARE[:2])  # two corners are something to lose
    page.get_by_role("link", name="All cameras").click()
    expect(page).to_have_url(here)
    click(page, *SQUARE[2:])
    button(page, "Finish the zone").click()
    page.go_back()
    expect(page).to_have_url(here)
    expect(page.locator("#editor")).to_contain_text("zone-1")
    with page.expect_event("dialog"):
        page.get_by_role("link", name="Analytics").click()
    page.wait_for_timeout(200)
    assert page.url == here
    assert asked == ["confirm", "confirm", "beforeunload"]
    save(page, 2)
    assert_near(edge.store["yard"].zones["zone-1"].polygon, SQUARE)
    asked.clear()
    page.get_by_role("link", name="All cameras").click()
    expect(page.locator("#all")).to_be_hidden()
    assert asked == []  # what is saved can be left
    page.goto(here)
    button(page, "Edit zones, lines and masks").click()
    drag(page, (0.4, 0.5), (0.5, 0.5))
    answers["confirm"] = True
    page.get_by_role("link", name="All cameras").click()
    expect(page.locator("#editor")).to_be_hidden()
    assert asked == ["confirm"]
    assert_near(edge.store["yard"].zones["zone-1"].polygon, SQUARE)
