"""A stage of a real node stands still: the node says so, ends with an error, and is never taken for live.

Only the watchdog's clock is faster than ours. `make faults ARGS="--only stage-frozen"` does it with the real
clock and more stages.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import CameraStatus, NodeStatus, Response
from tests.conftest import REPO, Mosquitto, wait_until

cv2 = pytest.importorskip("cv2")
pytestmark = pytest.mark.timing


class Node:
    """A node with two cameras, whose stage stands still on request, and what was heard of it."""

    def __init__(self, folder: Path, url: str, stage: str, times: int) -> None:
        self.name, self._stage = f"frozen-{stage}", stage
        self._frozen = folder / "frozen"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        self._manager.settimeout(10)
        picture = folder / "pictures"
        picture.mkdir()
        cv2.imwrite(str(picture / "1.png"), np.zeros((48, 64, 3), np.uint8))
        video = folder / "film.avi"
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
        for _ in range(20):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
        keys = {
            "node": self.name,
            "mqtt.url": url,
            "cameras.film": f"{{source: {video}, loop: true}}",
            "cameras.still": f"{{source: {picture}, loop: true, fps: 5}}",
            "model.threads": 1,
            "model.input_size": 128,  # starts sooner
        }
        words = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        more = {
            "FAULTS_FROZEN": str(self._frozen),
            "FAULTS_HURRY": str(times),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "2000000",
        }
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.program", "edge_node", *words],
            cwd=REPO,
            env=os.environ | more,
            stderr=self._log,
        )
        self._log.close()
        self.statuses: list[NodeStatus] = []
        self.cameras: list[CameraStatus] = []

    def freeze(self) -> None:
        self._frozen.write_text(self._stage)

    def told(self) -> str:
        """What the service manager hears next."""
        return self._manager.recv(4096).decode()

    def told_everything(self) -> list[str]:
        self._manager.settimeout(0)
        told = []
        try:
            while True:
                told.append(self.told())
        except BlockingIOError:
            return told

    def listen(self, client: Client) -> None:
        """Take in what the node has published."""
        try:
            received = client.received.get(0.05)
        except TimeoutError:
            return
        if not received.payload:
            return
        if "/camera/" in received.topic:
            self.cameras.append(messages.decode(CameraStatus, received.payload))
        else:
            self.statuses.append(messages.decode(NodeStatus, received.payload))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._manager.close()


@contextmanager
def running(folder: Path, broker: Mosquitto, stage: str, times: int = 4) -> Iterator[tuple[Node, Client]]:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with Client(MqttSettings(url=url), name="observer") as client:
        node = Node(folder, url, stage, times)
        client.subscribe(f"darner/v1/{node.name}/status", 1)
        client.subscribe(f"darner/v1/{node.name}/camera/+/status", 1)
        try:
            yield node, client
        finally:
            node.close()


def until(node: Node, client: Client, status: str, reason: str | None) -> NodeStatus:
    """The node's newest status, once it is the expected one."""

    def said() -> bool:
        node.listen(client)
        if not node.statuses or node.statuses[-1].status != status:
            return False
        why = node.statuses[-1].reason
        return why == reason or bool(reason and why and re.fullmatch(reason, why))

    wait_until(said, 30)
    return node.statuses[-1]


def test_a_node_whose_results_do_not_leave_says_so_and_ends_with_an_error(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with running(tmp_path, broker, "publish") as (node, client):
        until(node, client, "online", None)
        assert node.told() == f"READY=1\nSTATUS=node {node.name} watches film, still"
        assert node.told() == "WATCHDOG=1"
        node.freeze()
        assert node.process.wait(20) == 1
        reason = "publish has stood still for 10 s with work to do"
        until(node, client, "offline", reason)
        assert node.told_everything()[-1] == f"STATUS={reason}"
        said = (tmp_path / "log").read_text()
        assert reason in said
        assert "perhaps_frozen" in said, "the stacks show where it stood still"


def test_a_node_whose_network_thread_stands_still_says_so_over_another_connection(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with running(tmp_path, broker, "mqtt") as (node, client):
        until(node, client, "online", None)
        node.told()
        node.freeze()
        assert node.process.wait(20) == 1
        # More than 10 s where it has waited before: a second without traffic counts fourfold here.
        until(node, client, "offline", r"mqtt has stood still for 1\d s with work to do")


def test_a_camera_whose_driver_is_stuck_is_not_live_and_ends_no_other(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with running(tmp_path, broker, "read") as (node, client):
        until(node, client, "online", None)
        node.told()
        node.freeze()

        def lost() -> bool:
            node.listen(client)
            return any(one.status == "reconnecting" for one in node.cameras)

        wait_until(lost, 20)
        (camera,) = (one for one in node.cameras if one.status == "reconnecting")
        assert (camera.camera, "neither a frame nor an error" in (camera.reason or "")) == ("film", True)
        node.told_everything()
        time.sleep(1.0)  # four of the watchdog's seconds
        assert node.process.poll() is None
        assert node.statuses[-1].status == "online"
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(10) == 0
        assert "STOPPING=1" in node.told_everything()
        until(node, client, "offline", None)


def test_a_stop_while_a_stage_stands_still_ends_with_an_error_in_time(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with running(tmp_path, broker, "watch", times=1) as (node, client):
        until(node, client, "online", None)
        node.told()
        node.freeze()
        time.sleep(0.5)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(9) == 1
        until(node, client, "offline", None)
        assert "perhaps_frozen" in (tmp_path / "log").read_text()


def test_an_error_while_a_stage_stands_still_ends_the_node_in_time(tmp_path: Path, broker: Mosquitto) -> None:
    """The error is that another node, which began earlier, has the name."""
    with running(tmp_path, broker, "watch", times=1) as (node, client):
        until(node, client, "online", None)
        node.told()
        node.freeze()
        time.sleep(0.5)
        head: dict[str, Any] = {"node": node.name, "session": "0-older", "published_us": 1}
        status = NodeStatus(**head, status="online", version="1")
        client.set_state(topics.STATUS, f"darner/v1/{node.name}/status", messages.encode(status))
        time.sleep(0.5)
        answer = Response(**head, command="ping")
        client.publish(topics.RESPONSE, f"darner/v1/{node.name}/response/ping", messages.encode(answer))
        assert node.process.wait(9) != 0
        said = (tmp_path / "log").read_text()
        assert "another edge node named" in said
        assert "perhaps_frozen" in said
