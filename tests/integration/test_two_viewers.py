"""Two viewers beside a real edge node: each has everything, also what happened while it was away."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MosquittoProcess, wait_until
from tests.viewer_server.process import ViewerProcess

CONFIG = """
node: shop
mqtt: {{url: "{url}"}}
outbox: {{path: "{outbox}"}}
model: {{threads: 1, input_size: 256}}
cameras:
  yard:
    source: "{video}"
    zones: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
"""


def events(viewer: ViewerProcess) -> dict[str, Any]:
    """By id, without what delivery adds."""
    found: dict[str, Any] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = json.loads(viewer.get(f"/api/v1/events?limit=500{cursor and '&cursor=' + cursor}"))
        for event in page["events"]:
            found[event["event_id"]] = (
                event["type"],
                event["occurred_us"],
                event["track_id"],
                event["dwell_s"],
            )
        cursor = page["next"]
    return found


@pytest.mark.long
def test_each_of_two_viewers_is_complete(
    own_broker: MosquittoProcess, tmp_path: Path, people_video: Path
) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(CONFIG.format(url=own_broker.url, outbox=tmp_path / "outbox.db", video=people_video))
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    first, second = (
        ViewerProcess(own_broker.url, folder, f"history.path={folder / 'h.db'}") for folder in folders
    )
    with first, second:
        for one in (first, second):
            one.wait(broker_connected=True)
        node = subprocess.Popen(
            [sys.executable, "-m", "edge_node", "--config", str(config)], stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: len(events(second)) > 5, 60)
            second.stop()
            before = len(events(first))
            wait_until(lambda: len(events(first)) > before + 5, 60)
            second.start()
            missed = events(first)
            wait_until(lambda: missed.keys() <= events(second).keys(), 60)
        finally:
            node.terminate()
            node.wait(60)
        wait_until(lambda: events(first) == events(second), 60)
        time.sleep(0.5)
        assert events(first) == events(second)
        for field in ("entered", "exited", "lost"):
            counts = [
                sum(json.loads(one.get("/api/v1/series?node=shop&camera=yard&zone=all"))[field])
                for one in (first, second)
            ]
            assert counts[0] == counts[1]
