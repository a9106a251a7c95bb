"""The handlers of the commands, which inspect or change the running node."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from typing import Any

from edge_node import __version__
from edge_node.config.live import LiveStore
from edge_node.config.saved.answers import saved_as, wrong_in_the_request
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.control.commands import Handler, RefusedError
from edge_node.control.image import to_pixels
from edge_node.detect.detector import Detector
from edge_node.flow.pipeline import Pipeline
from edge_node.health.monitor import HealthMonitor
from edge_node.ignore.store import SuspectStore
from edge_node.publish.compose import fractions, rounded
from edge_node.publish.jpeg import Fitted
from edge_node.publish.publisher import Publisher
from shared import limits
from shared.definitions.problems import all_problems
from shared.errors import MessageError
from shared.wire.messages import Request

_CHANGEABLE = ("confidence", "detect_every", "paused", "thumbnail_fps")
_BESIDES = 2000
"""Bytes that an answer with a picture has besides it."""
_SURE = 0.35
"""The default lowest score for `detect`: no tracker sorts out doubtful objects there."""


class Control:
    """The handlers of one node's commands.

    Args:
        pipeline: The running pipeline.
        publisher: Knows each camera's newest frame.
        detector: Knows the classes' names.
        live: The live settings.
        definitions: The zones, lines, masks and filters of each camera.
        suspects: What may be static false positives on each camera.
        on_zones: Called after zones and lines have changed.
        room: Gives the most bytes that an answer may have now.
        reschedule: Called before changed zones, lines and masks are used: some may be off schedule.
        schedules: Gives the calendar's schedules.
        health: Judges the cameras' pictures; None: nobody does.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        publisher: Publisher,
        detector: Detector,
        live: LiveStore,
        definitions: DefinitionStore,
        suspects: SuspectStore,
        on_zones: Callable[[], None],
        room: Callable[[], int] = lambda: limits.PAYLOAD_BYTES,
        reschedule: Callable[[], None] = lambda: None,
        schedules: Callable[[], Collection[str]] = tuple,
        health: HealthMonitor | None = None,
    ) -> None:
        self._reschedule, self._schedules = reschedule, schedules
        self._on_zones, self._room, self._health = on_zones, room, health
        self._definitions, self._suspects = definitions, suspects
        self._pipeline = pipeline
        self._publisher = publisher
        self._detector = detector
        self._live = live

    def handlers(self) -> dict[str, Handler]:
        """Each handler under its command's name."""
        return {
            "ping": self.ping,
            "heatmap": self.heatmap,
            "snapshot": self.snapshot,
            "detect": self.detect,
            "set": self.set,
            "zones.set": self.set_zones,
            "suspects.dismiss": self.dismiss,
            "health.accept": self.accept_view,
        }

    def ping(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Show that the node is running, and whether it is healthy."""
        return {
            "version": __version__,
            "cameras": list(self._pipeline.watches),
            "healthy": self._pipeline.healthy,
        }

    def heatmap(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Where objects spent their time in a camera's picture: seconds per cell, as numbers or a PNG."""
        heatmap = self._pipeline.watches[self._camera(request)].heatmap
        if request.format == "png":
            return {"png_base64": _base64(heatmap.to_png())}
        return {"seconds": heatmap.seconds.round(2).tolist()}

    def snapshot(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """The newest analysed frame of one camera, as large as an answer may be."""
        camera = self._camera(request)
        self._refuse_without_pictures(camera)
        newest = self._publisher.newest(camera)
        if newest is None:
            raise RefusedError("busy", f"camera {camera!r} has given no frame yet; ask again later")
        frame = newest.frame
        room = (self._room() - _BESIDES) * 3 // 4  # base64 turns three bytes into four
        encoded = Fitted().encode(frame.picture, 85, room)
        if encoded is None:
            raise RefusedError("failed", "the picture cannot be made small enough for an answer")
        jpeg, (width, height) = encoded
        return {
            "seq": frame.seq,
            "captured_us": frame.captured_ns // 1000,
            "width": width,
            "height": height,
            "jpeg_base64": _base64(jpeg),
        }

    def detect(self, request: Request, image: bytes | None) -> dict[str, Any]:
        """The objects in the picture that came with the request."""
        picture = to_pixels(image)
        confidence = _SURE if request.confidence is None else request.confidence
        found, timings = self._pipeline.detect(picture, confidence)
        height, width = picture.shape[:2]
        boxes = fractions(found.xyxy, width, height)
        rows = zip(found.class_id.tolist(), rounded(found.score, 4), boxes, strict=True)
        objects = [
            {"class_id": class_id, "label": self._detector.class_names[class_id], "score": score, "box": box}
            for class_id, score, box in rows
        ]
        return {
            "width": width,
            "height": height,
            "backend": limits.clipped(self._detector.backend_name, limits.LABEL_LENGTH),
            "timings_ms": timings,
            "objects": objects,
        }

    def set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Change live settings of one camera or of all, and return all their live settings."""
        changes = {name: value for name in _CHANGEABLE if (value := getattr(request, name)) is not None}
        if not changes:
            raise MessageError(f"nothing to set; settings are: {', '.join(_CHANGEABLE)}")
        cameras = [self._camera(request)] if request.camera else list(self._pipeline.watches)
        if request.camera and "thumbnail_fps" in changes:
            self._refuse_without_pictures(request.camera)
        values = {}
        for camera in cameras:
            blind = camera in self._pipeline.without_pictures
            fitting = {key: value for key, value in changes.items() if key != "thumbnail_fps" or not blind}
            changed = self._live.change(camera, **fitting)
            values[camera] = vars(changed)
        return {"cameras": values}

    def set_zones(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Replace one camera's definitions for good; return the new version and warnings.

        Masks and filters that the request leaves out stay: clients of older versions do not know them.
        """
        camera = self._camera(request)
        if request.zones is None or request.lines is None or request.version is None:
            raise MessageError(
                "zones, lines and version are needed; version is that of the /zones message to replace"
            )
        with wrong_in_the_request():
            saved = self._definitions.save(
                camera, request.zones, request.lines, request.version, request.masks, request.filters
            )
        # Not `saved`: another thread may have saved a newer version since, and the newest must win.
        self._reschedule()
        self._pipeline.watches[camera].redefine(self._definitions[camera])
        self._on_zones()
        confidence, names = self._live[camera].confidence, self._detector.class_names
        return saved_as(saved.version, all_problems(saved, names, confidence, self._schedules()))

    def dismiss(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Call a suspect real, for good; return what is still offered on its camera."""
        camera = self._camera(request)
        if request.id is None:
            raise MessageError("id is missing; it is that of a suspect in the /suspects message")
        if not self._suspects.dismiss(camera, request.id):
            raise RefusedError("unknown", f"no suspect {request.id!r} is offered on camera {camera!r} now")
        left = self._suspects.hunts[camera].offers()
        self._publisher.state.suspects(camera, left)
        return {"suspects": list(left)}

    def accept_view(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        """Take a camera's view as it is now for the right one; return when it was taken.

        Null where nothing can be seen now: the view is then taken as soon as it can be.
        """
        camera = self._camera(request)
        if self._health is None or not self._health.watches(camera):
            raise RefusedError(
                "failed", f"nobody judges the pictures of camera {camera!r}: see health.enabled"
            )
        return {"reference_us": self._health.accept(camera)}

    def _refuse_without_pictures(self, camera: str) -> None:
        if camera in self._pipeline.without_pictures:
            raise RefusedError("failed", f"camera {camera!r} has no pictures: its detections come over MQTT")

    def _camera(self, request: Request) -> str:
        known = ", ".join(self._pipeline.watches)
        if request.camera is None:
            raise MessageError(f"camera is missing; this node's cameras are: {known}")
        if request.camera not in self._pipeline.watches:
            raise RefusedError("unknown", f"no camera {request.camera!r}; this node's cameras are: {known}")
        return request.camera


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
