"""The examples of the promised Python API, run as they stand on the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2

from tests.conftest import REPO
from tests.docs.pages import DOCS, Block, blocks
from tests.optimization.dataset.drawn import CAT, DOG, coco

PAGE = DOCS / "reference" / "python.md"


def run(block: Block, folder: Path) -> list[str]:
    """What an example prints, line by line."""
    script = folder / "example.py"
    script.write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={"PYTHONPATH": str(REPO), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def example(title: str) -> Block:
    """The example under a heading of the page."""
    text = PAGE.read_text()
    line = text.count("\n", 0, text.index(f"\n## {title}\n"))
    return next(block for block in blocks(PAGE, "python") if block.line > line)


def test_the_detector_finds_people_on_a_picture(people_video: Path, tmp_path: Path) -> None:
    video = cv2.VideoCapture(str(people_video))
    for _ in range(30):
        there, image = video.read()
        assert there
    cv2.imwrite(str(tmp_path / "street.jpg"), image)
    lines = run(example("Detect"), tmp_path)
    assert lines
    for line in lines:
        assert re.fullmatch(r"person 0\.\d+ \[[\d., -]+\]", line)


def test_the_tracker_keeps_ids_over_a_video(people_video: Path, tmp_path: Path) -> None:
    shutil.copy(people_video, tmp_path / "street.avi")
    lines = run(example("Track"), tmp_path)
    ids = [set(re.findall(r"\d+", line.partition("[")[2])) for line in lines]
    assert len(lines) > 20
    assert ids[15] & ids[20], "nobody kept an id for five frames"


def test_analytics_counts_who_walks_through_zone_and_line(tmp_path: Path) -> None:
    *events, last = run(example("Count"), tmp_path)
    types = [line.split()[1:] for line in events]
    assert ["zone_entered", "till"] in types
    assert ["zone_exited", "till"] in types
    assert ["line_crossed", "door"] in types
    assert last == "door: 1 in, 0 out"


def test_a_dataset_is_checked_mended_and_converted(tmp_path: Path) -> None:
    boxes = {"a.png": [(DOG, 3, 4, 20, 30), (DOG, 90, 4, 20, 30)], "b.png": [(CAT, 1, 1, 30, 40)]}
    coco(tmp_path / "pictures", boxes)
    assert run(example("Datasets"), tmp_path) == [
        "warning box-beyond 1",
        "a.png ['dog', 'dog'] [[3.0, 4.0, 23.0, 34.0], [90.0, 4.0, 96.0, 34.0]]",
        "b.png ['cat'] [[1.0, 1.0, 31.0, 41.0]]",
        "True",
    ]
