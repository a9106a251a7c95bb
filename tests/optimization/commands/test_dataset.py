from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from optimization.__main__ import main
from optimization.dataset.reading import read
from tests.optimization.dataset.drawn import CAT, DOG, coco, objects


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve pictures with a cat or a dog each."""
    boxes = {f"{chr(97 + n)}.png": [(DOG if n % 3 else CAT, 10, 10, 30, 40)] for n in range(12)}
    return coco(tmp_path / "data", boxes).parent


def run(*words: object) -> int:
    return main(["dataset", *map(str, words)])


def test_check_ends_with_one_for_faults_with_zero_for_warnings_and_reports_all(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, sheet = tmp_path / "report.json", tmp_path / "sheet.jpg"
    assert run("check", data) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    coco(data, {"a.png": [(CAT, 1, 1, 2, 30)] * 5, "b.png": [(DOG, 3, 3, 30, 30)]})
    assert run("check", data, "--sheet", sheet, "--sheet-pictures", 2) == 0
    assert run("check", data, "--strict") == 1
    coco(data, {"a.png": [(CAT, 500, 1, 20 + n, 30) for n in range(5)], "b.png": [(DOG, 3, 3, 30, 30)]})
    capsys.readouterr()
    assert run("check", data, "--json", report) == 1
    told = capsys.readouterr()
    lines = [line for line in told.out.splitlines() if line.startswith("fault")]
    assert len(lines) == 1
    assert lines[0].startswith("fault: boxes outside their picture: 5 (box-outside): ")
    assert lines[0].endswith("; ...")
    assert told.err == f"error: {data}: 5 faults, as listed above\n"
    findings = {one["kind"]: one for one in json.loads(report.read_text())["findings"]}
    assert findings["box-outside"]["count"] == len(findings["box-outside"]["places"]) == 5
    drawn = cv2.imread(str(sheet))
    assert drawn is not None
    assert drawn.shape[1] > 600
    # The first class's colour, a light blue, is on the sheet: boxes are drawn.
    assert (abs(drawn.astype(int) - (233, 180, 86)).max(axis=2) < 30).sum() > 100


def test_split_convert_merge_and_stats_work_in_a_row(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts, voc, one = tmp_path / "parts", tmp_path / "voc", tmp_path / "one"
    assert run("split", data, "--out", parts, "--to", "yolo", "--shares", "train=75,val=25") == 0
    assert {split: len(read(parts).part(split).items) for split in ("train", "val")} == {"train": 9, "val": 3}
    assert run("convert", parts, "--to", "voc", "--out", voc, "--classes", "dog") == 0
    assert read(voc).names == ("dog",)
    assert objects(read(voc)) == {thing for thing in objects(read(data)) if thing[1] == "dog"}
    assert run("merge", data, voc, "--out", one, "--rename", "dog=hound") == 0
    assert "once only: 8" in capsys.readouterr().out
    assert read(one).names == ("cat", "hound")
    assert {thing[2:] for thing in objects(read(one))} == {thing[2:] for thing in objects(read(data))}
    plot = tmp_path / "plot.png"
    assert run("stats", parts, "--plot", plot, "--json", tmp_path / "stats.json") == 0
    assert json.loads((tmp_path / "stats.json").read_text())["splits"]["val"]["pictures"] == 3
    assert cv2.imread(str(plot)) is not None


def test_what_cannot_be_read_stops_a_conversion_unless_it_is_mended(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data / "instances.json"
    document = json.loads(file.read_text())
    document["annotations"][0]["category_id"] = 77
    document["annotations"][1]["bbox"] = [50, 50, 100, 100]
    file.write_text(json.dumps(document))
    (data / "images" / "c.png").write_bytes((data / "images" / "c.png").read_bytes()[:-200])
    assert run("convert", data, "--to", "yolo", "--out", tmp_path / "out") == 1
    assert "annotation 0 has the category 77" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run("convert", data, "--to", "yolo", "--out", tmp_path / "out", "--mend") == 0
    found = objects(read(tmp_path / "out"))
    assert len(found) == 10
    assert ("b", "dog", 50.0, 50.0, 96.0, 64.0, False) in found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["split", "{data}", "--out", "{data}"], "is not empty"),
        (["split", "{data}", "--out", "{new}", "--seed", "-1"], "--seed must be at least 0"),
        (["split", "{data}", "--out", "{new}", "--group", "x["], "--group x["),
        (["convert", "{data}", "--out", "{new}"], "--to"),
        (["convert", "{data}", "--out", "{new}", "--classes", "cat,bird"], "'bird'"),
        (["convert", "{data}", "--out", "{new}", "--classes", "cat,cat"], "stands twice"),
        (["merge", "{data}", "--out", "{new}"], "at least two"),
        (
            ["merge", "{data}", "{data}", "--out", "{new}", "--rename", "bird=cat"],
            "no dataset has a class 'bird'",
        ),
        (["check", "{data}", "--sheet", "sheet.gif"], "'.gif'"),
        (["check", "{new}"], "no such dataset"),
        (["check", "{new}" + 300 * "x"], "File name too long"),
        (["convert", "{data}", "--to", "voc", "--out", "{new}" + 300 * "x"], "File name too long"),
    ],
)
def test_wrong_options_end_in_one_sentence_that_names_them(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert run(*(word.format(data=data, new=tmp_path / "new") for word in words)) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--shares", "train=80"), ("--shares", "train=nan,val=1"), ("--near", "13"), ("--blocks", "0")],
)
def test_wrong_values_are_refused_before_the_work(
    data: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit):
        run("split", data, "--out", "new", option, value)
    assert f"argument {option}: {value!r}" in capsys.readouterr().err
