"""The fake edge node with zones that can be set: the edge's own code answers and keeps the versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_node.analytics.problems import problems
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.definitions import DefinitionStore
from edge_node.control.commands import Commands
from edge_node.control.inbox import Inbox
from shared.errors import MessageError
from shared.wire import topics
from shared.wire.messages import LineDefinition, Request, ZoneDefinition
from tests.viewer_server.fake_edge import FakeEdge


class AnsweringEdge(FakeEdge):
    """One node with the camera "yard".

    Attributes:
        refusal: When set, what every zones.set is refused with.
    """

    refusal: str | None = None

    def begin(
        self,
        zones: Mapping[str, ZoneDefinition] | None = None,
        lines: Mapping[str, LineDefinition] | None = None,
    ) -> None:
        """Announce the camera with these zones and lines, and answer from now on."""
        settings = CameraSettings(source=0, zones=dict(zones or {}), lines=dict(lines or {}))
        self.store = DefinitionStore(None, {"yard": settings})
        self.announce("yard")
        self.publish_zones()
        answering = Commands(self.client, self.prefix, self.node, self.session, {"zones.set": self._set})
        answering.__enter__()  # ends with the connection
        Inbox(self.client, self.prefix, self.node, {topics.REQUEST: answering.accept}).start()

    def publish_zones(self) -> None:
        """Publish the saved definitions, retained."""
        now = self.store["yard"]
        self.zones("yard", now.zones, now.lines, version=now.version)

    def save(self, zones: dict[str, ZoneDefinition], lines: dict[str, LineDefinition]) -> None:
        """Somebody else saves."""
        self.store.save("yard", zones, lines, self.store["yard"].version)
        self.publish_zones()

    def _set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        if self.refusal is not None:
            raise MessageError(self.refusal)
        assert request.zones is not None
        assert request.lines is not None
        assert request.version is not None
        before = self.store["yard"]
        saved = self.store.save("yard", request.zones, request.lines, request.version)
        for gone in {*before.zones, *before.lines} - {*saved.zones, *saved.lines}:
            self.client.set_state(topics.ZONE, self.path(topics.ZONE, camera="yard", zone=gone), b"")
        self.publish_zones()
        return {"version": saved.version, "warnings": problems(saved.zones, saved.lines, ("person",))}
