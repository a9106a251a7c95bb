"""`dataset label`: the page is served, ends with its program, and what it wrote is a dataset."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from optimization.__main__ import main
from optimization.dataset.reading import read
from optimization.dataset.writing import write
from shared.errors import SourceError
from tests.optimization.dataset.drawn import CAT, DOG, coco
from tests.viewer_server.labelling.folders import collect, images


class Labelling:
    """`darner-optimize dataset label` as its users start it, in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "optimization", "dataset", "label", str(folder)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self.said = ""
        while not (found := re.search(r"http://\S+/(?=label)", self.said)):
            line = self.process.stdout.readline()
            assert line, self.process.stderr and self.process.stderr.read()
            self.said += line
        self.api = f"{found[0]}api/v1/label/"

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(self.api + path, timeout=30) as answer:  # noqa: S310 - our own
            return dict(json.loads(answer.read()))

    def accept(self, name: str) -> None:
        seen = self.get(f"picture?name={quote(name)}")
        body = {"name": name, "version": seen["version"], "boxes": seen["boxes"]}
        body["size"] = [seen["width"], seen["height"]]
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.api + "decide", json.dumps(body).encode(), kind)  # noqa: S310
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310

    def children(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in found.split()]

    def end(self, *, group: bool) -> str:
        """End it with Ctrl-C, which reaches the group, or with SIGTERM alone; what it said then."""
        if group:
            os.killpg(self.process.pid, signal.SIGINT)
        else:
            self.process.terminate()
        out, err = self.process.communicate(timeout=60)
        if group:  # gunicorn may tell its worker to end while Ctrl-C is ending it, and says so then
            err = re.sub(r"^\[.*\] \[WARNING\] Worker \(pid:\d+\) was sent SIGQUIT!\n", "", err)
        assert (self.process.returncode, err) == (0, "")
        return out


def test_what_is_labelled_is_a_dataset_and_the_page_ends_with_its_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = collect(tmp_path, 4)
    labelling = Labelling(tmp_path)
    for name in names[:3]:
        labelling.accept(name)
    viewers = labelling.children()
    assert "3 pictures labelled (3 accepted)" in labelling.end(group=True)
    assert len(viewers) == 1
    assert not any(Path(f"/proc/{viewer}").exists() for viewer in viewers)
    dataset = read(tmp_path)
    assert [item.path for item in dataset.items] == [tmp_path / name for name in names[:3]]
    assert {item.group for item in dataset.items} == {"yard 2026-09-21T14"}
    assert set(dataset.names) == {"person", "car"}
    assert dataset.items[0].xyxy.tolist()[0] == [160.0, 72.0, 288.0, 162.0]
    assert main(["dataset", "check", str(tmp_path)]) == 0
    assert "fault" not in capsys.readouterr().out


def test_annotations_of_another_format_are_taken_over_once(tmp_path: Path) -> None:
    boxes = {"a.png": [(CAT, 10, 10, 30, 40), (DOG, 5, 5, 20, 20)], "b.png": []}
    source = read(coco(tmp_path / "coco", boxes).parent)
    folder = tmp_path / "yolo"
    write(source, folder, "yolo", "copy")
    labelling = Labelling(folder)
    assert "written from the yolo annotations, 2 pictures, 2 objects, 2 classes" in labelling.said
    [name] = [one for one in images(folder) if one.endswith("a.png")]
    seen = labelling.get(f"picture?name={quote(name)}")
    assert (seen["state"], len(list(seen["boxes"]))) == ("annotated", 2)  # type: ignore[call-overload]  # JSON
    labelling.accept(name)
    viewers = labelling.children()
    labelling.end(group=False)
    assert not any(Path(f"/proc/{viewer}").exists() for viewer in viewers)
    assert images(folder)[name]["darner"]["state"] == "accepted"
    assert sorted(read(folder).names) == ["cat", "dog"]
    assert read(folder).objects == 2


def test_rubbish_in_the_file_at_the_end_is_told_in_a_sentence(tmp_path: Path) -> None:
    collect(tmp_path, 1)
    labelling = Labelling(tmp_path)
    (tmp_path / "annotations.json").write_text('{"images": 7')
    labelling.process.terminate()
    _, said = labelling.process.communicate(timeout=60)
    assert labelling.process.returncode == 2
    assert "annotations.json: another program has written it meanwhile" in said
    assert said.count("\n") == 1


def test_sidecars_are_no_annotations_and_the_error_says_how_to_make_some(tmp_path: Path) -> None:
    collect(tmp_path, 2)
    with pytest.raises(SourceError, match=r"pictures, but no annotations \(dataset label makes them"):
        read(tmp_path / "yard")
    with pytest.raises(SourceError, match="pictures, but no annotations"):
        read(tmp_path)


def test_labels_count_before_other_annotations_and_deleted_pictures_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco(tmp_path / "data", {"a.png": [(CAT, 1, 1, 20, 30)], "b.png": [(DOG, 3, 3, 30, 30)]}).parent
    (folder / "data.yaml").write_text("names: [fish]\ntrain: images\n")
    labelled = {"images": [{"id": 1, "file_name": "images/a.png"}], "annotations": [], "categories": []}
    (folder / "annotations.json").write_text(json.dumps(labelled))
    (folder / ".deleted").mkdir()
    (folder / "images" / "b.png").rename(folder / ".deleted" / "b.png")
    found = read(folder)
    assert ([item.path.name for item in found.items], found.names) == (["a.png"], ())
    assert main(["dataset", "check", str(folder), "--strict"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no such folder of pictures"), ("{", "is not a COCO annotation file")],
)
def test_a_folder_that_cannot_be_labelled_ends_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    folder = tmp_path / "data"
    if content is not None:
        collect(folder, 1)
        (folder / "annotations.json").write_text(content)
    try:
        code = main(["dataset", "label", str(folder)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capfd.readouterr().err
    assert (code, said in told, told.count("\n")) == (2, True, 1)
