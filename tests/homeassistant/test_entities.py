"""What Home Assistant makes of a node: entities, values, picture and availability."""

from __future__ import annotations

import cv2
import numpy as np

from shared.geometry import F32
from tests.conftest import wait_until
from tests.homeassistant.house.site import CAMERA, DEVICE, NODE, SETTLES_WITHIN_S, ZONES, Site


def test_the_cameras_first_entities_are_there_and_say_what_the_node_says(site: Site) -> None:
    site.scene.people()
    found = {unique_id.removeprefix(f"{DEVICE}.") for unique_id in site.server.entities()}
    zones = {f"zone-{zone}-{what}" for zone in ZONES for what in ("count", "occupied")}
    assert found >= zones | {"objects", "picture", "line-path-in", "line-path-out"}
    for zone in ZONES:
        site.wait_state(f"zone-{zone}-occupied", "on")
    wait_until(lambda: _agrees(site), SETTLES_WITHIN_S)


def _agrees(site: Site) -> bool:
    """Whether all numbers are, at one moment, those that the node published last."""
    said = {
        zone: site.recorder.last[f"{NODE}/camera/{CAMERA}/zone/{zone}"].body
        for zone in ("everywhere", "pavement", "path")
    }
    pairs = [
        ("zone-everywhere-count", "everywhere", "occupancy"),
        ("zone-pavement-count", "pavement", "occupancy"),
    ]
    pairs += [("line-path-in", "path", "entered"), ("line-path-out", "path", "exited")]
    return all((body := said[zone]) and site.state(key) == str(body[field]) for key, zone, field in pairs)


def test_the_picture_is_what_the_camera_sees(site: Site) -> None:
    site.scene.nobody()
    entity = site.server.entities()[f"{DEVICE}.picture"]["entity_id"]
    wanted = _grey(site.scene.frames[0])

    def alike() -> bool:
        taken = site.server.picture(f"/api/camera_proxy/{entity}")
        return taken is not None and bool(np.abs(_grey(taken) - wanted).mean() < 4)

    wait_until(alike, SETTLES_WITHIN_S)


def _grey(jpeg: bytes) -> F32:
    """A small grey picture, in which the noise of JPEG is no difference."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return cv2.resize(picture, (96, 72), interpolation=cv2.INTER_AREA).astype(np.float32)


def test_an_empty_place_is_not_occupied(site: Site) -> None:
    site.scene.nobody()
    for zone in ZONES:
        site.wait_state(f"zone-{zone}-occupied", "off")
        assert site.state(f"zone-{zone}-count") == "0"


def test_a_node_that_ends_is_unavailable_and_comes_back(site: Site) -> None:
    site.end_node()
    site.wait_state("zone-everywhere-count", "unavailable")
    site.node.start()
    site.wait_state("zone-everywhere-count", lambda state: state.isdigit())


def test_a_camera_that_is_lost_is_unavailable_and_comes_back(site: Site) -> None:
    site.scene.die()
    site.wait_state("zone-everywhere-count", "unavailable")
    site.scene.start()
    site.wait_state("zone-everywhere-count", lambda state: state.isdigit())


def test_a_zone_comes_and_goes_with_its_entities(site: Site) -> None:
    before = site.definitions()
    door = {"door": {"polygon": [[0, 0], [1, 0], [1, 1]]}}
    site.define(before["zones"] | door, before["lines"])
    wait_until(
        lambda: site.announced("door") and site.announced("door").keys() <= site.server.entities().keys()
    )
    site.define(before["zones"], before["lines"])
    wait_until(lambda: not any("door" in one for one in site.server.entities()), SETTLES_WITHIN_S)
    assert not any("door" in name for name in site.server.states())


def test_a_zone_with_another_name_and_fewer_rules_keeps_its_entities_and_no_others(site: Site) -> None:
    def names() -> dict[str, tuple[str, str]]:
        found, states = site.server.entities().items(), site.server.states()
        ids = {
            key: one["entity_id"] for key, one in found if "everywhere" in key and one["entity_id"] in states
        }
        return {key: (name, states[name]["attributes"]["friendly_name"]) for key, name in ids.items()}

    before, was = site.definitions(), names()
    bare = before["zones"]["everywhere"] | {"name": "Plaza", "presence": None, "crowd": None}
    site.define(before["zones"] | {"everywhere": bare}, before["lines"])
    gone = {f"{DEVICE}.zone-everywhere-{rule}" for rule in ("present", "crowded")}
    wanted = {key: (name, called.replace("Everywhere", "Plaza")) for key, (name, called) in was.items()}
    wanted = {key: one for key, one in wanted.items() if key not in gone}
    assert gone < was.keys()
    wait_until(lambda: names() == wanted, SETTLES_WITHIN_S)
    site.wait_state("zone-everywhere-count", lambda state: state.isdigit())
    site.define(before["zones"], before["lines"])
    wait_until(lambda: names() == was, SETTLES_WITHIN_S)


def test_home_assistant_has_nothing_to_complain_about(site: Site) -> None:
    assert site.server.complaints() == []
