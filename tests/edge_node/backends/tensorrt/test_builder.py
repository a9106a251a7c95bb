"""A process that ends while an engine is built."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPO

SCRIPT = """
import atexit, sys, threading, time
from edge_node.backends.tensorrt import builder
atexit.register(print, "taken down")
builder.start(lambda: time.sleep({seconds}))
while {seconds} == 0 and threading.active_count() > 1:
    time.sleep(0.01)
print("all is said")
sys.exit(builder.leave(3))
"""


@pytest.mark.parametrize(("seconds", "said"), [(60, ["all is said"]), (0, ["all is said", "taken down"])])
def test_a_process_ends_at_once_and_with_its_code_while_an_engine_is_built(
    seconds: float, said: list[str]
) -> None:
    code = SCRIPT.format(seconds=seconds)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout.splitlines()) == (3, said)
