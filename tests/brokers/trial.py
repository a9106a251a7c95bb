"""One trial: the real node and viewer on one broker, in one version of MQTT."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import yaml

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.brokers.kinds import Kind, Server
from tests.conftest import REPO, free_port
from tests.viewer_server.process import ViewerProcess

NODE, CAMERA, PREFIX = "box", "street", topics.DEFAULT_PREFIX
CHECKS = ("connects", "boxes", "pictures", "retained", "commands", "events", "restart", "will", "contract")
YES = "yes"
WITHIN_S = 25.0
PICTURE = REPO / "docs" / "examples" / "thumbnail.jpg"


class Trial:
    """Finds out what works.

    Args:
        kind: The broker.
        version: Of MQTT.
        video: What the camera sees.
        folder: For everything that is written.
    """

    def __init__(self, kind: Kind, version: str, video: Path, folder: Path) -> None:
        self._version, self._video, self._folder = version, video, folder
        self._server = Server(kind, folder, free_port())
        self._username = kind.username
        self._settings = MqttSettings(
            url=self._server.url,
            version="5" if version == "5" else "3.1.1",
            username=kind.username,
            password=kind.username and "x",
        )

    def run(self) -> dict[str, str]:
        """What each check found: "yes", or what was different."""
        os.environ["DARNER_STATE"] = str(self._folder)
        for name, value in (("USERNAME", self._username), ("PASSWORD", "x")):
            os.environ.pop(f"DARNER_MQTT__{name}", None)
            if self._username:
                os.environ[f"DARNER_MQTT__{name}"] = str(value)
        more = (f"mqtt.version={self._version}", f"history.path={self._folder / 'history.db'}")
        with self._server, self._node() as node:
            if trouble := self._trouble(node):
                return {"connects": trouble}
            with ViewerProcess(self._server.url, self._folder, *more) as viewer, viewer.watching():
                return self._together(viewer, node)

    def _trouble(self, node: subprocess.Popen[bytes]) -> str | None:
        """What keeps the node from the broker, if anything does."""
        until(lambda: node.poll() is not None or self._log().count("connected to the broker") >= 2, 15)
        if node.poll() is None and "connected to the broker" in self._log():
            return None
        cure = "names mqtt.version" if "mqtt.version" in self._log() else "says no cure"
        return f"no: {'tries on' if node.poll() is None else 'ends'} and {cure}"

    def _together(self, viewer: ViewerProcess, node: subprocess.Popen[bytes]) -> dict[str, str]:
        self._viewer = viewer
        found = {
            "connects": YES,
            "boxes": yes(until(lambda: self._count('messages_total{topic="detections"}') >= 5)),
            "pictures": self._pictures(),
            "retained": self._retained(),
            "commands": self._commands(),
            "events": self._events(0),
        }
        stored = self._stored()
        self._server.kill()
        time.sleep(1.0)
        self._server.start()
        found["restart"] = self._returns(stored)
        found["contract"] = self._contract()
        found["will"] = self._will(node)
        return found

    @contextmanager
    def _node(self) -> Iterator[subprocess.Popen[bytes]]:
        camera = {
            "source": str(self._video),
            "loop": True,
            "max_fps": 8,
            "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
            "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
        }
        config = {
            "node": NODE,
            "mqtt": {"url": self._server.url, "version": self._version},
            "cameras": {CAMERA: camera},
        }
        file = self._folder / "edge.yaml"
        file.write_text(yaml.safe_dump(config))
        with (self._folder / "edge.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge_node", "--config", str(file)], stderr=log, cwd=REPO
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(15)

    def _log(self) -> str:
        return (self._folder / "edge.log").read_text()

    def _count(self, name: str) -> float:
        return self._viewer.metric(f"darner_viewer_{name}")

    def _pictures(self) -> str:
        if until(lambda: self._count("frames_joined_total") >= 3, 8):
            return YES
        return "newest boxes" if self._count("pictures_not_joinable_total") >= 3 else "no"

    def _retained(self) -> str:
        """Whether somebody who comes later learns of everything."""
        ids = {"node": NODE, "camera": CAMERA}
        wanted = {row.path(PREFIX, **ids) for row in (topics.STATUS, topics.INFO)}
        wanted |= {row.path(PREFIX, **ids) for row in (topics.CAMERA_STATUS, topics.ZONES)}
        wanted |= {topics.ZONE.path(PREFIX, **ids, zone=zone) for zone in ("all", "gate")}
        if wanted <= self._held([f"{PREFIX}/#"]):
            return YES
        return "exact topics only" if wanted <= self._held(sorted(wanted)) else "no"

    def _held(self, filters: list[str]) -> set[str]:
        found = set()
        with Client(self._settings, name="late") as late:
            for one in filters:
                late.subscribe(one, 1)
            end = time.monotonic() + 3.0
            with contextlib.suppress(TimeoutError):
                while time.monotonic() < end:
                    received = late.received.get(1.0)
                    if received.retain:
                        found.add(received.topic)
        return found

    def _commands(self) -> str:
        heatmap = f"/api/v1/heatmap?node={NODE}&camera={CAMERA}"
        answers = [self._ask(heatmap), self._ask(f"/api/v1/detect?node={NODE}", PICTURE.read_bytes())]
        return YES if answers == [200, 200] else f"no ({answers[0]}, {answers[1]})"

    def _ask(self, path: str, body: bytes | None = None) -> int:
        request = urllib.request.Request(self._viewer.url + path, data=body)  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - our own
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def _stored(self) -> int:
        """How many events the viewer has stored, up to a page."""
        return len(json.loads(self._viewer.get("/api/v1/events?limit=500"))["events"])

    def _events(self, more_than: int) -> str:
        """Whether events are stored, and acknowledged so that the node forgets them."""
        if not until(lambda: self._stored() > more_than):
            return "no"
        with Client(self._settings, name="metrics") as client:
            client.subscribe(topics.METRICS.path(PREFIX, node=NODE))
            end = time.monotonic() + 12.0
            with contextlib.suppress(TimeoutError):
                while time.monotonic() < end:
                    received = client.received.get(7.0)
                    found = topics.match(PREFIX, received.topic)
                    if found is None or found[0] is not topics.METRICS:
                        continue  # some brokers send what matches no subscription
                    if orjson.loads(received.payload)["outbox"]["backlog"] <= 5:
                        return YES
        return "stored, but not acknowledged"

    def _returns(self, stored: int) -> str:
        """Whether everything is as before after the broker was killed."""
        before = self._count('messages_total{topic="detections"}')
        if not until(lambda: self._count('messages_total{topic="detections"}') >= before + 5, 40):
            return "no"
        lacking = [
            name
            for name, found in (
                ("commands", self._commands()),
                ("retained", self._retained()),
                ("events", self._events(stored)),
            )
            if found == "no" or found.startswith(("no ", "stored"))
        ]
        return f"without {', '.join(lacking)}" if lacking else YES

    def _contract(self) -> str:
        words = ["--broker", self._server.url, "--seconds", "6", "--set", f"mqtt.version={self._version}"]
        words += ["--no-properties"] if self._version != "5" else []
        done = subprocess.run(
            [sys.executable, "-m", "shared.conformance", *words],
            capture_output=True,
            text=True,
            cwd=REPO,
            timeout=60,
            check=False,
        )
        if done.returncode:
            print(done.stdout + done.stderr)
        kept = done.returncode == 0 and "do not name their frame" not in done.stdout
        return YES if kept else "no"

    def _will(self, node: subprocess.Popen[bytes]) -> str:
        """Whether others learn that a node has died."""
        with Client(self._settings, name="heir") as heir:
            heir.subscribe(topics.STATUS.path(PREFIX, node=NODE), 1)
            heir.wait_subscribed(10)
            node.send_signal(signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                while True:
                    if b'"offline"' in heir.received.get(20).payload:
                        return YES
        return "no"


def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> bool:
    """Wait for a condition; False when it does not hold in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def yes(found: bool) -> str:
    """How the table says it."""
    return YES if found else "no"
