"""The options of `adapt` for every night and for the way back: refused in a sentence, or carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.assets.download import sha256
from optimization.__main__ import main
from tests.optimization.training.nightly.nights import model


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `adapt` says when it refuses."""
    assert main(["adapt", *words]) != 0
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0]


USUAL = ["--collected", "{tmp}", "--out", "{tmp}/m.onnx"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--watch"], "need --collected DIR and --out FILE"),
        (["--watch", *USUAL[2:], "--collected", "{tmp}/none"], "is no folder; the node makes it"),
        (["--once", *USUAL, "--at", "03:00"], "--once begins now"),
        (["--watch", *USUAL, "--video", "v.mp4"], "--video: does not go with --collected"),
        (["--watch", *USUAL, "--json", "{tmp}/j"], "a watch writes {tmp}/m.onnx.nights.json"),
        (["--once", *USUAL, "--reload", "mqtt://localhost"], "name the node, too"),
        (["--once", *USUAL, "--node", "box"], "go with --reload URL"),
        (["--watch", *USUAL, "--model", "{tmp}/none.onnx"], "none.onnx': no such file to read"),
        (["--watch", *USUAL, "--teacher", "self,{tmp}/none.onnx"], "none.onnx': no such file to read"),
        (["--collected", "{tmp}", "--out", "{tmp}/m.onnx"], "--collected: goes with --watch or --once"),
        (["--out", "{tmp}/m.onnx", "--video", "v.mp4", "--reload", "mqtt://localhost"], "name the node, too"),
        (["--rollback", "{tmp}/m.onnx"], "there is no m.onnx with a m.onnx.previous beside it"),
    ],
)
def test_options_that_do_not_fit_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert says.format(tmp=tmp_path) in refused(capsys, *(word.format(tmp=tmp_path) for word in words))
    assert not list(tmp_path.iterdir())


def test_a_time_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("25:00", "3", "noon"):
        with pytest.raises(SystemExit):
            main(["adapt", "--watch", "--at", text])
        assert "is no time of day such as 03:00" in capsys.readouterr().err


def test_the_way_back_swaps_and_swaps_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = model(tmp_path / "m.onnx", 2.0), model(tmp_path / "m.onnx.previous", 1.0)
    hashes = sha256(new), sha256(old)
    assert main(["adapt", "--rollback", str(new)]) == 0
    assert (sha256(old), sha256(new)) == hashes
    assert "is the earlier model; the newer is m.onnx.previous" in capsys.readouterr().out
    assert main(["adapt", "--rollback", str(new)]) == 0
    assert (sha256(new), sha256(old)) == hashes
