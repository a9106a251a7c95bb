"""Collecting, as the programs that users start: a node that runs, and a batch job."""

from __future__ import annotations

import signal
from pathlib import Path

import cv2
import pytest
import yaml

from edge_node.batch import process
from edge_node.config.collecting import REASONS
from shared import collected
from shared.wire import topics
from tests.conftest import Mosquitto, wait_until
from tests.integration.test_file_to_mqtt import config, edge, listening

FRAMES = 30


@pytest.fixture(scope="module")
def short_video(people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its first frames, a quarter of their size."""
    path = tmp_path_factory.mktemp("video") / "my short.avi"
    reader = cv2.VideoCapture(str(people_video))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (384, 288))
    for _ in range(FRAMES):
        writer.write(cv2.resize(reader.read()[1], (384, 288)))
    writer.release()
    return path


def pictures(folder: Path) -> list[Path]:
    there = list(collected.pictures(folder)) if folder.exists() else []
    return sorted(there, key=lambda path: collected.when(path) or (0, 0))


def test_a_node_keeps_frames_says_so_and_takes_other_settings(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix = "test-collect/v1"
    settings = config(broker.url, short_video, prefix, pace="realtime", loop=True)
    wanted = {"enabled": True, "pictures": 3, "interval_s": 0.2, "second_look_s": 0.5}
    settings["cameras"]["street"]["collect"] = wanted
    settings["collect"] = {"path": str(tmp_path / "kept")}
    folder = tmp_path / "kept" / "street"
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as node:
        heard.listen_until(lambda: any(one.cameras["street"].collected for one in heard.of(topics.METRICS)))
        now = heard.of(topics.METRICS)[-1].cameras["street"].collected
        assert 1 <= now.pictures <= 3
        assert now.last_reason in REASONS
        assert (now.trouble, now.dropped) == (None, {})
        said = collected.read(pictures(folder)[0])
        [info] = heard.of(topics.INFO)[-1:]
        assert (said.node, said.camera, said.session) == ("box", "street", info.session)
        assert (said.model.name, said.model.sha256) == (info.model.name, info.model.sha256)
        assert said.size == (384, 288)
        wait_until(lambda: len(pictures(folder)) > 1)
        wanted["pictures"] = 1
        (tmp_path / "edge.yaml").write_text(yaml.safe_dump(settings))
        node.send_signal(signal.SIGHUP)
        wait_until(lambda: len(pictures(folder)) == 1)
        node.send_signal(signal.SIGTERM)
        wait_until(lambda: node.poll() is not None)
        assert node.returncode == 0


def batch_job(*words: object) -> int:
    """What `darner-edge process` does, in this process."""
    known = ("--set", "cameras.x.source=0", "--set", "model.input_size=256")
    return process.main([*known, *map(str, words)])


def test_a_batch_job_keeps_frames_of_a_video(
    short_video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (short_video, "--set", "cameras.x.collect.interval_s=0.5", "--jobs", "1")
    assert batch_job(*words, "--collect", tmp_path / "kept", "--out", tmp_path / "out") == 0
    kept = pictures(tmp_path / "kept" / "my-short")
    assert f"{len(kept)} frames kept for labelling" in capfd.readouterr().err
    assert len(kept) >= 2
    first = collected.read(kept[0])
    assert (first.camera, first.captured_us, first.reasons) == ("my-short", 0, ("new_scene",))
    assert first.model.sha256 is not None
    for path in kept:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.shape == (288, 384, 3)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--set", "cameras.x.thumbnail.fps=0", "--set", "cameras.x.snapshot.enabled=false"], "publishes no"),
        (["--set", "cameras.x.collect.reasons=[nice]"], "cameras.x.collect.reasons"),
        (["--collect=/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_a_batch_job_that_cannot_collect_says_why_before_it_begins(
    more: list[str], says: str, short_video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = [] if "--collect=" in more[0] else ["--collect", str(tmp_path / "kept")]
    assert batch_job(short_video, *where, *more, "--out", tmp_path / "out") != 0
    said = capfd.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "my short.jsonl").exists()
