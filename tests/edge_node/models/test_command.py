"""`darner-edge models` as a user starts it, against a real HTTPS server and with real networks."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.__main__ import main
from edge_node.assets.known import Download
from edge_node.assets.models import DEFAULT, KNOWN, find_model, path_of
from edge_node.assets.names import COCO
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.models.fetching import try_out
from edge_node.models.speeds import Speeds
from shared.errors import ModelError
from tests.conftest import REPO
from tests.edge_node.assets.served import Served, serving
from tests.edge_node.models.shelf import GOOD, disguise, shelve, shelve_network

NETWORK = find_model(DEFAULT).read_bytes()
HASH = hashlib.sha256(NETWORK).hexdigest()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, monkeypatch) as server:
        server.files["/network.onnx"] = NETWORK
        yield server


def offered(
    monkeypatch: pytest.MonkeyPatch, url: str, sha256: str | None = None, size: int | None = None
) -> None:
    download = Download(url=url, sha256=sha256, size=size, pinned_by="a test" if sha256 else None)
    disguise(monkeypatch, GOOD, download)


def kept() -> list[str]:
    """What lies in the cache's folder of models, besides the remembered speeds."""
    folder = path_of(KNOWN[GOOD]).parent
    return sorted(path.name for path in folder.glob("*") if path.name != "speeds.json")


def test_a_model_with_a_known_hash_is_fetched_tried_measured_and_kept(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx", HASH, len(NETWORK))
    assert main(["models", "get", GOOD]) == 0
    said = capsys.readouterr()
    assert "code Apache-2.0, weights Apache-2.0" in said.err
    assert "its SHA-256 is known (a test)" in said.err
    assert "first use" not in said.err
    assert f"model.name: {GOOD}" in said.out
    assert kept() == [f"{GOOD}.onnx", f"{GOOD}.onnx.sha256"]
    speed = Speeds().of(KNOWN[GOOD], ModelSettings())
    assert speed is not None
    assert f"{speed.ms:.1f} ms for a frame" in said.out
    assert main(["models", "get", GOOD]) == 0
    assert served.asked == ["/network.onnx"]
    assert capsys.readouterr().err == "", "what is here already is not announced as a download"


def test_a_model_without_a_known_hash_is_announced_as_trusted_on_first_use(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx")
    assert main(["models", "get", GOOD]) == 0
    said = capsys.readouterr().err
    assert "no checksum of it is published, so it is trusted on first use" in said
    assert f"it must keep its SHA-256, {HASH}" in said
    path_of(KNOWN[GOOD]).write_bytes(NETWORK + b"\0")
    assert main(["models", "get", GOOD]) == 1
    assert "has changed since it was downloaded; remove it with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sha256", "size", "says"),
    [
        pytest.param(NETWORK, "0" * 64, None, "expected 0000", id="another hash"),
        pytest.param(b"<html>not found</html>", None, None, "ONNX Runtime cannot load it", id="a web page"),
        pytest.param(NETWORK[: len(NETWORK) // 2], None, None, "cannot load it", id="half a network"),
        pytest.param(NETWORK, None, 1_000_000, "is larger than 1 MB", id="more than announced"),
        pytest.param(None, None, None, "Not Found", id="gone"),
    ],
)
def test_what_is_not_the_model_is_one_sentence_and_nothing_is_kept(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    sha256: str | None,
    size: int | None,
    says: str,
) -> None:
    if content is None:
        del served.files["/network.onnx"]
    else:
        served.files["/network.onnx"] = content
    offered(monkeypatch, f"{served.url}/network.onnx", sha256, size)
    assert main(["models", "get", GOOD]) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert "ERROR" in last
    assert says in last
    assert kept() == []


def test_a_network_that_is_read_in_another_way_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(NETWORK)
    with pytest.raises(ModelError, match="the file is not YOLOX-Nano: "):
        try_out(KNOWN["yolox_nano"], file)
    with pytest.raises(ModelError, match="the file is not RF-DETR-N: "):
        try_out(KNOWN["rfdetr_n"], file)


@pytest.mark.parametrize(
    ("name", "file", "refused"),
    [
        pytest.param("yolox_nano", "yolox_nano", None, id="YOLOX"),
        pytest.param("picodet_s_416", "picodet_s_416", None, id="PicoDet"),
        pytest.param("yolox_nano", "picodet_s_416", "has one output", id="PicoDet as YOLOX"),
        pytest.param("picodet_s_416", "yolox_nano", "the model has", id="YOLOX as PicoDet"),
        pytest.param("rtmdet_tiny", "picodet_s_416", "", id="PicoDet as RTMDet"),
    ],
)
def test_real_networks_are_recognised(shared_data: Path, name: str, file: str, refused: str | None) -> None:
    path = shared_data / "models" / f"{file}.onnx"
    if refused is None:
        try_out(KNOWN[name], path)
        return
    with pytest.raises(ModelError, match=f"the file is not {KNOWN[name].title}: .*{refused}"):
        try_out(KNOWN[name], path)


def test_without_a_network_it_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "get", "yolox_tiny"]) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert "cannot download https://github.com/Megvii-BaseDetection/YOLOX" in last
    assert "nothing was kept" in last


def test_a_full_disk_is_one_sentence(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        assert main(["models", "get", GOOD]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot keep a download there: File too large" in capsys.readouterr().err
    assert kept() == []


def test_a_model_that_does_not_fit_on_the_disk_is_not_even_asked_for(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx", HASH, 10**18)
    assert main(["models", "get", GOOD]) == 1
    assert "MB, and the file needs 1000000000001 MB; free some" in capsys.readouterr().err
    assert served.asked == []


def test_the_rest_of_a_download_that_was_killed_is_swept_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx")
    folder = path_of(KNOWN[GOOD]).parent
    folder.mkdir(parents=True)
    old, young = folder / f".{GOOD}.0a1b2c3d.part.onnx", folder / f".{GOOD}.4e5f6a7b.part.onnx"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert main(["models", "get", GOOD]) == 0
    assert not old.exists()
    assert young.exists(), "which may still be going on"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["get", "yolox_nan"], 2, "did you mean 'yolox_nano'?", id="a slip"),
        pytest.param(["get", "../../etc/passwd"], 2, "no known model is called", id="a path"),
        pytest.param(["remove", "../x"], 2, "no known model is called", id="a path to remove"),
        pytest.param(["remove", DEFAULT], 2, "comes with Darner and cannot be removed", id="the built-in"),
        pytest.param(["remove", "yolox_s"], 2, "is not in the cache", id="not there"),
        pytest.param(["get", "rtmdet_s"], 1, "with MMDeploy", id="one to convert"),
        pytest.param(["list", "--set", "model.confidence=7"], 2, "model.confidence", id="a bad setting"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == code
    *_, last = capsys.readouterr().err.splitlines()
    assert says in last


def test_a_removed_model_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shelve(GOOD)
    path = path_of(KNOWN[GOOD])
    path.with_name(f"{GOOD}.onnx.sha256").write_text("0" * 64)
    assert main(["models", "remove", GOOD, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": GOOD, "path": str(path)}
    assert kept() == []


def test_the_list_shows_every_model_where_it_is_and_which_one_auto_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in KNOWN)
    assert (
        f"model.name: auto takes {DEFAULT}, the built-in model, because no better one is in the cache." in out
    )
    (row,) = [line for line in out.splitlines() if line.startswith("*")]
    assert DEFAULT in row
    assert "built in" in row

    disguise(monkeypatch, GOOD)
    shelve_network(GOOD)
    assert (
        main(["models", "list", "--measure", "--set", "cameras.c.source=0", "--set", "cameras.c.max_fps=0.5"])
        == 0
    )
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("*")]
    assert row.split()[1] == GOOD
    assert "ms" in row
    assert "in the cache (by hand)" in row
    assert f"auto takes {GOOD}, the best in the cache that is fast enough" in out


def test_programs_read_the_list_as_json(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered(monkeypatch, f"{served.url}/network.onnx", HASH)
    assert main(["models", "get", GOOD, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["downloaded"] is True
    assert main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"models", "auto", "reason", "passed"}
    rows = {row["name"]: row for row in found["models"]}
    assert set(rows) == set(KNOWN)
    assert rows[GOOD]["trust"] == "pinned"
    assert rows[GOOD]["ms"] == got["ms"]
    assert rows[DEFAULT]["where"] == "built in"
    assert rows["rtmdet_s"]["where"] == "conversion"
    assert [row["auto"] for row in found["models"]].count(True) == 1


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    words = f"{sys.executable} -m edge_node models list | head -n 1"
    done = subprocess.run(words, shell=True, cwd=REPO, capture_output=True, text=True, timeout=60)  # noqa: S602 - our own words
    assert "name" in done.stdout
    assert done.stderr == ""


def test_a_model_that_does_not_run_says_so_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    shelve(GOOD)
    assert main(["models", "list", "--measure"]) == 0
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith(f"   {GOOD}")]
    assert "does not run" in row
    assert f"{GOOD} does not run here: " in out


def test_a_known_model_whose_outputs_do_not_tell_its_classes_knows_cocos(shared_data: Path) -> None:
    # RTMDet returns labels, not scores by class. The file is of a smaller one, for people only.
    path = path_of(KNOWN["rtmdet_tiny"])
    path.parent.mkdir(parents=True)
    shutil.copy(shared_data / "models" / "rtmdet_nano_person.onnx", path)
    with Detector(ModelSettings(name="rtmdet_tiny", input_size=320)) as detector:
        assert detector.class_names == COCO
        assert detector.layout == "rtmdet"
