"""All that runs at a user's home, and a recorder of what the node says."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.conftest import MosquittoProcess, wait_until
from tests.faults.processes import Program
from tests.homeassistant.recorder import PREFIX, Recorder
from tests.homeassistant.scene import Scene
from tests.homeassistant.server import HomeAssistant

NODE, CAMERA = "lab", "street"
DEVICE = f"darner.{NODE}.{CAMERA}"
ZONES = {
    "all": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
    "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
}
SETTLES_WITHIN_S = 60.0
_REMEMBERS = "persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1"


class Site:
    """Everything together. `with` prepares it, and kills at its end what still runs.

    Args:
        folder: Holds everything that is written.
        program: Path of Home Assistant's program.
        video: What the camera sees.

    Attributes:
        scene: The camera.
        broker: Keeps its state when it is killed.
        node: The edge node.
        server: Home Assistant.
        recorder: Hears what the node says.
    """

    def __init__(self, folder: Path, program: Path, video: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.broker = MosquittoProcess(folder, extra=_REMEMBERS.format(folder))
        self.scene = Scene(video)
        self.server = HomeAssistant(folder / "homeassistant", program)
        self.node = Program("node", self._command(NODE), folder, {"DARNER_STATE": str(folder / "state")})
        self.recorder = Recorder(self.broker.port)

    def __enter__(self) -> Site:
        self._stack.enter_context(self.scene)
        self._stack.callback(self.broker.kill)
        self._stack.callback(self.node.kill)
        self._stack.callback(self.server.kill)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start everything, and wait until Home Assistant has found the camera and knows its numbers."""
        self.broker.start()
        self._stack.enter_context(self.recorder)
        self.server.start()
        self.server.connect(self.broker.port)
        self.node.start()
        wait_until(lambda: DEVICE in self.server.devices(), SETTLES_WITHIN_S)
        self.wait_state("zone-all-count", lambda state: state.isdigit())

    def forget(self) -> None:
        """Make the broker, which does not run, forget all that it kept."""
        (self._folder / "mosquitto.db").unlink(missing_ok=True)

    def restart_as(self, node: str) -> None:
        """Start the node, which does not run, under another name."""
        self.node = Program("node", self._command(node), self._folder, {"DARNER_STATE": str(self._folder)})
        self._stack.callback(self.node.kill)
        self.node.start()

    def ask(self, command: str, **body: Any) -> dict[str, Any]:
        """Send the node a request; its answer."""
        topic = f"{NODE}/response/{command}"
        began = time.time()
        self.recorder.publish(f"{PREFIX}/{NODE}/request/{command}", orjson.dumps(body))
        wait_until(lambda: any(one.body for one in self.recorder.since(began, topic)))
        answer = self.recorder.since(began, topic)[0].body
        assert answer is not None
        return answer

    def definitions(self) -> dict[str, Any]:
        """The camera's zones and lines, as the node published them last."""
        body = self.recorder.last[f"{NODE}/camera/{CAMERA}/zones"].body
        assert body is not None
        return body

    def define(self, zones: dict[str, Any], lines: dict[str, Any]) -> None:
        """Replace the camera's zones and lines."""
        version = self.definitions()["version"]
        answer = self.ask("zones.set", camera=CAMERA, zones=zones, lines=lines, version=version)
        assert answer["error"] is None, answer
        wait_until(lambda: self.definitions()["version"] != version)

    def state(self, key: str) -> str:
        """The state of one of the camera's entities; "absent" where Home Assistant has no such entity."""
        entity = self.server.entities().get(f"{DEVICE}.{key}")
        found = entity and self.server.states().get(entity["entity_id"])
        return found["state"] if found else "absent"

    def wait_state(self, key: str, wanted: Any, timeout: float = SETTLES_WITHIN_S) -> None:
        """Wait until the state of one of the camera's entities is as wanted.

        Args:
            key: The entity.
            wanted: A state, or a condition.
            timeout: Seconds.
        """
        holds = wanted if callable(wanted) else lambda state: state == wanted
        wait_until(lambda: holds(self.state(key)), timeout)

    def _command(self, node: str) -> list[str]:
        config = self._folder / f"{node}.yaml"
        config.write_text(yaml.safe_dump(self._configuration(node)))
        return [sys.executable, "-m", "edge_node", "--config", str(config)]

    def _configuration(self, node: str) -> dict[str, Any]:
        camera = {
            "source": self.scene.url,
            "detect_every": 2,
            "zones": {name: {"polygon": polygon} for name, polygon in ZONES.items()},
            "lines": {"path": {"points": [[0.47, 0.64], [0.47, 0.28]]}},
            "thumbnail": {"fps": 1},
        }
        return {
            "node": node,
            "mqtt": {"url": self.broker.url},
            "model": {"classes": ["person"], "threads": 1},
            "homeassistant": {"enabled": True},
            "cameras": {CAMERA: camera},
        }
