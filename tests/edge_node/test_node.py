"""What a node does before its first frame."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPO


def test_a_node_connects_before_it_loads_what_only_tracking_or_monitors_need() -> None:
    code = "import sys, edge_node.node; print({'scipy', 'asyncio', 'prometheus_client'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
