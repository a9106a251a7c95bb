from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edge_node.config.tile_settings import TileSettings
from edge_node.frames import Detections
from optimization import arguments
from optimization.__main__ import main
from optimization.measure import mot
from tests.scenes.films import Scene, save

pytestmark = pytest.mark.long

FRAMES = 60


@pytest.fixture(scope="module")
def scene(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The first seconds of a real video, and their ground truth."""
    folder = tmp_path_factory.mktemp("scene")
    video = folder / "short.avi"
    reader = cv2.VideoCapture(str(shared_data / "data/video/vtest.avi"))
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(FRAMES):
        writer.write(reader.read()[1])
    writer.release()
    rate, truth = mot.read_truth(shared_data / "data/mot15/PETS09-S2L1")
    nothing = [Detections.empty()] * FRAMES
    mot.write(folder / "truth", mot.Sequence("truth", rate, nothing, truth[:FRAMES]))
    return video, folder / "truth"


def test_the_pipeline_is_scored_and_its_detections_saved_for_others(
    scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, truth = scene
    words = ["evaluate", "video", str(video), "--truth", str(truth)]
    out = tmp_path / "scores.json"
    assert main([*words, "--json", str(out), "--save", str(tmp_path / "saved")]) == 0
    scores = json.loads(out.read_text())["combined"]
    assert scores["hota"] > 40
    assert scores["mota"] > 55
    assert "truth" in capsys.readouterr().out
    saved = mot.read(tmp_path / "saved" / "truth")
    assert len(saved.detections) == FRAMES
    assert min(map(len, saved.detections)) >= 3
    assert main([*words, "--json", str(out)]) == 2, "never overwritten by accident"


@pytest.mark.parametrize(
    ("video", "truth", "says"),
    [
        pytest.param("none.avi", "", "no such file", id="no video"),
        pytest.param("", "gt", "seqinfo.ini", id="no ground truth"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    scene: tuple[Path, Path], video: str, truth: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "video", video or str(scene[0]), "--truth", str(scene[1] / truth)]) != 0
    assert says in capsys.readouterr().err


def test_a_truth_of_another_length_is_refused(
    scene: tuple[Path, Path], shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = shared_data / "data/mot15/PETS09-S2L1"
    assert main(["evaluate", "video", str(scene[0]), "--truth", str(truth)]) == 1
    assert f"has {FRAMES} frames" in capsys.readouterr().err


TILES = [
    ("auto", TileSettings()),
    ("3x2", TileSettings(columns=3, rows=2)),
    ("runs=4", TileSettings(runs=4)),
    (
        "columns=3, rows=2, overlap=0.1, whole=false",
        TileSettings(columns=3, rows=2, overlap=0.1, whole=False),
    ),
]


@pytest.mark.parametrize(("text", "expected"), TILES, ids=str)
def test_tiles_are_written_in_one_word(text: str, expected: TileSettings) -> None:
    assert arguments.tiles(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3", "'3' are no tiles; write auto, a grid such as 3x2, or key=value with columns"),
        ("runs=0", "runs: 0: expected a whole number >= 1"),
        ("runs=4,columns=2", "leave out runs, or both columns and rows"),
        ("4x100", "rows: 100: expected a whole number <= 16"),
    ],
)
def test_tiles_that_mean_nothing_are_one_clear_line(
    text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "video", "none.avi", "--truth", "none", "--tiles", text])
    assert says in capsys.readouterr().err


def test_the_pipeline_is_scored_with_tiles(shared_data: Path, tmp_path: Path) -> None:
    """People of 24 to 60 pixels in a picture that the network sees at a third of its size."""
    film = Scene(seed=0, people=15, frames=5, size=(1920, 1080))
    video, truth = save(film, shared_data / "data/coco_mini_val", tmp_path)
    found = {}
    for name, words in {"whole": [], "tiles": ["--tiles", "4x3"]}.items():
        out = tmp_path / f"{name}.json"
        more = ["--json", str(out), *words]
        assert main(["evaluate", "video", str(video), "--truth", str(truth), *more]) == 0
        found[name] = json.loads(out.read_text())["combined"]
    assert found["tiles"]["hota"] > found["whole"]["hota"] + 10
