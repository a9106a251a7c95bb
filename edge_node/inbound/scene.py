"""What one message says: the objects of one moment, checked, in fractions of the frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from shared import typed
from shared.errors import MessageError

T = TypeVar("T")
Box = tuple[float, float, float, float]

MOST = 512
"""Objects of a message at most; the others are left out, and counted."""
_LONGEST = 128
"""Characters of an id or a class at most."""
_LAST_US = 253_402_300_799_000_000
"""The end of the year 9999, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One object.

    Attributes:
        id: What the sender calls it; empty: it has no id.
        label: Its class, in the sender's words; empty: the sender does not know.
        score: 0..1.
        box: Left, top, right and bottom, fractions of the frame.
        predicted: Whether the sender guessed the box.
        age_s: Seconds since it was first seen; NaN: the sender does not say.
        velocity: Of the box's centre, fractions of the frame a second; NaN: the sender does not say.
    """

    id: str
    label: str
    score: float
    box: Box
    predicted: bool = False
    age_s: float = math.nan
    velocity: tuple[float, float] = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Scene:
    """All objects of one moment.

    Attributes:
        captured_us: When, by the sender's clock, microseconds since 1970.
        seen: The objects.
        ended: Ids that will not come again.
        renamed: Objects that go on under another id: the old one and the new one.
        size: Width and height of the picture, pixels; None: the message does not say.
        session: Changes when the sender has started again; its ids then begin anew.
        lacking: Objects that were left out, because their box, score or id is no such thing.
    """

    captured_us: int
    seen: tuple[Seen, ...] = ()
    ended: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    size: tuple[int, int] | None = None
    session: str = field(default="", kw_only=True)
    lacking: int = field(default=0, kw_only=True)


def decoded(payload: bytes, kind: type[T]) -> T:
    """A message as JSON of a type; numbers may be texts, as some senders write them.

    Raises:
        MessageError: It is not.
    """
    try:
        return typed.decode(payload, kind, strict=False)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MessageError(str(error)) from None


def object_of(
    name: Any, label: str | None, score: float | None, box: Iterable[float], *, predicted: bool = False
) -> Seen | None:
    """An object; None if its numbers are none, or its box has no area inside the frame.

    Args:
        name: The sender's id; None: it has none.
        label: Its class.
        score: None: the sender is sure.
        box: Left, top, right and bottom, fractions of the frame.
        predicted: Whether the sender guessed the box.
    """
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) if math.isfinite(edge) else math.nan for edge in box)
    known = "" if name is None else str(name)
    good = 1.0 if score is None else score
    if not (left < right and top < bottom and 0.0 <= good <= 1.0 and len(known) <= _LONGEST):
        return None
    return Seen(known, (label or "")[:_LONGEST], good, (left, top, right, bottom), predicted)


def kept(objects: Iterable[Seen | None]) -> tuple[tuple[Seen, ...], int]:
    """The objects that are some, at most `MOST`, none twice; and how many others there were."""
    found: dict[object, Seen] = {}
    others = 0
    for number, one in enumerate(objects):
        if one is None or len(found) >= MOST:
            others += 1
            continue
        key: object = one.id or number
        others += key in found
        found[key] = one
    return tuple(found.values()), others


def microseconds(moment: datetime) -> int:
    """A time as microseconds since 1970; one without a zone is in UTC.

    Raises:
        MessageError: It is before 1970.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return possible((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def possible(captured_us: float) -> int:
    """A time in microseconds since 1970.

    Raises:
        MessageError: It is not between 1970 and 9999.
    """
    if not 0 <= captured_us <= _LAST_US:
        raise MessageError(f"its time {captured_us!r} is not between 1970 and 9999")
    return int(captured_us)
