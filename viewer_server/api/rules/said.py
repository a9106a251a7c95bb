"""Questions about rules, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages import Amount, Count, Id, Label, Name, RuleDefinition, Rules, Text
from viewer_server.api.schemas.common import Moment


@dataclass(frozen=True, kw_only=True)
class PlaceChoice:
    """A zone or line that a rule can be about.

    Attributes:
        says: What it tells of besides entries and exits, such as loitering or a queue.
    """

    zone: Id
    name: Name | None
    kind: Literal["zone", "line"]
    says: list[Literal["loitering", "queue", "crowd", "presence"]]


@dataclass(frozen=True, kw_only=True)
class CameraChoice:
    """A camera that a rule can be about, with its zones and lines."""

    camera: Id
    name: Name | None
    places: list[PlaceChoice]


@dataclass(frozen=True, kw_only=True)
class ScheduleChoice:
    """A schedule during which a rule can hold."""

    schedule: Id
    name: Name | None


@dataclass(frozen=True, kw_only=True)
class NodeRules:
    """A node's rules, and what they can be about.

    Attributes:
        name: What people call the node; null: its identifier.
        can: Whether the node is of a version that has rules.
        rules: The newest message; null: the node has no rules yet.
        classes: What the node's model finds.
    """

    node: Id
    name: Name | None
    online: bool
    can: bool
    rules: Rules | None
    cameras: Annotated[list[CameraChoice], Meta(max_length=limits.CAMERAS)]
    classes: Annotated[list[Label], Meta(max_length=limits.CLASSES)]
    schedules: Annotated[list[ScheduleChoice], Meta(max_length=limits.SCHEDULES)]


@dataclass(frozen=True, kw_only=True)
class RuleList:
    """Nodes by identifier, with their rules.

    Attributes:
        targets: To whom this viewer sends alerts, by name.
        history: Whether this viewer keeps a history: without one, it sends nothing on and tries no rule.
    """

    nodes: list[NodeRules]
    total: Annotated[int, Meta(description="How many were found, with those that are left out")]
    targets: list[Id]
    history: bool


@dataclass(frozen=True, kw_only=True)
class RulesChange:
    """Rules that replace those of a node.

    Attributes:
        version: The version that this replaces; when another one is defined now, the change is refused.
    """

    version: int
    rules: Annotated[dict[Id, RuleDefinition], Meta(max_length=limits.RULES)]


@dataclass(frozen=True, kw_only=True)
class RulesSaved:
    """What a node has saved.

    Attributes:
        version: The new version.
        warnings: A sentence for each rule that can never, or not fully, do what it says.
    """

    version: Count
    warnings: Annotated[list[Text], Meta(max_length=1024)] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RuleDraft:
    """A rule that is not saved yet."""

    id: Id
    rule: RuleDefinition


@dataclass(frozen=True, kw_only=True)
class RuleProblems:
    """What is wrong with a rule: why it can never, or not fully, do what it says."""

    problems: list[Text]


HITS = 200
"""Maximum alerts in the answer about what a rule would have done: the newest."""


@dataclass(frozen=True, kw_only=True)
class RuleTrial(RuleDraft):
    """A rule that is not saved yet, and the range of time over which it is tried."""

    from_us: Moment
    to_us: Moment


@dataclass(frozen=True, kw_only=True)
class RuleHit:
    """An alert that there would have been.

    Attributes:
        text: What it would have said.
        value: Seconds of a stay, objects in a zone, or events.
        picture_url: The stored picture of its object; null where there is none.
    """

    occurred_us: Moment
    camera: Id
    camera_name: Name | None
    zone: Id | None
    zone_name: Name | None
    track_id: Count | None
    label: Label | None
    text: Text
    value: Amount | None
    picture_url: Text | None


@dataclass(frozen=True, kw_only=True)
class RuleReplay:
    """What a rule would have done over the stored history.

    Attributes:
        hits: The newest alerts, newest first.
        total: How many alerts there would have been.
        held_back: How many more would have come too soon after another, or were not the first.
        events: How many stored events were looked at.
        begins_us: Where there were too many events: from when on they were looked at; null: all of them.
        ends_us: Where time was up: up to when they were looked at; null: to the end.
        notes: What the history cannot tell.
    """

    hits: Annotated[list[RuleHit], Meta(max_length=HITS)]
    total: Count
    held_back: Count
    events: Count
    begins_us: Moment | None
    ends_us: Moment | None
    notes: list[Text]
