"""A rule from the browser to a webhook and a mail: real broker, node, viewer, receivers and Chromium."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from playwright.sync_api import Page, expect

from shared.wire.picture_names import read_name
from tests.browser.conftest import OpenPage, StartViewer
from tests.conftest import wait_until
from tests.viewer_server.notify.mailbox import Mailbox, mailbox
from tests.viewer_server.notify.receiver import SECRET, Receiver, receiving

Image = npt.NDArray[Any]


def config(url: str, video: Path) -> dict[str, Any]:
    """A node with one camera, whose lower half is a zone."""
    lower = {"name": "Path", "polygon": [[0, 0.4], [1, 0.4], [1, 1], [0, 1]]}
    return {
        "node": "shop",
        "zones_file": None,
        "mqtt": {"url": url},
        "model": {"classes": ["person"], "input_size": 256, "threads": 1},
        "cameras": {"yard": {"source": str(video), "zones": {"path": lower}, "detect_every": 2}},
    }


@contextmanager
def running(folder: Path, url: str, video: Path) -> Iterator[None]:
    """A node on a video, at the video's own speed."""
    file = folder / "darner.yaml"
    file.write_text(yaml.safe_dump(config(url, video)))
    with (folder / "edge.log").open("w") as log:
        node = subprocess.Popen([sys.executable, "-m", "edge_node", "--config", str(file)], stderr=log)
    try:
        yield
    finally:
        node.terminate()
        node.wait(60)


def draw_up(page: Page, url: str) -> float:
    """Draw up "somebody stays in Path for over 2 s" by choosing; the seconds that it took."""
    began = time.monotonic()
    page.goto(f"{url}/rules")
    page.get_by_role("button", name="New rule").click()
    page.get_by_role("button", name="Somebody stays too long").click()
    page.get_by_label("For over").fill("2")
    page.locator("#finer summary").click()
    page.get_by_label("Picture", exact=True).select_option("frame")
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-rule="shop/path-stay"]')).to_be_visible()
    return time.monotonic() - began


def difference(shown: Image, video: Path, seq: int) -> float:
    """How far a picture is from a frame of the video: mean of grey levels."""
    film = cv2.VideoCapture(str(video))
    film.set(cv2.CAP_PROP_POS_FRAMES, seq)
    frame = film.read()[1]
    height, width = shown.shape[:2]
    return float(np.abs(cv2.resize(frame, (width, height)).astype(int) - shown).mean())


def check(hook: Receiver, box: Mailbox, video: Path) -> dict[str, Any]:
    """Both have the same alert with the same picture: the frame of the alert's own moment."""
    [(message, body), *_] = hook.got
    data = body["data"]
    jpeg = base64.b64decode(data["picture"]["base64"])
    assert message == data["event_id"]
    assert (data["rule"], data["zone"], data["label"]) == ("path-stay", "path", "person")
    name = read_name(jpeg)
    assert name is not None
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    right, wrong = difference(shown, video, name.seq), difference(shown, video, name.seq + 15)
    assert right < 6 and right < wrong / 2, (right, wrong)
    assert abs(name.captured_us - data["occurred_us"]) < 1_000_000, "it shows another moment"
    assert box.pictures(0) == [jpeg]
    assert data["text"] in box.text(0)
    return dict(data)


def test_a_rule_from_the_browser_reaches_a_webhook_and_a_mailbox_with_the_right_picture(
    own_broker: Any, tmp_path: Path, start_viewer: StartViewer, open_page: OpenPage, people_video: Path
) -> None:
    with receiving() as hook, mailbox() as box:
        targets = {
            "hook": {"kind": "webhook", "url": hook.url, "secret": SECRET},
            "mail": {"kind": "apprise", "url": box.url},
        }
        sets = [
            f"notify.targets.{to}.{key}={one}" for to, some in targets.items() for key, one in some.items()
        ]
        keys = f"history.path={tmp_path / 'h.db'}", *sets
        viewer = start_viewer(own_broker.url, *keys)
        page = open_page(f"{viewer.url}/alerts")
        states = page.locator("#target-list .pill")
        expect(states).to_have_text(["not tried yet", "not tried yet"])
        with running(tmp_path, own_broker.url, people_video):
            wait_until(lambda: viewer.health()["cameras"] == 1, 40)
            assert draw_up(page, viewer.url) < 60
            wait_until(lambda: bool(hook.got and box.mails), 40)
        data = check(hook, box, people_video)
        page.goto(f"{viewer.url}/alerts")
        shown = page.locator(f'[data-id="{data["event_id"]}"]')
        expect(shown).to_contain_text(data["text"])
        expect(shown.locator("summary")).to_have_text("2 delivered")
        expect(states).to_have_text(["works", "works"])
        width = shown.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)")
        assert width > 100
