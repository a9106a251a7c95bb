"""Many threads may be the first to read a message: the process that they share lives on."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPO

PROGRAM = """
import dataclasses, sys, threading
from shared.errors import MessageError
from shared.wire import messages
sys.setswitchinterval(1e-6)
def read(kind, barrier):
    barrier.wait()
    try:
        messages.decode(kind, b"{}")
    except MessageError:
        pass
for name in "Request Response Zones Cameras NodeInfo Metrics DetectionsMessage Event Track".split():
    barrier = threading.Barrier(16)
    kind = getattr(messages, name)
    threads = [threading.Thread(target=read, args=(kind, barrier)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_read_a_type_for_the_first_time_at_once_do_not_crash() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
