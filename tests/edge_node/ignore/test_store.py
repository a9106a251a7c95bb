"""What is kept of suspects over a restart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.ignoring import SuspectSettings
from edge_node.ignore.store import SuspectStore
from edge_node.ignore.suspects import SuspectHunt
from shared.errors import OutputError
from tests.edge_node.ignore.scene import Film, Thing, stands

CLASSES = ("person", "car", "kite")
CAMERAS = {
    "yard": CameraSettings(source="x", suspects=SuspectSettings(after_s=120.0)),
    "gate": CameraSettings(source="y"),
}


def scene() -> Film:
    return Film([Thing(stands(x, 0.5, 150), found=0.5, score=0.4, class_id=2) for x in (0.2, 0.7)])


def watched(store: SuspectStore, until_s: float = 320.0, start_s: float = 0.0) -> SuspectHunt:
    for shown in scene().play(until_s, start_s):
        store.hunts["yard"].sample(*shown)
    return store.hunts["yard"]


def test_what_was_offered_is_offered_again_at_once_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "state" / "suspects.json"
    store = SuspectStore(path, CAMERAS, CLASSES)
    before = watched(store).offers()
    assert len(before) == 2
    store.keep()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not re.search(rb"\d\.\d{6}", path.read_bytes()), "numbers that people can read"
    again = SuspectStore(path, CAMERAS, CLASSES)
    assert {(one.id, one.label, one.since_us) for one in again.offers()["yard"]} == {
        (one.id, one.label, one.since_us) for one in before
    }
    assert again.offers()["gate"] == ()
    after = watched(again, 420, 320).offers()
    assert {one.id for one in after} == {one.id for one in before}
    assert min(one.last_us for one in after) > max(one.last_us for one in before)


def test_what_was_called_real_stays_real(tmp_path: Path) -> None:
    path = tmp_path / "suspects.json"
    store = SuspectStore(path, CAMERAS, CLASSES)
    first, second = watched(store).offers()
    assert store.dismiss("yard", first.id)
    assert not store.dismiss("yard", first.id)
    again = SuspectStore(path, CAMERAS, CLASSES)
    assert [one.id for one in again.offers()["yard"]] == [second.id]
    assert len(watched(again).offers()) == 1
    assert len(watched(SuspectStore(None, CAMERAS, CLASSES)).offers()) == 2


def test_a_file_is_written_only_when_something_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "suspects.json"
    store = SuspectStore(path, CAMERAS, CLASSES)
    store.keep()
    assert not path.exists(), "nothing to keep"
    watched(store)
    store.keep()
    path.unlink()
    watched(store, 330, 320)
    store.keep()
    assert not path.exists(), "numbers grow without end"


def test_classes_that_another_model_lacks_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "suspects.json"
    store = SuspectStore(path, CAMERAS, CLASSES)
    watched(store)
    store.keep()
    assert SuspectStore(path, CAMERAS, ("kite",)).offers()["yard"][0].class_id == 0
    assert SuspectStore(path, CAMERAS, ("person",)).offers()["yard"] == ()


@pytest.mark.parametrize("content", [b"", b"{", b'{"cameras": {"yard": {"real": 1}}}', b"[" * 5000, b"\xff"])
def test_a_damaged_file_is_renamed_and_the_node_starts(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "suspects.json"
    path.write_bytes(content)
    assert SuspectStore(path, CAMERAS, CLASSES).offers() == {"yard": (), "gate": ()}
    assert (tmp_path / "suspects.damaged").read_bytes() == content
    assert "renamed to suspects.damaged; suspects are searched anew" in caplog.text


def test_a_file_that_cannot_be_written_is_said_and_what_was_said_holds_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    store = SuspectStore(tmp_path / "file" / "suspects.json", CAMERAS, CLASSES)
    first, _ = watched(store).offers()
    store.keep()
    store.keep()
    assert caplog.text.count("cannot be written") == 1, "not every five seconds"
    with pytest.raises(OutputError, match="holds until the node ends"):
        store.dismiss("yard", first.id)
    assert first.id not in {one.id for one in store.offers()["yard"]}


def test_a_reload_changes_for_how_long_things_are_watched() -> None:
    store = SuspectStore(None, CAMERAS, CLASSES)
    off = {name: CameraSettings(source="x", suspects=SuspectSettings(after_s=0)) for name in CAMERAS}
    assert watched(store).offers()
    store.reconfigure(off)
    assert not store.hunts["yard"].due(1e6)
    assert store.offers()["yard"] == (), "who wants no offers sees none"
