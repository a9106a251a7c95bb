"""Many threads may be the first to read a type: the process that they share lives on."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPO

PROGRAM = """
import dataclasses, importlib, sys, threading
import msgspec
from shared import typed
sys.setswitchinterval(1e-6)
def read(kind, barrier):
    barrier.wait()
    try:
        typed.decode(b"{}", kind)
    except msgspec.ValidationError:
        pass
for name in (
    "shared.wire.messages", "viewer_server.api.schemas.past", "viewer_server.labelling.said",
    "edge_node.inbound.frigate", "edge_node.inbound.onvif",
):
    for kind in vars(importlib.import_module(name)).values():
        if dataclasses.is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            barrier = threading.Barrier(16)
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
