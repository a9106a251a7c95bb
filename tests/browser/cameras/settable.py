"""The fake edge node with cameras that can be changed: the edge's own code answers and keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge_node.config import load
from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.cameras import CameraCommands
from edge_node.control.commands import Commands
from edge_node.control.inbox import Inbox
from shared.wire import topics
from shared.wire.messages import CameraChange, Cameras, encode
from tests.viewer_server.fake_edge import FakeEdge


class SettableEdge(FakeEdge):
    """One node with the camera "yard" in its configuration."""

    def begin(self, folder: Path, **says: Any) -> None:
        """Announce the camera, and answer from now on."""
        self._file = folder / "darner.yaml"
        yard = {"source": "rtsp://admin:swordfish-77@192.168.1.20/sub", "name": "Hof"}
        whole = {
            "node": self.node,
            "zones_file": str(folder / "zones.json"),
            "cameras": {"yard": yard},
            **says,
        }
        self._file.write_text(yaml.safe_dump(whole))
        self.store = CameraStore()
        self.commands = CameraCommands(
            self._read(), self.store, self._read, self._apply, self._tell, lambda: None
        )
        self.announce("yard")
        self.commands.announce()
        answering = Commands(self.client, self.prefix, self.node, self.session, self.commands.handlers())
        answering.__enter__()  # ends with the connection
        Inbox(self.client, self.prefix, self.node, {topics.REQUEST: answering.accept}).start()

    def save(self, **cameras: CameraChange | None) -> None:
        """Somebody else saves."""
        self.store.save(cameras, self.store.version)
        self._read()
        self.commands.announce()

    def _read(self) -> EdgeConfig:
        return load.node(self._file, None, [], self.store)

    def _apply(self) -> dict[str, Any]:
        before = set(self.store.current)
        gone_or_new = before ^ set(self._read().cameras)
        return {"applied": [], "restart": [f"cameras.{name}" for name in gone_or_new], "warnings": []}

    def _tell(self, fields: dict[str, Any]) -> None:
        message = Cameras(**self.common(), **fields)  # type: ignore[arg-type]  # a dict of several types
        self.client.set_state(topics.CAMERAS, self.path(topics.CAMERAS), encode(message))
