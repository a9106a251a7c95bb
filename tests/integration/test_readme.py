"""The subscribers that the README shows, taken from it and run on a real node's messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.wire import topics
from shared.wire.messages import EventType
from tests.conftest import REPO, MosquittoProcess
from tests.integration.test_file_to_mqtt import config, edge, listening

README = (REPO / "README.md").read_text()
LISTEN_S = 6


def block(language: str, containing: str) -> str:
    """The one code block in that language that contains something."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


@pytest.fixture
def street(own_broker: MosquittoProcess, people_video: Path, tmp_path: Path) -> Iterator[MosquittoProcess]:
    """A broker with a node on it that watches people walk past, over and over."""
    with edge(tmp_path, config(own_broker.url, people_video, pace="realtime", loop=True)):
        with listening(own_broker.url) as heard:
            heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))
        yield own_broker


def test_the_python_subscriber_has_ten_lines_and_prints_events(street: MosquittoProcess) -> None:
    program = block("python", "paho")
    statements = [line for line in program.splitlines() if line and not line.startswith("import")]
    assert len(statements) <= 10
    here = 'client.connect("127.0.0.1")'
    assert program.count(here) == 1
    program = program.replace(here, f'client.connect("127.0.0.1", {street.port})')
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(3)]
    finally:
        process.kill()
        process.communicate()
    types = set(EventType.__args__)  # type: ignore[attr-defined]  # a Literal
    for kind, label, zone, direction in lines:
        assert kind in types
        assert label == "person"
        assert zone in ("all", "gate", "None")
        assert direction in ("in", "out", "None")


def test_the_shell_subscribers_print_what_they_say(street: MosquittoProcess, tmp_path: Path) -> None:
    lines = block("sh", "mosquitto_sub").splitlines()
    # Where the broker is, and when to end, is told in the clients' own configuration file: the lines stay as
    # they are in the README.
    (tmp_path / "mosquitto_sub").write_text(f"-p {street.port}\n-W {LISTEN_S}\n")
    processes = [
        subprocess.Popen(
            ["sh", "-c", line],
            stdout=subprocess.PIPE,
            env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path)},
        )
        for line in lines
    ]
    assert len(processes) == 2
    everything, zones = (process.communicate(timeout=60)[0] for process in processes)

    heard = [line.split(b" ", 1) for line in everything.splitlines()]
    names = {
        found[0].name for topic, _ in heard if (found := topics.match(topics.DEFAULT_PREFIX, topic.decode()))
    }
    assert {"status", "info", "camera_status", "detections", "zone", "zones"} <= names
    assert not names & {"thumbnail", "snapshot"}, "everything but the pictures"
    assert all(payload.startswith(b"{") for _, payload in heard)

    rows = zones.decode().splitlines()
    assert len(rows) >= 2
    for row in rows:
        assert re.fullmatch(r'\["(all|gate)",\d+,\d+,\d+\]', row)
