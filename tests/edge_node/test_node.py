"""What a node does before its first frame."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPO


def test_a_node_connects_before_it_loads_what_only_tracking_needs() -> None:
    code = "import sys, edge_node.node; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
