from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_node.config import load
from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from shared.errors import ConfigError, ConflictError, MessageError, OutputError
from shared.wire.messages import CameraEdit


class Written:
    """A configuration file, read as a node reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "darner.yaml"
        self.says: dict[str, Any] = {
            "node": "box",
            "zones_file": str(folder / "zones.json"),
            "cameras": {"door": {"source": "rtsp://h/door", "motion_gate": 5, "thumbnail": {"fps": 1}}},
        }

    def read(self, store: CameraStore | None, *overrides: str) -> EdgeConfig:
        self.file.write_text(yaml.safe_dump(self.says))
        return load.node(self.file, None, list(overrides), store)

    def after_restart(self) -> tuple[EdgeConfig, CameraStore]:
        store = CameraStore()
        return self.read(store), store


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


YARD = CameraEdit(source="rtsp://u:swordfish-77@h/yard", name="Hof", max_fps=5)


def test_a_camera_that_was_added_is_there_after_a_restart(written: Written) -> None:
    config, store = written.after_restart()
    assert store.save({"yard": YARD}, 0) == 1
    config, store = written.after_restart()
    yard = config.cameras["yard"]
    assert (yard.source, yard.name, yard.max_fps) == (YARD.source, "Hof", 5)
    assert (store.version, store.origin("yard"), store.origin("door")) == (1, "added", "configuration")
    assert stat.S_IMODE((written.folder / "cameras-box.json").stat().st_mode) == 0o600


def test_a_node_may_have_only_cameras_that_were_added(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"yard": YARD}, 0)
    written.says["cameras"] = {}
    config, store = written.after_restart()
    assert config.cameras.keys() == {"yard"}
    del written.says["cameras"]
    store.save({"yard": None}, 1)
    config, store = written.after_restart()
    assert (config.cameras, store.version) == ({}, 2), "whoever removed the last one can add another"


def test_a_change_keeps_what_it_is_not_about_and_null_takes_it_back(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"door": CameraEdit(source="rtsp://h/other", detect_every=3)}, 0)
    config, store = written.after_restart()
    door = config.cameras["door"]
    assert (door.source, door.detect_every, door.motion_gate, door.thumbnail.fps) == (
        "rtsp://h/other",
        3,
        5,
        1,
    )
    assert store.origin("door") == "changed"
    store.save({"door": None}, 1)
    config, store = written.after_restart()
    assert (config.cameras["door"].source, store.origin("door")) == ("rtsp://h/door", "configuration")


def test_what_was_saved_holds_until_the_configuration_says_something_else_of_the_camera(
    written: Written,
) -> None:
    _, store = written.after_restart()
    store.save({"door": CameraEdit(source="rtsp://h/other"), "yard": YARD}, 0)
    written.says["cameras"]["door"]["motion_gate"] = 9  # not one of those that can be saved
    written.says["cameras"]["new"] = {"source": "rtsp://h/new"}
    assert written.after_restart()[0].cameras["door"].source == "rtsp://h/other"
    written.says["cameras"]["door"]["source"] = "rtsp://h/third"
    config, store = written.after_restart()
    assert (config.cameras["door"].source, store.origin("door")) == ("rtsp://h/third", "configuration")
    assert config.cameras.keys() == {"door", "yard", "new"}
    with pytest.raises(MessageError, match="stands in the node's configuration"):
        store.save({"door": None}, 1)


def test_a_schedule_is_kept_and_what_an_older_version_saved_still_holds(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"door": CameraEdit(source="rtsp://h/door", schedule="open")}, 0)
    config, store = written.after_restart()
    assert (config.cameras["door"].schedule, store.origin("door")) == ("open", "changed")
    file = written.folder / "cameras-box.json"
    older = {"name": None, "source": "rtsp://h/door", "transport": "auto", "reader": "auto",
             "detect_every": 1, "max_fps": 0.0}  # fmt: skip
    configured = hashlib.sha256(json.dumps(older, separators=(",", ":")).encode()).hexdigest()
    file.write_text(json.dumps({"version": 1, "cameras": {"door": older | {"configured": configured}}}))
    assert written.after_restart()[1].origin("door") == "changed"


def test_a_camera_that_the_configuration_names_later_is_the_configurations(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"yard": YARD}, 0)
    written.says["cameras"]["yard"] = {"source": "rtsp://h/theirs"}
    config, store = written.after_restart()
    assert (config.cameras["yard"].source, store.origin("yard")) == ("rtsp://h/theirs", "configuration")


def test_the_command_line_counts_as_configuration_and_off_wins(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"yard": YARD, "door": CameraEdit(source="rtsp://h/other", detect_every=3)}, 0)
    set_there = written.read(CameraStore(), "cameras.door.detect_every=7")
    assert set_there.cameras["door"].source == "rtsp://h/door"
    assert set_there.cameras["door"].detect_every == 7
    written.says["remote_cameras"] = "off"
    config, store = written.after_restart()
    assert set(config.cameras) == {"door"}
    assert not store.keeps


def test_two_who_save_at_once_do_not_overwrite_each_other(written: Written) -> None:
    _, store = written.after_restart()
    store.save({"yard": YARD}, 0)
    with pytest.raises(ConflictError, match="the current version is 1, not 0"):
        store.save({"lane": YARD}, 0)
    assert written.after_restart()[0].cameras.keys() == {"door", "yard"}


def test_nothing_is_changed_where_nothing_can_be_kept(written: Written) -> None:
    written.says["zones_file"] = None
    _, store = written.after_restart()
    with pytest.raises(OutputError, match="zones_file is null"):
        store.save({"yard": YARD}, 0)
    written.says["zones_file"] = str(written.folder / "darner.yaml" / "zones.json")
    _, store = written.after_restart()
    with pytest.raises(OutputError, match="cannot be written"):
        store.save({"yard": YARD}, 0)
    assert store.version == 0


def test_there_are_no_more_cameras_than_messages_have_room_for(written: Written) -> None:
    _, store = written.after_restart()
    with pytest.raises(MessageError, match="257 cameras; a node has at most 256"):
        store.save({f"c{n}": YARD for n in range(256)}, 0)


@pytest.mark.parametrize(
    "content", ["", "{", '{"cameras": {"a/b": {"source": "x"}}}', '{"version": -1}', "[" * 5000]
)
def test_a_damaged_file_is_set_aside(
    written: Written, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (written.folder / "cameras-box.json").write_text(content)
    config, store = written.after_restart()
    assert (set(config.cameras), store.version) == ({"door"}, 0)
    assert (written.folder / "cameras-box.damaged").exists()
    assert "cameras-box.json: cannot be read" in caplog.text


def test_a_node_whose_configuration_says_that_it_has_no_cameras_waits_for_one(written: Written) -> None:
    written.says["cameras"] = {}
    config, store = written.after_restart()
    assert (config.cameras, store.version) == ({}, 0)
    del written.says["cameras"]
    assert written.read(CameraStore(), "cameras={}").cameras == {}


@pytest.mark.parametrize(
    "says", [{}, {"cameras": {}, "remote_cameras": "off"}, {"cameras": {}, "zones_file": None}]
)
def test_without_any_camera_and_any_way_to_get_one_there_is_an_error(
    written: Written, says: dict[str, Any]
) -> None:
    del written.says["cameras"]
    written.says |= says
    with pytest.raises(ConfigError, match="no cameras: name one with --source"):
        written.after_restart()
