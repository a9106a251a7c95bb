"""The program around the commands."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from optimization.__main__ import main
from shared.program import INTERRUPTED, UNREAD


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], ""),
        (["--json", "x.json"], "error: standard output was closed; what was not complete was not kept\n"),
    ],
)
def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    reads, writes = os.pipe()
    os.close(reads)
    with monkeypatch.context() as patched, os.fdopen(writes, "w") as closed:
        patched.setattr(sys, "stdout", closed)
        assert main(["inspect", *more]) == UNREAD
    assert capsys.readouterr().err == says


@pytest.mark.skipif(
    not importlib.util.find_spec("tensorrt_rtx_bindings"),
    reason="needs tensorrt-rtx-cu13-libs and -bindings (Linux, x86-64)",
)
@pytest.mark.parametrize("told", ["start", "step", "finish"])
def test_ctrl_c_ends_a_build_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    from edge_node.backends.tensorrt import progress

    note, first = getattr(progress.Phases, told), iter([True])

    def interrupted(self: progress.Phases, *about: Any) -> None:
        note(self, *about)
        if next(first, False):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Phases, told, interrupted)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ["--compute-capability", "8.6", "--level", "0", "-o", str(tmp_path / "x.engine")]
    try:
        assert main(["build", "nanodet_g", *words]) == INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.strip().endswith("error: interrupted; what was not complete was not kept")
    assert not list(tmp_path.iterdir())
