"""Events as rows, and what the worker that leads has to know of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from shared.wire.messages import Event
from viewer_server.stored.nodes.times import believed

_NUL = b"\\u0000"


class Row(NamedTuple):
    """One event on its way into the database.

    Attributes:
        node: The node's identifier.
        boot: The boot of its outbox.
        number: Its number in the boot.
        occurred_us: When it happened, as far as that is believed.
        corrected: Whether that is the time of arrival, so that it is another one when the event comes again.
        body: The event as JSON.
        lowest: The lowest number that the node could still send; 1 if it did not say.
        gap: Of a gap event: boot, first and last number of the events that were given up.
    """

    node: str
    boot: str
    number: int
    occurred_us: int
    corrected: bool
    body: bytes
    lowest: int
    gap: tuple[str, int, int] | None

    def line(self) -> bytes:
        """The row in the text format of COPY, which takes a backslash for the beginning of an escape."""
        flag = b"t" if self.corrected else b"f"
        head = f"{self.node}\t{self.boot}\t{self.number}\t{self.occurred_us}\t".encode()
        return b"".join((head, flag, b"\t", self.body.replace(b"\\", b"\\\\"), b"\n"))


def row(event: Event, wall_us: int, sent: bytes | None = None) -> Row | None:
    """The row of an event; None for one that has no boot and number, and so can be stored by nobody.

    Args:
        event: As the node sent it.
        wall_us: When it arrived, microseconds UTC.
        sent: The event as JSON, if not all of it is known here; it is kept whole.
    """
    if event.boot is None or event.number is None:
        return None
    occurred_us = believed(event.occurred_us, wall_us)
    fields = {name: value for name, value in vars(event).items() if value is not None}
    body = orjson.dumps(fields)
    if sent is not None:
        with suppress(orjson.JSONDecodeError):  # it is stricter than what has read the event
            body = orjson.dumps(orjson.loads(sent))
    if _NUL in body:  # JSON has this character, PostgreSQL's texts have not
        body = orjson.dumps(_without_nul(orjson.loads(body)))
    gap = None if event.gap is None else (event.gap.boot, event.gap.first, event.gap.last)
    lowest = 1 if event.oldest is None else max(1, min(event.oldest, event.number))
    return Row(
        event.node, event.boot, event.number, occurred_us, occurred_us != event.occurred_us, body, lowest, gap
    )


def _without_nul(value: Any) -> Any:
    """JSON with another character in the place of each NUL, at whatever depth, as in the text of an alert."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {name: _without_nul(one) for name, one in value.items()}
    return [_without_nul(one) for one in value] if isinstance(value, list) else value


@dataclass
class Arrival:
    """What a committed batch holds of one boot.

    Attributes:
        lowest: The lowest number that the node could still send when the last of these events was made.
        numbers: The numbers of its events, new ones and repeated ones.
        gaps: The first and last number of events of this boot that were given up.
        added: How many of the events were new.
    """

    lowest: int = 1
    numbers: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    added: int = 0


Key = tuple[str, str]
"""A node and one of its boots."""


def arrivals(rows: list[Row], added: dict[Key, int]) -> dict[Key, Arrival]:
    """What these rows hold of each boot.

    Args:
        rows: All of a batch.
        added: How many rows of each boot were new.
    """
    found: dict[Key, Arrival] = {}
    for one in rows:
        arrival = found.setdefault((one.node, one.boot), Arrival())
        arrival.lowest = max(arrival.lowest, one.lowest)
        arrival.numbers.append(one.number)
        if one.gap is not None:
            boot, first, last = one.gap
            found.setdefault((one.node, boot), Arrival()).gaps.append((first, last))
    for key, count in added.items():
        found[key].added = count
    return found


def pack(found: dict[Key, Arrival]) -> str:
    """Arrivals as the text of a row of the table `arrived`."""
    return orjson.dumps(
        [(*key, one.lowest, one.numbers, one.gaps, one.added) for key, one in found.items()]
    ).decode()


def unpack(text: str) -> list[tuple[Key, Arrival]]:
    """What `pack` has written."""
    return [
        ((node, boot), Arrival(lowest, numbers, [(first, last) for first, last in gaps], added))
        for node, boot, lowest, numbers, gaps, added in orjson.loads(text)
    ]
