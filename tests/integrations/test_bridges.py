"""examples/sinks/bridges: Mosquitto hands over to a second one, which has the limits of the cloud."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from broker import certificates
from tests.conftest import REPO, MosquittoProcess, free_port

BRIDGES = REPO / "examples" / "sinks" / "bridges"
LIMITS = {"aws-iot-core": 131_072, "azure-event-grid": 524_288}
PREFIX = "darner/v1/box"
EVENTS = f"{PREFIX}/camera/street/events"


class Cloud(MosquittoProcess):
    """A broker that wants a certificate, and cuts off who sends QoS 2, retained or too large messages."""

    def __init__(self, folder: Path, limit: int) -> None:
        port = free_port()
        self._inside = free_port()
        certificates.make(folder, ["localhost"], ["bridge"], 30, force=False)
        tls = f"cafile {folder}/ca.crt\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\n"
        super().__init__(
            folder,
            self._inside,
            f"persistence true\npersistence_location {folder}/\n"
            f"listener {port} localhost\n{tls}require_certificate true\nmax_qos 1\n"
            f"max_packet_size {limit}\nretain_available false\n",
        )
        self.outside = port


@pytest.fixture(params=sorted(LIMITS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cloud(name: str, tmp_path: Path) -> Iterator[Cloud]:
    (tmp_path / "cloud").mkdir()
    broker = Cloud(tmp_path / "cloud", LIMITS[name])
    broker.start()
    yield broker
    broker.kill()


def bridge(name: str, cloud: Cloud, folder: Path, also: str = "") -> MosquittoProcess:
    """A broker with the file as users append it; between tries it leaves time for who listens."""
    text = (BRIDGES / f"{name}.conf").read_text()
    certificate = folder / "cloud"
    for pattern, value in (
        (r"^address .*", f"address localhost:{cloud.outside}"),
        (r"^bridge_cafile .*", f"bridge_cafile {certificate}/ca.crt"),
        (r"^bridge_certfile .*", f"bridge_certfile {certificate}/clients/bridge.crt"),
        (r"^bridge_keyfile .*", f"bridge_keyfile {certificate}/clients/bridge.key"),
        (r"^restart_timeout .*", "restart_timeout 3"),
    ):
        text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert count == 1, pattern
    return MosquittoProcess(folder, None, f"max_queued_messages 10000\n{text}\n{also}")


def publish(broker: MosquittoProcess, topic: str, payload: str, *more: str) -> None:
    words = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-s", *more]
    subprocess.run(words, input=payload.encode(), check=True)


@contextmanager
def reading(cloud: Cloud) -> Iterator[SimpleQueue[str]]:
    """The payloads that arrive in the cloud from now on."""
    payloads: SimpleQueue[str] = SimpleQueue()
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *a: payloads.put(a[2].payload.decode())
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", cloud.port)
    client.loop_start()
    client.subscribe("darner/v1/#", qos=1)
    assert subscribed.wait(10)
    yield payloads
    client.disconnect()
    client.loop_stop()


def until_arrives(payloads: SimpleQueue[str], last: str) -> list[str]:
    """What comes, up to a payload."""
    arrived = [payloads.get(timeout=15)]
    while arrived[-1] != last:
        arrived.append(payloads.get(timeout=15))
    return arrived


def test_what_is_published_arrives_and_what_is_too_large_holds_up_nothing(
    name: str, cloud: Cloud, tmp_path: Path
) -> None:
    here = bridge(name, cloud, tmp_path, "topic +/camera/+/snapshot/+ out 1 darner/v1/ darner/v1/")
    here.start()
    try:
        with reading(cloud) as lines:
            publish(here, f"{PREFIX}/status", "online", "-r")
            publish(here, EVENTS, "first")
            publish(here, f"{PREFIX}/camera/street/snapshot/1", "x" * LIMITS[name])
            publish(here, f"{PREFIX}/camera/street/detections", "stays here")
            publish(here, f"{PREFIX}/camera/street/zone/all", "zone", "-r")
            publish(here, EVENTS, "last")
            arrived = until_arrives(lines, "last")
    finally:
        here.kill()
    assert list(dict.fromkeys(arrived)) == ["online", "first", "zone", "last"], "at least once"


def test_events_wait_while_the_cloud_is_away(name: str, cloud: Cloud, tmp_path: Path) -> None:
    here = bridge(name, cloud, tmp_path)
    here.start()
    wanted = [f"{number}" for number in range(200)]
    try:
        with reading(cloud) as lines:
            publish(here, EVENTS, "before")
            until_arrives(lines, "before")
        cloud.kill()
        for payload in wanted:
            publish(here, EVENTS, payload)
        cloud.start()
        with reading(cloud) as lines:
            publish(here, EVENTS, "after")
            arrived = until_arrives(lines, "after")
    finally:
        here.kill()
    assert set(arrived) == {*wanted, "after"}
