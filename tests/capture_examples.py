"""`python -m tests.capture_examples`: refresh docs/examples from a real edge node on a video and a viewer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import yaml

from edge_node.assets.samples import find_video
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from tests.conftest import REPO, SHARED, MosquittoProcess

EXAMPLES = REPO / "docs" / "examples"
PREFIX = topics.DEFAULT_PREFIX
LISTEN_S = 40.0
CONFIG: dict[str, Any] = {
    "node": "shop",
    "node_name": "Corner shop",
    "model": {"classes": ["person"]},
    "cameras": {
        "street": {
            "name": "High Street",
            "pace": "realtime",
            "thumbnail": {"fps": 1, "width": 160},
            "snapshot": {"quality": 60},
            "tracks": {"enabled": True},
            "zones": {
                "path": {
                    "name": "Way to the door",
                    "polygon": [[0.3, 0.2], [0.9, 0.2], [0.9, 0.9], [0.3, 0.9]],
                    "queue": True,
                    "presence": {"on_after_s": 1},
                }
            },
            "lines": {"gate": {"name": "Gate", "points": [[0.5, 1.0], [0.5, 0.0]]}},
        },
        # Its lens is covered after a while.
        "yard": {"pace": "realtime", "thumbnail": {"fps": 0}, "snapshot": {"enabled": False}},
    },
    "calendar": {
        "timezone": "Europe/Berlin",
        "location": {"latitude": 52.5, "longitude": 13.4},
        "modes": {"open": {"name": "Open"}, "closed": {"during": "night"}},
        "schedules": {
            "night": {
                "spans": [{"start": "22:00", "end": "06:00"}],
                "exceptions": [{"first": "2026-12-24", "last": "2026-12-26", "spans": [{}]}],
            }
        },
    },
    "rules": {
        "waiting": {
            "name": "Long queue",
            "when": {"trigger": "occupancy", "zones": ["path"], "at_least": 3, "for_s": 5},
            "text": "{count} people wait at {zone}",
        },
        "stays": {
            "when": {"trigger": "stay", "zones": ["path"], "classes": ["person"], "for_s": 6},
            "cooldown_s": 60,
            "severity": "info",
        },
    },
}


def covered_later(video: Path, path: Path, seconds: tuple[int, int] = (8, 30)) -> None:
    """Write a video whose picture goes dark after some seconds, and stays so.

    Args:
        video: What it shows at first.
        path: The new file.
        seconds: How long it shows that, and how long it is dark.
    """
    source = cv2.VideoCapture(str(video))
    size = tuple(int(source.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    target = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, size)
    noise = np.random.default_rng(0)
    for number in range(10 * sum(seconds)):
        if number < 10 * seconds[0]:
            target.write(source.read()[1])
        else:
            target.write(noise.integers(0, 6, (size[1], size[0], 3), np.uint8))
    target.release()
    source.release()


def worth(body: Any) -> int:
    """How much a reader can learn from a message: the number of its fields that are not empty."""
    return sum(value not in (None, [], {}, 0, False) for value in body.values())


def captured(received: Received) -> dict[str, Any]:
    """A message as docs/examples show it; a picture's bytes are in the file beside it."""
    return {
        "topic": received.topic,
        "qos": received.qos,
        "retain": received.retain,
        "content_type": received.content_type,
        "expiry_s": received.expiry_s,
        "user_properties": dict(received.user_properties),
    }


def ask(client: Client, command: str, request: messages.Request) -> None:
    """Send the node a request; `listen` receives its answer."""
    path = topics.REQUEST.path(PREFIX, node=CONFIG["node"], command=command)
    client.publish(topics.REQUEST, path, messages.encode(request))


def listen(client: Client) -> dict[str, dict[str, Any]]:
    """The best message of each topic, by the topic's name."""
    best: dict[str, tuple[int, dict[str, Any], bytes]] = {}
    asked = False
    deadline = time.monotonic() + LISTEN_S
    while time.monotonic() < deadline:
        try:
            received = client.received.get(1.0)
        except TimeoutError:
            continue
        found = topics.match(PREFIX, received.topic)
        assert found is not None, received.topic
        row = found[0]
        if row is topics.SUSPECTS and b'"suspects":[]' in received.payload:
            continue  # it takes hours to find one: the example stays as it was captured from a frozen picture
        if row is topics.EVENTS and b'"type":"alert"' in received.payload:
            continue  # it is the example of the other topic
        jpeg = row.payload == "jpeg"
        # The best picture is the smallest one; the best message has most fields that are not empty.
        score = -len(received.payload) if jpeg else worth(orjson.loads(received.payload))
        # The last manifest is the best one: it says where the frames come from.
        refused = row is topics.RESPONSE and orjson.loads(received.payload)["error"] is not None
        name = f"{row.name}_refused" if refused else row.name
        if name not in best or score > best[name][0] or row is topics.INFO:
            best[name] = (score, captured(received), received.payload)
        if row is topics.DETECTIONS and not asked:
            asked = True
            ask(client, "ping", messages.Request(transaction="example-1"))
            ask(client, "snapshot", messages.Request(transaction="example-2", camera="attic"))
    result = {}
    for name, (_, about, payload) in best.items():
        if about["content_type"] == "image/jpeg":
            (EXAMPLES / f"{name}.jpg").write_bytes(payload)
            result[name] = about | {"payload_file": f"{name}.jpg"}
        else:
            result[name] = about | {"payload": orjson.loads(payload)}
    return result


def main() -> int:
    """Run broker, node and viewer, listen, write."""
    beside = SHARED / "data" / "video" / "vtest.avi"
    video = beside if beside.is_file() else find_video()
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The manifest has the source, so its name must not depend on where this ran.
        (folder / "street.avi").symlink_to(video)
        covered_later(video, folder / "yard.avi")
        for camera, about in CONFIG["cameras"].items():
            about["source"] = str(folder / f"{camera}.avi")
        broker = MosquittoProcess(folder)
        broker.start()
        (folder / "edge.yaml").write_text(
            yaml.safe_dump(CONFIG | {"mqtt": {"url": broker.url}}, sort_keys=False)
        )
        with Client(MqttSettings(url=broker.url), name="capture") as client:
            client.subscribe(f"{PREFIX}/#", 1, as_published=True)
            assert client.wait_subscribed(30)
            state = os.environ | {"DARNER_STATE": str(folder)}
            edge = ["-m", "edge_node", "--config", str(folder / "edge.yaml")]
            viewer = ["-m", "viewer_server", "--set", f"mqtt.url={broker.url}", "--set", "http.port=0"]
            running = [
                subprocess.Popen([sys.executable, *words], cwd=REPO, env=state) for words in (viewer, edge)
            ]
            try:
                examples = listen(client)
            finally:
                for process in running:
                    process.terminate()
                    process.wait(60)
        broker.kill()
    for name in {row.name for row in topics.TABLE} - examples.keys():
        print(f"no message on {name}: its example was not refreshed", file=sys.stderr)
    for name, example in examples.items():
        content = orjson.dumps(example, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (EXAMPLES / f"{name}.json").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
