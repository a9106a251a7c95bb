"""What is gone from the node is gone from Home Assistant, although it was down when that happened."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPO, wait_until
from tests.homeassistant.house.site import CAMERA, DEVICE, NODE, SETTLES_WITHIN_S, Site


def ours(site: Site) -> set[str]:
    """The identifiers of all devices of ours in Home Assistant."""
    return {one for one in site.server.devices() if one.startswith("darner.")}


def test_a_zone_that_goes_while_home_assistant_is_down(site: Site) -> None:
    before = site.definitions()
    door = {"door": {"polygon": [[0, 0], [1, 0], [1, 1]]}}
    site.define(before["zones"] | door, before["lines"])
    wait_until(
        lambda: site.announced("door") and site.announced("door").keys() <= site.server.entities().keys()
    )
    site.server.stop()
    site.define(before["zones"], before["lines"])
    site.server.start()
    wait_until(lambda: not any("door" in one for one in site.server.entities()), SETTLES_WITHIN_S)
    site.wait_state("zone-everywhere-count", lambda state: state.isdigit())
    site.server.stop()
    site.server.start()
    site.wait_state("zone-everywhere-count", lambda state: state.isdigit())
    assert not any("door" in one for one in site.server.entities())


def test_a_camera_that_is_renamed_while_home_assistant_is_down(site: Site) -> None:
    assert DEVICE in ours(site)
    site.server.stop()
    site.end_node()
    site.start_as(NODE, "yard")
    site.server.start()
    wait_until(lambda: f"darner.{NODE}.yard" in ours(site) and DEVICE not in ours(site), SETTLES_WITHIN_S)
    site.end_node()
    site.start_as(NODE, CAMERA)
    wait_until(lambda: DEVICE in ours(site) and f"darner.{NODE}.yard" not in ours(site), SETTLES_WITHIN_S)


def test_a_node_that_has_another_name_now_can_be_forgotten(site: Site) -> None:
    site.end_node()
    site.start_as("shop", CAMERA)
    wait_until(lambda: f"darner.shop.{CAMERA}" in ours(site), SETTLES_WITHIN_S)
    assert DEVICE in ours(site)
    words = ["forget", NODE, "--yes", "--mqtt-url", site.broker.url]
    subprocess.run([sys.executable, "-m", "edge_node", *words], check=True, cwd=REPO, timeout=60)
    wait_until(lambda: not {one for one in ours(site) if f".{NODE}" in one}, SETTLES_WITHIN_S)
    assert f"darner.shop.{CAMERA}" in ours(site)


def test_home_assistant_has_nothing_to_complain_about(site: Site) -> None:
    # When a disabled entity goes, it clears the topic of the device itself, and wonders about what it gets.
    itself = "No device components to cleanup"
    assert [one for one in site.server.complaints() if itself not in one] == []
