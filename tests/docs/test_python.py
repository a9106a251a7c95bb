"""The examples of the promised Python API, run as they stand on the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from examples import scenes
from tests.conftest import REPO
from tests.docs.pages import DOCS, Block, blocks
from tests.optimization.dataset.drawn import CAT, DOG, coco

PAGE = DOCS / "reference" / "python.md"
LONG_S = 300
"""For examples that learn: 15 s where nothing else runs."""
PATIENT = {"OMP_NUM_THREADS": "1"}
"""Threads of PyTorch would wait for each other while the tests beside have the processor."""


def run(block: Block, folder: Path, seconds: float = 100) -> list[str]:
    """What an example prints, line by line."""
    script = folder / "example.py"
    script.write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={"PYTHONPATH": str(REPO), "HOME": str(folder), "PATH": "/usr/bin:/bin", **PATIENT},
        capture_output=True,
        text=True,
        timeout=seconds,
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


@pytest.mark.timeout(2.5 * LONG_S)
def test_a_network_is_trained_and_adapted(tmp_path: Path) -> None:
    for package in ("torch", "torchvision", "libreyolo"):
        pytest.importorskip(package, reason=f"{package} is not installed; `make test-engines` runs this")
    scenes.dataset(tmp_path / "drawn", 30, 1)
    scenes.dataset(tmp_path / "night", 24, 2, night=True)
    divide(tmp_path / "drawn", tmp_path / "parts")
    train = quicker(example("Train"), ("epochs=50", "epochs=2"), ("side=320", "side=64"))
    *epochs, last = run(train, tmp_path, LONG_S)
    assert all(re.fullmatch(r"\d: AP [\d.]+", line) for line in epochs[-2:])
    assert [line[0] for line in epochs[-2:]] == ["1", "2"]
    assert re.fullmatch(r"model\.onnx \('ball', 'box', 'cone'\) 0\.\d+", last)
    adapt = quicker(example("Adapt"), ("minutes=3", "epochs=1"))
    *_, why, figures = run(adapt, tmp_path, LONG_S)
    assert why.startswith(("None not better", "night.onnx better"))
    assert re.fullmatch(r"\(.*'ball'.*\) AP [\d.]+ -> [\d.]+", figures)


def divide(dataset: Path, out: Path) -> None:
    words = ("dataset", "split", dataset, "--out", out, "--shares", "train=80,val=20")
    subprocess.run([sys.executable, "-m", "optimization", *map(str, words)], cwd=REPO, check=True)


def quicker(block: Block, *changes: tuple[str, str]) -> Block:
    """An example that learns for less time than a reader would let it."""
    text = block.text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return replace(block, text=text)
