"""Alerts in Home Assistant: an event entity for each camera, and a device trigger for each rule.

As with other events, one that comes late or again does nothing there: see `happenings.py`.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

from edge_node.publish.homeassistant.components import ALWAYS, Components, icon
from shared.wire.messages import RuleDefinition, Severity

OF_ALERT = ("rule", "name", "text", "value", "problem")
"""What the event entity says of its last alert, where the alert has it."""
OF_EVENT = ("zone", "label", "track_id", "direction", "dwell_s", "count", "snapshot", "event_id")
"""What it says of the event that the alert is."""
_SAID = (
    "{% if value_json.alert and not value_json.historical %}"
    "{{ dict((value_json.alert.items() | list + value_json.items() | list) "
    f"| selectattr(0, 'in', {[*OF_ALERT, *OF_EVENT]}) | rejectattr(1, 'none'), "
    "event_type=value_json.alert.severity) | tojson }}{% endif %}"
)
_RULE = "{{ value_json.alert.rule if value_json.alert and not value_json.historical else '' }}"


def rules_of(camera: str, rules: Mapping[str, RuleDefinition]) -> list[str]:
    """The identifiers of the rules whose alerts can come from a camera; one that is off may be on later."""
    return [
        rule
        for rule, definition in rules.items()
        if definition.when.trigger != "offline" and (not definition.cameras or camera in definition.cameras)
    ]


def add_alerts(components: Components, rules: Sequence[str], topic: str) -> None:
    """Add the event entity of a camera's alerts and the triggers of its rules; nothing where it has none.

    Args:
        components: The device's entities.
        rules: The identifiers of the rules.
        topic: The topic of the camera's alerts.
    """
    if not rules:
        return
    last = {"state_topic": topic, "value_template": _SAID, "qos": 1}
    kinds = {"event_types": list(typing.get_args(Severity))}
    components.entity("alert", "event", "Alert", last, kinds, ALWAYS, icon("bell-alert"))
    for rule in rules:
        components.trigger(f"rule-{rule}-on_alert", rule, "alert", topic, (_RULE, rule))
