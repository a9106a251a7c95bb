"""Publishes frames and events as an ONVIF device would: onvif-mj and onvif-ej over MQTT."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType

import orjson

from edge_node.analytics.watch import Analysed
from edge_node.config.publishing import OnvifSettings
from edge_node.config.settings import EdgeConfig
from edge_node.mirror.rules import Rules, Said
from edge_node.onvif import event, scene
from edge_node.onvif.classes import kinds
from edge_node.pace import Pace
from shared.channel import Channel, Closed
from shared.log import Once
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.watchdog import Look, taking
from shared.wire import topics
from shared.wire.messages import Problem

log = logging.getLogger("darner.onvif")

EMPTY_EVERY_S = 1.0
"""An empty scene is said again after so many seconds, to show that the camera is watched."""
MOST_IDS = 256
"""The most ids of a camera that wait to be named as gone or renamed in its next scene."""
MOST_CLEARED = 5_000
"""The most retained properties of an earlier run that are cleared."""


class _Camera:
    def __init__(self, name: str, settings: OnvifSettings, class_names: Sequence[str]) -> None:
        self.pace = Pace(settings.fps)
        self.kinds = kinds(class_names, settings.classes)
        self.rules = Rules(name, self.kinds)
        self.empty_s = -math.inf  # when the last scene was said, if it was empty
        self.lock = threading.Lock()  # guards the next two
        self.gone: list[int] = []
        self.renamed: list[tuple[int, int]] = []


class Mirror:
    """Says in ONVIF's words what the node finds; `with` ends its thread, which the first scene starts.

    Nothing here waits: events are handed to the client at once, and scenes are left to the thread, of which
    the newest of each camera is kept.

    Args:
        client: The connection.
        config: The node's configuration; nothing is published unless it enables scenes or events.
        class_names: By class id.

    Attributes:
        waiting: Frames that wait to be sent as scenes, at most one of each camera.
    """

    def __init__(self, client: Client, config: EdgeConfig, class_names: Sequence[str]) -> None:
        self._client, self._class_names = client, class_names
        self._prefix = config.onvif.prefix or config.node
        self._shared = self._prefix != config.node  # other nodes may use it, too
        self._wanted = self._settings = config.onvif
        self._cameras = {name: _Camera(name, config.onvif, class_names) for name in config.cameras}
        self._problems: dict[str, frozenset[Problem]] = {}  # of the cameras whose picture is judged
        self.waiting: Channel[Analysed] = Channel()
        self._once = Once()
        self._thread: threading.Thread | None = None
        self._heard = self._listening = False
        self._cleared = 0

    def __enter__(self) -> Mirror:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting.close()
        if self._thread is not None:
            self._thread.join(1.0)

    def reconfigure(self, settings: OnvifSettings) -> None:
        """Use other settings from the next frame on; the prefix stays. Any thread may call this."""
        self._wanted = settings

    def look(self) -> Look | None:
        """What a watchdog sees of the thread; None while there is none."""
        return None if self._thread is None else taking(self.waiting, also=self._client.waits)()

    def offer(self, item: Analysed) -> None:
        """Take a frame."""
        if self._wanted is not self._settings:
            self._adopt()
        if self._settings.frames or self._settings.events:
            self._try(item, ends=False)

    def conclude(self, item: Analysed) -> None:
        """Take what became certain after a camera's last frame."""
        if self._settings.events:
            self._try(item, ends=True)

    def judge(self, camera: str, problems: frozenset[Problem] | None) -> None:
        """Say from the camera's next frame on what is wrong with its picture. Any thread may call this.

        Args:
            camera: Its name.
            problems: What is wrong; None: nobody judges it.
        """
        if problems is None:
            self._problems.pop(camera, None)
        else:
            self._problems[camera] = problems

    def farewell(self) -> None:
        """Take back all properties, so that nobody believes them when the node is gone."""
        for camera in self._cameras.values():
            self._say(camera.rules.clear())

    def handle(self, received: Received) -> None:
        """Clear a property that an earlier run left and this one has not; other messages are ignored.

        Below a prefix that is not the node's own name, the cameras of other nodes are left alone.
        """
        if not received.topic.startswith(f"{self._prefix}/{topics.ONVIF_EVENT.pattern}/"):
            return
        if self._shared and event.camera_of(received.topic) not in self._cameras:
            return
        if not received.retain:  # one of our own, behind all that the broker had
            if self._listening:
                self._listening = False
                self._client.unsubscribe(self._all_events)
        elif received.payload and self._cleared < MOST_CLEARED:
            self._cleared += self._client.clear_foreign(topics.ONVIF_PROPERTY, received.topic)

    @property
    def _all_events(self) -> str:
        return f"{self._prefix}/{topics.ONVIF_EVENT.pattern}/#"

    def _adopt(self) -> None:
        """Use the settings that are wanted now."""
        self.farewell()
        self._settings = settings = self._wanted
        self._cameras = {name: _Camera(name, settings, self._class_names) for name in self._cameras}

    def _try(self, item: Analysed, *, ends: bool) -> None:
        try:
            self._take(item, ends=ends)
        except Exception:  # an extra must not end the node
            if self._once("fault"):
                log.exception("camera %s: a frame was left out for ONVIF (said once)", item.frame.camera)

    def _take(self, item: Analysed, *, ends: bool) -> None:
        camera = self._cameras[item.frame.camera]
        if self._settings.events:
            if not self._heard:
                self._heard = self._listening = True
                self._client.subscribe(self._all_events, 1)
            self._say(camera.rules.take(item, self._problems.get(item.frame.camera), ends=ends))
        if self._settings.frames and not ends:
            self._show(camera, item)

    def _say(self, said: Iterable[Said]) -> None:
        for one in said:
            path = f"{self._prefix}/{one.rule.levels}"
            payload = b"" if one.payload is None else orjson.dumps(one.payload)
            if one.rule.topic in event.PROPERTIES:
                self._client.set_state(topics.ONVIF_PROPERTY, path, payload)
            else:
                self._client.publish(topics.ONVIF_EVENT, path, payload)

    def _show(self, camera: _Camera, item: Analysed) -> None:
        """Have a scene sent if it is time for one."""
        with camera.lock:
            for happening in item.report.happenings:
                if happening.track_id is None:
                    continue
                if happening.type == "track_ended":
                    camera.gone = [*camera.gone, happening.track_id][-MOST_IDS:]
                elif happening.type == "track_linked" and happening.linked_track_id is not None:
                    pair = happening.linked_track_id, happening.track_id
                    if pair not in camera.renamed:  # once for every stay that goes on
                        camera.renamed = [*camera.renamed, pair][-MOST_IDS:]
        nothing = not len(item.tracks) and not camera.gone
        if nothing and abs(item.now_s - camera.empty_s) < EMPTY_EVERY_S:
            return
        if not camera.pace.ready(item.now_s):
            return
        camera.empty_s = item.now_s if nothing else -math.inf
        try:
            self.waiting.put_newest(item, item.frame.camera)
        except Closed:
            return  # the node is stopping
        if self._thread is None:
            self._thread = threading.Thread(target=self._send, name="onvif", daemon=True)
            self._thread.start()

    def _send(self) -> None:
        for item in self.waiting:
            try:
                payload = self.compose(item)
            except Exception:  # an extra must not end the node
                if self._once("scene"):
                    log.exception("camera %s: a scene was left out (said once)", item.frame.camera)
                continue
            path = topics.ONVIF_SCENE.path(self._prefix, camera=item.frame.camera)
            self._client.publish(topics.ONVIF_SCENE, path, payload)

    def compose(self, item: Analysed) -> bytes:
        """A frame's scene, with the ids that are gone or renamed since the last one."""
        camera, frame = self._cameras[item.frame.camera], item.frame
        with camera.lock:
            gone, camera.gone = camera.gone, []
            renamed, camera.renamed = camera.renamed, []
        speeds = item.report.speed_m_s
        return orjson.dumps(
            scene.frame(
                item.tracks,
                (frame.width, frame.height),
                frame.captured_ns // 1000,
                camera.kinds,
                [] if speeds is None else [_known(one) for one in speeds.tolist()],
                renamed,
                gone,
            )
        )


def _known(speed: float) -> float | None:
    return None if math.isnan(speed) else round(speed, 2)
