"""The bundle: picture and objects of a frame in one JSON message, for consumers that want no more."""

from __future__ import annotations

import base64
import dataclasses
import logging
import threading
from collections.abc import Sequence
from types import TracebackType

from edge_node.analytics.watch import Analysed
from edge_node.config.settings import EdgeConfig
from edge_node.pace import Pace
from edge_node.publish import payloads
from edge_node.publish.jpeg import encode_jpeg, shrink
from shared.channel import Channel, Closed
from shared.log import Once
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import now_us

log = logging.getLogger("darner.bundle")

SMALLEST = 64
"""Pixels: a picture that does not fit even at this width is not sent."""


class Bundles:
    """Sends the newest frame of each camera, from a thread of its own; `with` starts and ends it.

    Args:
        client: The connection.
        config: The node's; nothing happens unless it enables bundles.
        class_names: By class id.
        session: Identifier of this run.

    Raises:
        ConfigError: The topic cannot be one.
    """

    def __init__(self, client: Client, config: EdgeConfig, class_names: Sequence[str], session: str) -> None:
        self._client = client
        self._settings = config.bundle
        self._topic = topics.check_prefix(config.bundle.topic)
        self._node, self._session = config.node, session
        self._class_names = class_names
        self._paces = {name: Pace(config.bundle.fps) for name in config.cameras}
        self._newest: Channel[Analysed] = Channel()
        self._once = Once()
        self._thread = threading.Thread(target=self._send, name="bundle", daemon=True)

    def __enter__(self) -> Bundles:
        if self._settings.enabled:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._newest.close()
        if self._settings.enabled:
            self._thread.join(1.0)

    def offer(self, item: Analysed) -> None:
        """Take a frame, if it is time for one; never waits and encodes nothing."""
        if self._settings.enabled and self._paces[item.frame.camera].ready(item.now_s):
            try:
                self._newest.put_newest(item, item.frame.camera)
            except Closed:
                return  # shutting down

    def encode(self, item: Analysed) -> bytes | None:
        """The message, made smaller until it fits; None when it does not even then."""
        frame, width = item.frame, min(self._settings.width, item.frame.width)
        message = messages.Bundle(
            node=self._node,
            session=self._session,
            published_us=now_us(),
            camera=frame.camera,
            seq=frame.seq,
            captured_us=frame.captured_ns // 1000,
            frame_id=f"{self._node}-{frame.camera}-{self._session}-{frame.seq}",
            image_base64="",
            prediction=payloads.objects(item, self._class_names),
        )
        room = self._settings.max_bytes - len(messages.encode(message))
        while room > 0:
            jpeg = encode_jpeg(shrink(frame.image, width, frame.height), self._settings.quality)
            image = base64.b64encode(jpeg).decode()
            if len(image) <= room:
                return messages.encode(dataclasses.replace(message, image_base64=image))
            if width <= SMALLEST:
                break
            width = max(SMALLEST, width // 2)
        if self._once(frame.camera):
            log.warning(
                "camera %s: a bundle does not fit bundle.max_bytes of %d",
                frame.camera,
                self._settings.max_bytes,
            )
        self._client.dropped[topics.BUNDLE.name] += 1
        return None

    def _send(self) -> None:
        for item in self._newest:
            try:
                payload = self.encode(item)
            except Exception:  # an extra must not end what it comes with
                if self._once("fault"):
                    log.exception("camera %s: a frame was left out of the bundles", item.frame.camera)
                continue
            if payload is not None:
                self._client.publish(topics.BUNDLE, self._topic, payload)
