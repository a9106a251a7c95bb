"""The fake edge node with definitions that can be set: the edge's own code answers and keeps the versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.control.commands import Commands, Handler, RefusedError
from edge_node.control.inbox import Inbox
from shared.definitions.problems import problems
from shared.errors import ConfigError, MessageError
from shared.wire import topics
from shared.wire.messages import (
    FilterDefinition,
    LineDefinition,
    MaskDefinition,
    Request,
    Suspect,
    ZoneDefinition,
)
from tests.viewer_server.fake_edge import FakeEdge


class AnsweringEdge(FakeEdge):
    """One node with the camera "yard".

    Attributes:
        refusal: When set, what every zones.set is refused with.
        open: The suspects that nobody has dismissed.
    """

    refusal: str | None = None
    open: tuple[Suspect, ...] = ()

    def begin(
        self,
        zones: Mapping[str, ZoneDefinition] | None = None,
        lines: Mapping[str, LineDefinition] | None = None,
        masks: Mapping[str, MaskDefinition] | None = None,
        filters: Mapping[str, FilterDefinition] | None = None,
    ) -> None:
        """Announce the camera with these definitions, and answer from now on."""
        settings = CameraSettings(
            source=0,
            zones=dict(zones or {}),
            lines=dict(lines or {}),
            masks=dict(masks or {}),
            filters=dict(filters or {}),
        )
        self.store = DefinitionStore(None, {"yard": settings})
        self.announce("yard")
        self.publish_zones()
        answering = Commands(self.client, self.prefix, self.node, self.session, self.handlers())
        answering.__enter__()  # ends with the connection
        Inbox(self.client, self.prefix, self.node, {topics.REQUEST: answering.accept}).start()

    def handlers(self) -> dict[str, Handler]:
        """What answers each command."""
        return {"zones.set": self._set, "suspects.dismiss": self._dismiss}

    def publish_zones(self) -> None:
        """Publish the saved definitions, retained."""
        now = self.store["yard"]
        self.zones("yard", now.zones, now.lines, version=now.version, masks=now.masks, filters=now.filters)

    def save(
        self,
        zones: dict[str, ZoneDefinition],
        lines: dict[str, LineDefinition],
        masks: dict[str, MaskDefinition] | None = None,
    ) -> None:
        """Somebody else saves."""
        self.store.save("yard", zones, lines, self.store["yard"].version, masks)
        self.publish_zones()

    def suspect(self, *found: Suspect) -> None:
        """Publish suspects, retained."""
        self.open = found
        self.suspects("yard", *found)

    def _set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        if self.refusal is not None:
            raise MessageError(self.refusal)
        assert request.zones is not None
        assert request.lines is not None
        assert request.version is not None
        before = self.store["yard"]
        try:
            saved = self.store.save(
                "yard", request.zones, request.lines, request.version, request.masks, request.filters
            )
        except ConfigError as error:
            raise MessageError(str(error)) from None
        for gone in {*before.zones, *before.lines} - {*saved.zones, *saved.lines}:
            self.client.set_state(topics.ZONE, self.path(topics.ZONE, camera="yard", zone=gone), b"")
        self.publish_zones()
        return {"version": saved.version, "warnings": problems(saved.zones, saved.lines, ("person",))}

    def _dismiss(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002
        if request.id not in {one.id for one in self.open}:
            raise RefusedError("unknown", f"camera 'yard' has no suspect {request.id!r}")
        self.suspect(*(one for one in self.open if one.id != request.id))
        return {}
