"""Many nodes in one process: they answer over a real broker, with the edge's own code for commands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.control.commands import Commands, RefusedError
from shared.errors import ConflictError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import (
    Calendar,
    CalendarDefinition,
    CameraEntry,
    CameraInfo,
    CameraMetrics,
    Cameras,
    CameraStatus,
    Metrics,
    ModelInfo,
    NodeInfo,
    NodeStatus,
    Request,
    RuleDefinition,
    Rules,
    SettingsState,
    Zones,
    encode,
    now_us,
)

OLD, NEW = "0" * 64, "1" * 64
"""SHA-256 of the model that nodes run, and of another one."""


LIVE = {"confidence": 0.25, "detect_every": 1, "paused": False, "thumbnail_fps": 5.0}
"""The settings of its configuration, which hold again after each start."""


class Simulated:
    """A node with one camera.

    Args:
        tell: Publishes retained state: row, path and payload.
        prefix: First levels of every topic.
        name: Its identifier.

    Attributes:
        on_request: Called with the command before each request is answered; may raise what a handler may.
        deaf: Answers nothing.
        mute: Answers, and says nothing of what has changed.
        file: SHA-256 of the model's file that lies on it.
        asked: The commands that came.
    """

    def __init__(
        self, tell: Callable[[topics.Topic, str, bytes], object], prefix: str, name: str, camera: str = "till"
    ) -> None:
        self._tell, self._prefix, self.name, self.camera = tell, prefix, name, camera
        self._runs, self._away = 0, False
        self.definitions = DefinitionStore(None, {camera: CameraSettings(source="rtsp://box/1")})
        self.live: dict[str, Any] = dict(LIVE)
        self.entry = CameraEntry(source="rtsp://box/1", login=False, origin="configuration")
        self.saved_version = 0
        self.why_not: str | None = None
        self.calendar, self.calendar_version = CalendarDefinition(), 0
        self.rules: dict[str, RuleDefinition] = {}
        self.rules_version = 0
        self.capabilities: tuple[str, ...] = ("calendar", "rules")
        self.model: str | None = OLD
        self.file: str = OLD
        self.classes = ("person", "car")
        self.status: Literal["streaming", "paused", "reconnecting"] = "streaming"
        self.fps = 5.0
        self.on_request: Callable[[str], None] = lambda _: None
        self.deaf = self.mute = False
        self.asked: list[str] = []

    @property
    def session(self) -> str:
        """One for each start."""
        return f"{self.name}-{self._runs}"

    def start(self) -> None:
        """Start, again or for the first time, and say everything."""
        self._runs += 1
        self.live |= LIVE
        self._away = False
        self.say(topics.ZONES, topics.SETTINGS, topics.CAMERA_STATUS, topics.INFO, *self.wide())
        self.say(topics.CAMERAS, topics.STATUS)

    def wide(self) -> list[topics.Topic]:
        """What it says of itself once it has any."""
        said = ((topics.CALENDAR, self.calendar_version), (topics.RULES, self.rules_version))
        return [row for row, version in said if version]

    def say(self, *rows: topics.Topic) -> None:
        """Publish what is retained on some topics."""
        for row in rows:
            ids = {"node": self.name} | ({"camera": self.camera} if "{camera}" in row.pattern else {})
            self._tell(row, row.path(self._prefix, **ids), encode(self.message(row)))

    def message(self, row: topics.Topic) -> object:
        """What it says on a topic now."""
        head: dict[str, Any] = {"node": self.name, "session": self.session, "published_us": now_us()}
        of_camera = head | {"camera": self.camera}
        defined = self.definitions[self.camera]
        model = ModelInfo(
            name="m",
            classes=self.classes,
            input_width=64,
            input_height=64,
            layout="yolov8",
            sha256=self.model,
        )
        info = CameraInfo(camera=self.camera, source="rtsp://box/1", zones=0, lines=0)
        about: dict[str, Any] = {"backend": "b", "device": "d", "tracker": "t"}
        about["capabilities"] = self.capabilities
        counted = CameraMetrics(fps_in=5, fps_out=self.fps, captured=1, processed=1, dropped=0, thumbnails=0)
        makers: dict[topics.Topic, Callable[[], object]] = {
            topics.STATUS: lambda: NodeStatus(**head, status="online", version="1"),
            topics.INFO: lambda: NodeInfo(**head, **about, version="1", cameras=(info,), model=model),
            topics.CAMERAS: lambda: Cameras(
                **head,
                version=self.saved_version,
                changeable="network",
                why_not=self.why_not,
                cameras={self.camera: self.entry},
            ),
            topics.CALENDAR: lambda: Calendar(**head, version=self.calendar_version, **vars(self.calendar)),
            topics.RULES: lambda: Rules(**head, version=self.rules_version, rules=self.rules),
            topics.CAMERA_STATUS: lambda: CameraStatus(**of_camera, status=self.status, since_us=1),
            topics.SETTINGS: lambda: SettingsState(**of_camera, **self.live),
            topics.ZONES: lambda: Zones(**of_camera, version=defined.version, **defined.by_key()),
            topics.METRICS: lambda: Metrics(
                **head,
                uptime_s=1,
                cameras={self.camera: counted},
                stages_ms={},
                cpu_percent=1,
                memory_mb=1,
                publish_dropped={},
            ),
        }
        return makers[row]()

    def end(self, reason: str | None = None) -> None:
        """Go offline."""
        gone = NodeStatus(
            node=self.name,
            session=self.session,
            published_us=now_us(),
            status="offline",
            version="1",
            reason=reason,
        )
        self._tell(topics.STATUS, topics.STATUS.path(self._prefix, node=self.name), encode(gone))

    def answer(self, client: Client, received: Received, command: str) -> None:
        """Answer a request."""
        self.asked.append(command)
        if self.deaf or self._away:
            return
        handlers = {
            "zones.set": self._zones,
            "calendar.set": self._calendar,
            "rules.set": self._rules,
            "set": self._set,
            "cameras.set": self._cameras,
            "reload": self._reload,
        }
        Commands(client, self._prefix, self.name, self.session, handlers).answer(received)

    def _zones(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("zones.set")
        assert request.zones is not None and request.lines is not None and request.version is not None
        saved = self.definitions.save(
            self.camera, request.zones, request.lines, request.version, request.masks, request.filters
        )
        if not self.mute:
            self.say(topics.ZONES)
        return {"version": saved.version, "warnings": []}

    def _calendar(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("calendar.set")
        if request.version != self.calendar_version:
            raise ConflictError("somebody else saved first")
        assert request.calendar is not None
        self.calendar, self.calendar_version = request.calendar, self.calendar_version + 1
        self.say(topics.CALENDAR)
        return {"version": self.calendar_version, "warnings": []}

    def _rules(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("rules.set")
        if request.version != self.rules_version:
            raise ConflictError("somebody else saved first")
        assert request.rules is not None
        self.rules, self.rules_version = request.rules, self.rules_version + 1
        self.say(topics.RULES)
        return {"version": self.rules_version, "warnings": []}

    def _set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("set")
        self.live |= {key: one for key in self.live if (one := getattr(request, key)) is not None}
        if not self.mute:
            self.say(topics.SETTINGS)
        return {"cameras": {self.camera: self.live}}

    def _cameras(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("cameras.set")
        if request.version != self.saved_version:
            raise ConflictError("somebody else saved first")
        edit = (request.cameras or {})[self.camera]
        if edit is None:
            raise MessageError("null")
        restarts = edit.max_fps != self.entry.max_fps
        self.entry = replace(self.entry, name=edit.name, max_fps=edit.max_fps, transport=edit.transport)
        self.saved_version += 1
        self.say(topics.CAMERAS)
        if restarts:
            self._away = True
            self.end()
            threading.Timer(0.1, self.start).start()
        return {"version": self.saved_version, "restarts": restarts}

    def _reload(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        self.on_request("reload")
        if self.file == self.model:
            return {"restart": [], "model": {"state": "unchanged", "sha256": self.model}}
        if self.file == "broken":
            raise RefusedError("failed", "unreadable")
        self.model = self.file
        self.say(topics.INFO)
        return {"restart": [], "model": {"state": "loaded", "sha256": self.model}}


@contextmanager
def simulated(
    url: str, prefix: str, names: Sequence[str], version: Literal["5", "3.1.1"] = "5"
) -> Iterator[dict[str, Simulated]]:
    """Nodes on a broker, which have started and said everything."""
    with Client(MqttSettings(url=url, prefix=prefix, version=version), name="simulated") as client:
        nodes = {name: Simulated(client.set_state, prefix, name) for name in names}
        client.subscribe(topics.REQUEST.filter(prefix), 1)
        assert client.wait_subscribed(30)

        def listen() -> None:
            for received in client.received:
                found = topics.match(prefix, received.topic)
                if found is not None and found[1]["node"] in nodes:
                    nodes[found[1]["node"]].answer(client, received, found[1]["command"])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        for node in nodes.values():
            node.start()
        assert client.finish(30 + len(nodes) / 50)
        yield nodes
    thread.join()


def known(node: Simulated, *, metrics: bool = False) -> list[Received]:
    """What a node retains, as messages; for tests without a broker."""
    rows = [topics.STATUS, topics.INFO, topics.CAMERAS, topics.CAMERA_STATUS, topics.SETTINGS, topics.ZONES]
    prefix = "p"
    found = []
    for row in [*rows, *node.wide(), *([topics.METRICS] if metrics else [])]:
        ids = {"node": node.name} | ({"camera": node.camera} if "{camera}" in row.pattern else {})
        found.append(Received(row.path(prefix, **ids), encode(node.message(row)), 1, True, {}))
    return found
