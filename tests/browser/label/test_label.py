"""The label page in real Chromium: keyboard, mouse, two tabs, and what it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from optimization.dataset.reading import read
from shared import collected
from tests.browser.conftest import CheckPage, OpenPage
from tests.browser.test_pages import LOOKS
from tests.viewer_server.labelling.folders import HEIGHT, WIDTH, collect, images, written
from tests.viewer_server.process import ViewerProcess


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return collect(tmp_path, 7)


@pytest.fixture
def viewer(
    tmp_path: Path, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    assert names
    keys = f"label.path={tmp_path}", "label.only=true"
    with ViewerProcess("mqtt://127.0.0.1:9", tmp_path_factory.mktemp("viewer"), *keys) as process:
        yield process


def shown(page: Page, name: str) -> None:
    """Wait until the page shows a picture and is ready for keys."""
    expect(page.locator("#facts")).to_contain_text(name)
    expect(page.locator(".frame img")).to_have_attribute(
        "src", f"api/v1/label/image?name={name.replace('/', '%2F')}"
    )


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def boxes_of(folder: Path, name: str) -> dict[str, list[float]]:
    found = written(folder)
    classes = {row["id"]: row["name"] for row in found["categories"]}
    image = images(folder)[name]["id"]
    return {
        classes[row["category_id"]]: row["bbox"] for row in found["annotations"] if row["image_id"] == image
    }


def test_six_pictures_are_labelled_by_keyboard_alone(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label", viewport={"width": 1280, "height": 900})
    shown(page, names[0])
    press(page, "Enter")  # accepted
    shown(page, names[1])
    press(page, ".", "Delete", "Enter")  # the car is none
    shown(page, names[2])
    press(page, "e", "Enter")  # nothing there
    shown(page, names[3])
    press(page, ".", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "r", "r", "Shift+ArrowLeft", "Enter")
    shown(page, names[4])
    press(page, "Delete", "b", "c")  # nothing is selected, so that Delete deletes nothing
    page.keyboard.type("dog")
    press(page, "Enter", "u", "u", "Shift+U", "Shift+U", "Enter")
    shown(page, names[5])
    press(page, ",", "2", "1", "Escape", "Enter")
    shown(page, names[6])
    expect(page.locator("#progress")).to_have_text("6 of 7 labelled, from 2 of 2 hours")
    press(page, "x")
    expect(page.locator("#notes")).to_contain_text(f"{names[6]} is deleted.")
    press(page, "u")
    shown(page, names[6])
    press(page, "x")
    expect(page.locator("#said")).to_have_text("That was the last picture of this kind.")
    expect(page.locator("#progress")).to_have_text("6 of 6 labelled, from 2 of 2 hours")

    states = {name: row["darner"]["state"] for name, row in images(tmp_path).items()}
    assert states == dict(
        zip(names, ["accepted", "corrected", "empty", "corrected", "corrected", "corrected"], strict=False)
    )
    person, car = [32.0, 36.0, 64.0, 108.0], [160.0, 72.0, 128.0, 90.0]
    assert boxes_of(tmp_path, names[0]) == {"person": person, "car": car}
    assert boxes_of(tmp_path, names[1]) == {"person": person}
    assert boxes_of(tmp_path, names[3]) == {"person": person, "car": [162.0, 82.0, 118.0, 90.0]}
    new = [round(0.35 * WIDTH, 2), round(0.35 * HEIGHT, 2), round(0.3 * WIDTH, 2), round(0.3 * HEIGHT, 2)]
    assert boxes_of(tmp_path, names[4]) == {"person": person, "car": car, "dog": new}
    assert not (tmp_path / names[6]).exists()
    dataset = read(tmp_path)
    assert len(dataset.items) == 6
    assert {item.group for item in dataset.items} == {"yard 2026-09-21T14", "yard 2026-09-21T15"}


def test_boxes_are_drawn_moved_and_resized_with_the_mouse(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label", viewport={"width": 1280, "height": 900})
    shown(page, names[0])
    area = page.locator(".frame").bounding_box()
    assert area

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        for at, act in ((start, page.mouse.down), (end, page.mouse.up)):
            page.mouse.move(area["x"] + at[0] * area["width"], area["y"] + at[1] * area["height"], steps=4)
            act()

    press(page, "e", "2")
    drag((0.1, 0.1), (0.3, 0.3))  # draws one of the second class
    drag((0.2, 0.2), (0.5, 0.4))  # moves it
    drag((0.6, 0.5), (0.7, 0.6))  # its last corner
    press(page, "Enter")
    shown(page, names[1])
    [(label, box)] = boxes_of(tmp_path, names[0]).items()
    assert label == "person"
    wanted = [0.4 * WIDTH, 0.3 * HEIGHT, 0.3 * WIDTH, 0.3 * HEIGHT]
    assert box == pytest.approx(wanted, abs=2)


@pytest.mark.long
def test_the_second_tab_is_told_and_chooses(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    mine = open_page(f"{viewer.url}/label")
    theirs = open_page(f"{viewer.url}/label", expect_errors=True)
    shown(mine, names[0])
    shown(theirs, names[0])
    press(mine, "Enter")
    shown(mine, names[1])
    press(theirs, "e", "Enter")
    expect(theirs.locator("#notes")).to_contain_text("somebody else has decided")
    assert images(tmp_path)[names[0]]["darner"]["state"] == "accepted"
    theirs.get_by_role("button", name="Overwrite with mine").click()
    shown(theirs, names[1])
    assert images(tmp_path)[names[0]]["darner"]["state"] == "empty"


@pytest.mark.long
def test_a_key_that_is_held_down_decides_about_one_picture(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label")
    shown(page, names[0])
    page.keyboard.down("Enter")
    for shown_then in (names[1], names[1]):
        shown(page, shown_then)
        page.keyboard.down("Enter")  # as the keyboard repeats it
    page.keyboard.up("Enter")
    page.keyboard.down("x")
    shown(page, names[2])
    page.keyboard.down("x")
    page.keyboard.up("x")
    press(page, "n")
    shown(page, names[3])
    assert list(images(tmp_path)) == names[:1]
    assert [(tmp_path / name).exists() for name in names] == [True, False, *[True] * 5]


@pytest.mark.long
def test_keys_pressed_before_the_next_picture_is_there_change_no_boxes(
    viewer: ViewerProcess, open_page: OpenPage, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label")
    shown(page, names[0])

    def impatient(route: Route) -> None:
        press(page, "e")
        route.continue_()

    page.route("**/label/picture?*", impatient)  # the next one: the first is saved, and shown still
    press(page, ".", "Enter")
    shown(page, names[1])
    expect(page.locator("#progress")).to_have_text("1 of 7 labelled, from 1 of 2 hours")
    page.unroute("**/label/picture?*")
    press(page, "p")
    shown(page, names[0])
    expect(page.locator("#boxes button")).to_have_count(2)


@pytest.mark.long
def test_pictures_that_the_node_has_replaced_are_passed_over(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label", expect_errors=True)
    shown(page, names[0])
    for name in names[2:5]:
        (tmp_path / name).unlink()
    press(page, "Enter")
    shown(page, names[1])
    press(page, "Enter")
    shown(page, names[5])
    expect(page.locator("#notes")).to_contain_text("3 pictures are not in the folder any more")
    press(page, "Enter")
    shown(page, names[6])
    assert list(images(tmp_path)) == [names[0], names[1], names[5]]


@pytest.mark.long
def test_deleting_what_somebody_else_has_decided_about_is_asked_again(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    mine = open_page(f"{viewer.url}/label")
    theirs = open_page(f"{viewer.url}/label", expect_errors=True)
    shown(mine, names[0])
    shown(theirs, names[0])
    press(mine, "Enter")
    shown(mine, names[1])
    press(theirs, "x")
    theirs.get_by_role("button", name="Delete it all the same").click()
    shown(theirs, names[1])
    assert not (tmp_path / names[0]).exists()


@pytest.mark.long
def test_corrections_that_were_not_accepted_are_kept_in_the_window(
    viewer: ViewerProcess, open_page: OpenPage, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label")
    shown(page, names[0])
    press(page, "e", "n")
    shown(page, names[1])
    expect(page.locator("#progress")).to_contain_text("1 not saved")
    press(page, "p")
    shown(page, names[0])
    expect(page.locator("#no-boxes")).to_be_visible()


@pytest.mark.long
def test_only_pictures_of_a_kind_are_shown(
    viewer: ViewerProcess, open_page: OpenPage, names: list[str]
) -> None:
    page = open_page(f"{viewer.url}/label")
    shown(page, names[0])
    page.get_by_label("Kept for").select_option("flicker")
    shown(page, names[2])
    page.get_by_label("With a score below").fill("35")
    page.keyboard.press("Tab")
    expect(page.locator("#said")).to_contain_text("No more pictures of this kind")


def test_markup_in_names_is_text(
    viewer: ViewerProcess, open_page: OpenPage, tmp_path: Path, names: list[str]
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    path = tmp_path / names[0]
    text = (
        collected.sidecar(path).read_text().replace('"person"', f'"{evil}"').replace('"nanodet"', f'"{evil}"')
    )
    collected.sidecar(path).write_text(text)
    page = open_page(f"{viewer.url}/label")
    shown(page, names[0])
    expect(page.locator("#boxes")).to_contain_text(evil)
    assert page.locator("#boxes img, #facts img, #classes img").count() == 0


@pytest.mark.parametrize(
    ("look", "options"), [pytest.param(one.id, one.values[1], marks=one.marks) for one in LOOKS]
)
def test_the_page_is_accessible_and_fits(
    viewer: ViewerProcess, open_page: OpenPage, accessible: CheckPage, artifacts: Path, names: list[str],
    look: str, options: dict[str, Any],
) -> None:  # fmt: skip
    page = open_page(f"{viewer.url}/label", **options)
    shown(page, names[0])
    press(page, ".")
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=artifacts / f"label-{look}.png", full_page=True)
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    accessible(page)
