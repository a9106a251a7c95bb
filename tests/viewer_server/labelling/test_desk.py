"""What is decided about the pictures of a folder, and what becomes of its files."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import collected
from shared.errors import ConfigError
from tests.viewer_server.labelling.folders import (
    CAR,
    HEIGHT,
    MINUTE_US,
    PERSON,
    WIDTH,
    collect,
    images,
    picture,
    written,
)
from viewer_server.labelling.catalogue import Catalogue
from viewer_server.labelling.desk import Changed, Desk, Gone, Senseless
from viewer_server.labelling.said import (
    LabelBox,
    LabelDecision,
    LabelDeletion,
    LabelProgress,
    LabelQuery,
    LabelSaved,
)

SIZE = (WIDTH, HEIGHT)
NOW_US = 1_790_000_900_000_000


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return collect(tmp_path, 6)


@pytest.fixture
def desk(tmp_path: Path, names: list[str]) -> Iterator[Desk]:  # noqa: ARG001 - which are to be there
    opened = Desk(tmp_path, lambda: NOW_US)
    yield opened
    opened.close()


def decide(desk: Desk, name: str, boxes: list[LabelBox] | None = None, **given: Any) -> LabelSaved:
    """Decide as the page does: on what it was shown."""
    seen = desk.picture(name)
    about = {"version": seen.version, "size": SIZE, "boxes": seen.boxes if boxes is None else boxes}
    return desk.decide(LabelDecision(name=name, **(about | given)))


def box(label: str = "person", corners: tuple[float, float, float, float] = PERSON, **more: Any) -> LabelBox:
    return LabelBox(label=label, box=corners, **more)


def test_a_picture_that_is_accepted_has_the_proposed_boxes_in_coco(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    assert decide(desk, names[0]).state == "accepted"
    found = written(tmp_path)
    [image] = found["images"]
    assert image == {
        "id": 1,
        "file_name": names[0],
        "width": WIDTH,
        "height": HEIGHT,
        "group": "yard 2026-09-21T14",
        "darner": {"state": "accepted", "decided_us": NOW_US},
    }
    classes = {one["id"]: one["name"] for one in found["categories"]}
    boxes = {classes[one["category_id"]]: one["bbox"] for one in found["annotations"]}
    assert boxes == {"car": [160.0, 72.0, 128.0, 90.0], "person": [32.0, 36.0, 64.0, 108.0]}


@pytest.mark.parametrize(
    ("boxes", "state"),
    [
        ([box("car", CAR), box()], "accepted"),  # in whatever order
        ([box()], "corrected"),  # one is gone
        ([box("dog"), box("car", CAR)], "corrected"),  # another class
        ([box("person", (0.11, 0.2, 0.3, 0.8)), box("car", CAR)], "corrected"),  # moved
        ([], "empty"),
    ],
)
def test_the_state_says_what_became_of_the_proposal(
    desk: Desk, tmp_path: Path, names: list[str], boxes: list[LabelBox], state: str
) -> None:
    assert decide(desk, names[0], boxes).state == state
    assert images(tmp_path)[names[0]]["darner"]["state"] == state
    assert len(written(tmp_path)["annotations"]) == len(boxes)
    assert desk.picture(names[0]).state == state


def test_a_decision_about_something_that_was_decided_meanwhile_is_refused(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    seen_in_both_tabs = desk.picture(names[0])
    decide(desk, names[0], [box("dog")])
    before = written(tmp_path)
    with pytest.raises(Changed, match="meanwhile"):
        decide(desk, names[0], [], version=seen_in_both_tabs.version)
    with pytest.raises(Changed):
        desk.delete(LabelDeletion(name=names[0], version=seen_in_both_tabs.version))
    assert written(tmp_path) == before
    decide(desk, names[1], version="")  # another picture is no conflict


def test_what_another_program_writes_meanwhile_is_taken_up_and_not_overwritten(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    decide(desk, names[0])
    version = desk.picture(names[0]).version
    found = written(tmp_path)
    found["annotations"][0]["bbox"] = [1, 2, 30, 40]
    found["info"] = {"by": "another tool"}
    (tmp_path / "annotations.json").write_text(json.dumps(found))
    with pytest.raises(Changed):
        decide(desk, names[0], version=version)
    decide(desk, names[1])
    assert written(tmp_path)["info"] == {"by": "another tool"}
    assert [1, 2, 30, 40] in [one["bbox"] for one in written(tmp_path)["annotations"]]


def test_foreign_fields_and_boxes_that_were_not_moved_stay_as_they_are(tmp_path: Path) -> None:
    picture(tmp_path / "gate.jpg")
    kept = {"id": 7, "image_id": "a", "category_id": 18, "bbox": [10.123456, 20, 30, 40], "area": 0.5,
            "segmentation": [[1, 2, 3, 4, 5, 6]], "iscrowd": 1, "note": "mine", "big": 2**80}  # fmt: skip
    moved = kept | {"id": 8, "bbox": [100, 20, 30, 40]}
    outside = kept | {"id": 9, "bbox": [900, 900, 5, 5]}  # cannot be shown
    loose = kept | {"id": 10, "image_id": "no such picture"}
    document: dict[str, Any] = {
        "info": {"year": 2026},
        "licenses": [{"id": 1}],
        "images": [{"id": "a", "file_name": "gate.jpg", "width": WIDTH, "height": HEIGHT, "license": 1},
                   {"id": "b", "file_name": "elsewhere.jpg", "width": 5, "height": 5}],
        "annotations": [kept, moved, outside, loose],
        "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 19, "name": "unused"}],
    }  # fmt: skip
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    desk = Desk(tmp_path)
    seen = desk.picture("gate.jpg")
    assert (seen.state, [one.id for one in seen.boxes]) == ("annotated", [7, 8])
    boxes = [seen.boxes[0], box("dog", (0.5, 0.5, 0.75, 0.75), id=8), box("cat")]
    assert decide(desk, "gate.jpg", boxes).state == "corrected"
    desk.close()
    found = written(tmp_path)
    rows = {one["id"]: one for one in found["annotations"]}
    assert rows[7] == kept
    assert rows[9] == outside
    assert rows[10] == loose
    assert rows[8] == {"id": 8, "image_id": "a", "category_id": 18, "bbox": [160.0, 90.0, 80.0, 45.0],
                       "area": 3600.0, "iscrowd": 1, "note": "mine", "big": 2**80}  # fmt: skip
    assert rows[11]["category_id"] == 20
    assert found["categories"] == [*document["categories"], {"id": 20, "name": "cat"}]
    assert (found["info"], found["licenses"]) == (document["info"], document["licenses"])
    assert images(tmp_path)["gate.jpg"]["license"] == 1
    assert images(tmp_path)["elsewhere.jpg"] == document["images"][1]


def test_boxes_are_scaled_when_the_file_states_another_size(tmp_path: Path) -> None:
    picture(tmp_path / "gate.jpg")
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [64, 36, 64, 36]}
    image = {"id": 1, "file_name": "gate.jpg", "width": 2 * WIDTH, "height": 2 * HEIGHT}
    document = {"images": [image], "annotations": [row], "categories": [{"id": 1, "name": "dog"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    desk = Desk(tmp_path)
    assert decide(desk, "gate.jpg").state == "accepted"
    desk.close()
    assert written(tmp_path)["annotations"][0]["bbox"] == [32.0, 18.0, 32.0, 18.0]
    assert images(tmp_path)["gate.jpg"]["width"] == WIDTH


def test_a_class_that_was_mistyped_goes_with_its_last_object(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    decide(desk, names[0], [box("persn")])
    assert [one["name"] for one in written(tmp_path)["categories"]] == ["persn"]
    decide(desk, names[0], [box("person")])
    assert [one["name"] for one in written(tmp_path)["categories"]] == ["person"]


def test_a_deleted_picture_goes_with_its_sidecar_and_labels_and_comes_back_until_the_next(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    saved = decide(desk, names[0], [box("dog")])
    first, second = tmp_path / names[0], tmp_path / names[1]
    before = written(tmp_path)
    desk.delete(LabelDeletion(name=names[0], version=saved.version))
    assert not first.exists()
    assert not collected.sidecar(first).exists()
    assert written(tmp_path)["images"] == written(tmp_path)["annotations"] == []
    with pytest.raises(Gone):
        desk.image(names[0])
    assert desk.restore(names[0]) == saved
    assert written(tmp_path) == before
    assert collected.read(first).seq == 0
    desk.delete(LabelDeletion(name=names[0], version=saved.version))
    decide(desk, names[2])  # which keeps the class of the deleted box
    desk.restore(names[0])
    assert desk.picture(names[0]).boxes[0].label == "dog"
    desk.delete(LabelDeletion(name=names[0], version=saved.version))
    desk.delete(LabelDeletion(name=names[1], version=""))
    with pytest.raises(Gone, match="so it is gone"):
        desk.restore(names[0])
    assert desk.restore(names[1]).state is None
    assert second.exists()
    assert len(desk.listed(LabelQuery()).pictures) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [".labelling.lock", "annotations.json", "yard"]


def test_what_was_deleted_before_a_crash_is_removed_at_the_next_start(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    desk.delete(LabelDeletion(name=names[0], version=""))
    assert (tmp_path / ".deleted").exists()
    desk.close()
    Desk(tmp_path).close()
    assert not (tmp_path / ".deleted").exists()


def test_pages_follow_one_another_in_both_directions(tmp_path: Path) -> None:
    names = [*collect(tmp_path, 3, camera="a"), *collect(tmp_path, 4, camera="b")]
    desk = Desk(tmp_path)
    assert desk.listed(LabelQuery(limit=3)).pictures == names[:3]
    assert desk.listed(LabelQuery(after=names[2], limit=3)).pictures == names[3:6]
    assert desk.listed(LabelQuery(after=names[6])).pictures == []
    assert desk.listed(LabelQuery(before=names[3], limit=2)).pictures == names[1:3]
    assert desk.listed(LabelQuery(after="a/gone.jpg", limit=1)).pictures == names[:1]
    desk.close()


def test_filters_by_state_reason_and_score(desk: Desk, names: list[str]) -> None:
    decide(desk, names[0])
    decide(desk, names[1], [])
    found = {
        "open": desk.listed(LabelQuery(state="open")).pictures,
        "decided": desk.listed(LabelQuery(state="decided")).pictures,
        "empty": desk.listed(LabelQuery(state="empty")).pictures,
        "flicker": desk.listed(LabelQuery(reason="flicker")).pictures,
        "unsure": desk.listed(LabelQuery(below=0.36)).pictures,
    }
    assert found == {
        "open": names[2:],
        "decided": names[:2],
        "empty": [names[1]],
        "flicker": [names[2], names[5]],
        "unsure": names[:2],
    }


def test_the_progress_counts_pictures_and_the_hours_they_are_from(tmp_path: Path) -> None:
    names = collect(tmp_path, 4, apart_us=40 * MINUTE_US)
    desk = Desk(tmp_path)
    decide(desk, names[0])
    said = desk.listed(LabelQuery(state="open"))
    assert said.matching == 3
    assert said.progress == LabelProgress(total=4, decided=1, hours=3, hours_decided=1)
    assert decide(desk, names[3]).progress == LabelProgress(total=4, decided=2, hours=3, hours_decided=2)
    gone = desk.delete(LabelDeletion(name=names[1], version=""))
    assert gone.progress == LabelProgress(total=3, decided=2, hours=3, hours_decided=2)
    assert set(said.classes) == {"person", "car"}
    desk.close()


def test_pictures_that_a_node_adds_and_replaces_meanwhile_are_noticed(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    assert len(desk.listed(LabelQuery()).pictures) == 6
    more = collect(tmp_path, 2, camera="gate")
    (tmp_path / names[0]).unlink()
    assert desk.listed(LabelQuery()).pictures == [*more, *names[1:]]
    with pytest.raises(Gone):
        decide(desk, names[0])


@pytest.mark.parametrize(
    ("boxes", "size", "said"),
    [
        ([box(corners=(0.5, 0.5, 0.5001, 0.9))], SIZE, "narrower or lower than one pixel"),
        ([box(corners=(0.5, 0.5, 0.2, 0.9))], SIZE, "narrower or lower"),
        ([box("  ")], SIZE, "no name"),
        ([box("a\nb")], SIZE, "no name"),
        ([], (WIDTH, HEIGHT + 1), "load the page again"),
    ],
)
def test_what_cannot_be_is_refused(
    desk: Desk, tmp_path: Path, names: list[str], boxes: list[LabelBox], size: tuple[int, int], said: str
) -> None:
    with pytest.raises(Senseless, match=said):
        decide(desk, names[0], boxes, size=size)
    assert not (tmp_path / "annotations.json").exists()


def test_links_and_other_files_are_no_pictures(tmp_path: Path) -> None:
    secret = picture(tmp_path / "secret" / "key.jpg")
    folder = tmp_path / "shown"
    picture(folder / "real.jpg")
    (folder / "link.jpg").symlink_to(secret)
    (folder / "links").symlink_to(secret.parent)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.jpg").write_bytes(secret.read_bytes())
    (folder / "text.txt").write_text("x")
    os.mkfifo(folder / "pipe.jpg")
    desk = Desk(folder)
    assert desk.listed(LabelQuery()).pictures == ["real.jpg"]
    for name in (
        "../secret/key.jpg",
        "link.jpg",
        "links/key.jpg",
        str(secret),
        "annotations.json",
        "pipe.jpg",
    ):
        with pytest.raises(Gone):
            desk.image(name)
    (folder / "real.jpg").unlink()
    (folder / "real.jpg").symlink_to(secret)  # after it was listed
    with pytest.raises(Gone, match="cannot be read"):
        desk.image("real.jpg")
    desk.close()


def test_a_picture_that_cannot_be_shown_says_why_and_can_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "text.png").write_bytes(b"GIF89a")
    picture(tmp_path / "old.bmp")
    desk = Desk(tmp_path)
    said = desk.listed(LabelQuery())
    assert (said.pictures, said.skipped) == (["broken.jpg", "text.png"], 1)
    assert "damaged" in str(desk.picture("broken.jpg").problem)
    with pytest.raises(Senseless, match="GIF"):
        decide(desk, "text.png", [])
    desk.delete(LabelDeletion(name="text.png", version=""))
    assert not (tmp_path / "text.png").exists()
    desk.close()


def test_a_sidecar_that_makes_no_sense_is_told_and_its_picture_shown(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    collected.sidecar(tmp_path / names[0]).write_text('{"schema": "darner/collected", "boxes": 3}')
    said = desk.listed(LabelQuery())
    assert len(said.pictures) == 6
    assert [names[0].removesuffix(".jpg") in note for note in said.notes] == [True]
    assert desk.picture(names[0]).boxes == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not a COCO annotation file"),
        (b'{"images": [{"id": 1}]}', "is not a COCO annotation file"),
        (b"[" * 100_000, "is not a COCO annotation file"),
        (b'{"images": [{"id": 1, "file_name": "images/x.jpg"}]}', "none of the pictures that it names"),
    ],
)
def test_annotations_that_cannot_be_used_end_in_a_sentence_and_are_left_alone(
    tmp_path: Path, content: bytes, said: str
) -> None:
    collect(tmp_path, 1)
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        Desk(tmp_path)
    assert (tmp_path / "annotations.json").read_bytes() == content


@pytest.mark.parametrize("extra", [b'"width": 1e999', b'"width": ' + b"9" * 5000])
def test_a_row_that_cannot_be_read_is_told_with_its_file(
    desk: Desk, tmp_path: Path, names: list[str], extra: bytes
) -> None:
    content = b'{"images": [{"id": 1, "file_name": "%s", %s}]}' % (names[0].encode(), extra)
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"annotations\.json: is not a COCO annotation file"):
        desk.picture(names[0])
    assert desk.picture(names[1]).state is None


def test_boxes_of_other_tools_can_be_accepted_whatever_they_are(tmp_path: Path) -> None:
    picture(tmp_path / "gate.jpg")
    row = {"image_id": 1, "category_id": 1, "bbox": [64, 36, 64, 36]}
    rows = [
        row | {"id": 1, "bbox": [10, 10, 0.5, 20]},  # narrower than a pixel
        row | {"id": 2, "category_id": 2},  # a class that a person could not give
        row,  # without an id
        row | {"id": 2**80},  # one that JavaScript would round
        row | {"id": [3], "category_id": [1]},  # of no class
    ]
    document = {"images": [{"id": 1, "file_name": "gate.jpg", "width": WIDTH, "height": HEIGHT}],
                "annotations": rows,
                "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "a\nb"}]}  # fmt: skip
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    desk = Desk(tmp_path)
    assert [one.id for one in desk.picture("gate.jpg").boxes] == [1, 2, None, None]
    assert decide(desk, "gate.jpg").state == "accepted"
    found = written(tmp_path)["annotations"]
    assert [one for one in found if one.get("id") in (1, 2)] == rows[:2]
    assert rows[4] in found
    assert [one["bbox"] for one in found].count(row["bbox"]) == 4
    decide(desk, "gate.jpg", [])
    assert written(tmp_path)["annotations"] == [rows[4]]
    desk.close()


def test_what_is_brought_back_has_its_numbers_for_itself(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    decide(desk, names[0])
    saved = decide(desk, names[1])
    desk.delete(LabelDeletion(name=names[1], version=saved.version))
    (tmp_path / "annotations.json").write_text(json.dumps(written(tmp_path)))  # another program
    decide(desk, names[2])
    desk.restore(names[1])
    for rows in (written(tmp_path)["images"], written(tmp_path)["annotations"]):
        assert len({row["id"] for row in rows}) == len(rows)


def test_a_picture_that_the_node_has_replaced_is_gone(desk: Desk, tmp_path: Path, names: list[str]) -> None:
    assert desk.picture(names[0]).problem is None
    (tmp_path / names[0]).unlink()
    with pytest.raises(Gone, match="not in the folder any more"):
        desk.picture(names[0])
    (tmp_path / names[1]).unlink()
    with pytest.raises(Gone):
        desk.decide(LabelDecision(name=names[1], version="", size=SIZE, boxes=[]))
    assert not (tmp_path / "annotations.json").exists()


def test_labels_are_no_sidecar_of_a_picture_of_that_name(
    desk: Desk, tmp_path: Path, names: list[str]
) -> None:
    picture(tmp_path / "annotations.jpg")
    decide(desk, names[0])
    assert desk.listed(LabelQuery()).notes == []
    desk.delete(LabelDeletion(name="annotations.jpg", version=""))
    assert list(images(tmp_path)) == [names[0]]
    desk.restore("annotations.jpg")
    assert list(images(tmp_path)) == [names[0]]


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_shown(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost+found").mkdir()
    scandir = os.scandir

    def closed(place: Path) -> Any:  # which root, who may run the tests, does not meet
        if place.name == "lost+found":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", closed)
    found = Catalogue(tmp_path).contents()
    assert list(found.pictures) == names
    assert "lost+found: cannot be read" in found.bad[0]


def test_a_folder_is_labelled_by_one_process_at_a_time(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"process {os.getpid()} labels it"):
        Desk(tmp_path)
    desk.close()
    Desk(tmp_path).close()


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"label\.path .*no such folder"):
        Desk(tmp_path / "missing")


def test_nothing_changes_when_the_disk_is_full(
    desk: Desk, tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(desk, names[0])
    before = written(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            decide(desk, names[0], [box("dog")])
        with pytest.raises(OSError, match="No space left"):
            desk.delete(LabelDeletion(name=names[0], version=desk.picture(names[0]).version))
    assert written(tmp_path) == before
    assert (tmp_path / names[0]).exists()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    decide(desk, names[0], [box("dog")])
    assert [one["name"] for one in written(tmp_path)["categories"]] == ["dog"]
