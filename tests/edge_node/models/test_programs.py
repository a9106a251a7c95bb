"""`model.name: auto` in the programs that users start: a node and a batch job, with a real detector."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from edge_node.assets.models import DEFAULT
from shared.wire import topics
from tests.conftest import REPO, Mosquitto
from tests.integration.test_file_to_mqtt import config, edge, listen_to_the_end, listening


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for grey in range(10):
        writer.write(np.full((240, 320, 3), grey, np.uint8))
    writer.release()
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache that the folder's own fixture has named."""
    return tmp_path / "cache"


def put(cache: Path, shared_data: Path) -> None:
    (cache / "models").mkdir(parents=True)
    shutil.copy(shared_data / "models" / "yolox_nano.onnx", cache / "models")


@pytest.mark.long
@pytest.mark.parametrize("there", [True, False], ids=["a better model in the cache", "an empty cache"])
def test_a_node_says_which_model_it_has_chosen(
    there: bool, broker: Mosquitto, video: Path, cache: Path, tmp_path: Path, shared_data: Path
) -> None:
    if there:
        put(cache, shared_data)
    prefix = f"test-auto-{there}/v1"
    settings = config(broker.url, video, prefix, max_fps=0.1)  # slow enough for any machine
    settings["model"].pop("input_size")  # which the better one does not take
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as process:
        listen_to_the_end(heard)
        assert process.wait(30) == 0
        said = process.stderr.read() if process.stderr else ""
    name = "yolox_nano" if there else DEFAULT
    assert {info.model.name for info in heard.of(topics.INFO)} == {name}
    assert f"model auto: {name} (AP" in said
    assert (cache / "models" / "speeds.json").exists() is there


def test_a_batch_job_takes_what_a_node_would_take(
    video: Path, cache: Path, tmp_path: Path, shared_data: Path
) -> None:
    put(cache, shared_data)
    words = ["process", str(video), "--out", str(tmp_path / "out"), "--set", "cameras.c.source=0"]
    rate = ["--set", "cameras.c.max_fps=0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "edge_node", *words, *rate],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "model auto: yolox_nano (AP" in done.stderr
    assert orjson.loads((tmp_path / "out" / "film.jsonl").read_bytes().splitlines()[0])
