"""The program around the commands."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from optimization.__main__ import main
from shared.program import INTERRUPTED

pytest.importorskip(
    "tensorrt_rtx_bindings", reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)"
)


def test_ctrl_c_ends_a_build_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_node.backends.tensorrt import progress

    step = progress.Phases.step

    def interrupted(self: progress.Phases, name: str, number: int) -> None:
        step(self, name, number)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Phases, "step", interrupted)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ["--compute-capability", "8.6", "--level", "0", "-o", str(tmp_path / "x.engine")]
    try:
        assert main(["build", "nanodet_g", *words]) == INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.strip().endswith("error: interrupted; what was not complete was not kept")
    assert not list(tmp_path.iterdir())
