"""The entities of zones and lines."""

from __future__ import annotations

from edge_node.publish.homeassistant.components import (
    DIAGNOSTIC,
    MEASURED,
    SECONDS,
    Components,
    Keys,
    attributes,
    icon,
    now,
    on_if,
    state,
)
from edge_node.publish.homeassistant.happenings import CROSSINGS, add_event, add_triggers, of_zone
from shared.wire.messages import ZoneDefinition

# A total begins again at 0 when the node starts. Home Assistant's statistics go on where they were, because
# the node says since when it counts; a node of an earlier version does not.
_SINCE: Keys = {
    "state_class": "total",
    "last_reset_value_template": "{{ (value_json.started_us / 1000000) | timestamp_utc "
    "if value_json.get('started_us') else '' }}",
}
_SINCE_DAY: Keys = {
    "state_class": "total",
    "last_reset_value_template": "{{ (value_json.day.since_us / 1000000) | timestamp_utc "
    "if value_json.get('day') else '' }}",
}
# A zone that is paused has not been seen to be empty: what it says of now is not known, and totals stay true.
_COUNTS = "{{ 'offline' if value_json.get('paused') else 'online' }}"
_WHO = "{{ {'track_ids': value_json.loitering_ids | default([])} | tojson }}"


def _number(topic: str, field: str) -> Keys:
    """The keys of a total or an average.

    It does not expire: it stays true. What expires, Home Assistant restores from its own memory, but
    without the time of the last reset: its statistics would count a stale total once more.
    """
    return state(topic, f"{{{{ value_json.{field} }}}}")


def _now(components: Components, topic: str, template: str) -> Keys:
    """The keys of a current value, which is not known while the zone is paused."""
    return now(components, topic, template, _COUNTS)


def _of_day(topic: str, field: str) -> Keys:
    """The keys of a counter of the day; unknown where the node has none."""
    return state(topic, f"{{{{ (value_json.get('day') or {{}}).get('{field}') }}}}") | _SINCE_DAY


def _tens(field: str) -> str:
    """The template of a duration that grows all the time: each new state is a row in a database."""
    return f"{{{{ (value_json.{field} / 10) | int * 10 }}}}"


def add_zone(components: Components, zone: str, name: str, definition: ZoneDefinition, topic: str) -> None:
    """Add the entities of a zone's numbers.

    None is disabled by default: Home Assistant keeps a disabled one for ever when its zone goes.

    Args:
        components: The device's entities.
        zone: The zone's identifier.
        name: Its name for people.
        definition: Decides which of its rules have entities.
        topic: The topic of its numbers.
    """
    # No key has a dash behind the identifier, which may have some: so two zones never share a unique id.
    entity, key = components.entity, f"zone-{zone}"
    occupancy = _now(components, topic, "{{ value_json.occupancy }}")
    entity(f"{key}-count", "sensor", f"{name} count", occupancy, MEASURED, icon("counter"))
    occupied = _now(components, topic, on_if("value_json.occupancy > 0"))
    entity(f"{key}-occupied", "binary_sensor", f"{name} occupied", occupied, {"device_class": "occupancy"})
    for field, picture in (("entered", "location-enter"), ("exited", "location-exit")):
        entity(f"{key}-{field}", "sensor", f"{name} {field}", _number(topic, field), _SINCE, icon(picture))
        today = f"{name} {field} today"
        entity(f"{key}-{field}_today", "sensor", today, _of_day(topic, field), icon(picture))
    stay = _number(topic, "dwell.average_s | round(1)")
    entity(f"{key}-stay", "sensor", f"{name} average stay", stay, SECONDS)
    longest = _now(components, topic, _tens("dwell.ongoing_max_s"))
    entity(f"{key}-longest_stay", "sensor", f"{name} longest stay now", longest, SECONDS)
    _add_rules(components, key, name, definition, topic)
    _add_status(components, key, name, topic)


def _add_status(components: Components, key: str, name: str, topic: str) -> None:
    """Add what says whether a zone or line counts, and why not."""
    said = state(topic, "{{ value_json.get('paused') or 'counting' }}")
    components.entity(f"{key}-status", "sensor", f"{name} status", said, DIAGNOSTIC)


def _add_rules(components: Components, key: str, name: str, definition: ZoneDefinition, topic: str) -> None:
    entity = components.entity
    if definition.presence is not None:
        present = _now(components, topic, on_if("value_json.present"))
        entity(f"{key}-present", "binary_sensor", f"{name} presence", present, {"device_class": "occupancy"})
    if definition.loitering_s is not None:
        loiters = {**_now(components, topic, on_if("value_json.loitering")), **attributes(topic, _WHO)}
        entity(f"{key}-loitering", "binary_sensor", f"{name} loitering", loiters, icon("account-clock"))
    if definition.crowd is not None:
        crowded = _now(components, topic, on_if("value_json.crowded"))
        entity(f"{key}-crowded", "binary_sensor", f"{name} crowded", crowded, icon("account-group"))
    if definition.queue:
        length = _now(components, topic, "{{ value_json.queue.length }}")
        wait = _number(topic, "queue.completed_average_s | round(1)")
        entity(f"{key}-queue", "sensor", f"{name} queue length", length, MEASURED, icon("human-queue"))
        entity(f"{key}-wait", "sensor", f"{name} average wait", wait, SECONDS)
        longest = _now(components, topic, _tens("queue.wait_longest_s"))
        entity(f"{key}-longest_wait", "sensor", f"{name} longest wait now", longest, SECONDS)


def add_line(components: Components, line: str, name: str, topic: str) -> None:
    """Add the counters of a line; the arguments are as in `add_zone`."""
    for field, word, way in (("entered", "in", "right"), ("exited", "out", "left")):
        total, picture = _number(topic, field), icon(f"arrow-{way}-bold")
        components.entity(f"line-{line}-{word}", "sensor", f"{name} {word}", total, _SINCE, picture)
        day, today = _of_day(topic, field), f"{name} {word} today"
        components.entity(f"line-{line}-{word}_today", "sensor", today, day, picture)
    _add_status(components, f"line-{line}", name, topic)


def add_zone_events(
    components: Components, zone: str, name: str, definition: ZoneDefinition, topic: str
) -> None:
    """Add the event entity and the device triggers of a zone, from the topic of its camera's events."""
    kinds = tuple(of_zone(definition))
    add_event(components, f"zone-{zone}-event", f"{name} activity", topic, zone, kinds)
    add_triggers(components, f"zone-{zone}", topic, zone, kinds)


def add_line_events(components: Components, line: str, name: str, topic: str) -> None:
    """Add the event entity and the device triggers of a line, from the topic of its camera's events."""
    add_event(components, f"line-{line}-event", f"{name} crossing", topic, line, CROSSINGS)
    add_triggers(components, f"line-{line}", topic, line, CROSSINGS)
