"""The whole path: a video, the edge node, a broker, the viewer, and boxes that move in Chromium."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.edit.editing import click
from tests.browser.pixels import read
from tests.viewer_server.process import ViewerProcess

# The middle of the picture: people walk into it and out of it all the time.
ZONES = {"square": {"polygon": [[0.25, 0.25], [0.85, 0.25], [0.85, 0.85], [0.25, 0.85]]}}
LINES = {"gate": {"points": [[0.5, 0.9], [0.5, 0.2]]}}

COLLECT = """count => new Promise((resolve) => {
    const canvas = document.querySelector("canvas");
    const seen = [];
    const observer = new MutationObserver(() => {
        seen.push({ ...canvas.dataset });
        if (seen.length >= count) { observer.disconnect(); resolve(seen); }
    });
    observer.observe(canvas, { attributeFilter: ["data-seq"] });
})"""


NUMBERS = "() => [...document.querySelectorAll('.zone')].map((zone) => zone.innerText).join()"
"""What the panel says about the zone and the line."""


class RealNode:
    """A real edge node that watches the video over and over."""

    def __init__(self, url: str, video: Path, folder: Path, *, tiles: object = None, **more: object) -> None:
        camera = {
            "source": str(video),
            "loop": True,
            "pace": "realtime",
            "zones": ZONES,
            "lines": LINES,
            "thumbnail": {"fps": 10, "width": 640},
            "tiles": tiles,
        }
        settings = {"node": "test", "zones_file": None, "mqtt": {"url": url}, "cameras": {"yard": camera}}
        self._config, self._log = folder / "edge.yaml", folder / "edge.log"
        self._config.write_text(yaml.safe_dump(settings | more))

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge_node", "--config", str(self._config)], stdout=log, stderr=log
            )

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None


@pytest.fixture
def edge_node(own_broker: Any, people_video: Path, tmp_path: Path) -> Iterator[RealNode]:
    more = {"zones_file": str(tmp_path / "zones.json"), "model": {"input_size": 256}}  # half of the work
    node = RealNode(own_broker.url, people_video, tmp_path, **more)
    node.start()
    yield node
    node.stop()


def test_boxes_move_with_people_and_zone_numbers_change(
    edge_node: RealNode, viewer: ViewerProcess, open_page: OpenPage, artifacts: Path
) -> None:
    page = open_page(viewer.url, viewport={"width": 1280, "height": 800})
    page.set_default_timeout(60_000)
    expect(page.locator(".tile .state")).to_have_text("streaming", timeout=60_000)
    page.locator("canvas[data-seq]").wait_for()
    expect(page.locator('[data-zone="square"]')).to_be_visible(timeout=60_000)
    before = page.evaluate(NUMBERS)
    frames = page.evaluate(COLLECT, 40)
    assert all(frame["seq"] == frame["boxesSeq"] for frame in frames)
    assert len({frame["seq"] for frame in frames}) == len(frames)
    with_people = [frame["boxes"] for frame in frames if frame["boxes"] != "[]"]
    assert len(with_people) > len(frames) / 2
    assert len(set(with_people)) > len(with_people) / 2  # boxes move
    page.wait_for_function(f"before => ({NUMBERS})() !== before", arg=before)
    page.wait_for_function("() => JSON.parse(document.querySelector('canvas').dataset.boxes).length >= 2")
    page.screenshot(path=artifacts / "live.png")
    assert read(page.locator("canvas")).image.std() > 10  # a picture, not a blank
    assert edge_node.runs


@pytest.mark.long
def test_a_newcomer_draws_a_counting_line_and_a_zone_and_sees_them_count_within_a_minute(
    edge_node: RealNode, viewer: ViewerProcess, open_page: OpenPage, artifacts: Path
) -> None:
    viewer.wait(cameras=1)
    page = open_page(viewer.url, viewport={"width": 1280, "height": 900})
    opened = time.monotonic()
    page.set_default_timeout(60_000)
    page.get_by_role("link", name="Draw a counting line").click()
    page.locator(".solo canvas[data-seq]").wait_for()
    click(page, (0.55, 0.95), (0.55, 0.15))  # people walk across the middle all the time
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".said")).to_contain_text("Saved as version 2.")
    page.wait_for_function(
        """() => /[1-9]/.test(document.querySelector('[data-zone="line-1"] .big')?.innerText ?? "0")""",
        timeout=60_000,
    )
    assert time.monotonic() - opened < 60
    page.get_by_role("button", name="Draw a zone").click()
    click(page, (0.2, 0.2), (0.9, 0.2), (0.9, 0.95), (0.2, 0.95))
    page.get_by_role("button", name="Finish the zone").click()
    page.get_by_role("button", name="Save", exact=True).click()
    zone = page.locator('[data-zone="zone-1"]')
    expect(zone).to_contain_text("inside", timeout=30_000)
    before = zone.inner_text()
    page.wait_for_function(
        """before => document.querySelector('[data-zone="zone-1"]').innerText !== before""", arg=before
    )
    line = page.locator('[data-zone="line-1"] .big').inner_text()
    assert any(digit in line for digit in "123456789")  # not changed, so it went on counting
    page.screenshot(path=artifacts / "newcomer.png", full_page=True)
    assert edge_node.runs


ALL_IGNORED = """() => {
    const { boxes, ignored } = document.querySelector(".frame canvas").dataset;
    return boxes === "[]" && Number(ignored) > 0;
}"""

TAKES_EFFECT = f"""() => new Promise((resolve) => {{
    const since = performance.now();
    const look = () => {{
        if (!({ALL_IGNORED})()) return;
        observer.disconnect();
        resolve(performance.now() - since);
    }};
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector(".frame canvas"), {{ attributeFilter: ["data-boxes"] }});
    [...document.querySelectorAll(".tools button")].find((one) => one.textContent === "Save").click();
}})"""
"""Presses Save, and answers with the milliseconds until a picture is drawn that has ignored boxes alone."""


@pytest.mark.timing
def test_a_mask_takes_effect_within_a_second_and_survives_restarts(
    edge_node: RealNode, viewer: ViewerProcess, open_page: OpenPage, artifacts: Path
) -> None:
    viewer.wait(cameras=1)
    page = open_page(f"{viewer.url}/#/camera/test/yard", expect_errors=True)  # the viewer goes away once
    page.set_default_timeout(60_000)
    page.wait_for_function(
        "() => JSON.parse(document.querySelector('.frame canvas')?.dataset.boxes ?? '[]').length > 2"
    )
    page.get_by_role("checkbox", name="What is ignored").check()
    page.get_by_role("button", name="Draw a mask").click()
    click(page, (0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99))
    page.get_by_role("button", name="Finish the mask").click()
    page.get_by_label("Inside when").select_option("overlap")
    took_ms = page.evaluate(TAKES_EFFECT)
    print(f"a mask takes effect after {took_ms:.0f} ms")
    assert took_ms < 1000
    expect(page.locator("#ignored")).to_contain_text("never reports anything")
    page.wait_for_function("() => /[1-9]/.test(document.querySelector('#ignored .big').innerText)")
    page.screenshot(path=artifacts / "masked.png", full_page=True)
    edge_node.stop()
    expect(page.locator(".tile .state")).to_have_text("node offline")
    edge_node.start()
    viewer.stop()
    viewer.start()
    expect(page.locator(".tile .state")).to_have_text("streaming", timeout=60_000)
    page.wait_for_function(ALL_IGNORED)
    page.get_by_role("button", name="Edit zones, lines and masks").click()
    page.locator("#editor").get_by_role("button", name="mask-1").click()
    page.get_by_role("button", name="Delete mask-1").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_function("() => document.querySelector('.frame canvas').dataset.boxes !== '[]'")
    expect(page.locator("#ignored")).not_to_contain_text("never reports anything")
