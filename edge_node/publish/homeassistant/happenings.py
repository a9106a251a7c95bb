"""Events of zones and lines in Home Assistant: an event entity for each, and device triggers.

Both take live events only. One that comes late or again is `historical`: by then it is no reason to act, and
Home Assistant would enter it under the time at which it came. Totals do not depend on events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_node.publish.homeassistant.components import ALWAYS, Components, icon
from shared.wire.messages import EventType, ZoneDefinition

ATTRIBUTES = ("label", "track_id", "dwell_s", "count", "snapshot", "event_id")
"""What an event entity says of its last event, where the event has it."""


@dataclass(frozen=True)
class Happens:
    """Something that can happen in a zone or at a line.

    Attributes:
        event: Its type on the wire.
        name: Its type in Home Assistant.
        trigger: What the automation editor calls it; None: it offers no trigger.
        direction: Of a crossing.
    """

    event: EventType
    name: str
    trigger: str | None = None
    direction: Literal["in", "out"] | None = None


CROSSINGS = (
    Happens("line_crossed", "in", "crossed in", "in"),
    Happens("line_crossed", "out", "crossed out", "out"),
)


def of_zone(zone: ZoneDefinition) -> Iterator[Happens]:
    """What can happen in a zone, by its definition."""
    yield Happens("zone_entered", "entered", "entered")
    yield Happens("zone_exited", "exited", "exited")
    yield Happens("zone_lost", "lost")
    if zone.presence is not None:
        yield Happens("presence_started", "presence_started")
        yield Happens("presence_ended", "presence_ended")
    if zone.loitering_s is not None:
        yield Happens("loitering", "loitering", "loitering")
    # These have states, whose changes the automation editor offers anyway.
    if zone.queue:
        yield Happens("queue_started", "queue_started")
        yield Happens("queue_ended", "queue_ended")
    if zone.crowd is not None:
        yield Happens("crowd_started", "crowd_started")
        yield Happens("crowd_ended", "crowd_ended")


# What Home Assistant calls an event. An alert about a crossing has its direction, too.
_OF_LINE = "value_json.type == 'line_crossed' and value_json.direction"
_OF_ZONE = "value_json.type | replace('zone_', '')"


def add_event(
    components: Components, key: str, name: str, topic: str, place: str, kinds: Sequence[Happens]
) -> None:
    """Add the event entity of a zone or line.

    Args:
        components: The device's entities.
        key: The entity's key.
        name: Its name for people.
        topic: The topic of the camera's events.
        place: The identifier of the zone or line.
        kinds: What can happen there.
    """
    names = [kind.name for kind in kinds]
    template = (
        f"{{% set kind = {_OF_LINE if kinds == CROSSINGS else _OF_ZONE} %}}"
        f"{{% if value_json.zone == '{place}' and kind in {names} and not value_json.historical %}}"
        f"{{{{ dict(value_json.items() | selectattr(0, 'in', {list(ATTRIBUTES)}) | rejectattr(1, 'none'), "
        "event_type=kind) | tojson }}{% endif %}"
    )
    components.entity(
        key,
        "event",
        name,
        {"state_topic": topic, "value_template": template, "qos": 1},
        {"event_types": names},
        ALWAYS,
        icon("swap-horizontal"),
    )


_TOLD = (
    "{{ '' if value_json.historical else "
    "value_json.type ~ ' ' ~ value_json.zone ~ ' ' ~ value_json.direction }}"
)


def add_triggers(
    components: Components, prefix: str, topic: str, place: str, kinds: Sequence[Happens]
) -> None:
    """Add the device triggers of a zone or line; the arguments are as in `add_event`, with a key's prefix."""
    for kind in kinds:
        if kind.trigger is None:
            continue
        key = f"{prefix}-on_{kind.name}"
        match = (_TOLD, f"{kind.event} {place} {kind.direction}")
        components.trigger(key, place, kind.trigger, topic, match)
