"""Endpoints about nodes' calendars and modes, and about views of cameras that are right as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared import typed
from shared.asking.requests import NodeRequests
from shared.definitions.calendar import refuse_nonsense
from shared.errors import ConfigError
from shared.wire.messages import Calendar, CalendarDefinition, Count, Id, ModeState, Text, now_us
from viewer_server.api import find
from viewer_server.api.asked import asked_of, body_as, checked
from viewer_server.api.calendar.ahead import Ahead, AheadQuery, ahead
from viewer_server.api.endpoint import Endpoint, Refused
from viewer_server.api.newest import what_nodes_say
from viewer_server.api.schemas.common import FindQuery, Moment, Nothing
from viewer_server.live.hub import Hub


@dataclass(frozen=True, kw_only=True)
class NodeCalendar:
    """A node's calendar.

    Attributes:
        name: What people call the node; null: its identifier.
        capable: Whether the node knows calendars; older ones do not.
        calendar: The newest message; null: the node has no calendar yet.
        mode: Which mode holds, and which schedules are active, as the node said last.
    """

    node: Id
    name: str | None
    online: bool
    capable: bool
    calendar: Calendar | None
    mode: ModeState | None


@dataclass(frozen=True, kw_only=True)
class CalendarList:
    """Nodes by identifier, with their calendars."""

    nodes: list[NodeCalendar]
    total: Annotated[int, Meta(description="How many were found, with those that are left out")]


@dataclass(frozen=True, kw_only=True)
class CalendarChange:
    """A calendar that replaces a node's.

    Attributes:
        version: The version that this replaces, 0 for the first; when another one holds, it is refused.
    """

    version: Count
    calendar: CalendarDefinition


@dataclass(frozen=True, kw_only=True)
class CalendarSaved:
    """What a node has saved.

    Attributes:
        version: The new version.
        warnings: A sentence for each part of it that can never do what it says.
    """

    version: Count
    warnings: Annotated[list[Text], Meta(max_length=1024)]


@dataclass(frozen=True, kw_only=True)
class ModeChange:
    """The mode that holds from now on.

    Attributes:
        until_us: When it ends by itself; null: a schedule or somebody sets another one.
    """

    mode: Id
    until_us: Moment | None = None


@dataclass(frozen=True, kw_only=True)
class ModeSet:
    """The mode that holds, and when it changes next."""

    mode: Id
    next_change_us: Moment | None = None


@dataclass(frozen=True, kw_only=True)
class ViewAccepted:
    """A camera's view counts as right as it is now.

    Attributes:
        reference_us: When the view was noted; null: the node notes it with the next pictures.
    """

    reference_us: Moment | None = None


class Calendars:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes.
        requests: Asks a node.
    """

    def __init__(self, hub: Hub, requests: NodeRequests) -> None:
        self._hub, self._requests = hub, requests

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows of the table."""
        return (
            Endpoint("/calendars", self.calendars, FindQuery, CalendarList,
                     "Time zone, modes and schedules of nodes, and what holds now"),
            Endpoint("/calendars/<node>", self.save_calendar, Nothing, CalendarSaved,
                     "Replace a node's calendar, unless another version was saved",
                     method="POST", body=CalendarChange, asks_node=True),
            Endpoint("/calendars/<node>/mode", self.set_mode, Nothing, ModeSet, "Set the mode of a node",
                     method="POST", body=ModeChange, asks_node=True),
            Endpoint("/calendars/ahead", self.calendar_ahead, Nothing, Ahead,
                     "When schedules are active, and which mode holds, in the days to come",
                     method="POST", body=AheadQuery),
            Endpoint("/cameras/<node>/<camera>/accept", self.accept_view, Nothing, ViewAccepted,
                     "Say that a camera's view is right as it is now",
                     method="POST", body=Nothing, asks_node=True),
        )  # fmt: skip

    def calendars(self, query: FindQuery) -> dict[str, Any]:
        """What the nodes say of their calendars."""
        names = sorted(find.nodes(self._hub.names(), query.words))
        found = [
            {
                "node": node,
                "name": one.name,
                "online": one.online,
                "capable": one.can("calendar"),
                "calendar": one.said.get("calendar"),
                "mode": one.said.get("mode"),
            }
            for node, one in what_nodes_say(self._hub, query.cut(names), "calendar", "mode").items()
        ]
        return {"nodes": found, "total": len(names)}

    def save_calendar(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Save a calendar; 409 when the saved version is not the one that the request replaces."""
        self._check(node, "calendar")
        return checked(CalendarSaved, asked_of(self._requests, node, "calendar.set", body_as(CalendarChange)))

    def set_mode(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Set the mode."""
        self._check(node, "calendar")
        return checked(ModeSet, asked_of(self._requests, node, "mode.set", body_as(ModeChange)))

    def calendar_ahead(self, query: Nothing) -> dict[str, Any]:  # noqa: ARG002
        """What a calendar would mean; nothing is saved and no node is asked."""
        try:
            wanted = typed.convert(body_as(AheadQuery), AheadQuery)
            calendar = wanted.calendar
            if calendar.timezone is None:
                calendar = replace(calendar, timezone=wanted.timezone)
            refuse_nonsense(calendar)
            from_us = now_us() if wanted.from_us is None else wanted.from_us
            return msgspec.to_builtins(ahead(calendar, from_us, wanted.days))  # type: ignore[no-any-return]
        except (ConfigError, OverflowError) as error:
            raise Refused(422, str(error)) from None

    def accept_view(self, query: Nothing, node: str, camera: str) -> dict[str, Any]:  # noqa: ARG002
        """Have a node take a camera's view for the right one."""
        self._check(node, "health")
        body_as(Nothing)
        return checked(ViewAccepted, asked_of(self._requests, node, "health.accept", {"camera": camera}))

    def _check(self, node: str, capability: str) -> None:
        """Refuse what a node is too old for."""
        one = what_nodes_say(self._hub, [node])[node]
        if one.info is None:
            raise Refused(404, f"no node {node!r} has described itself")
        if not one.can(capability):
            raise Refused(422, f"node {node!r} is of an older version, which has no {capability}: update it")
