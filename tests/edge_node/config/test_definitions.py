from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import DefinitionStore
from shared.errors import ConfigError, ConflictError, OutputError
from shared.wire.messages import LineDefinition, ZoneDefinition

SQUARE = ZoneDefinition(polygon=((0, 0), (1, 0), (1, 1)))
OTHER = ZoneDefinition(polygon=((0, 0), (0.5, 0), (0.5, 0.5)))
LINE = LineDefinition(points=((0, 0), (1, 1)))


def cameras(**zones: ZoneDefinition) -> dict[str, CameraSettings]:
    return {"yard": CameraSettings(source="x", zones=zones), "gate": CameraSettings(source="y")}


def test_at_first_the_configuration_is_in_force(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras(a=SQUARE))
    assert (store["yard"].version, store["yard"].zones, store["yard"].lines) == (1, {"a": SQUARE}, {})
    assert not (tmp_path / "zones.json").exists(), "nothing was changed, nothing is written"


def test_what_is_saved_is_in_force_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "zones.json"
    store = DefinitionStore(path, cameras(a=SQUARE))
    saved = store.save("yard", {"b": OTHER}, {"l": LINE}, replacing=1)
    assert saved.version == store["yard"].version == 2
    again = DefinitionStore(path, cameras(a=SQUARE))
    assert (again["yard"].version, again["yard"].zones, again["yard"].lines) == (2, {"b": OTHER}, {"l": LINE})
    assert again["gate"].version == 1
    assert again.save("yard", {}, {}, replacing=2).version == 3


def test_the_second_of_two_authors_is_told(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    store.save("yard", {"a": SQUARE}, {}, replacing=1)
    with pytest.raises(ConflictError, match="version 2 is in force, not 1: somebody else saved first"):
        store.save("yard", {"b": OTHER}, {}, replacing=1)
    assert store["yard"].zones == {"a": SQUARE}


def test_a_configuration_that_was_changed_since_wins_with_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    DefinitionStore(path, cameras(a=SQUARE)).save("yard", {"b": OTHER}, {}, replacing=1)
    changed = DefinitionStore(path, cameras(c=OTHER))
    assert (changed["yard"].version, changed["yard"].zones) == (3, {"c": OTHER})


def test_a_name_means_one_thing(tmp_path: Path) -> None:
    store = DefinitionStore(tmp_path / "zones.json", cameras())
    with pytest.raises(ConfigError, match="'a' names a zone and a line"):
        store.save("yard", {"a": SQUARE}, {"a": LINE}, replacing=1)


def test_what_cannot_be_kept_is_not_put_in_force(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = DefinitionStore(tmp_path / "file" / "zones.json", cameras())
    with pytest.raises(OutputError, match="cannot be written"):
        store.save("yard", {"a": SQUARE}, {}, replacing=1)
    assert store["yard"].version == 1


@pytest.mark.parametrize("content", [b"", b"{", b'{"cameras": {"yard": {"version": "x"}}}', b"\xff"])
def test_a_damaged_file_is_set_aside_and_the_node_starts(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "zones.json"
    path.write_bytes(content)
    assert DefinitionStore(path, cameras(a=SQUARE))["yard"].zones == {"a": SQUARE}
    assert (tmp_path / "zones.damaged").read_bytes() == content
    assert "set aside" in caplog.text


def test_without_a_file_changes_last_as_long_as_the_run() -> None:
    store = DefinitionStore(None, cameras())
    assert store.save("yard", {"a": SQUARE}, {}, replacing=1).version == 2
