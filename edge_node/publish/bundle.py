"""The bundle: picture and objects of a frame in one JSON message, for consumers that want nothing else."""

from __future__ import annotations

import base64
import dataclasses
import logging
import threading
from types import TracebackType

from edge_node.analytics.watch import Analysed
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import has_pictures
from edge_node.pace import Pace
from edge_node.publish.compose import Composer
from edge_node.publish.jpeg import encode_jpeg
from shared.channel import Channel, Closed
from shared.log import Once
from shared.mqtt.client import Client
from shared.service.watchdog import Look, taking
from shared.wire import messages, topics

log = logging.getLogger("darner.bundle")

SMALLEST = 64
"""The narrowest picture that is tried, in pixels; if it is still too large, the bundle is given up."""


class Bundles:
    """Sends the newest frame of each camera, from a thread of its own; `with` starts and ends it.

    Args:
        client: The connection.
        config: The node's configuration; no bundles are sent unless it enables them, and none of cameras
            without pictures.
        composer: Makes the messages.

    Attributes:
        outgoing: Frames that wait to be encoded and sent, at most one of each camera.

    Raises:
        ConfigError: `bundle.topic` is not a valid topic.
    """

    def __init__(self, client: Client, config: EdgeConfig, composer: Composer) -> None:
        self._client = client
        self._settings = config.bundle
        self._topic = topics.check_prefix(config.bundle.topic, "bundle.topic")
        self._composer = composer
        pictured = [name for name, camera in config.cameras.items() if has_pictures(camera.source)]
        self._paces = {name: Pace(config.bundle.fps) for name in pictured}
        self.outgoing: Channel[Analysed] = Channel()
        self._once = Once()
        self._thread = threading.Thread(target=self._send, name="bundle", daemon=True)

    def __enter__(self) -> Bundles:
        if self._settings.enabled:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outgoing.close()
        if self._settings.enabled:
            self._thread.join(1.0)

    def offer(self, item: Analysed) -> None:
        """Take a frame if it is time for one; never waits, and leaves the encoding to the thread."""
        pace = self._paces.get(item.frame.camera) if self._settings.enabled else None
        if pace is not None and pace.ready(item.now_s):
            try:
                self.outgoing.put_newest(item, item.frame.camera)
            except Closed:
                return  # the node is stopping

    def look(self) -> Look | None:
        """What a watchdog sees of the thread."""
        return taking(self.outgoing, also=self._client.waits)() if self._settings.enabled else None

    def encode(self, item: Analysed) -> bytes | None:
        """The message, with its picture shrunk until it fits; None if even the smallest does not fit."""
        frame, width = item.frame, min(self._settings.width, item.frame.width)
        message = self._composer.bundle(item)
        most = min(self._settings.max_bytes, self._client.room(self._topic))
        room = most - len(messages.encode(message))
        while room > 0:
            jpeg = encode_jpeg(frame.picture, (width, frame.height), self._settings.quality)
            image = base64.b64encode(jpeg).decode()
            if len(image) <= room:
                return messages.encode(dataclasses.replace(message, image_base64=image))
            if width <= SMALLEST:
                break
            width = max(SMALLEST, width // 2)
        if self._once(frame.camera):
            log.warning(
                "camera %s: a bundle does not fit into %d bytes; raise bundle.max_bytes, or what the broker "
                "takes (said once)",
                frame.camera,
                most,
            )
        self._client.dropped[topics.BUNDLE.name] += 1
        return None

    def _send(self) -> None:
        for item in self.outgoing:
            try:
                payload = self.encode(item)
            except Exception:  # an extra must not end the node
                if self._once("fault"):
                    log.exception("camera %s: a frame was left out of the bundles", item.frame.camera)
                continue
            if payload is not None:
                self._client.publish(topics.BUNDLE, self._topic, payload)
