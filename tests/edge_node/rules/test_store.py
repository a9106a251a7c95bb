"""Where rules come from and what is kept: configuration, MQTT, restarts, damaged files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from edge_node.rules.memory import BETWEEN_S, Memory
from edge_node.rules.store import RuleStore
from shared.errors import ConfigError, ConflictError
from shared.rules.state import RuleState, State
from tests.shared.rules.scenes import rule

ENTERS = rule("event", events=("zone_entered",))
STAY = rule("stay", for_s=60)


def test_a_node_without_rules_has_none_to_publish(tmp_path: Path) -> None:
    store = RuleStore(tmp_path / "rules.json", {})
    assert (store.current.version, store.current.rules) == (0, {})
    assert not store.configure({})
    assert list(tmp_path.iterdir()) == []


def test_what_was_saved_holds_until_the_configuration_changes(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    store = RuleStore(path, {"a": ENTERS})
    assert store.current.version == 1
    store.save({"b": STAY}, 1)
    again = RuleStore(path, {"a": ENTERS})
    assert (again.current.version, again.current.rules) == (2, {"b": STAY})
    assert not again.configure({"a": ENTERS})
    assert again.configure({"a": replace(ENTERS, cooldown_s=5)})
    assert (again.current.version, list(again.current.rules)) == (3, ["a"])
    emptied = RuleStore(path, {})
    assert (emptied.current.version, emptied.current.rules) == (4, {})
    assert path.stat().st_mode & 0o077 == 0


def test_a_change_that_began_from_another_version_is_refused(tmp_path: Path) -> None:
    store = RuleStore(tmp_path / "rules.json", {})
    store.save({"a": ENTERS}, 0)
    with pytest.raises(ConflictError, match="the current version is 1, not 0"):
        store.save({}, 0)
    assert list(store.current.rules) == ["a"]


def test_a_text_that_cannot_be_filled_in_changes_nothing(tmp_path: Path) -> None:
    store = RuleStore(tmp_path / "rules.json", {})
    with pytest.raises(ConfigError, match=r"rules\.a\.text"):
        store.save({"a": replace(ENTERS, text="{nobody}")}, 0)
    assert store.current.version == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": -1}', b'{"rules": {"a": {"when": 3}}}', b"\xff"]
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    assert RuleStore(path, {"a": ENTERS}).current.rules == {"a": ENTERS}
    assert (tmp_path / "rules.damaged").read_bytes() == content


def test_memory_is_written_when_it_changes_and_not_more_often_than_it_must(tmp_path: Path) -> None:
    now, path = [0.0], tmp_path / "alerts.json"
    states = {"front": State(rules={"a": RuleState(condition="x", last_us=1)}), "back": State()}
    memory = Memory(path, lambda: now[0])
    memory.keep(1, lambda: states)
    assert orjson.loads(path.read_bytes())["cameras"].keys() == {"front"}
    written = path.stat().st_mtime_ns
    memory.keep(1, lambda: states)
    now[0] = BETWEEN_S / 2
    memory.keep(2, lambda: states)
    assert path.stat().st_mtime_ns == written
    now[0] = BETWEEN_S
    memory.keep(2, lambda: states)
    assert path.stat().st_mtime_ns > written
    assert Memory(path).cameras == {"front": states["front"]}


def test_a_damaged_memory_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_bytes(b'{"cameras": {"front": {"rules": {"a": {}}}}}')
    assert Memory(path).cameras == {}
