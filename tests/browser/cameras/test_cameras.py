"""The page of cameras in real Chromium, with the edge's own code behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from shared.wire.messages import CameraChange
from tests.browser.cameras.settable import SettableEdge
from tests.browser.conftest import CheckPage, OpenPage
from tests.sources.onvif import OnvifCamera, Profile, onvif_camera
from tests.viewer_server.process import ViewerProcess

PHONE = {"viewport": {"width": 400, "height": 850}, "has_touch": True, "color_scheme": "dark"}


@pytest.fixture
def edge(own_broker: Any, tmp_path: Path) -> Iterator[SettableEdge]:
    node = SettableEdge(own_broker.url)
    with node:
        node.begin(tmp_path, remote_cameras="any")
        yield node


def opened(open_page: OpenPage, viewer: ViewerProcess, **options: Any) -> Page:
    viewer.wait(cameras=1)
    page = open_page(f"{viewer.url}/cameras", expect_errors=True, **options)  # cameras without a picture
    expect(page.locator("[data-camera]").first).to_be_visible()
    return page


def test_a_camera_is_added_tried_changed_and_removed(
    edge: SettableEdge,
    viewer: ViewerProcess,
    open_page: OpenPage,
    accessible: CheckPage,
    artifacts: Path,
    tmp_path: Path,
) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 180))
    for _ in range(5):
        writer.write(np.full((180, 320, 3), 200, np.uint8))
    writer.release()
    page = opened(open_page, viewer)
    accessible(page)
    page.get_by_role("button", name="Add a camera").press("Enter")
    expect(page.locator("#editor-title")).to_be_focused()
    page.get_by_label("Identifier").fill("door")
    page.get_by_label("Name for people").fill("Front door")
    page.get_by_label("Address").fill("rtsp://127.0.0.1:1/x")
    page.get_by_label("User", exact=True).fill("root")
    page.get_by_label("Password", exact=True).fill("hunter-99")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#said")).to_contain_text("Connection refused")
    page.get_by_label("User", exact=True).fill("")
    page.get_by_label("Password", exact=True).fill("")
    page.get_by_label("Address").fill(str(film))
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#said")).to_contain_text("It works: MJPEG, 320x180, 25 frames a second")
    expect(page.locator("#seen")).to_be_visible()
    accessible(page)
    page.screenshot(path=artifacts / "cameras-form.png", full_page=True)
    page.get_by_role("button", name="Save").click()
    row = page.locator('[data-camera="test/door"]')
    expect(row).to_contain_text("Front door")
    expect(row).to_contain_text("added here")
    expect(page.locator("#note")).to_contain_text("The node starts again")
    assert edge.store.current["door"].source == str(film)
    page.get_by_role("button", name="Change door").click()
    expect(page.locator("#editor-title")).to_have_text("Camera Front door of test")
    page.get_by_role("button", name="Cancel").click()

    page.get_by_role("button", name="Change yard").click()
    expect(page.get_by_label("Address")).to_have_value("rtsp://192.168.1.20/sub")  # without its login
    page.get_by_label("Name for people").fill("Backyard")
    edge.save(lane=CameraChange(source="rtsp://h/lane"))  # meanwhile
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_contain_text("somebody else saved first")
    expect(page.locator('[data-camera="test/lane"]')).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-camera="test/yard"]')).to_contain_text("Backyard")
    assert edge.store.current["yard"].source == "rtsp://admin:swordfish-77@192.168.1.20/sub", "it was kept"
    expect(page.get_by_role("button", name="Change yard")).to_be_focused()

    page.on("dialog", lambda dialog: dialog.accept() if "Front door" in dialog.message else dialog.dismiss())
    page.get_by_role("button", name="Remove lane").click()
    page.get_by_role("button", name="Remove door").click()
    expect(row).to_have_count(0)
    assert set(edge.store.current) == {"yard", "lane"}
    assert "swordfish" not in page.content()


def test_a_camera_that_was_found_fills_the_form_on_a_phone(
    edge: SettableEdge, viewer: ViewerProcess, open_page: OpenPage, accessible: CheckPage, artifacts: Path
) -> None:
    sub = Profile("sub", "rtsp://127.0.0.1:1/sub", width=640, height=360, fps=10)
    main = Profile("main", "rtsp://127.0.0.1:1/main", width=2560, height=1440)
    page = opened(open_page, viewer, **PHONE)
    with onvif_camera(OnvifCamera([main, sub], login=("admin", "hunter-99"))) as camera:
        page.get_by_role("button", name="Look for cameras").first.click()
        page.get_by_label("Only this camera").fill(f"127.0.0.1:{camera.port}")
        look = page.locator("#ask")
        look.click()
        expect(page.locator("#found")).to_contain_text("it wants a user and a password; enter them above")
        page.get_by_label("Its user").fill("admin")
        page.get_by_label("Its password").fill("hunter-99")
        look.click()
        suits = page.locator("#found li li", has_text="suits the detector")
        expect(suits).to_contain_text("sub, H.264, 640x360, 10 fps")
        accessible(page)
        page.screenshot(path=artifacts / "cameras-found.png", full_page=True)
        suits.get_by_role("button").click()
    expect(page.get_by_label("Identifier")).to_have_value("simulated-dome-2")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    accessible(page)
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-camera="test/simulated-dome-2"]')).to_contain_text("with a login")
    assert edge.store.current["simulated-dome-2"].source == "rtsp://admin:hunter-99@127.0.0.1:1/sub"
    assert "hunter" not in page.content()
