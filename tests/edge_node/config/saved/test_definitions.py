from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.definitions import DefinitionStore, with_definitions
from edge_node.config.settings import EdgeConfig
from shared.errors import ConfigError, ConflictError, OutputError
from shared.wire.messages import FilterDefinition, LineDefinition, MaskDefinition, ZoneDefinition

SQUARE = ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)))
OTHER = ZoneDefinition(polygon=((0, 0), (0.5, 0), (0.5, 0.5)))
NAMELESS = {key: value for key, value in vars(SQUARE).items() if key not in ("name", "presence", "schedule")}
LINE = LineDefinition(points=((0, 0), (1, 1)))
MASK = MaskDefinition(polygon=((0, 0), (1, 0), (1, 1)))
SMALL = FilterDefinition(min_size=0.1)


def cameras(**zones: ZoneDefinition) -> dict[str, CameraSettings]:
    return {"yard": CameraSettings(source="x", zones=zones), "gate": CameraSettings(source="y")}


def test_a_new_store_has_the_configuration_s_zones(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras(a=SQUARE))
    assert (store["yard"].version, store["yard"].zones, store["yard"].lines) == (1, {"a": SQUARE}, {})
    assert not (tmp_path / "zones.json").exists(), "nothing was changed, nothing is written"


def test_saved_zones_replace_the_configuration_s_and_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "zones.json"
    store = DefinitionStore(path, cameras(a=SQUARE))
    saved = store.save("yard", {"b": OTHER}, {"l": LINE}, replacing=1)
    assert saved.version == store["yard"].version == 2
    again = DefinitionStore(path, cameras(a=SQUARE))
    assert (again["yard"].version, again["yard"].zones, again["yard"].lines) == (2, {"b": OTHER}, {"l": LINE})
    assert again["gate"].version == 1
    assert again.save("yard", {}, {}, replacing=2).version == 3


def test_saved_zones_are_their_owners_alone_also_those_of_before(tmp_path: Path) -> None:
    path = tmp_path / "state" / "zones.json"
    DefinitionStore(path, cameras()).save("yard", {"a": SQUARE}, {}, replacing=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)  # as earlier versions left it
    DefinitionStore(path, cameras())
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_second_of_two_authors_gets_a_conflict(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    store.save("yard", {"a": SQUARE}, {}, replacing=1)
    with pytest.raises(ConflictError, match="current version is 2, not 1: somebody else saved first"):
        store.save("yard", {"b": OTHER}, {}, replacing=1)
    assert store["yard"].zones == {"a": SQUARE}


def test_a_configuration_that_has_changed_since_wins_with_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    DefinitionStore(path, cameras(a=SQUARE)).save("yard", {"b": OTHER}, {}, replacing=1)
    changed = DefinitionStore(path, cameras(c=OTHER))
    assert (changed["yard"].version, changed["yard"].zones) == (3, {"c": OTHER})


def test_a_zone_and_a_line_cannot_share_a_name(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    with pytest.raises(ConfigError, match="'a' names a zone and a line"):
        store.save("yard", {"a": SQUARE}, {"a": LINE}, replacing=1)


def test_zones_that_cannot_be_written_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = DefinitionStore(tmp_path / "file" / "zones.json", cameras())
    with pytest.raises(OutputError, match="cannot be written"):
        store.save("yard", {"a": SQUARE}, {}, replacing=1)
    assert store["yard"].version == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"cameras": {}, "cameras": {}}',
        b"[" * 1010 + b"]" * 1010,
        b'{"cameras": {"yard": {"version": "x"}}}',
        b"\xff",
    ],
)
def test_a_damaged_file_is_renamed_and_the_node_starts(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "zones.json"
    path.write_bytes(content)
    assert DefinitionStore(path, cameras(a=SQUARE))["yard"].zones == {"a": SQUARE}
    assert (tmp_path / "zones.damaged").read_bytes() == content
    assert "renamed to zones.damaged" in caplog.text


def test_a_file_that_cannot_be_looked_at_is_said_and_the_node_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DefinitionStore(tmp_path / ("z" * 300), {"door": CameraSettings(source=0)})
    assert store["door"].version == 1
    assert "and cannot be renamed; the configuration's zones and lines are used" in caplog.text
    with pytest.raises(OutputError, match="nothing was changed"):
        store.save("door", {}, {}, 1)


def test_without_a_file_saved_zones_last_until_the_node_stops() -> None:
    store = DefinitionStore(None, cameras())
    assert store.save("yard", {"a": SQUARE}, {}, replacing=1).version == 2


def test_masks_and_filters_are_kept_with_the_zones_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    store = DefinitionStore(path, cameras())
    store.save("yard", {}, {}, 1, masks={"m": MASK}, filters={"person": SMALL})
    again = DefinitionStore(path, cameras())["yard"]
    assert (again.version, again.masks, again.filters) == (2, {"m": MASK}, {"person": SMALL})


def test_a_client_that_knows_no_masks_leaves_them_as_they_are(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    store.save("yard", {}, {}, 1, masks={"m": MASK}, filters={"all": SMALL})
    saved = store.save("yard", {"a": SQUARE}, {}, 2)
    assert (saved.masks, saved.filters) == ({"m": MASK}, {"all": SMALL})
    emptied = store.save("yard", {}, {}, 3, masks={}, filters={})
    assert not any(emptied.by_key().values())


def test_zones_that_a_version_without_masks_saved_stay_after_the_upgrade(tmp_path: Path) -> None:
    """The hash that the file has for the configured zones is that of release 1.0, written down here."""
    path = tmp_path / "zones.json"
    old = {
        "cameras": {
            "yard": {
                "version": 4,
                "zones": {"drawn": {"polygon": [[0, 0], [1, 0], [1, 1]]}},
                "lines": {},
                "configured": hashlib.sha256(
                    orjson.dumps({"zones": {"a": NAMELESS}, "lines": {}})
                ).hexdigest(),
            }
        }
    }
    path.write_bytes(orjson.dumps(old))
    yard = DefinitionStore(path, cameras(a=SQUARE))["yard"]
    assert (yard.version, list(yard.zones), yard.masks) == (4, ["drawn"], {})


def test_names_are_kept_over_a_restart_and_an_upgrade_to_them_keeps_what_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    named = ZoneDefinition(polygon=OTHER.polygon, name="Haustür")
    DefinitionStore(path, cameras(a=SQUARE)).save("yard", {"b": named}, {"l": LINE}, replacing=1)
    saved = orjson.loads(path.read_bytes())["cameras"]["yard"]
    hashed = {"zones": {"a": NAMELESS}, "lines": {}}
    assert saved["configured"] == hashlib.sha256(orjson.dumps(hashed)).hexdigest(), (
        "as versions without names"
    )
    again = DefinitionStore(path, cameras(a=SQUARE))["yard"]
    assert (again.zones["b"].name, again.lines["l"].name) == ("Haustür", None)


def test_masks_that_the_configuration_has_changed_win(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    DefinitionStore(path, cameras()).save("yard", {"b": OTHER}, {}, 1, masks={"m": MASK})
    masked = {"yard": CameraSettings(source="x", masks={"new": MASK})}
    yard = DefinitionStore(path, masked)["yard"]
    assert (yard.version, yard.zones, yard.masks) == (3, {}, {"new": MASK})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"masks": {"a": MASK}}, "'a' names a zone and a mask", id="zone and mask"),
        pytest.param({"masks": {"l": MASK}}, "'l' names a line and a mask", id="line and mask"),
        pytest.param(
            {"filters": {"person": FilterDefinition(min_size=0.5, max_size=0.2)}},
            "filters.person.min_size: 0.5 is above max_size, which is 0.2",
            id="size",
        ),
        pytest.param(
            {
                "filters": {
                    "all": FilterDefinition(max_aspect=1),
                    "car": FilterDefinition(min_aspect=2),
                }
            },
            "filters.car.min_aspect: 2 is above max_aspect, which is 1",
            id="the bound that the class takes from all",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_and_changes_nothing(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    with pytest.raises(ConfigError, match=says):
        store.save("yard", {"a": SQUARE}, {"l": LINE}, 1, **changes)
    assert store["yard"].version == 1


def test_zones_saved_since_replace_those_of_the_configuration() -> None:
    running = EdgeConfig(node="n", cameras=cameras(a=SQUARE))
    store = DefinitionStore(None, running.cameras)
    assert with_definitions(running, store) == running
    store.save("yard", {}, {"l": LINE}, replacing=1)
    yard = with_definitions(running, store).cameras["yard"]
    assert (yard.zones, yard.lines) == ({}, {"l": LINE})
