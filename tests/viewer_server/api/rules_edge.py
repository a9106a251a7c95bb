"""The fake edge node with rules that can be set, and cameras, zones and schedules that they can be about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from edge_node.control.commands import Commands, RefusedError
from edge_node.control.inbox import Inbox
from shared.wire import topics
from shared.wire.messages import (
    Calendar,
    LineDefinition,
    Request,
    RuleDefinition,
    Rules,
    ScheduleDefinition,
    ZoneDefinition,
    encode,
)
from tests.viewer_server.fake_edge import FakeEdge

SQUARE = ZoneDefinition(polygon=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)), name="Till")
GATE = LineDefinition(points=((0.5, 0.9), (0.5, 0.1)), name="Door")


class RulesEdge(FakeEdge):
    """One node with the camera "yard", its zone "square" and its line "gate"."""

    saved: int = 0
    takes_s: float = 0.0
    """How long the node takes to save rules."""
    rules: Mapping[str, RuleDefinition]

    def begin(
        self,
        rules: Mapping[str, RuleDefinition] | None = None,
        problems: Mapping[str, tuple[str, ...]] | None = None,
        *cameras: str,
        name: str | None = None,
    ) -> None:
        """Announce everything, and answer rules.set from now on."""
        self.capabilities = (*self.capabilities, "calendar", "rules")
        self.rules, self.problems = rules or {}, dict(problems or {})
        for camera in cameras or ("yard",):
            self.zones(camera, {"square": SQUARE}, {"gate": GATE})
        schedules = {"night": ScheduleDefinition(name="Night")}
        calendar = Calendar(**self.common(), version=1, timezone="Europe/Berlin", schedules=schedules)  # type: ignore[arg-type]  # by name
        self.client.set_state(topics.CALENDAR, self.path(topics.CALENDAR), encode(calendar))
        self.announce(*(cameras or ("yard",)), name=name)
        if self.rules:
            self.save(self.rules)
        answering = Commands(self.client, self.prefix, self.node, self.session, {"rules.set": self._set})
        answering.__enter__()  # ends with the connection
        Inbox(self.client, self.prefix, self.node, {topics.REQUEST: answering.accept}).start()

    def save(self, rules: Mapping[str, RuleDefinition]) -> None:
        """Somebody saves rules."""
        self.saved, self.rules = self.saved + 1, rules
        said = Rules(**self.common(), version=self.saved, rules=dict(rules), problems=self.problems)  # type: ignore[arg-type]  # by name
        self.client.set_state(topics.RULES, self.path(topics.RULES), encode(said))

    def _set(self, request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG002 - as every handler
        time.sleep(self.takes_s)
        if request.version != self.saved:
            raise RefusedError("conflict", f"version {self.saved} is saved, not {request.version}")
        assert request.rules is not None
        self.save(request.rules)
        return {"version": self.saved, "warnings": []}
