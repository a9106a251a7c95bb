"""What happened once, and who has stored it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.messages.fields import Count, Fraction, Id, Label, Micros, Seconds, Text
from shared.wire.messages.heads import FrameMessage, NodeMessage

EventType = Literal[
    "track_started",
    "track_ended",
    "zone_entered",
    "zone_exited",
    "zone_lost",
    "track_linked",
    "line_crossed",
    "loitering",
    "queue_started",
    "queue_ended",
    "crowd_started",
    "crowd_ended",
    "gap",
]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Events that will not come again: the outbox had no room for them, or kept them for too long.

    Some of them may have been delivered before.
    """

    boot: Id
    first: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    last: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    count: Annotated[Count, Meta(description="Events given up among those numbers")]


@dataclass(frozen=True, kw_only=True)
class Event(FrameMessage):
    """Something that happened once."""

    schema: Literal["darner.event/1"] = "darner.event/1"
    event_id: Annotated[str, Meta(max_length=200, description="Unique for ever: node, boot and number")]
    type: EventType
    occurred_us: Annotated[Micros, Meta(description="When it happened; may lie before captured_us")]
    track_id: Count | None = None
    class_id: Count | None = None
    label: Label | None = None
    zone: Annotated[Id | None, Meta(description="Name of the zone or line")] = None
    direction: Literal["in", "out"] | None = None
    dwell_s: Annotated[Seconds | None, Meta(description="Time in the zone, or the track's age")] = None
    count: Annotated[Count | None, Meta(description="Occupancy that started or ended the crowd or queue")] = (
        None
    )
    snapshot: Annotated[Text | None, Meta(description="Topic of the best picture of the track so far")] = None
    linked_track_id: Annotated[Count | None, Meta(description="The lost track whose stay goes on")] = None
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    boot: Annotated[
        Id | None, Meta(description="Run of the outbox; a later run sorts after an earlier one")
    ] = None
    number: Annotated[Count | None, Meta(description="Position among the boot's events, from 1 up")] = None
    oldest: Annotated[
        Count | None, Meta(description="Lowest number of this boot that the node can still send")
    ] = None
    gap: Annotated[Gap | None, Meta(description="Of a gap event: what is missing")] = None
    historical: Annotated[
        bool, Meta(description="Sent late or again: over 5 s old, after a restart, or after a newer event")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Ack(NodeMessage):
    """An archive has stored a node's events: all of this boot up to this number.

    `session` is the archive's own, one run of it; `archive` stays the same for as long as what it has stored.
    """

    schema: Literal["darner.ack/1"] = "darner.ack/1"
    boot: Id
    number: Count
    archive: Annotated[Id, Meta(description="Which one: kept with the events that it has stored")]
