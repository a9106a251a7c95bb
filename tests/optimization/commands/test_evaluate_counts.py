"""`python -m optimization evaluate counts` on people whose ways are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_node.frames import Detections
from optimization.__main__ import main
from optimization.measure import mot

FRAMES = 60
SHAPES = """
lines: {gate: {points: [[0.5, 1], [0.5, 0]]}, fence: {points: [[0.97, 1], [0.97, 0]]}}
zones: {yard: {polygon: [[0.3, 0], [0.7, 0], [0.7, 1], [0.3, 1]]}}
"""


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Two people walk through the yard, one right and one left; half.txt has only the first."""
    folder = tmp_path / "truth"
    for name in ("gt", "det"):
        (folder / name).mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=truth\nframeRate=10\nseqLength={FRAMES}\nimWidth=1000\nimHeight=1000\n"
    )
    boxes = [(f, one, x, y) for f in range(1, FRAMES + 1) for one, x, y in _walkers(f)]
    (folder / "gt/gt.txt").write_text(
        "".join(f"{f},{one},{x},{y},60,150,1,-1,-1,-1\n" for f, one, x, y in boxes)
    )
    for name, seen in (("det", (1, 2)), ("half", (1,))):
        rows = "".join(f"{f},-1,{x},{y},60,150,0.9,-1,-1,-1\n" for f, one, x, y in boxes if one in seen)
        (folder / f"det/{name}.txt").write_text(rows)
    (tmp_path / "shapes.yaml").write_text(SHAPES)
    return folder


def _walkers(frame: int) -> list[tuple[int, int, int]]:
    return [(1, 100 + 12 * frame, 300), (2, 900 - 12 * frame, 600)]


def evaluate(*words: object) -> int:
    return main(["evaluate", "counts", *map(str, words)])


def document(path: Path) -> Any:
    return json.loads(path.read_text())


def test_what_is_detected_and_tracked_without_a_fault_is_counted_without_error(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "counts.json"
    words = ("--truth", scene, "--detections", "det.txt", "--shapes", tmp_path / "shapes.yaml")
    assert evaluate(*words, "--json", out) == 0
    found = document(out)
    assert found["sequences"]["truth"]["lines"]["gate"] == {
        "truth": {"in": 1, "out": 1},
        "counted": {"in": 1, "out": 1},
    }
    yard = found["sequences"]["truth"]["zones"]["yard"]
    assert (yard["truth"]["entered"], yard["counted"]["entered"]) == (2, 2)
    assert (yard["truth"]["exited"], yard["counted"]["exited"]) == (2, 2)
    assert found["combined"]["line_crossings"] == {
        "truth": 2,
        "too_many": 0,
        "too_few": 0,
        "error_percent": 0,
    }
    # The stay goes on for exit_after_s, because until then nobody knows that it has ended.
    assert 0 <= yard["counted"]["occupancy"] - yard["truth"]["occupancy"] < 0.2
    assert "gate" in capsys.readouterr().out


def test_what_is_not_detected_is_missing_and_the_stages_say_so(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "counts.json"
    words = ("--truth", scene, "--detections", "half.txt", "--shapes", tmp_path / "shapes.yaml")
    assert evaluate(*words, "--stages", "--json", out) == 0
    found = document(out)
    assert found["combined"]["line_crossings"] == {
        "truth": 2,
        "too_many": 0,
        "too_few": 1,
        "error_percent": 50,
    }
    assert found["combined"]["zone_entries"]["error_percent"] == 50
    errors = {name: stage["line_crossings"]["error_percent"] for name, stage in found["stages"].items()}
    assert errors == {
        "true boxes, true ids": 0,
        "true boxes, tracker": 0,
        "true boxes where detected, true ids": 50,
        "detected boxes, true ids": 50,
        "detected boxes of true objects, tracker": 50,
    }


def test_tracks_of_another_program_are_counted(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "counts.json"
    assert evaluate("--truth", scene, "--tracks", scene / "gt/gt.txt", "--random", 5, "--json", out) == 0
    assert document(out)["combined"]["line_crossings"]["too_many"] == 0


def test_a_folder_of_sequences_is_added_up(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "counts.json"
    (scene / "det/det.txt").rename(scene / "det/other.txt")
    assert evaluate("--truth", scene.parent, "--detections", "det.txt") == 1
    assert "nothing to evaluate" in capsys.readouterr().err
    words = ("--truth", scene.parent, "--detections", "other.txt", "--random", 3, "--seed", 4)
    assert evaluate(*words, "--json", out) == 0
    found = document(out)
    assert len(found["sequences"]["truth"]["lines"]) == len(found["sequences"]["truth"]["zones"]) == 3


def test_a_video_goes_through_the_whole_pipeline(shared_data: Path, tmp_path: Path) -> None:
    frames = 30
    reader = cv2.VideoCapture(str(shared_data / "data/video/vtest.avi"))
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(frames):
        writer.write(reader.read()[1])
    writer.release()
    rate, true = mot.read_truth(shared_data / "data/mot15/PETS09-S2L1")
    nothing = [Detections.empty()] * frames
    mot.write(tmp_path / "t", mot.Sequence("t", rate, nothing, true[:frames]))
    (tmp_path / "z.yaml").write_text("zones: {all: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}")
    words = ("--truth", tmp_path / "t", "--shapes", tmp_path / "z.yaml", "--json", tmp_path / "o.json")
    assert evaluate(tmp_path / "v.avi", *words) == 0
    zone = document(tmp_path / "o.json")["sequences"]["t"]["zones"]["all"]
    assert zone["truth"]["occupancy"] > 3
    assert zone["occupancy_off_by"] < 1.5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param((), "name a video", id="nothing to count in"),
        pytest.param(("a.avi", "--detections", "det.txt"), "name a video, or", id="two things to count in"),
        pytest.param(("none.avi",), "no such file", id="no such video"),
        pytest.param(
            ("a.avi", "--truth", "."), "seqinfo.ini: no such file; the folder of a sequence", id="no sequence"
        ),
        pytest.param(
            ("--detections", "det.txt", "--tiles", "3x2"), "--tiles: only a video goes", id="tiles, no video"
        ),
        pytest.param(
            ("--detections", "det.txt", "--model", "none"), "--model: only a video goes", id="model, no video"
        ),
        pytest.param(("--detections", "none.txt"), "nothing to evaluate", id="no such detections"),
        pytest.param(("--tracks", "none.txt"), "none.txt: cannot be read", id="no such tracks"),
        pytest.param(("--detections", "det.txt", "--seed", "-1"), "--seed must be at least 0", id="seed"),
        pytest.param(
            ("--detections", "det.txt", "--camera", "a"), "--camera chooses", id="camera, no shapes"
        ),
        pytest.param(
            ("--detections", "det.txt", "--shapes", "none.yaml"), "none.yaml", id="no such lines and zones"
        ),
        pytest.param(
            ("--detections", "det.txt", "--shapes", "cars.yaml"), "'gate' counts car", id="another class"
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(
    scene: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(scene.parent)
    Path("cars.yaml").write_text("lines: {gate: {points: [[0.5, 1], [0.5, 0]], classes: [car]}}")
    assert evaluate("--truth", scene, *words) != 0
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_truth_without_the_size_of_its_pictures_is_refused(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scene / "seqinfo.ini"
    path.write_text(path.read_text().replace("imWidth=1000\n", ""))
    assert evaluate("--truth", scene, "--detections", "det.txt") == 1
    assert "needs [Sequence] with imWidth and imHeight" in capsys.readouterr().err
