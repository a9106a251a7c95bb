"""A watch that is killed at any moment leaves whole models, and the next one goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import onnx
import pytest

from optimization.training import lineage
from optimization.training.nightly import record
from optimization.training.nightly.night import night
from tests.conftest import REPO
from tests.optimization.training.nightly.nights import Training, collect, model, watched

KILLS = 4
NIGHTS = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from optimization.training.nightly.night import night
from tests.optimization.training.nightly.nights import Training, watched
one = replace(watched(Path(sys.argv[1])), new=0)
print("ready", flush=True)
weight = 2.0
while True:
    weight += 1
    night(one, threading.Event(), train=Training(weight=weight))
"""


@pytest.mark.long
def test_whatever_the_moment_the_models_are_whole_and_the_next_night_goes_on(tmp_path: Path) -> None:
    one, moments = watched(tmp_path), random.Random(7)
    collect(one.collected, 30)
    model(one.out, 1.0)
    before = one.out.read_bytes()
    for _ in range(KILLS):
        command = [sys.executable, "-c", NIGHTS, str(tmp_path)]
        with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.05, 0.25))
            child.kill()
        onnx.checker.check_model(onnx.load(one.out))
        if lineage.previous(one.out).exists():
            onnx.checker.check_model(onnx.load(lineage.previous(one.out)))
        assert record.read(one.out)[1] is None, "the record is whole"
    assert one.out.read_bytes() != before, "models took its place meanwhile"
    collect(one.collected, 20, first=30)
    assert night(one, threading.Event(), train=Training(weight=1.5)).verdict == "written"
    assert not one.out.with_name(f".{one.out.name}.night").exists()
    assert not list(one.out.parent.glob(".*.part*")), "nothing is left of what was cut off"
