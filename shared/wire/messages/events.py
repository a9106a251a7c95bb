"""Events, and the acknowledgements of those who store them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, cast, get_type_hints

import msgspec
from msgspec import Meta

from shared import limits, typed
from shared.errors import MessageError
from shared.wire.messages.codec import decode, write_out_defaults
from shared.wire.messages.fields import (
    Count,
    Fraction,
    FrameMessage,
    Id,
    Label,
    Micros,
    NodeMessage,
    Seconds,
    Text,
)
from shared.wire.messages.node import Problem, ViewShift
from shared.wire.messages.rules import Alert

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
    "presence_started",
    "presence_ended",
    "problem_started",
    "problem_ended",
    "alert",
    "gap",
]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Events that the node gave up, because its outbox was full or they grew too old.

    Some of them may have been delivered before.
    """

    boot: Annotated[Id, Meta(description="Boot of the events that were given up")]
    first: Annotated[int, Meta(ge=1, le=limits.WHOLE, description="Lowest number among them")]
    last: Annotated[int, Meta(ge=1, le=limits.WHOLE, description="Highest number among them")]
    count: Annotated[Count, Meta(description="How many of the numbers from first to last were given up")]


@dataclass(frozen=True, kw_only=True)
class Event(FrameMessage):
    """Something that happened once."""

    schema: Literal["darner.event/1"] = "darner.event/1"
    event_id: Annotated[
        str, Meta(max_length=200, description="Node, boot and number: no other event ever has the same")
    ]
    type: EventType
    occurred_us: Annotated[
        Micros,
        Meta(description="When it happened, microseconds since 1970 UTC; can be earlier than captured_us"),
    ]
    track_id: Annotated[Count | None, Meta(description="Track that the event is about")] = None
    class_id: Annotated[Count | None, Meta(description="Index of the track's class")] = None
    label: Annotated[Label | None, Meta(description="Name of the track's class")] = None
    zone: Annotated[Id | None, Meta(description="Identifier of the zone or line")] = None
    direction: Annotated[
        Literal["in", "out"] | None, Meta(description="Of a line_crossed event: towards which side")
    ] = None
    dwell_s: Annotated[
        Seconds | None, Meta(description="Seconds in the zone; of a track_ended event, the track's age")
    ] = None
    count: Annotated[
        Count | None, Meta(description="Objects in the zone when the crowd or queue started or ended")
    ] = None
    snapshot: Annotated[
        Text | None, Meta(description="Topic on which the best picture of the track is published")
    ] = None
    linked_track_id: Annotated[
        Count | None,
        Meta(description="Of a track_linked event: the lost track whose stay this track continues"),
    ] = None
    box: Annotated[
        tuple[Fraction, Fraction, Fraction, Fraction] | None,
        Meta(description="x1, y1, x2, y2 of the track, as fractions of the frame"),
    ] = None
    boot: Annotated[
        Id | None, Meta(description="Run of the node's outbox; later runs sort after earlier ones")
    ] = None
    number: Annotated[
        Count | None, Meta(description="Number of the event within its boot, counted from 1")
    ] = None
    oldest: Annotated[
        Count | None, Meta(description="Lowest number of this boot that the node can still send")
    ] = None
    problem: Annotated[
        Problem | None,
        Meta(description="Of problem_started and problem_ended: what is wrong with the camera's picture"),
    ] = None
    shift: Annotated[
        ViewShift | None, Meta(description="Of a problem that is a moved camera: how far it has moved")
    ] = None
    alert: Annotated[
        Alert | None, Meta(description="Of an alert: the rule, how urgent it is, and what it says")
    ] = None
    gap: Annotated[Gap | None, Meta(description="Of a gap event: the events that were given up")] = None
    historical: Annotated[
        bool,
        Meta(
            description="True when sent late or again: over 5 s old, after a restart, or after a newer event"
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Ack(NodeMessage):
    """An archive says that it has stored all events of a boot up to a number.

    `session` is one run of the archive. `archive` stays the same as long as the archive keeps its data.
    """

    schema: Literal["darner.ack/1"] = "darner.ack/1"
    boot: Annotated[Id, Meta(description="Boot of the events")]
    number: Annotated[Count, Meta(description="Every event of the boot up to this number is stored")]
    archive: Annotated[Id, Meta(description="Name of the archive, which it keeps together with the events")]


@dataclass(frozen=True, kw_only=True)
class _Core(FrameMessage):
    """What every event has, also one of a version of Darner that is still to come."""

    schema: Annotated[str, Meta(pattern=r"^darner\.event/[0-9]{1,6}(?!\n)$")]
    event_id: Annotated[str, Meta(max_length=200)]
    type: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}(?!\n)$")]
    occurred_us: Micros
    boot: Id
    number: Count
    oldest: Count | None = None
    historical: bool = False


def decode_event(payload: bytes) -> tuple[Event, bool]:
    """Read an event, as far as it can be read, of a node that may be newer.

    An archive that skipped an event of a new type would wait for its number. So a type that is not known here
    stays as it is, and fields whose values are not known are left out.

    Returns:
        The event, and whether all of it is known here.

    Raises:
        MessageError: Not even what numbers an event can be read; the text says what else is wrong with it.
    """
    try:
        return decode(Event, payload), True
    except MessageError:
        if len(payload) > limits.NEWER_EVENT_BYTES:
            raise
        try:
            core = typed.decode(payload, _Core)
            found = typed.decode(payload, dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            core = None
        if core is None:
            raise
    known: dict[str, Any] = vars(core)
    if core.schema == Event.schema:  # another number would mean other fields
        known = _readable(found) | known
    return Event(**known | {"schema": Event.schema, "type": cast("EventType", core.type)}), False


def _readable(found: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """The values of an event's fields, without those that are not as they should be."""
    readable = {}
    for name, kind in _kinds().items():
        if name in found:
            try:
                value = readable[name] = typed.decode(bytes(found[name]), kind)
                write_out_defaults(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
    return readable


@functools.cache
def _kinds() -> dict[str, Any]:
    hints = get_type_hints(Event, include_extras=True)
    return {one.name: hints[one.name] for one in fields(Event)}
