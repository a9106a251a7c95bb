"""`python -m optimization evaluate tracker` on sequences made here, and on real ones if they are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimization.__main__ import main

MOT15 = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "mot15"
FRAMES = 30


def write_sequence(
    folder: Path, name: str = "walk", *, detections: bool = True, score: str = "0.9", shift: float = 0.0
) -> Path:
    """One person crossing the picture, perfectly detected unless shifted."""
    sequence = folder / name
    (sequence / "gt").mkdir(parents=True)
    (sequence / "det").mkdir()
    (sequence / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nframeRate=10\nseqLength={FRAMES}\nimWidth=640\nimHeight=480\n"
    )
    frames = range(1, FRAMES + 1)
    truth = "".join(f"{f},1,{100 + 5 * f},100,40,100,1,-1,-1,-1\n" for f in frames)
    (sequence / "gt" / "gt.txt").write_text(truth)
    if detections:
        rows = "".join(f"{f},-1,{100 + 5 * f + shift},100,40,100,{score},-1,-1,-1\n" for f in frames)
        (sequence / "det" / "det.txt").write_text(rows)
    return sequence


def evaluate(*arguments: object) -> int:
    return main(["evaluate", "tracker", *map(str, arguments)])


@pytest.mark.parametrize("kind", ["bytetrack", "ocsort"])
def test_a_perfectly_detected_walker_scores_nearly_everything(tmp_path: Path, kind: str) -> None:
    write_sequence(tmp_path)
    target = tmp_path / "scores.json"
    assert evaluate("--mot", tmp_path, "--tracker", kind, "--json", target) == 0
    scores = json.loads(target.read_text())
    assert set(scores) == {"sequences", "combined"}
    assert set(scores["combined"]) == {"hota", "deta", "assa", "mota", "idf1", "idsw"}
    # The first of 30 frames is spent on confirmation.
    assert scores["sequences"]["walk"]["mota"] == pytest.approx(100 * 29 / 30, abs=0.01)
    assert scores["combined"] == scores["sequences"]["walk"]
    assert scores["combined"]["idsw"] == 0


def test_the_table_has_a_line_per_sequence_and_one_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        write_sequence(tmp_path, name)
    write_sequence(tmp_path, "blind", detections=False)
    assert evaluate("--mot", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDsw"]
    assert [line.split()[0] for line in lines[1:]] == ["blind", "one", "two", "combined"]
    assert "skipped: it has no det/det.txt" in lines[1]


def test_a_single_sequence_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--mot", write_sequence(tmp_path)) == 0
    assert "walk" in capsys.readouterr().out


@pytest.mark.parametrize("score", ["-1", "57.3"], ids=["no score given", "scores of another scale"])
def test_scores_of_any_scale_are_understood(tmp_path: Path, score: str) -> None:
    write_sequence(tmp_path, score=score)
    target = tmp_path / "scores.json"
    evaluate("--mot", tmp_path, "--json", target)
    assert json.loads(target.read_text())["combined"]["mota"] > 90


def test_detections_beside_the_truth_score_nothing(tmp_path: Path) -> None:
    write_sequence(tmp_path, shift=300)
    target = tmp_path / "scores.json"
    evaluate("--mot", tmp_path, "--json", target)
    assert json.loads(target.read_text())["combined"]["hota"] == 0


def test_a_sequence_without_any_object_or_detection_is_scored(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path)
    (sequence / "gt" / "gt.txt").write_text("")
    (sequence / "det" / "det.txt").write_text("")
    assert evaluate("--mot", tmp_path) == 0


def test_an_existing_file_is_overwritten_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequence(tmp_path)
    target = tmp_path / "scores.json"
    target.write_text("precious")
    assert evaluate("--mot", tmp_path, "--json", target) != 0
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert evaluate("--mot", tmp_path, "--json", target, "--force") == 0
    assert "combined" in json.loads(target.read_text())


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("det/det.txt", "1,-1,a,2,3,4,0.9", "det.txt: expected numbers"),
        ("det/det.txt", "1,-1,1,2,3", "det.txt: expected rows"),
        ("det/det.txt", "1,-1,nan,2,3,4,0.9", "det.txt: holds a value that is not a finite number"),
        ("det/det.txt", "31,-1,1,2,3,4,0.9", "frames 31 to 31 do not fit the seqLength of 30"),
        ("gt/gt.txt", "0,1,1,2,3,4,1", "gt.txt: frames 0 to 0"),
        ("gt/gt.txt", None, "gt.txt: cannot be read"),
        ("seqinfo.ini", "[Sequence]\nframeRate=10", "seqinfo.ini: needs [Sequence]"),
        ("seqinfo.ini", "[Sequence]\nframeRate=0\nseqLength=30", "must be positive"),
        ("seqinfo.ini", "no ini", "seqinfo.ini: needs [Sequence]"),
    ],
)
def test_a_bad_file_is_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str | None, named: str
) -> None:
    path = write_sequence(tmp_path) / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert evaluate("--mot", tmp_path) != 0
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("missing", "no such folder"),
        ("empty", "holds no MOTChallenge sequence"),
        ("blind", "nothing to evaluate"),
    ],
)
def test_a_useless_folder_is_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, named: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_sequence(tmp_path / "blind", detections=False)
    assert evaluate("--mot", tmp_path / name) != 0
    assert named in capsys.readouterr().err


@pytest.mark.skipif(not MOT15.is_dir(), reason="needs the MOT15 sequences in ../shared/data/mot15")
@pytest.mark.parametrize("kind", ["bytetrack", "ocsort"])
def test_real_sequences_score_above_the_best_other_trackers(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "scores.json"
    assert evaluate("--mot", MOT15, "--tracker", kind, "--json", target) == 0
    combined = json.loads(target.read_text())["combined"]
    assert combined["hota"] > 37.3
    assert combined["mota"] > 38.3
    assert combined["idf1"] > 47.9
