from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared import collected
from shared.collected import Collected, Proposal, Seeing
from shared.errors import MessageError

ONE = Collected(
    version=collected.VERSION,
    node="shop",
    camera="door",
    session="s-1",
    seq=7,
    captured_us=1_700_000_000_000_000,
    reasons=("flicker", "low_score"),
    size=(1280, 720),
    light=0.25,
    model=Seeing(name="nanodet", sha256="a" * 64),
    boxes=(Proposal(label="person", score=0.4, xyxy=(0.1, 0.2, 0.3, 0.9)),),
)


def changed(**values: object) -> bytes:
    """The content of a sidecar with other values."""
    return json.dumps({**json.loads(collected.serialise(ONE)), **values}).encode()


def boxes(**values: object) -> bytes:
    """The content of a sidecar with one box with other values."""
    return changed(boxes=[{"class": "person", "score": 0.4, "xyxy": [0.1, 0.2, 0.3, 0.9], **values}])


def test_a_sidecar_is_read_as_it_was_written() -> None:
    assert collected.parse(collected.serialise(ONE)) == ONE


def test_a_sidecar_has_the_fields_that_others_read() -> None:
    written = json.loads(collected.serialise(ONE))
    assert written["schema"] == "darner/collected"
    assert written["version"] == 1
    assert written["boxes"] == [{"class": "person", "score": 0.4, "xyxy": [0.1, 0.2, 0.3, 0.9]}]
    assert written["model"] == {"name": "nanodet", "sha256": "a" * 64}


def test_fields_to_come_do_not_hide_those_that_are_known() -> None:
    assert collected.parse(changed(weather="rain")) == ONE


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "Expected `object`"),
        (b"\xff\xfe", "not JSON"),
        (b'{"schema":"darner/collected","x":' + b"[" * 100_000, "not JSON"),
        (b"{}", "missing required field `schema`"),
        (changed(schema="darner/zones"), "$.schema"),
        (changed(version=2), "version 2 is not 1"),
        (changed(camera="../door"), "$.camera"),
        (changed(seq=-1), "$.seq"),
        (changed(captured_us=2**60), "$.captured_us"),
        (changed(reasons=[]), "$.reasons"),
        (changed(reasons=["nice"]), "$.reasons"),
        (changed(size=[0, 720]), "$.size"),
        (changed(light=1.5), "$.light"),
        (changed(model={"name": "x", "sha256": "abc"}), "$.model.sha256"),
        (changed(boxes=None), "$.boxes"),
        (boxes(score="high"), "$.boxes[0].score"),
        (boxes(xyxy=[10, 20, 30, 40]), "$.boxes[0].xyxy"),
        (boxes(xyxy=[0.3, 0.2, 0.3, 0.9]), "not left, top, right, bottom"),
        (boxes(**{"class": ""}), "class"),
        (b'{"schema":"' + b"x" * 5_000_000 + b'"}', "at most"),
    ],
)
def test_a_sidecar_that_breaks_a_rule_is_refused_with_the_place(data: bytes, says: str) -> None:
    with pytest.raises(MessageError) as refused:
        collected.parse(data)
    assert says in str(refused.value)


def test_a_name_tells_when_a_picture_was_taken() -> None:
    picture = Path("/x") / collected.file_name(12, 3)
    assert collected.when(picture) == (12, 3)
    for other in ("12-3.png", "12.jpg", "a-3.jpg", ".12-3.jpg", "12-3.jpg.part", "12-3 (copy).jpg"):
        assert collected.when(Path(other)) is None


def fill(folder: Path) -> Path:
    picture = folder / collected.file_name(12, 3)
    picture.write_bytes(b"jpeg")
    collected.sidecar(picture).write_bytes(collected.serialise(ONE))
    return picture


def test_only_complete_pictures_are_listed(tmp_path: Path) -> None:
    picture = fill(tmp_path)
    (tmp_path / "13-4.jpg").write_bytes(b"no sidecar yet")
    (tmp_path / "14-5.json").write_bytes(b"no picture")
    (tmp_path / "holiday.jpg").write_bytes(b"not ours")
    (tmp_path / collected.ANNOTATIONS).write_text("{}")
    (tmp_path / "15-6.jpg").symlink_to(picture)
    (tmp_path / "15-6.json").write_bytes(collected.serialise(ONE))
    assert list(collected.pictures(tmp_path)) == [picture]
    assert collected.read(picture) == ONE


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        os.mkfifo,
        lambda path: path.mkdir(),
    ],
    ids=["link", "pipe", "folder"],
)
def test_a_sidecar_that_is_no_file_is_not_read(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    picture = fill(tmp_path)
    collected.sidecar(picture).unlink()
    spoil(collected.sidecar(picture))
    with pytest.raises(OSError, match=r"12-3\.json"):
        collected.read(picture)
    assert list(collected.pictures(tmp_path)) == []


def test_a_damaged_sidecar_is_named(tmp_path: Path) -> None:
    picture = fill(tmp_path)
    collected.sidecar(picture).write_bytes(b"{")
    with pytest.raises(MessageError, match=r"12-3\.json: not JSON"):
        collected.read(picture)
