"""The manifest: what a node says of itself, its model and its cameras."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edge_node import __version__
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.frames import Frame
from edge_node.pictures import Decoding
from edge_node.publish.compose import Composer
from shared import limits
from shared.wire import messages

CAPABILITIES = (
    "detections",
    "thumbnails",
    "snapshots",
    "tracks",
    "zones",
    "lines",
    "commands",
    "masks",
    "suspects",
    "names",
    "rules",
    "calendar",
    "health",
)
ORIGIN_REFRESH_S = 1.0
"""The least time between two manifests that report a changed clock or reader of one camera."""


@dataclass
class _Camera:
    """What the manifest says of one camera."""

    source: int | str
    name: str | None
    zones: int = 0
    lines: int = 0
    origin: tuple[messages.ClockSource, str, Decoding] | None = None  # clock, reader, decoder
    origin_at: float = -math.inf

    def info(self, camera: str) -> messages.CameraInfo:
        """What is published."""
        clock, reader, decoding = self.origin or (None, None, None)
        return messages.CameraInfo(
            camera=camera,
            name=self.name,
            source=limits.clipped(describe(self.source)),
            zones=self.zones,
            lines=self.lines,
            clock=clock,
            reader=reader,
            decoder=decoding and decoding.on,
            decoder_reason=limits.clipped(decoding.why) if decoding and decoding.why else None,
        )


class Manifest:
    """Publishes the manifest again whenever something in it has changed.

    Args:
        config: The node's configuration.
        composer: Makes the message.
        say: Publishes it.
        clock: Monotonic seconds.
    """

    def __init__(
        self, config: EdgeConfig, composer: Composer, say: Callable[[bytes], None], clock: Callable[[], float]
    ) -> None:
        self._composer, self._say, self._clock = composer, say, clock
        self._node, self._name = config.node, config.node_name
        self._cameras = {name: _Camera(one.source, one.name) for name, one in config.cameras.items()}
        self._about: dict[str, Any] | None = None
        self._capabilities: tuple[str, ...] = CAPABILITIES

    def announce(self, model: messages.ModelInfo, backend: str, device: str, tracker: str) -> None:
        """Publish it for the first time; what is noted before is in it."""
        self._about = {**_running(model, backend, device), "tracker": tracker}
        self._inform()

    def runs_with(self, model: messages.ModelInfo, backend: str, device: str) -> None:
        """Note which model, engine and device the node has now."""
        changed = _running(model, backend, device)
        if self._about is not None and self._about | changed != self._about:
            self._about |= changed
            self._inform()

    def rename(self, config: EdgeConfig) -> None:
        """Note what people call the node and its cameras now."""
        before = self._names()
        self._name = config.node_name
        for name, camera in self._cameras.items():
            camera.name = config.cameras[name].name
        if self._names() != before:
            self._inform()

    def define(self, camera: str, definitions: Definitions) -> None:
        """Note how many zones and lines a camera has."""
        known, counts = self._cameras[camera], (len(definitions.zones), len(definitions.lines))
        if counts != (known.zones, known.lines):
            known.zones, known.lines = counts
            self._inform()

    def origin(self, frame: Frame) -> None:
        """Note which clock, reader and decoder this frame of a camera has."""
        camera, origin = self._cameras[frame.camera], (frame.clock, frame.reader, frame.decoding)
        if camera.origin == origin:
            return
        now = self._clock()
        if now - camera.origin_at >= ORIGIN_REFRESH_S:
            camera.origin, camera.origin_at = origin, now
            self._inform()

    def hears(self, *, interest: bool) -> None:
        """Note whether viewers are to say who looks at which camera."""
        capabilities = CAPABILITIES + ("interest",) * interest
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._inform()

    def camera_names(self) -> dict[str, str]:
        """What people call each camera; its identifier where it has no name."""
        return {name: camera.name or name for name, camera in self._cameras.items()}

    def node_name(self) -> str:
        """What people call the node; its identifier where it has no name."""
        return self._name or self._node

    def _names(self) -> list[str | None]:
        return [self._name, *(camera.name for camera in self._cameras.values())]

    def _inform(self) -> None:
        if self._about is None:
            return
        info = messages.NodeInfo(
            **self._composer.head(),
            name=self._name,
            version=__version__,
            cameras=tuple(camera.info(name) for name, camera in self._cameras.items()),
            capabilities=self._capabilities,
            **self._about,
        )
        self._say(messages.encode(info))


def _running(model: messages.ModelInfo, backend: str, device: str) -> dict[str, Any]:
    """What the manifest says of the model and its engine."""
    return {
        "model": replace(model, name=limits.clipped(model.name)),
        "backend": limits.clipped(backend, limits.LABEL_LENGTH),
        "device": limits.clipped(device),
    }
