"""examples/sinks/kafka with the mock of a Kafka broker that librdkafka has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import REPO, MosquittoProcess

PYTHON = REPO / ".cache" / "sinks" / "venv" / "bin" / "python"
SINK = REPO / "examples" / "sinks" / "kafka"


@pytest.fixture
def kafka() -> Iterator[IO[str]]:
    """What the mock prints: its address, then each message."""
    script = Path(__file__).with_name("kafka_mock.py")
    process = subprocess.Popen(
        [PYTHON, script, "darner.events"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    yield process.stdout
    process.kill()
    process.communicate()


def test_events_arrive_in_order_under_the_topic_of_their_camera(
    own_broker: MosquittoProcess, kafka: IO[str]
) -> None:
    example = json.loads((REPO / "docs/examples/events.json").read_text())

    def publish(*numbers: int) -> None:
        lines = "".join(json.dumps(example["payload"] | {"number": number}) + "\n" for number in numbers)
        words = ["mosquitto_pub", "-p", str(own_broker.port), "-q", "1", "-t", example["topic"], "-l"]
        subprocess.run(words, input=lines.encode(), check=True)

    options = {"KAFKA_OPTIONS": f"-b {kafka.readline().strip()}", "MQTT_OPTIONS": f"-p {own_broker.port}"}
    # The session exists before the first event, so that none comes too early.
    subscribe = ["mosquitto_sub", "-p", str(own_broker.port), "-V", "5", "-q", "1", "-c", "-x", "60"]
    subprocess.run([*subscribe, "-i", "darner-kafka", "-t", "darner/v1/+/camera/+/events", "-E"], check=True)
    publish(*range(1, 21))
    process = subprocess.Popen([SINK / "forward.sh"], env=os.environ | options, start_new_session=True)
    try:
        publish(21)
        arrived = [json.loads(kafka.readline()) for _ in range(21)]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert {key for key, _ in arrived} == {example["topic"]}
    assert [json.loads(value)["number"] for _, value in arrived] == list(range(1, 22))
