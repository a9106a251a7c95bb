"""The words of an alert: a template with the fields of its event, or a sentence made from its rule.

A template is filled in by this file and by nothing else: a field in braces stands for a text, and there is
nothing else in a template. What is filled in is never read as a template again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from shared import limits
from shared.errors import ConfigError
from shared.wire.messages import Condition, RuleDefinition

FIELDS = (
    "node",
    "camera",
    "rule",
    "zone",
    "label",
    "direction",
    "dwell_s",
    "count",
    "problem",
    "time",
)
"""What a template may name."""
NOTHING = "-"
"""Stands for a field that the alert does not have."""
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def bad_text(template: str) -> str | None:
    """What is wrong with a template, as a sentence; None if nothing is."""
    for part in _PART.finditer(template):
        if part[0] in ("{{", "}}"):
            continue
        if part[1] is None:
            return (
                f"a brace stands alone at character {part.start() + 1}: write a field as {{zone}}, "
                "and a brace of the text twice"
            )
        if part[1] not in FIELDS:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            return f"there is no field {limits.clipped(part[0], 40)}; the fields are: {known}"
    return None


def refuse_bad_texts(rules: Mapping[str, RuleDefinition]) -> None:
    """Make sure that every text can be filled in.

    Raises:
        ConfigError: One names an unknown field, or has a brace alone; the error begins with the key.
    """
    for name, rule in rules.items():
        if rule.text is not None and (wrong := bad_text(rule.text)) is not None:
            raise ConfigError(f"rules.{name}.text: {wrong}")


def refuse_nonsense(rules: Mapping[str, RuleDefinition]) -> None:
    """Make sure that rules can be used, and fit the message that tells everybody of them.

    Raises:
        ConfigError: A text cannot be filled in, or they are too much.
    """
    refuse_bad_texts(rules)
    size = len(orjson.dumps(rules))
    if size > limits.RULES_BYTES:
        raise ConfigError(
            f"rules: they take {size} bytes, and a message has room for {limits.RULES_BYTES}: use fewer "
            "rules, or name fewer cameras, zones or classes"
        )


def fill(template: str, fields: Mapping[str, str | None]) -> str:
    """A template with its fields, cut to the length of a message's text."""

    def part(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        return fields.get(found[1]) or NOTHING

    return limits.clipped(_PART.sub(part, template))


_EVENTS = {
    "track_started": "{label} appeared on {camera}",
    "zone_entered": "{label} entered {zone} on {camera}",
    "zone_exited": "{label} left {zone} on {camera} after {dwell_s} s",
    "zone_lost": "{label} was lost in {zone} on {camera} after {dwell_s} s",
    "line_crossed": "{label} crossed {zone} on {camera}, direction {direction}",
    "loitering": "{label} has been in {zone} on {camera} for {dwell_s} s",
    "queue_started": "A queue began in {zone} on {camera}",
    "queue_ended": "The queue in {zone} on {camera} ended",
    "crowd_started": "{zone} on {camera} is crowded: {count}",
    "crowd_ended": "{zone} on {camera} is no longer crowded: {count}",
    "presence_started": "Somebody is in {zone} on {camera}",
    "presence_ended": "Nobody is in {zone} on {camera} any more",
}
PROBLEMS = {
    "covered": "The view of {camera} is covered",
    "out_of_focus": "{camera} is out of focus",
    "moved": "{camera} has moved",
    "frozen": "The picture of {camera} is frozen",
    "washed_out": "The picture of {camera} is washed out",
    "wrong_colours": "The picture of {camera} has wrong colours",
    "low_rate": "{camera} gives too few pictures",
}


def sentence(when: Condition, event: str | None, problem: str | None) -> str:
    """The template of an alert whose rule has none.

    Args:
        when: The rule's condition.
        event: Type of the event that met it.
        problem: What is wrong with the camera.
    """
    if when.trigger == "event":
        return _EVENTS.get(event or "", "Something happened on {camera}")
    if when.trigger == "stay":
        return "{label} has been in {zone} on {camera} for {dwell_s} s"
    if when.trigger == "occupancy":
        lasting = f" for {number(when.for_s)} s" if when.for_s else ""
        return "{count} in {zone} on {camera}" + lasting
    if when.trigger == "count":
        return f"{{count}} events on {{camera}} within {number(when.within_s or 0.0)} s"
    if when.trigger == "problem":
        return PROBLEMS.get(problem or "", "The picture of {camera} cannot be trusted")
    return "{node} is offline"


def number(value: float) -> str:
    """A number for people: to a tenth, without an idle zero."""
    return f"{round(value, 1):.1f}".removesuffix(".0")


def capital(text: str) -> str:
    """A sentence with a capital letter."""
    return text[:1].upper() + text[1:]
