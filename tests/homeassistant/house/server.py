"""Home Assistant itself: started, set up as a user would in its pages, and asked over REST and WebSocket."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websocket

from tests.conftest import free_port, unmeasured

START_WITHIN_S = 180.0
STOP_WITHIN_S = 90.0
CONFIGURATION = """
homeassistant: {{name: Lab, latitude: 52, longitude: 13, time_zone: UTC, country: DE}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
automation: !include automations.yaml
blueprint:
camera:
config:
frontend:
history:
image:
logbook:
onboarding:
persistent_notification:
recorder: {{commit_interval: 1}}
script: !include scripts.yaml
system_log:
websocket_api:
"""
_CLIENT = "http://127.0.0.1/"
_COMPLAINT = re.compile(r"^\S+ \S+ (WARNING|ERROR|CRITICAL) \([^)]*\) \[([^]]+)\] (.*)")
_NOT_OURS = ("Skipping pip", "zlib_ng", "libturbojpeg", "google_translate", "go2rtc", "radio_browser", " met")
"""What Home Assistant says at its start about its own surroundings."""
_RECORD = re.compile(r"^(?=\S+ \S+ [A-Z]+ \()", re.MULTILINE)
_LACKS = "ModuleNotFoundError: No module named"
"""Ends the record of an integration that Home Assistant sets up of its own accord without its packages."""


class HomeAssistantError(Exception):
    """Home Assistant did not do what it was asked for; the text has its answer."""


class HomeAssistant:
    """One installation, which can be started again and again.

    Args:
        folder: Its configuration.
        program: Path of Home Assistant's program.

    Attributes:
        log: What it writes to standard error, over all starts.
        url: Where its pages are.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._folder, self._program = folder, program
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder.with_suffix(".log")
        self.token = ""
        self._set_up = 0  # bytes of the log when the welcome pages were done
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        (folder / "automations.yaml").write_text("[]\n")
        (folder / "scripts.yaml").write_text("{}\n")

    @property
    def folder(self) -> Path:
        """Its configuration."""
        return self._folder

    def start(self) -> None:
        """Start it, and wait until it runs; the first time it is set up, too."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._program), "-c", str(self._folder), "--skip-pip"],
                stdout=log,
                stderr=log,
                env=unmeasured(),
            )
        if not self.token:
            self._wait(lambda: bool(self.get("/api/onboarding")), "answers")
            self._onboard()
            self._set_up = self.log.stat().st_size
        self._wait(lambda: self.get("/api/config")["state"] == "RUNNING", "runs")

    def stop(self) -> None:
        """Let it end as at an update."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_WITHIN_S)
            self._process = None

    def kill(self) -> None:
        """`kill -9`, as when the power goes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def connect(self, port: int) -> None:
        """Add the integration MQTT, with the broker on this machine."""
        flow = self.post("/api/config/config_entries/flow", {"handler": "mqtt"})["flow_id"]
        done = self.post(f"/api/config/config_entries/flow/{flow}", {"broker": "127.0.0.1", "port": port})
        if done.get("type") != "create_entry":
            raise HomeAssistantError(f"the MQTT entry was not made: {done}")

    def get(self, path: str) -> Any:
        """The answer to a GET."""
        return json.loads(self._call("GET", path, None))

    def post(self, path: str, body: object) -> Any:
        """The answer to a POST."""
        return json.loads(self._call("POST", path, body))

    def service(self, name: str, **data: object) -> None:
        """Call an action, such as `switch.turn_on`."""
        self.post(f"/api/services/{name.replace('.', '/')}", data)

    def picture(self, path: str) -> bytes | None:
        """A picture, once there is one."""
        try:
            return self._call("GET", path, None)
        except HomeAssistantError:
            return None

    def ask(self, kind: str, **more: object) -> Any:
        """The result of one WebSocket command.

        Raises:
            HomeAssistantError: It was refused.
        """
        socket = websocket.create_connection(f"ws://127.0.0.1:{self.port}/api/websocket", timeout=30)
        try:
            socket.recv()
            socket.send(json.dumps({"type": "auth", "access_token": self.token}))
            socket.recv()
            socket.send(json.dumps({"id": 1, "type": kind} | more))
            while True:
                answer = json.loads(socket.recv())
                if answer.get("type") == "result":
                    break
        finally:
            socket.close()
        if not answer["success"]:
            raise HomeAssistantError(f"{kind}: {answer['error']}")
        return answer["result"]

    def states(self) -> dict[str, dict[str, Any]]:
        """Every state, by entity id."""
        return {one["entity_id"]: one for one in self.get("/api/states")}

    def entities(self) -> dict[str, dict[str, Any]]:
        """Every entity of the integration MQTT in the registry, by its unique id."""
        listed = self.ask("config/entity_registry/list")
        return {str(one["unique_id"]): one for one in listed if one["platform"] == "mqtt"}

    def devices(self) -> dict[str, dict[str, Any]]:
        """Every device of ours in the registry, by its identifier."""
        listed = self.ask("config/device_registry/list")
        return {pair[1]: one for one in listed for pair in one["identifiers"] if pair[0] == "mqtt"}

    def complaints(self) -> list[str]:
        """Warnings and errors in its log since it was set up that are not about its own surroundings."""
        text = self.log.read_bytes()[self._set_up :].decode(errors="replace")
        found = [(_COMPLAINT.match(record), record) for record in _RECORD.split(text)]
        return [
            f"{one[1]} {one[2]}: {one[3]}"
            for one, record in found
            if one
            and one[2] != "triggered"
            and not any(word in one[0] for word in _NOT_OURS)
            and _LACKS not in record
        ]

    def _onboard(self) -> None:
        """What its welcome pages ask for."""
        user = {
            "client_id": _CLIENT,
            "name": "Lab",
            "username": "lab",
            "password": "lab-lab",
            "language": "en",
        }
        code = self.post("/api/onboarding/users", user)["auth_code"]
        form = f"grant_type=authorization_code&code={code}&client_id={_CLIENT}".encode()
        with urllib.request.urlopen(f"{self.url}/auth/token", form, timeout=20) as answer:  # noqa: S310 - our own
            self.token = json.load(answer)["access_token"]
        for step in ("core_config", "analytics", "integration"):
            more = {"client_id": _CLIENT, "redirect_uri": _CLIENT} if step == "integration" else {}
            # 2024.11 notes that a step is done, and then fails over integrations without their packages.
            with contextlib.suppress(HomeAssistantError):
                self.post(f"/api/onboarding/{step}", more)
        self.token = self.ask("auth/long_lived_access_token", client_name="tests", lifespan=30)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            if not self.alive:
                raise HomeAssistantError(f"Home Assistant ended: {self.log.read_text()[-2000:]}")
            try:
                if condition():
                    return
            except (OSError, HomeAssistantError):  # its pages appear one by one
                pass
            if time.monotonic() > deadline:
                raise HomeAssistantError(f"not within {START_WITHIN_S:.0f} s: Home Assistant {what}")
            time.sleep(0.1)

    def _request(self, method: str, path: str, body: object) -> urllib.request.Request:
        head = {"Content-Type": "application/json"}
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(self.url + path, data, head, method=method)  # noqa: S310 - our own

    def _call(self, method: str, path: str, body: object) -> bytes:
        try:
            with urllib.request.urlopen(self._request(method, path, body), timeout=60) as answer:  # noqa: S310
                read: bytes = answer.read()
                return read
        except urllib.error.HTTPError as error:
            raise HomeAssistantError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None
