"""Stored events, newest first: filtered, and page by page."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from shared.errors import MessageError
from shared.wire.messages import Event, decode_event
from viewer_server.stored.reading import Reader

PAGE_MAX = 500
MAX_WALKS = 64
"""Maximum index scans that are merged; the events of more places are found in one query, and sorted."""
LOOKED_AT, LOOKED_AT_ALL = 2000, 50_000
"""Events of a node, and of all, among which the newest of a kind are looked for at the start."""
_CURSOR = re.compile(r"(\d{1,16})-(\d{1,18})")
_EVER_US = 2**53


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events are wanted; None stands for all.

    Attributes:
        node: Name of the node.
        camera: Name of the camera.
        zone: Name of the zone or line.
        types: Types of events; empty for all.
        label: The object's class.
        from_us: Earliest moment, microseconds UTC.
        to_us: End of the range, exclusive.
    """

    node: str | None = None
    camera: str | None = None
    zone: str | None = None
    types: tuple[str, ...] = ()
    label: str | None = None
    from_us: int = 0
    to_us: int = _EVER_US


@dataclass(frozen=True)
class Position:
    """The last event of a page: the next page begins with the event after it."""

    occurred_us: int
    id: int

    def __str__(self) -> str:
        return f"{self.occurred_us}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position in a cursor.

        Raises:
            MessageError: It is no cursor of this API.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise MessageError("cursor: not one of this API; take `next` of the previous page")
        return cls(int(found[1]), int(found[2]))


Row = tuple[int, int, bytes]
"""occurred_us, id, payload."""


def page(
    db: Reader, wanted: Filter, limit: int, after: Position | None = None
) -> tuple[list[Event], Position | None]:
    """Events, the newest first.

    Args:
        db: To read from.
        wanted: Which events.
        limit: Maximum number of events.
        after: The end of the previous page.

    Returns:
        The events, and the end of this page; None when this is the last page.
    """
    rows = list(islice(_rows(db, wanted, limit + 1, after), limit + 1))
    more = Position(*rows[limit - 1][:2]) if len(rows) > limit else None
    return [event for row in rows[:limit] if (event := _decoded(row)) is not None], more


def _rows(db: Reader, wanted: Filter, limit: int, after: Position | None) -> Iterator[Row]:
    """Rows, merged from one index scan per place, so that a quiet camera is found fast among busy ones.

    Of many places, most have no newer event than others: one query takes the newest ids from the index alone,
    and only then are their rows read.
    """
    where, values = _conditions(wanted, after)
    order = "ORDER BY occurred_us DESC, id DESC LIMIT ?"
    if wanted.node is wanted.camera is wanted.zone is None:
        sql = f"SELECT occurred_us, id, payload FROM events INDEXED BY events_by_time WHERE {where} {order}"  # noqa: S608 - ours
        yield from db.execute(sql, (*values, limit))
        return
    sql = f"""SELECT occurred_us, id, payload FROM events INDEXED BY events_by_place
              WHERE place = ? AND {where} {order}"""  # noqa: S608 - ours
    places, names = _places(wanted)
    numbers = [number for (number,) in db.execute(f"{places} LIMIT ?", (*names, MAX_WALKS + 1))]
    if len(numbers) > MAX_WALKS:
        ids = f"""SELECT id FROM events INDEXED BY events_by_place
                  WHERE place IN ({places}) AND {where} {order}"""  # noqa: S608 - ours
        sql = "SELECT occurred_us, id, payload FROM events WHERE id = ?"
        for found in db.execute(ids, (*names, *values, limit)).fetchall():
            yield from db.execute(sql, found)
        return
    walks = []
    for number in numbers:
        db.check()
        walks.append(db.execute(sql, (number, *values, limit)))
    yield from merge(*walks, key=lambda row: row[:2], reverse=True)


def _conditions(wanted: Filter, after: Position | None) -> tuple[str, list[object]]:
    where, values = ["occurred_us >= ? AND occurred_us < ?"], [wanted.from_us, wanted.to_us]
    if after is not None:
        # The first condition lets the index skip; the second one is exact.
        where.append("occurred_us <= ? AND (occurred_us, id) < (?, ?)")
        values += [after.occurred_us, after.occurred_us, after.id]
    parameters: list[object] = list(values)
    if wanted.types:
        where.append(f"type IN ({', '.join('?' * len(wanted.types))})")
        parameters += wanted.types
    if wanted.label is not None:
        where.append("label = ?")
        parameters.append(wanted.label)
    return " AND ".join(where), parameters


def _places(wanted: Filter) -> tuple[str, list[object]]:
    """The SQL that selects the numbers of the wanted places, and its values."""
    names = {"node": wanted.node, "camera": wanted.camera, "zone": wanted.zone}
    given = {name: value for name, value in names.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in given)
    return f"SELECT id FROM places WHERE {where}", list(given.values())  # noqa: S608 - ours


def _decoded(row: Row) -> Event | None:
    try:
        return decode_event(row[2])[0]
    except MessageError:  # stored by another version of Darner
        return None


def newest_of_each(db: sqlite3.Connection, nodes: Collection[str], limit: int) -> Iterator[Event]:
    """The newest track events and the newest other events of each node, oldest first.

    Args:
        db: The history.
        nodes: The nodes.
        limit: How many of each kind; where there are many nodes, fewer of each node.
    """
    each = max(min(limit, 5), min(limit, 4 * limit // max(1, len(nodes))))
    looked_at = max(each, min(LOOKED_AT, LOOKED_AT_ALL // max(1, len(nodes))))
    for negation in ("", "NOT"):
        sql = f"""SELECT id, payload FROM (SELECT id, type, payload FROM events WHERE node = ?
                  ORDER BY boot DESC, number DESC LIMIT {looked_at})
                  WHERE type {negation} LIKE 'track_%' LIMIT ?"""  # noqa: S608 - ours
        rows = [row for node in nodes for row in db.execute(sql, (node, each))]
        for _, payload in sorted(rows):
            try:
                yield decode_event(payload)[0]
            except MessageError:  # stored by another version of Darner
                continue
