"""The training's process: its bounds, its last words, and its end with the watch."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from optimization.training.nightly.work import Bounds, adapt
from tests.conftest import REPO, wait_until

CHILD = """
import os, time
print(os.getpid(), os.nice(0), flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys
humble = [sys.executable, "-m", "optimization.training.nightly.humble", str(os.getpid())]
subprocess.run([*humble, sys.executable, "-c", {CHILD!r}])
"""


SLEEPS = "import time; time.sleep(60)"
FAILS = "print('noise'); print('error: the teacher is gone'); print('more'); raise SystemExit(1)"
WRITES = "import sys; open(sys.argv[-2], 'w').write('{\"written\": null, \"verdict\": {}}'); sys.exit(1)"


@pytest.mark.parametrize(
    ("program", "bounds", "why"),
    [
        (SLEEPS, Bounds(minutes=0.001), "the training took longer than 0.001 minutes (--night-minutes)"),
        (SLEEPS, Bounds(memory_mb=1), "MB; 1 are allowed (--night-memory)"),
        (FAILS, Bounds(), "the teacher is gone"),
        ("raise SystemExit(7)", Bounds(), "the training ended with exit code 7"),
    ],
)
def test_it_is_ended_at_its_bounds_and_its_own_error_is_the_reason(
    tmp_path: Path, program: str, bounds: Bounds, why: str
) -> None:
    python = (sys.executable, "-S", "-c", program)
    found = adapt([], tmp_path / "result.json", bounds, threading.Event(), python)
    assert found.document is None
    assert (found.why or "").endswith(why)


def test_figures_of_a_model_that_is_no_better_are_no_failure(tmp_path: Path) -> None:
    python = (sys.executable, "-S", "-c", WRITES)
    found = adapt([], tmp_path / "result.json", Bounds(), threading.Event(), python)
    assert (found.document, found.why) == ({"written": None, "verdict": {}}, None)


def test_a_watch_that_is_stopped_ends_it(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert adapt([], tmp_path / "result.json", Bounds(), stop).why == "interrupted"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_it_lets_others_go_first_and_ends_with_the_watch() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, nice = map(int, parent.stdout.readline().split())
        child = psutil.Process(pid)
        assert nice == 19
        assert child.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
        parent.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
