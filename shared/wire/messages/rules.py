"""Rules: when people are told of something. Their alerts are events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.codec import write_out_defaults
from shared.wire.messages.fields import Amount, ClassFilter, Count, Id, NodeMessage, Seconds, Text
from shared.wire.messages.names import Name, Named
from shared.wire.messages.node import Problem

Targets = Annotated[tuple[Id, ...], Meta(max_length=limits.TARGETS)]
Severity = Literal["info", "warning", "critical"]
Trigger = Literal["event", "stay", "occupancy", "count", "problem", "offline"]
RuleEvent = Literal[
    "track_started",
    "zone_entered",
    "zone_exited",
    "zone_lost",
    "line_crossed",
    "loitering",
    "queue_started",
    "queue_ended",
    "crowd_started",
    "crowd_ended",
    "presence_started",
    "presence_ended",
]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What has to be so for an alert.

    What a field is for depends on `trigger`; the other fields keep their defaults.
    """

    trigger: Annotated[
        Trigger,
        Meta(
            description="event: one of `events` happens; stay: an object is in a zone for `for_s`; "
            "occupancy: a zone has at least, or at most, so many objects for `for_s`; count: `at_least` of "
            "the events within `within_s`; problem: a camera cannot be trusted for `for_s`; offline: the "
            "node is offline for `for_s`, which viewers notice"
        ),
    ]
    events: Annotated[
        tuple[RuleEvent, ...], Meta(max_length=16, description="event, count: any of these events")
    ] = ()
    zones: Annotated[
        tuple[Id, ...],
        Meta(max_length=limits.RULE_PLACES, description="Zones and lines that it is about; empty: all"),
    ] = ()
    classes: ClassFilter = ()
    direction: Annotated[
        Literal["in", "out"] | None, Meta(description="Of line_crossed: only this direction; null: both")
    ] = None
    for_s: Annotated[
        Seconds, Meta(description="stay, occupancy, problem, offline: for how many seconds it must be so")
    ] = 0.0
    dwell_s: Annotated[
        Seconds | None, Meta(description="Of zone_exited and zone_lost: only stays at least this long")
    ] = None
    at_least: Annotated[Count | None, Meta(description="occupancy, count: at least so many")] = None
    at_most: Annotated[Count | None, Meta(description="occupancy: at most so many")] = None
    within_s: Annotated[Seconds | None, Meta(description="count: within so many seconds")] = None
    problems: Annotated[
        tuple[Problem, ...], Meta(max_length=16, description="problem: any of these; empty: all")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class RuleDefinition(Named):
    """When people are told of something, how urgent it is, and in which words."""

    when: Annotated[Condition, Meta(description="What has to be so")]
    cameras: Annotated[
        tuple[Id, ...], Meta(max_length=limits.CAMERAS, description="Cameras that it is about; empty: all")
    ] = ()
    enabled: Annotated[bool, Meta(description="False: the rule is kept, and does nothing")] = True
    schedule: Annotated[Id | None, Meta(description="Schedule during which the rule holds; null: always")] = (
        None
    )
    first_of: Annotated[
        Literal["day", "schedule"] | None,
        Meta(
            description="Only the first time on each camera: since the counters of the day began, or since "
            "the rule's schedule became active; null: each time"
        ),
    ] = None
    cooldown_s: Annotated[
        Seconds, Meta(description="Least seconds between two alerts of the rule on one camera")
    ] = 0.0
    object_cooldown_s: Annotated[
        Seconds, Meta(description="Least seconds between two alerts of the rule about one object")
    ] = 0.0
    severity: Annotated[Severity, Meta(description="How urgent an alert is")] = "warning"
    text: Annotated[
        Text | None,
        Meta(
            description="What the alert says, with fields in braces: {node}, {camera}, {rule}, {zone}, "
            "{label}, {direction}, {dwell_s}, {count}, {problem}, {time}; null: a sentence made from the rule"
        ),
    ] = None
    picture: Annotated[
        Literal["object", "frame", "none"],
        Meta(description="Picture of an alert: of its object, else of the frame; of the frame; or none"),
    ] = "object"
    notify: Annotated[
        Targets | None,
        Meta(
            description="Targets to which the viewer sends the alerts, by their names in the viewer's "
            "configuration; empty: none; null: all"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Rules(NodeMessage):
    """The current rules of a node."""

    schema: Literal["darner.rules/1"] = "darner.rules/1"
    version: Annotated[Count, Meta(description="Goes up with every change of the rules")]
    rules: Annotated[dict[Id, RuleDefinition], Meta(max_length=limits.RULES, description="By identifier")] = (
        field(default_factory=dict)
    )
    problems: Annotated[
        dict[Id, Annotated[tuple[Text, ...], Meta(max_length=16)]],
        Meta(max_length=limits.RULES, description="Why a rule can never, or not fully, do what it says"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        write_out_defaults(self.rules)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What an alert says besides the event that it is."""

    rule: Annotated[Id, Meta(description="Identifier of the rule")]
    name: Annotated[Name | None, Meta(description="What people called the rule")] = None
    severity: Annotated[Severity, Meta(description="How urgent it is")]
    text: Annotated[Text, Meta(description="What happened, in words")]
    trigger: Trigger
    value: Annotated[
        Amount | None,
        Meta(description="What the condition looked at: seconds of a stay, objects in a zone, or events"),
    ] = None
    problem: Annotated[Problem | None, Meta(description="Of a problem: which")] = None
    notify: Annotated[Targets | None, Meta(description="Targets to which the viewer sends it; null: all")] = (
        None
    )
