"""A running node keeps its contract, live and from a recording."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import orjson
import psutil
import pytest

from shared.wire import topics
from tests.conftest import REPO, Mosquitto, MosquittoProcess, wait_until
from tests.integration.test_file_to_mqtt import config, edge, listening


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"shared.{module}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )


def wait_connected(program: subprocess.Popen[str], port: int) -> None:
    """Wait until a program is connected to a broker; it subscribes at once."""
    process = psutil.Process(program.pid)
    wait_until(lambda: any(one.raddr and one.raddr.port == port for one in process.net_connections()), 60)
    time.sleep(0.5)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_real_node_keeps_the_contract_and_its_recording_does(
    broker: Mosquitto, own_broker: MosquittoProcess, people_video: Path, tmp_path: Path, version: str
) -> None:
    """From before the node's start to after its farewell, with a rate cap that leaves frames unreported."""
    prefix = f"contract-{version.replace('.', '')}/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True, detections_fps=6)
    settings["mqtt"]["version"] = version
    how = [] if version == "5" else ["--no-properties"]
    report, recording = tmp_path / "report.json", tmp_path / "session.jsonl"
    to = ["--broker", broker.url, "--prefix", prefix, "--seconds", "60"]
    checker = start("conformance", *to, "--json", str(report), *how)
    recorder = start("replay", "record", str(recording), *to)
    for one in (checker, recorder):
        wait_connected(one, broker.port)
    with edge(tmp_path, settings) as node:
        with listening(broker.url, prefix) as heard:
            heard.listen_until(lambda: bool(heard.of(topics.METRICS)))
        node.terminate()
        assert node.wait(30) == 0
    wait_until(lambda: b'\\"offline\\"' in recording.read_bytes())
    time.sleep(0.5)  # the same for the other
    checker.terminate()
    recorder.terminate()
    printed, errors = checker.communicate(timeout=60)
    assert checker.returncode == 0, printed + errors
    found = orjson.loads(report.read_bytes())
    assert found["breaks"] == []
    assert (found["lost"], found["unread"]) == (0, 0)
    unsaid = {"request", "response", "snapshot", "events", "ack", "interest", "track"}
    unsaid |= {"calendar", "mode", "rules", "alert"}  # nobody has asked for them
    seen = {row.name for row in topics.TABLE} - unsaid
    assert seen <= found["messages"].keys()
    assert recorder.wait(60) == 0

    again = start("conformance", "--broker", own_broker.url, "--prefix", prefix, *how)
    wait_connected(again, own_broker.port)
    player = start("replay", "play", str(recording), "--broker", own_broker.url, "--speed", "100", "--now")
    assert player.wait(60) == 0
    time.sleep(0.5)
    again.terminate()
    printed, errors = again.communicate(timeout=60)
    assert again.returncode == 0, printed + errors
    player.communicate()
    recorder.communicate()
