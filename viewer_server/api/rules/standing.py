"""A node as it is now, as far as rules look at it: cameras, zones, classes, the calendar and the mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared import typed
from shared.errors import ConfigError
from shared.rules.problems import Lasts, Places
from shared.rules.scene import Scene, Times
from shared.schedules.timetable import Timetable, lasting
from shared.wire.messages import (
    Calendar,
    LineDefinition,
    ModeState,
    RuleDefinition,
    ZoneDefinition,
    Zones,
    now_us,
)
from viewer_server.api.called import called
from viewer_server.api.endpoint import Refused
from viewer_server.api.newest import messages
from viewer_server.live.hub import Hub


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Zones and lines of a camera that has not told of any."""

    zones: Mapping[str, ZoneDefinition] = field(default_factory=dict)
    lines: Mapping[str, LineDefinition] = field(default_factory=dict)


def classes(hub: Hub, node: str) -> list[str] | None:
    """The classes of a node's model; None: it has not described itself."""
    for message in messages(hub, "info", nodes=[node]):
        return list(message["message"]["model"]["classes"])
    return None


def places(hub: Hub, node: str) -> dict[str, Places]:
    """The zones and lines of a node's cameras, by camera."""
    found: dict[str, Places] = {
        one["camera"]: _Places()
        for message in messages(hub, "info", nodes=[node])
        for one in message["message"]["cameras"]
    }
    for message in messages(hub, "zones", nodes=[node]):
        if message["camera"] in found:
            found[message["camera"]] = typed.convert(message["message"], Zones)
    return found


def scenes(hub: Hub, node: str, rule: RuleDefinition) -> dict[str, Scene]:
    """The cameras that a rule is about, with their zones and lines, by identifier."""
    names = called(hub, [node])
    zones: dict[str, dict[str, dict[str, str]]] = {}
    for message in messages(hub, "zones", nodes=[node]):
        defined = message["message"]
        zones[message["camera"]] = {kind: _names(defined[kind]) for kind in ("zones", "lines")}
    known = [
        one["camera"]
        for message in messages(hub, "info", nodes=[node])
        for one in message["message"]["cameras"]
    ]
    return {
        camera: Scene(
            node=node,
            camera=camera,
            node_name=names.nodes.get(node),
            camera_name=names.cameras.get((node, camera)),
            **zones.get(camera, {}),
        )
        for camera in known
        if not rule.cameras or camera in rule.cameras
    }


def times(hub: Hub, node: str) -> Times:
    """The calendar and the mode of a node as they are now."""
    found, mode = calendar(hub, node), _mode(hub, node)
    if found is None:
        return Times()
    try:
        timetable = Timetable(found)
    except ConfigError as error:
        raise Refused(422, f"this viewer cannot use the calendar of node {node!r}: {error}") from None
    if mode is None:
        return Times(timetable=timetable)
    return Times(timetable=timetable, mode=mode.mode, mode_since_us=mode.since_us)


def calendar(hub: Hub, node: str) -> Calendar | None:
    """The calendar of a node; None: it has none yet."""
    for message in messages(hub, "calendar", nodes=[node]):
        found, mode = typed.convert(message["message"], Calendar), _mode(hub, node)
        # One without a time zone has the node's, which need not be this machine's.
        if found.timezone is None and mode is not None:
            return replace(found, timezone=mode.timezone)
        return found
    return None


def _mode(hub: Hub, node: str) -> ModeState | None:
    for message in messages(hub, "mode", nodes=[node]):
        return typed.convert(message["message"], ModeState)
    return None


def activity(known: Calendar) -> tuple[list[str], Lasts]:
    """The schedules that are not active within a year, whatever the mode, and for how long others are."""
    try:
        timetable = Timetable(known)
    except ConfigError:  # a time zone that this machine does not know
        return [], lambda *_: True
    return timetable.never_active(now_us()), lasting(timetable)


def _names(definitions: Mapping[str, Any]) -> dict[str, str]:
    return {name: one["name"] or name for name, one in definitions.items()}
