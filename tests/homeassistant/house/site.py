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
from tests.homeassistant.house.recorder import PREFIX, Recorder
from tests.homeassistant.house.scene import Scene
from tests.homeassistant.house.server import HomeAssistant

# The names of `make demo`, which the examples for users have, too.
NODE, CAMERA = "demo", "street"
DEVICE = f"darner.{NODE}.{CAMERA}"
ZONES = {
    "everywhere": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "pavement": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
    "junction": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
}
RULES: dict[str, dict[str, Any]] = {
    "everywhere": {"crowd": {"count": 3, "after_s": 1}, "presence": {"off_after_s": 3}},
    "junction": {"loitering_s": 3},
    "pavement": {"queue": True, "schedule": "indoors"},
}
CALENDAR: dict[str, Any] = {
    "timezone": "UTC",
    "modes": {"home": {"name": "Zuhause"}, "away": {}},
    "schedules": {"indoors": {"modes": ["home"]}},
}
ALERTS: dict[str, Any] = {
    "comes": {
        "when": {"trigger": "event", "events": ["presence_started"], "zones": ["everywhere"]},
        "severity": "critical",
        "text": "Somebody is on {camera}",
    },
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
        self.node = self._program(NODE, CAMERA)
        self.recorder = Recorder(self.broker.port)

    def __enter__(self) -> Site:
        self._stack.enter_context(self.scene)
        self._stack.callback(self.broker.kill)
        self._stack.callback(lambda: self.node.kill())  # the node may be another by then
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
        self.wait_state("zone-everywhere-count", lambda state: state.isdigit())

    def end_node(self) -> None:
        """As `systemctl stop` does."""
        self.node.ask_to_end()
        self.node.ended(time.monotonic())

    def restart_node(self) -> None:
        """As `systemctl restart` does."""
        self.end_node()
        self.node.start()

    def restart_broker(self) -> None:
        """As after a crash."""
        self.broker.kill()
        self.broker.start()

    def restart_server(self) -> None:
        """As its own page does."""
        self.server.stop()
        self.server.start()

    def forget(self) -> None:
        """Make the broker, which does not run, forget all that it kept."""
        (self._folder / "mosquitto.db").unlink(missing_ok=True)

    def start_as(self, node: str, camera: str) -> None:
        """Start the node, which does not run, with other names.

        Args:
            node: Its name.
            camera: The camera's name.
        """
        self.node = self._program(node, camera)
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

    def wait_nobody(self) -> None:
        """Wait until the node, which runs and has a broker, says that all zones are empty."""

        def empty() -> bool:
            said = [self.recorder.last[f"{NODE}/camera/{CAMERA}/zone/{zone}"].body for zone in ZONES]
            return all(body is not None and body["occupancy"] == 0 for body in said)

        wait_until(empty, SETTLES_WITHIN_S)

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

    def announced(self, part: str = "") -> dict[str, dict[str, Any]]:
        """The components of the node's and the camera's discovery messages, by unique id; triggers have none.

        Args:
            part: What their keys contain.
        """
        found = {}
        for device in (NODE, f"{NODE}/{CAMERA}"):
            message = self.recorder.retained(f"homeassistant/device/{device}/config")
            for key, one in message["components"].items():
                if part in key and "unique_id" in one:
                    found[one["unique_id"]] = one
        return found

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

    def _program(self, node: str, camera: str) -> Program:
        config = self._folder / "darner.yaml"
        config.write_text(yaml.safe_dump(self._configuration(node, camera), sort_keys=False))
        words = [sys.executable, "-m", "edge_node", "--config", str(config)]
        return Program("node", words, self._folder, {"DARNER_STATE": str(self._folder / "state")})

    def _configuration(self, node: str, camera: str) -> dict[str, Any]:
        settings = {
            "source": self.scene.url,
            "detect_every": 2,
            "zones": {name: {"polygon": polygon} | RULES[name] for name, polygon in ZONES.items()},
            "lines": {"path": {"points": [[0.47, 0.64], [0.47, 0.28]]}},
            "thumbnail": {"fps": 1},
            # The empty scene is one picture again and again, which is a problem: frozen.
            "health": {"pauses": False},
        }
        return {
            "node": node,
            "mqtt": {"url": self.broker.url},
            "model": {"classes": ["person"], "threads": 1},
            "homeassistant": {"enabled": True},
            "calendar": CALENDAR,
            "rules": ALERTS,
            "cameras": {camera: settings},
        }
