"""The commands about cameras: add, change, remove, try a source, and look for cameras in the network."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import msgspec

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.cameras import CameraStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.commands import Handler, RefusedError
from edge_node.discover.command import detector_side, host_and_port
from edge_node.discover.find import Wish, find
from edge_node.discover.probing import probe
from edge_node.discover.soap import Login
from edge_node.discover.wanted import has_login, settings_of, shown
from shared.errors import MessageError
from shared.secrets import known
from shared.wire.messages import CameraChange, CameraEdit, CameraEntry, Request

SHOWN_WIDTH = 640
"""Width of the picture in the answer to `cameras.probe`, pixels."""
ASK_S = 25.0
"""How long devices are asked for `cameras.discover`, seconds: whoever sent the request waits."""
MOST_FOUND = 64
"""The most cameras in the answer to `cameras.discover`."""


class CameraCommands:
    """The handlers of the commands about cameras.

    Args:
        config: The node's configuration, which says what is allowed.
        store: The cameras that were saved; None: cameras cannot be changed in this run.
        read: Reads the configuration again, with what was saved.
        apply: Applies what a running node can change; returns the keys that need a restart.
        publish: Publishes the message about the cameras, given its fields.
        restart: Has the node start again soon.
    """

    def __init__(
        self,
        config: EdgeConfig,
        store: CameraStore | None,
        read: Callable[[], EdgeConfig],
        apply: Callable[[], dict[str, Any]],
        publish: Callable[[dict[str, Any]], None],
        restart: Callable[[], None],
    ) -> None:
        self._config, self._store, self._read = config, store, read
        self._apply, self._publish, self._restart = apply, publish, restart
        self._stop = threading.Event()

    def handlers(self) -> dict[str, Handler]:
        """Each handler under its command's name."""
        return {"cameras.set": self.set, "cameras.probe": self.probe, "cameras.discover": self.discover}

    def announce(self) -> None:
        """Tell everybody about the cameras as they are."""
        cameras = self._config.cameras if self._store is None else self._store.current
        self._publish(
            {
                "version": 0 if self._store is None else self._store.version,
                "changeable": self._config.remote_cameras,
                "why_not": self.why_not(),
                "cameras": entries(cameras, self._store),
            }
        )

    def why_not(self) -> str | None:
        """Why cameras cannot be changed; None: they can."""
        if self._config.remote_cameras == "off":
            return "remote_cameras is off in the node's configuration"
        if self._store is None:
            return "the node was started with --source"
        if not self._store.keeps:
            return "zones_file is null in the node's configuration, so it has no place for cameras"
        return None

    def set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Add, change or remove cameras for good; return the version, and whether the node starts again."""
        store = self._allowed()
        if not request.cameras or request.version is None:
            raise MessageError(
                "cameras and version are needed; version is that of the /cameras message to replace"
            )
        self._read()  # else a mistake that somebody is making in the configuration would come up afterwards
        edits = {
            name: None if change is None else self._edit(store, name, change)
            for name, change in request.cameras.items()
        }
        version = store.save(edits, request.version)
        done = self._apply()
        restarts = any(key.startswith("cameras.") for key in done["restart"])
        self.announce()
        if restarts:
            self._restart()
        return {"version": version, "restarts": restarts}

    def probe(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Open a source for some seconds; return codec, size, rate and a picture."""
        store = self._allowed()
        if request.cameras is None or len(request.cameras) != 1:
            raise MessageError("cameras is needed, with the one camera to try")
        [(name, change)] = request.cameras.items()
        if change is None:
            raise MessageError(f"cameras.{name}: is null; give it a source")
        seen = probe(self._settings(store, name, change), self._stop)
        scale = min(1.0, SHOWN_WIDTH / seen.width)
        size = max(1, round(seen.width * scale)), max(1, round(seen.height * scale))
        small = cv2.resize(seen.image, size, interpolation=cv2.INTER_AREA)
        return {
            "codec": seen.codec,
            "width": seen.width,
            "height": seen.height,
            "fps": seen.fps,
            "first_s": round(seen.first_s, 2),
            "jpeg_base64": base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode(),
        }

    def discover(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Look for cameras that this node reaches; nothing is opened."""
        self._allowed()
        if (request.user is None) != (request.password is None):
            raise MessageError("user and password belong together; give both or none")
        logins = {}
        if request.user is not None and request.password is not None:
            known.keep(request.password)
            logins[""] = Login(request.user, request.password)
        try:
            hosts = [] if request.host is None else [host_and_port(request.host)]
        except ValueError as error:
            raise MessageError(f"host: {error}") from None
        wish = Wish(
            side=detector_side(self._config),
            hosts=hosts,
            logins=logins,
            ask_s=ASK_S,
            opens=False,
            webcams=self._config.remote_cameras == "any" and not hosts,
        )
        found = find(wish, self._stop)
        return {
            "detector_side": wish.side,
            "cameras": msgspec.to_builtins(found[:MOST_FOUND]),
            "left_out": max(0, len(found) - MOST_FOUND),
        }

    def close(self) -> None:
        """End what is being tried."""
        self._stop.set()

    def _allowed(self) -> CameraStore:
        why = self.why_not()
        if why is not None or self._store is None:
            raise RefusedError("failed", f"this node's cameras cannot be changed over MQTT: {why}")
        return self._store

    def _settings(self, store: CameraStore, name: str, change: CameraChange) -> CameraSettings:
        return settings_of(name, change, store.current.get(name), self._config.remote_cameras)

    def _edit(self, store: CameraStore, name: str, change: CameraChange) -> CameraEdit:
        return _edit(self._settings(store, name, change))


def entries(cameras: Mapping[str, CameraSettings], store: CameraStore | None) -> dict[str, CameraEntry]:
    """The cameras without their secrets, by name."""
    return {
        name: CameraEntry(
            **{**vars(_edit(camera)), "source": shown(camera.source)},
            login=has_login(camera.source),
            origin="configuration" if store is None else store.origin(name),
        )
        for name, camera in cameras.items()
    }


def _edit(camera: CameraSettings) -> CameraEdit:
    return CameraEdit(
        name=camera.name,
        source=str(camera.source),
        transport=camera.transport,
        reader=camera.reader,
        detect_every=camera.detect_every,
        schedule=camera.schedule,
        max_fps=camera.max_fps,
    )
