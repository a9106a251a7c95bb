"""Events and rules for tests, in seconds after a midnight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.rules.engine import Engine
from shared.rules.scene import Firing, Scene
from shared.wire.messages import Condition, Event, RuleDefinition

DAY = 20_000 * 86_400
"""A midnight, seconds since 1970 UTC."""
SCENE = Scene(
    node="shop",
    camera="front",
    zones={"till": "Till", "door": "Door zone"},
    lines={"gate": "Gate"},
    camera_name="Front camera",
)


def us(at_s: float) -> int:
    """Microseconds since 1970 UTC."""
    return round((DAY + at_s) * 1e6)


def event(kind: str, at_s: float, **fields: Any) -> Event:
    """An event on the wire, noticed when it happens."""
    if fields.get("track_id") is not None:
        fields = {"class_id": 0, "label": "person"} | fields
    at_us = us(at_s)
    head = {"node": "shop", "session": "s", "published_us": at_us, "camera": "front", "seq": 0}
    times = {"captured_us": at_us, "occurred_us": at_us}
    return Event(**head, **times, event_id="", type=kind, **fields)  # type: ignore[arg-type]


def enters(at_s: float, track: int = 1, zone: str = "till", label: str = "person") -> Event:
    """An object comes into a zone."""
    return event("zone_entered", at_s, track_id=track, zone=zone, dwell_s=0.0, label=label)


def leaves(
    at_s: float, track: int = 1, zone: str = "till", dwell_s: float = 0.0, kind: str = "exited"
) -> Event:
    """An object leaves a zone, or is lost there."""
    return event(f"zone_{kind}", at_s, track_id=track, zone=zone, dwell_s=dwell_s)


def crosses(at_s: float, track: int = 1, direction: str = "in", label: str = "person") -> Event:
    """An object crosses the line."""
    return event("line_crossed", at_s, track_id=track, zone="gate", direction=direction, label=label)


def rule(trigger: str, /, **fields: Any) -> RuleDefinition:
    """A rule; fields of its condition may stand beside its own."""
    own = {key: fields.pop(key) for key in list(fields) if key in RuleDefinition.__dataclass_fields__}
    return RuleDefinition(when=Condition(trigger=trigger, **fields), **own)  # type: ignore[arg-type]


def play(engine: Engine, story: Iterable[Event | float], step_s: float = 0.5) -> list[Firing]:
    """Give an engine events, and let time go on between them up to each moment, as a camera's frames do."""
    fired: list[Firing] = []
    at: float | None = None
    for item in story:
        until = item if isinstance(item, (int, float)) else (item.occurred_us / 1e6 - DAY)
        while at is not None and at + step_s < until:
            at += step_s
            fired += engine.advance(us(at))
        at = until
        fired += engine.advance(us(at)) if isinstance(item, (int, float)) else engine.feed(item)
    return fired


def times(fired: Iterable[Firing]) -> list[float]:
    """When alerts occurred, seconds after midnight."""
    return [round(one.occurred_us / 1e6 - DAY, 3) for one in fired]
