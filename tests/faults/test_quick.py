"""One short fault, so that the fault tests themselves stay alive between two runs of `make faults`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO


@pytest.mark.long
@pytest.mark.timeout(100)
@pytest.mark.usefixtures("people_video")
def test_a_killed_edge_loses_nothing_and_the_report_says_so(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["--quick", "--only", "edge-kill", "--seed", "7", "--json", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words], capture_output=True, text=True, cwd=REPO, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert said["seed"] == 7
    (row,) = said["faults"]
    assert row["failures"] == []
    assert row["produced"] == row["delivered"] > 50
    assert row["lost"] == 0
    assert 0 < row["recovery_s"] <= max(5, 1.5 * row["started_s"])
    assert "kill -9 edge" in done.stdout
