"""A real node on the secure broker: everything it does has to be something its role allows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import yaml

from shared.mqtt.client import Client
from shared.wire import messages, topics
from tests.broker.secure import EDGE, SecureBroker, password, prepare
from tests.conftest import REPO


def start(folder: Path, settings: Mapping[str, object]) -> subprocess.Popen[str]:
    file = folder / "edge.yaml"
    file.write_text(yaml.safe_dump(settings))
    words = [sys.executable, "-m", "edge_node", "--config", str(file)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=REPO)


def test_a_node_does_all_its_work_within_its_role_and_says_no_secret(
    people_video: Path, tmp_path: Path
) -> None:
    prepare(tmp_path / "secure")
    broker = SecureBroker(tmp_path / "secure")
    secret = tmp_path / "password"
    secret.write_text(password(EDGE))
    mqtt = {
        "url": f"mqtts://localhost:{broker.port}",
        "username": EDGE,
        "password_file": str(secret),
        "ca_file": str(broker.folder / "ca.crt"),
    }
    camera = {"source": str(people_video), "loop": True, "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}}}
    settings = {
        "node": EDGE,
        "mqtt": mqtt,
        "cameras": {"street": camera},
        "homeassistant": {"enabled": True},
        "log_level": "DEBUG",
    }
    base = f"darner/v1/{EDGE}"
    gone = f"{base}/camera/gone/status"
    with Client(broker.settings(EDGE), name="earlier") as earlier:
        earlier.set_state(topics.CAMERA_STATUS, gone, b"of an earlier run")
        assert earlier.wait_connected(30)
        assert earlier.finish(30)
    try:
        with (
            Client(broker.settings("viewer"), name="viewer") as viewer,
            Client(broker.settings("homeassistant"), name="ha") as ha,
        ):
            viewer.subscribe("darner/v1/#", 1)
            ha.subscribe("homeassistant/device/+/+/config", 1)
            assert viewer.wait_subscribed(30)
            assert ha.wait_subscribed(30)
            node = start(tmp_path, settings)
            discovery = orjson.loads(ha.received.get(30).payload)
            assert "line-gate-in" in discovery["components"]
            seen: dict[str, bytes] = {}
            needed = {f"{base}/status", f"{base}/info", f"{base}/camera/street/detections"}
            needed |= {f"{base}/camera/street/thumbnail", f"{base}/camera/street/events"}
            while not needed <= set(seen) or seen[gone]:
                received = viewer.received.get(30)
                seen[received.topic] = received.payload
            viewer.publish(topics.REQUEST, f"{base}/request/ping", b'{"transaction": "mine"}')
            while True:
                received = viewer.received.get(30)
                if received.topic == f"{base}/response/ping":
                    break
            assert messages.decode(messages.Response, received.payload).transaction == "mine"
            second = start(tmp_path, settings)
            said_second = second.communicate(timeout=60)[1]
            assert second.returncode == 1
            assert f"another edge node named '{EDGE}'" in said_second
            assert node.poll() is None
    finally:
        node.terminate()
        said = node.communicate(timeout=60)[1]
        broker.stop()
    assert node.returncode == 0, said
    assert "wants to start as" in said
    assert "refused a message" not in said
    for text in (said, said_second, *(payload.decode(errors="replace") for payload in seen.values())):
        assert password(EDGE) not in text


def test_a_node_that_the_broker_does_not_trust_ends_with_one_line(tmp_path: Path, people_video: Path) -> None:
    prepare(tmp_path / "secure")
    broker = SecureBroker(tmp_path / "secure")
    try:
        for mqtt, says in (
            ({"url": f"mqtts://localhost:{broker.port}"}, "mqtt.ca_file must be the CA"),
            (
                {"url": f"mqtts://localhost:{broker.port + 1}", "ca_file": str(broker.folder / "ca.crt")},
                "check mqtt.cert_file",
            ),
        ):
            settings = {"node": EDGE, "mqtt": mqtt, "cameras": {"street": {"source": str(people_video)}}}
            node = start(tmp_path, settings)
            said = node.communicate(timeout=60)[1]
            assert node.returncode == 1
            assert len(said.splitlines()) == 1, said
            assert says in said
    finally:
        broker.stop()
