"""Alerts, their deliveries, and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.messages import (
    Amount,
    Count,
    Fraction,
    Id,
    Label,
    Name,
    Problem,
    Severity,
    Text,
    Trigger,
)
from viewer_server.api.schemas.common import Moment
from viewer_server.notify.store import State
from viewer_server.stored.feed import PAGE_MAX

Detail = Annotated[str, Meta(max_length=1000, description="What the receiver said, or why nothing was sent")]


@dataclass(frozen=True, kw_only=True)
class AlertQuery:
    """Which alerts are wanted, and which page of them; the newest of all by default."""

    node: Id | None = None
    camera: Id | None = None
    rule: Id | None = None
    severity: Annotated[Severity | None, Meta(description="At least so urgent")] = None
    state: Annotated[State | None, Meta(description="Only alerts with a delivery in this state")] = None
    from_us: Moment | None = None
    to_us: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    cursor: Annotated[
        Annotated[str, Meta(pattern="^[0-9]{1,16}-[0-9]{1,18}$")] | None,
        Meta(description="`next` of the previous page"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of an alert at one target."""

    target: Id
    state: Annotated[
        State,
        Meta(
            description="waiting: to be sent; delivered: the receiver has taken it; dropped: given up; "
            "unknown: the rule names a target that this viewer does not have"
        ),
    ]
    attempts: Count
    first_us: Annotated[Moment | None, Meta(description="First attempt")]
    last_us: Annotated[Moment | None, Meta(description="Last attempt")]
    due_us: Annotated[Moment | None, Meta(description="Next attempt, at the latest")]
    detail: Detail


@dataclass(frozen=True, kw_only=True)
class AlertEntry:
    """One alert, and its deliveries."""

    id: Annotated[int, Meta(ge=1, description="The alert's number in this viewer")]
    event_id: Annotated[str, Meta(max_length=200)]
    node: Id
    camera: Annotated[Id | None, Meta(description="null: it is about the whole node")]
    rule: Id
    name: Annotated[Name | None, Meta(description="What people called the rule")]
    severity: Severity
    text: Text
    trigger: Trigger
    value: Amount | None
    problem: Problem | None
    zone: Id | None
    label: Label | None
    track_id: Count | None
    direction: Literal["in", "out"] | None
    dwell_s: Amount | None
    count: Count | None
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None
    occurred_us: Moment
    stored_us: Annotated[Moment, Meta(description="When this viewer got it")]
    late: Annotated[bool, Meta(description="Whether the viewer got it over 30 s late, or it was sent again")]
    node_name: Name | None
    camera_name: Name | None
    zone_name: Name | None
    picture_url: Text | None
    deliveries: list[Delivery]


@dataclass(frozen=True, kw_only=True)
class AlertList:
    """Alerts, newest first.

    Attributes:
        next: Cursor of the next page; null on the last page.
    """

    alerts: list[AlertEntry]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class TargetChoice:
    """Which target is meant; null for all."""

    target: Id | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveriesChanged:
    """How many deliveries are tried again, or were given up."""

    changed: Count


@dataclass(frozen=True, kw_only=True)
class TargetEntry:
    """A target, and how it is; its address is shown nowhere.

    Attributes:
        configured: False for one that is no more, and for which alerts still wait.
    """

    name: Id
    kind: Literal["webhook", "apprise"] | None
    severity: Annotated[Severity | None, Meta(description="Only alerts that are at least so urgent go there")]
    configured: bool
    waiting: Count
    delivered: Count
    dropped: Annotated[Count, Meta(description="Given up: by hand, or because they grew too old or too many")]
    failing: Annotated[Count, Meta(description="Attempts that failed since the last one that did not")]
    detail: Detail
    last_us: Annotated[Moment | None, Meta(description="Last attempt since the viewer started")]
    due_us: Annotated[Moment | None, Meta(description="Next attempt, while attempts fail")]


@dataclass(frozen=True, kw_only=True)
class TargetList:
    """Targets, by name."""

    targets: list[TargetEntry]


@dataclass(frozen=True, kw_only=True)
class TestAnswer:
    """What became of a test message."""

    delivered: bool
    detail: Detail
    took_ms: Count
