"""Charts and tables show when nothing was counted, and why, and when the picture could not be trusted."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from shared.wire.messages import PauseReason, ZoneDefinition, ZoneState, now_us
from tests.browser.conftest import CheckPage, OpenPage, StartViewer
from tests.browser.lived import CAMERA, HOUR_US, NODE, Past
from tests.browser.schedules.calendars import PREFIX, CalendarEdge
from tests.conftest import Mosquitto

SQUARE = ((0.1, 0.5), (0.6, 0.45), (0.7, 0.95), (0.05, 0.9))


def told(at_us: int, paused: PauseReason | None) -> ZoneState:
    return ZoneState(
        node=NODE, session="past", published_us=at_us, camera=CAMERA, seq=1, captured_us=at_us, zone="square",
        kind="zone", paused=paused,
    )  # fmt: skip


def test_a_pause_is_a_band_with_its_reason_and_no_zero(
    broker: Mosquitto,
    edge: CalendarEdge,
    tmp_path: Path,
    start_viewer: StartViewer,
    open_page: OpenPage,
    accessible: CheckPage,
) -> None:
    now = now_us()
    with Past(tmp_path / "h.db") as past:
        track = {"track_id": 1, "zone": "square"}
        past.event("zone_entered", now - 20 * HOUR_US, **track)
        past.event("zone_exited", now - 19 * HOUR_US, **track, dwell_s=3600.0)
        past.event("problem_started", now - 4 * HOUR_US, problem="moved")
        past.event("problem_ended", now - 2 * HOUR_US, problem="moved")
        past.event("problem_started", now - HOUR_US, problem="low_rate")
        spans: list[tuple[float, PauseReason | None]] = [(15, "schedule"), (8, None), (4, "moved"), (2, None)]
        for hours, reason in spans:
            past.hear(told(int(now - hours * HOUR_US), reason))
        past.hear(told(now, None))
    keys = f"history.path={past.path}", f"mqtt.prefix={PREFIX}"
    viewer = start_viewer(broker.url, *keys)
    edge.begin({"square": ZoneDefinition(polygon=SQUARE)})
    viewer.wait(nodes=1)
    page = open_page(f"{viewer.url}/analytics?range=24h", expect_errors=True)  # no node has a heatmap
    panel = page.locator("[data-zone='square']")
    inside = panel.locator(".plot").first
    expect(inside.locator("rect.paused")).to_have_count(2)
    expect(inside.locator("text", has_text="off schedule")).to_have_count(1)
    expect(inside.locator("rect.problem")).to_have_count(2)
    expect(inside).to_have_attribute(
        "aria-label",
        "Inside. At the busiest moment 1 inside. Not counted for 9.0\u00a0h: off schedule, moved.",
    )
    panel.get_by_text("As a table").first.click()
    rows = panel.locator("tbody tr", has_text="off schedule")
    expect(rows.nth(2)).to_contain_text("not counted for 15\u00a0min: off schedule")
    expect(rows.nth(2).locator("td").nth(1)).to_have_text("\u2013")
    panel.get_by_text("As a table").nth(1).click()
    flow = panel.locator(".chart").nth(1).locator("tbody tr", has_text="off schedule")
    expect(flow.nth(2).locator("td")).to_have_text([re.compile(r"\d"), *["\u2013"] * 3, re.compile("off")])
    expect(panel.locator("tbody tr", has_text="camera too few pictures").first).to_be_attached()
    accessible(page)
